//! When Redis misbehaves: users who are known pass, the rest is told to come again, nobody is signed out, and nothing needs
//! a restart when it is over.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portcullis::clock::Stopwatch;
use serde_json::Value;

use super::relay::Relay;
use super::support::gateway::{Gateway, PASSWORD};
use super::support::redis::{RedisServer, Reply, free_port};
use super::support::{Answer, wait};
use super::{house, house_at, with};

/// Far more than it takes, and far less than a client would wait for.
const QUICKLY: Duration = Duration::from_secs(4);

/// Copies are old at once, so that every request would ask the store if it could.
const OLD_COPIES: &str = "cache_ttl = \"100ms\"\nmax_stale = \"60s\"\n";

const UNLIMITED: &str = "[limits]\nper_ip = \"1000000/1s\"\n";

fn quickly(what: impl FnOnce() -> Answer) -> Answer {
    let watch = Stopwatch::start();
    let answer = what();
    assert!(watch.elapsed() < QUICKLY, "{:?}: {}", watch.elapsed(), answer.body);
    answer
}

fn comes_again(answer: &Answer) {
    answer.is_problem(503, "unavailable");
    assert!(answer.field("retry-after").parse::<u32>().unwrap() > 0);
}

/// Nothing that needs a write works; whoever is known passes.
fn only_known_users_pass(gateway: &Gateway, known: &Value) {
    comes_again(&quickly(|| gateway.try_login("bob@example.com", PASSWORD)));
    comes_again(&quickly(|| gateway.refresh(&known["refreshToken"])));
    for _ in 0..20 {
        let answer = quickly(|| with(gateway, "/x", known));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// Also with the token that was refused a moment ago.
fn all_is_well(gateway: &Gateway, known: &Value) {
    wait::until("logins work again", || gateway.try_login("bob@example.com", PASSWORD).status == 200);
    wait::until("refreshing works again", || gateway.refresh(&known["refreshToken"]).status == 200);
    assert_eq!(with(gateway, "/x", known).status, 200);
    wait::until("it is ready", || gateway.admin("/readyz").status == 200);
    gateway.house.says(&["user", "disable", "bob@example.com"], "");
    gateway.house.says(&["user", "disable", "ann@example.com"], "");
    wait::until("the feed is heard", || with(gateway, "/x", known).status == 401);
}

fn through(server: &RedisServer, breaks: impl FnOnce(), mends: impl FnOnce()) {
    through_for(Duration::ZERO, server, breaks, mends);
}

fn through_for(lasts: Duration, server: &RedisServer, breaks: impl FnOnce(), mends: impl FnOnce()) {
    let gateway = house(server, &format!("{OLD_COPIES}{UNLIMITED}")).run();
    let known = gateway.login("ann@example.com");
    assert_eq!(with(&gateway, "/x", &known).status, 200);
    breaks();
    let watch = Stopwatch::start();
    loop {
        only_known_users_pass(&gateway, &known);
        if watch.elapsed() >= lasts {
            break;
        }
    }
    mends();
    all_is_well(&gateway, &known);
}

#[test]
fn a_server_that_was_killed_is_found_again() {
    let server = RedisServer::start();
    through(&server, || server.kill(), || server.start_again());
}

#[test]
fn a_server_that_stands_still_holds_nobody_up() {
    let server = RedisServer::start();
    through_for(Duration::from_secs(10), &server, || server.freeze(), || server.thaw());
}

#[test]
fn a_server_without_memory_can_still_be_read() {
    let server = RedisServer::start();
    let set = |limit: &str| assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", limit]), Reply::Text("OK".into()));
    through(&server, || set("1"), || set("0"));
}

#[test]
fn a_read_only_replica_can_still_be_read() {
    let server = RedisServer::start();
    let nobody = free_port().to_string();
    let follow = |host: &str, port: &str| assert_eq!(server.cli(&["REPLICAOF", host, port]), Reply::Text("OK".into()));
    through(&server, || follow("127.0.0.1", &nobody), || follow("NO", "ONE"));
}

/// What is asked of the store is asked once in a while, by one request: the others do not wait with it.
#[test]
fn known_users_do_not_feel_it() {
    let server = RedisServer::start();
    let gateway = house(&server, &format!("{OLD_COPIES}{UNLIMITED}")).run();
    let known = gateway.login("ann@example.com");
    let p99 = |when: &str| {
        let mut took: Vec<Duration> = (0..400)
            .map(|_| {
                let watch = Stopwatch::start();
                assert_eq!(with(&gateway, "/x", &known).status, 200, "{when}");
                watch.elapsed()
            })
            .collect();
        took.sort_unstable();
        println!("{when}: p50 {:?}, p99 {:?}, max {:?}", took[200], took[396], took[399]);
        took[396]
    };
    let before = p99("before");
    server.freeze();
    let frozen = p99("while it stands still");
    server.thaw();
    wait::until("logins work again", || gateway.try_login("bob@example.com", PASSWORD).status == 200);
    let between = p99("between");
    server.kill();
    let down = p99("while it is down");
    server.start_again();
    wait::until("logins work again", || gateway.try_login("bob@example.com", PASSWORD).status == 200);
    let after = p99("after");
    let most = (before.max(between).max(after) * 10).max(Duration::from_millis(250));
    assert!(frozen < most && down < most, "{frozen:?}, {down:?}");
}

#[test]
fn copies_that_are_too_old_are_no_answer() {
    let server = RedisServer::start();
    let gateway = house(&server, "cache_ttl = \"100ms\"\nmax_stale = \"1s\"\n").run();
    let known = gateway.login("ann@example.com");
    assert_eq!(with(&gateway, "/x", &known).status, 200);
    server.kill();
    wait::until("the copy is too old", || {
        let answer = quickly(|| with(&gateway, "/x", &known));
        assert!([200, 503].contains(&answer.status), "never 401 for our own trouble: {}", answer.body);
        answer.status == 503
    });
    comes_again(&with(&gateway, "/x", &known));
    server.start_again();
    wait::until("it works again", || with(&gateway, "/x", &known).status == 200);
    all_is_well(&gateway, &known);
}

#[test]
fn a_line_on_which_nothing_arrives_is_replaced() {
    let server = RedisServer::start();
    let relay = Relay::to(server.address());
    let house = house_at(&format!("redis://{}", relay.address), OLD_COPIES);
    house.add_usual_users();
    let gateway = house.run();
    let known = gateway.login("ann@example.com");
    for _ in 0..3 {
        relay.swallow();
        wait::until("a login over a new line", || gateway.try_login("bob@example.com", PASSWORD).status == 200);
        assert_eq!(with(&gateway, "/x", &known).status, 200);
    }
    all_is_well(&gateway, &known);
}

#[test]
fn a_server_that_still_reads_its_data_is_waited_for() {
    let server = RedisServer::start();
    let gateway = house(&server, OLD_COPIES).run();
    let known = gateway.login("ann@example.com");
    assert_eq!(with(&gateway, "/x", &known).status, 200);
    server.cli(&["EVAL", "for n = 1, 40000 do redis.call('SET', 'other:' .. n, n) end", "0"]);
    server.kill();
    // In microseconds for each key: it takes some seconds.
    server.begin_again(&["--key-load-delay", "100"]);
    let loading = || matches!(server.try_cli(&["PING"]), Some(Reply::Error(said)) if said.starts_with("LOADING"));
    wait::until("it reads its data", loading);
    comes_again(&quickly(|| gateway.try_login("bob@example.com", PASSWORD)));
    assert_eq!(quickly(|| with(&gateway, "/x", &known)).status, 200);
    assert!(loading(), "it was over too soon to have shown anything");
    all_is_well(&gateway, &known);
}

#[test]
fn a_gateway_waits_for_a_server_that_is_not_there_yet() {
    let port = free_port();
    let house = house_at(&format!("redis://127.0.0.1:{port}"), "");
    let refused = house.tried(&["user", "list"], "").refused();
    assert!(refused.contains(&format!("127.0.0.1:{port}")) && refused.contains("[store]"), "{refused}");
    let starting = thread::spawn({
        let house = Arc::clone(&house);
        move || house.run()
    });
    let server = RedisServer::on(port, &[]);
    let gateway = starting.join().unwrap();
    house.add_user("bob@example.com", &[]);
    assert_eq!(gateway.try_login("bob@example.com", PASSWORD).status, 200);
    let said = gateway.log();
    assert!(said.contains("appendonly"), "a server that forgets is worth a warning: {said}");
    drop(server);
}

/// It goes between the first connection, over which the store is opened, and the second, over which its feed is read.
#[test]
fn a_server_that_goes_while_a_gateway_starts_is_waited_for_too() {
    let server = RedisServer::start();
    house(&server, "");
    let relay = Relay::to(server.address());
    relay.at_most(1);
    let house = house_at(&format!("redis://{}", relay.address), "");
    let gateway = house.run();
    gateway.wait_for_line("waiting for the store");
    relay.at_most(usize::MAX);
    assert_eq!(gateway.try_login("bob@example.com", PASSWORD).status, 200);
    assert_eq!(gateway.admin("/readyz").status, 200);
}

#[test]
fn a_gateway_that_waits_can_be_stopped() {
    let house = house_at(&format!("redis://127.0.0.1:{}", free_port()), "");
    let mut child = house.spawn(&["run"], Stdio::null());
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("waiting for the store"), "{said}");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
}
