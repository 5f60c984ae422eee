//! When an outage is over, or every copy had to go, the users of a busy gateway are not looked up all at once and again and
//! again: each of them once, however many want them. `STAMPEDE_USERS` sets how many there are (300); the figures are printed.

use std::thread;
use std::time::Duration;

use portcullis::clock::Stopwatch;
use serde_json::Value;

use super::support::dice::number;
use super::support::gateway::{Gateway, PASSWORD};
use super::support::redis::RedisServer;
use super::support::wait;
use super::{house_at, with};

/// Word comes every second at least: copies are old as soon as it does not.
const SETTINGS: &str = "cache_ttl = \"1500ms\"\nmax_stale = \"60s\"\n[limits]\nper_ip = \"1000000/1s\"\n\
                        login_per_ip = \"1000000/1s\"\n";

/// At once, in the same order, so that many want the same user.
const CROWDS: usize = 6;

fn look_ups(gateway: &Gateway) -> f64 {
    gateway.metric("portcullis_store_duration_seconds_count{operation=\"user\"}")
}

/// Returns how many look-ups it took.
fn all_pass(gateway: &Gateway, everyone: &[Value]) -> f64 {
    let before = look_ups(gateway);
    thread::scope(|scope| {
        for _ in 0..CROWDS {
            scope.spawn(|| everyone.iter().for_each(|tokens| assert_eq!(with(gateway, "/x", tokens).status, 200)));
        }
    });
    look_ups(gateway) - before
}

fn is_back(gateway: &Gateway) {
    wait::until("logins work again", || gateway.try_login("u0@example.com", PASSWORD).status == 200);
}

#[test]
fn after_an_outage_nobody_is_looked_up_twice() {
    let server = RedisServer::with(&["--appendonly", "yes"]);
    let house = house_at(&server.url(), SETTINGS);
    let users = number("STAMPEDE_USERS").unwrap_or(300) as usize;
    house.add_user("u0@example.com", &[]);
    let hash = house.says(&["user", "export"], "");
    let lines = (1..users).map(|n| hash.trim().replace("u0@example.com", &format!("u{n}@example.com")) + "\n");
    std::fs::write(house.path("users.jsonl"), lines.collect::<String>()).unwrap();
    house.says(&["user", "import", house.path("users.jsonl").to_str().unwrap()], "");
    let gateway = house.run();
    let everyone: Vec<Value> = thread::scope(|scope| {
        let gateway = &gateway;
        let crowds: Vec<_> = (0..CROWDS)
            .map(|crowd| {
                let mine = (crowd..users).step_by(CROWDS);
                scope.spawn(move || mine.map(|n| gateway.login(&format!("u{n}@example.com"))).collect::<Vec<_>>())
            })
            .collect();
        crowds.into_iter().flat_map(|crowd| crowd.join().unwrap()).collect()
    });
    let calm = all_pass(&gateway, &everyone);
    assert!(calm <= users as f64 / 10.0, "{calm} look-ups of users who are known");

    server.kill();
    let down = Stopwatch::start();
    let away = all_pass(&gateway, &everyone);
    // The store is asked now and then whether it is back; that is not for each of them.
    assert!(away <= 20.0 + down.elapsed().as_secs_f64() * 4.0, "{away} look-ups while it is down");
    wait::until("copies are old", || down.elapsed() > Duration::from_secs(2));
    server.start_again();
    is_back(&gateway);
    let after = all_pass(&gateway, &everyone);
    assert!(after <= users as f64, "{after} look-ups of {users} users");

    // A feed that does not reach back: every copy goes. Of those who changed lately, the records are read once more.
    server.cli(&["DEL", "{portcullis}:f"]);
    server.cli(&["XADD", "{portcullis}:f", "1-1", "k", "s"]);
    let before = look_ups(&gateway);
    wait::until("the gap is heard", || look_ups(&gateway) >= before + users as f64);
    is_back(&gateway);
    let anew = all_pass(&gateway, &everyone);
    assert!(anew <= users as f64 * 1.1, "{anew} look-ups of {users} users");
    println!(
        "{users} users, each asked for {CROWDS} times at once; look-ups: {calm} before, {away} while it was down, {after} after, \
         {anew} after a gap"
    );
}
