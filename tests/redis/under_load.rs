//! Redis dies again and again while people sign in and come again: whatever was answered holds, whatever was not can be asked
//! again, and nobody is signed out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use portcullis::clock::Stopwatch;
use serde_json::Value;

use super::support::Answer;
use super::support::gateway::{Gateway, PASSWORD, PATIENCE};
use super::support::redis::RedisServer;
use super::support::wait;
use super::{Over, house, with};

const PEOPLE: usize = 4;

const UNLIMITED: &str = r#"cache_ttl = "100ms"
max_stale = "60s"
[limits]
per_ip = "1000000/1s"
login_per_ip = "1000000/1s"
login_per_account = "1000000/1s"
"#;

/// Until there is an answer; anything but that and "come again" is wrong.
fn insist(ask: impl Fn() -> Answer) -> Value {
    let watch = Stopwatch::start();
    loop {
        let answer = ask();
        assert!(watch.elapsed() < PATIENCE, "it does not come back");
        match answer.status {
            200 => return answer.json(),
            503 => assert_eq!(answer.code(), "unavailable"),
            _ => panic!("{} {}", answer.status, answer.body),
        }
    }
}

#[test]
fn a_server_that_dies_under_load_loses_nothing_that_was_answered() {
    let server = RedisServer::start();
    let house = house(&server, UNLIMITED);
    let gateways = [house.run(), house.run()];
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let comes_and_goes = |me: usize| {
        let gateway = |turn: usize| -> &Gateway { &gateways[(me + turn) % 2] };
        let (mut kept, mut turn) = (Vec::new(), 0);
        while !over.load(Ordering::Relaxed) {
            let mut tokens = insist(|| gateway(turn).try_login("bob@example.com", PASSWORD));
            for _ in 0..5 {
                turn += 1;
                tokens = insist(|| gateway(turn).refresh(&tokens["refreshToken"]));
                insist_on_passing(gateway(turn), &tokens);
                done.fetch_add(1, Ordering::Relaxed);
            }
            kept.push(tokens);
        }
        kept
    };
    let kept: Vec<Value> = thread::scope(|scope| {
        let ends = Over(&over);
        let people: Vec<_> = (0..PEOPLE)
            .map(|me| {
                scope.spawn({
                    let comes_and_goes = &comes_and_goes;
                    move || comes_and_goes(me)
                })
            })
            .collect();
        for _ in 0..3 {
            let before = done.load(Ordering::Relaxed);
            wait::until("everyone is busy", || done.load(Ordering::Relaxed) > before + 20);
            server.kill();
            server.start_again();
        }
        let before = done.load(Ordering::Relaxed);
        wait::until("everyone goes on", || done.load(Ordering::Relaxed) > before + 20);
        drop(ends);
        people.into_iter().flat_map(|person| person.join().unwrap()).collect()
    });
    // A user keeps a hundred sessions.
    assert!(kept.len() >= PEOPLE);
    for tokens in kept.iter().rev().take(20) {
        assert!(gateways.iter().all(|gateway| with(gateway, "/x", tokens).status == 200));
        assert_eq!(gateways[0].refresh(&tokens["refreshToken"]).status, 200);
    }
}

/// A token that nobody has asked the store about may have to wait until it is back.
fn insist_on_passing(gateway: &Gateway, tokens: &Value) {
    let watch = Stopwatch::start();
    loop {
        assert!(watch.elapsed() < PATIENCE, "it does not come back");
        match with(gateway, "/x", tokens).status {
            200 => return,
            503 => {}
            other => panic!("{other}"),
        }
    }
}
