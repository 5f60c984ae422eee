//! How connections end: a client who is refused while it is still sending hears why, and not for long; one who vanishes
//! is noticed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use support::gateway::Gateway;
use support::origin::{self, Origin};
use support::wait::until;
use support::wire::{Wire, connections};

/// An end that comes later than this has not come.
const LIMIT: Duration = Duration::from_secs(20);

/// Send a little again and again. Returns whether the other end had gone within [`LIMIT`].
#[allow(clippy::disallowed_methods, reason = "the time that a slow client takes is what this is about")]
fn goes(wire: &mut Wire) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        if wire.stream.get_mut().write_all(b"a").is_err() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

#[test]
fn who_is_refused_is_not_listened_to_for_long() {
    let origin = Origin::start();
    let gateway = Gateway::usual(origin.address, "header_timeout = \"60s\"", "");
    let mut wire = Wire::to(gateway.listen);
    assert_eq!(wire.send("GET /public/ HTTP/1.1\r\nno colon\r\n").answer().unwrap().status, 400);
    assert!(goes(&mut wire), "it listens on and on");
}

#[test]
fn who_is_refused_in_the_middle_of_a_body_is_not_reset_under_the_answer() {
    let origin = Origin::start();
    let gateway = Gateway::usual(origin.address, "max_request_body = \"1KiB\"\nheader_timeout = \"60s\"", "");
    let chunk = format!("800\r\n{}\r\n", "a".repeat(2048));
    for (path, status) in [("/public/", 413), ("/auth/nothing", 404)] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..10 {
            let mut wire = Wire::to(gateway.listen);
            assert_eq!(wire.send(&head).send(&chunk).answer().unwrap().status, status);
            assert!(wire.is_closed(), "an end follows the answer");
            let heard = (0..10).all(|_| wire.stream.get_mut().write_all(chunk.as_bytes()).is_ok());
            assert!(heard, "{path}: reset");
        }
        let mut wire = Wire::to(gateway.listen);
        wire.send(&head).send(&chunk).answer().unwrap();
        assert!(goes(&mut wire), "it listens on and on");
    }
}

#[test]
fn told_to_go_on_a_client_still_hears_that_the_app_failed() {
    let origin = Origin::with(|seen, stream| {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        stream.write_all(interim.as_bytes()).unwrap();
        if seen.path() == "/public/fine" {
            origin::answer(stream, "200 OK", &[], b"fine");
        }
        false
    });
    let gateway = Gateway::usual(origin.address, "", "");
    for (path, status) in [("fine", 200), ("broken", 502)] {
        let mut wire = Wire::to(gateway.listen);
        wire.send(format!("GET /public/{path} HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\n\r\n"));
        assert_eq!(wire.head().unwrap().0, 100);
        assert_eq!(wire.answer().map(|answer| answer.status), Some(status));
    }
}

#[test]
fn a_client_who_vanishes_is_noticed() {
    let origin = Origin::start();
    let gateway = Gateway::usual(origin.address, "", "");
    let wire = Wire::to(gateway.listen);
    until("the system asks after it", || {
        // The timer that runs at its end is of kind 2, keepalive.
        wire.other_end(&connections()).is_some_and(|line| line[5].starts_with("02:"))
    });
}
