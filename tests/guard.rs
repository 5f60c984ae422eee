//! Slow and greedy clients: each is cut off, and the good client beside them is served.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::gateway::{Gateway, House, usual};
use support::origin::Origin;
use support::wait::until;
use support::wire::Wire;

const GET: &str = "GET /public/ HTTP/1.1\r\nHost: gw\r\n\r\n";
/// A cut that comes later than this has not come.
const LIMIT: Duration = Duration::from_secs(15);

/// Send `bytes` one by one, some time apart, until the other end has had enough. Returns whether it had.
#[allow(clippy::disallowed_methods, reason = "the time that a slow client takes is what this is about")]
fn drip(mut stream: &TcpStream, bytes: &[u8], apart: Duration) -> bool {
    stream.set_read_timeout(Some(apart)).unwrap();
    let begin = Instant::now();
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).is_err() {
            return true;
        }
        match stream.read(&mut [0; 4096]) {
            Ok(_) => return true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
        if begin.elapsed() > LIMIT {
            return false;
        }
    }
    unreachable!("the bytes go round")
}

fn start(server: &str) -> (Origin, Gateway) {
    let origin = Origin::start();
    let gateway = Gateway::usual(origin.address, server, "");
    (origin, gateway)
}

#[test]
fn a_head_that_drips_is_cut_off() {
    let (origin, gateway) = start("header_timeout = \"1s\"");
    let wire = Wire::to(gateway.listen);
    let head = b"GET /public/ HTTP/1.1\r\nHost: gw\r\nX: ";
    wire.stream.get_ref().write_all(head).unwrap();
    assert!(drip(wire.stream.get_ref(), b"a", Duration::from_millis(50)), "it went on dripping");
    until("it is counted", || gateway.metric("portcullis_connections_ended_total{reason=\"header_timeout\"}") >= 1.0);
    assert!(origin.seen().is_empty());
}

#[test]
fn a_second_head_that_drips_is_cut_off_too() {
    let (_origin, gateway) = start("header_timeout = \"1s\"");
    let mut wire = Wire::to(gateway.listen);
    assert_eq!(wire.send(GET).answer().unwrap().status, 200);
    wire.send("GET /public/ HTTP/1.1\r\nX: ");
    assert!(drip(wire.stream.get_ref(), b"a", Duration::from_millis(50)), "it went on dripping");
}

#[test]
fn who_says_nothing_is_sent_away() {
    let (_origin, gateway) = start("header_timeout = \"1s\"\nidle_timeout = \"1s\"");
    assert!(Wire::to(gateway.listen).is_closed(), "at once");
    let mut wire = Wire::to(gateway.listen);
    assert_eq!(wire.send(GET).answer().unwrap().status, 200);
    assert!(wire.is_closed(), "between two requests");
}

#[test]
fn a_body_that_drips_is_cut_off() {
    let (_origin, gateway) = start("");
    let mut wire = Wire::to(gateway.listen);
    wire.send("POST /public/ HTTP/1.1\r\nHost: gw\r\nContent-Length: 100000\r\n\r\n");
    assert!(drip(wire.stream.get_ref(), b"a", Duration::from_millis(50)), "it went on dripping");
}

#[test]
fn one_address_does_not_take_every_place() {
    let (_origin, gateway) = start("max_connections_per_ip = 3");
    let mut held: Vec<Wire> = (0..3).map(|_| Wire::to(gateway.listen)).collect();
    for wire in &mut held {
        assert_eq!(wire.send(GET).answer().unwrap().status, 200);
    }
    assert!(Wire::to(gateway.listen).is_closed(), "one too many");
    until("it is counted", || gateway.metric("portcullis_connections_ended_total{reason=\"per_address\"}") >= 1.0);
    drop(held.pop());
    let again = || Wire::to(gateway.listen).send(GET).answer().map(|answer| answer.status);
    until("the place is given back", || again() == Some(200));
}

#[test]
fn a_trusted_proxy_has_as_many_connections_as_it_likes() {
    let (_origin, gateway) = start("max_connections_per_ip = 1\ntrusted_proxies = [\"127.0.0.1/32\"]");
    let mut held: Vec<Wire> = (0..5).map(|_| Wire::to(gateway.listen)).collect();
    for wire in &mut held {
        assert_eq!(wire.send(GET).answer().unwrap().status, 200);
    }
}

#[test]
fn a_full_house_makes_the_next_wait_and_serves_them_in_turn() {
    let (_origin, gateway) = start("max_connections = 2\nheader_timeout = \"1s\"");
    // They say nothing, and so lose their places after a second.
    let _greedy: Vec<Wire> = (0..2).map(|_| Wire::to(gateway.listen)).collect();
    assert_eq!(Wire::to(gateway.listen).send(GET).answer().unwrap().status, 200);
}

#[test]
fn the_good_client_is_served_beside_a_hundred_that_drip() {
    let (_origin, gateway) = start("header_timeout = \"2s\"");
    let slow: Vec<_> = (0..100)
        .map(|_| {
            let wire = Wire::to(gateway.listen);
            std::thread::spawn(move || drip(wire.stream.get_ref(), &GET.as_bytes()[..20], Duration::from_millis(100)))
        })
        .collect();
    let mut wire = Wire::to(gateway.listen);
    for _ in 0..50 {
        assert_eq!(wire.send(GET).answer().unwrap().status, 200);
    }
    assert!(slow.into_iter().all(|drips| drips.join().unwrap()), "some went on dripping");
}

/// Shells and service managers start a process with 1024 descriptors, whatever it may have.
#[test]
fn the_descriptors_that_the_connections_need_are_asked_for() {
    let app = Origin::start();
    let house = House::new(&usual(app.address, "max_connections = 1500\nthreads = 3", ""));
    let gateway = house.run_through(&["sh", "-c", "ulimit -Sn 512; exec \"$@\"", "sh"]);
    assert_eq!(open_files(&gateway), 2 * 1500 + 4 * 3 + 256);
    let gateway = house.run_through(&["sh", "-c", "ulimit -n 512; exec \"$@\"", "sh"]);
    assert_eq!(open_files(&gateway), 512);
    let line = gateway.wait_for_line("too few for max_connections = 1500");
    assert!(line.contains("LimitNOFILE"), "{line}");
}

#[test]
fn threads_that_cannot_be_had_start_nothing() {
    let house = House::new(&usual(Origin::start().address, "threads = 100", ""));
    let output = house.command_through(&["sh", "-c", "ulimit -n 200; exec \"$@\"", "sh"], &["run"], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("lower server.threads") && said.contains("Too many open files"), "{said}");
}

/// The soft limit, as the kernel has it.
fn open_files(gateway: &Gateway) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.child.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
