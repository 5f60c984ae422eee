//! TLS of the public listener, HTTP/1 and HTTP/2 over it, and a certificate that is replaced while it runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::gateway::{Gateway, House, usual};
use support::origin::Origin;
use support::tls::{Certificate, Secure, client};
use support::wait::until;

const TLS: &str = "tls = { certificate_file = \"chain.pem\", private_key_file = \"key.pem\" }";

fn house(origin: &Origin, certificate: &Certificate, server: &str) -> Arc<House> {
    let house = House::new(&usual(origin.address, &format!("{TLS}\n{server}"), ""));
    certificate.write(&house);
    house.add_user("ann@example.com", &["admin"]);
    house
}

#[test]
fn requests_are_served_over_tls_and_the_app_is_told_so() {
    let (origin, certificate) = (Origin::start(), Certificate::new());
    let gateway = house(&origin, &certificate, "").run();
    let mut wire = Secure::to(gateway.listen, &certificate, &[]);
    let answer = wire.ask("GET /public/ HTTP/1.1\r\nHost: gw.example\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(origin.last().all("x-forwarded-proto"), ["https"]);
    assert!(!answer.to_ascii_lowercase().contains("strict-transport-security"), "an app speaks for itself");
    let ours = wire.ask("GET /x HTTP/1.1\r\nHost: gw.example\r\n\r\n");
    assert!(ours.starts_with("HTTP/1.1 401"), "{ours}");
    assert!(ours.to_ascii_lowercase().contains("strict-transport-security: max-age=31536000"), "{ours}");
}

#[test]
fn what_is_refused_unparsed_is_answered_over_tls_too() {
    let (origin, certificate) = (Origin::start(), Certificate::new());
    let gateway = house(&origin, &certificate, "").run();
    let answer = Secure::to(gateway.listen, &certificate, &[]).ask("GET /public/ HTTP/1.1\nHost: gw.example\n\n");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("bad_request"), "{answer}");
}

#[test]
fn who_does_not_finish_the_handshake_is_sent_away() {
    let (origin, certificate) = (Origin::start(), Certificate::new());
    let gateway = house(&origin, &certificate, "header_timeout = \"1s\"").run();
    let mut silent = TcpStream::connect(gateway.listen).unwrap();
    silent.write_all(b"\x16\x03\x01").unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0, "closed");
    let mut plain = TcpStream::connect(gateway.listen).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "plain HTTP is not answered on a port of TLS");
    until("both are counted", || {
        let ended =
            |reason: &str| gateway.metric(&format!("portcullis_connections_ended_total{{reason=\"{reason}\"}}"));
        ended("header_timeout") >= 1.0 && ended("tls_handshake") >= 1.0
    });
}

#[test]
fn a_new_certificate_is_taken_without_dropping_a_connection() {
    let (origin, old, new) = (Origin::start(), Certificate::new(), Certificate::new());
    let house = house(&origin, &old, "");
    let gateway = house.run();
    let mut before = Secure::to(gateway.listen, &old, &[]);
    let get = "GET /public/ HTTP/1.1\r\nHost: gw.example\r\n\r\n";
    assert!(before.ask(get).starts_with("HTTP/1.1 200"));

    new.write(&house);
    gateway.signal(Signal::SIGHUP);
    gateway.wait_for_line("the configuration was reloaded");
    assert!(Secure::to(gateway.listen, &new, &[]).ask(get).starts_with("HTTP/1.1 200"), "the new one is shown");
    assert!(client(gateway.listen, &old, &[]).is_err(), "and no longer the old one");
    assert!(before.ask(get).starts_with("HTTP/1.1 200"), "the old connection goes on");

    std::fs::write(house.path("key.pem"), "no key").unwrap();
    gateway.signal(Signal::SIGHUP);
    gateway.wait_for_line("this file holds no private key");
    assert!(
        Secure::to(gateway.listen, &new, &[]).ask(get).starts_with("HTTP/1.1 200"),
        "a broken file changes nothing"
    );
}

#[test]
fn a_certificate_that_cannot_be_used_starts_nothing() {
    let (origin, certificate, other) = (Origin::start(), Certificate::new(), Certificate::new());
    let house = house(&origin, &certificate, "");
    for (chain, key, says) in [
        ("", certificate.key.as_str(), "holds no certificate"),
        (certificate.chain.as_str(), "", "holds no private key"),
        (certificate.chain.as_str(), other.key.as_str(), "does not belong"),
    ] {
        std::fs::write(house.path("chain.pem"), chain).unwrap();
        std::fs::write(house.path("key.pem"), key).unwrap();
        for command in ["check", "run"] {
            let output = house.command(&[command], "");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && said.contains(says), "{command}: {said}");
            assert!(key.lines().skip(1).filter(|line| line.len() > 20).all(|line| !said.contains(line)), "{said}");
        }
    }
}

#[test]
fn only_modern_versions_of_tls_are_spoken() {
    let (origin, certificate) = (Origin::start(), Certificate::new());
    let gateway: Gateway = house(&origin, &certificate, "").run();
    // A ClientHello that offers TLS 1.1 and nothing else (RFC 4346 section 7.4.1.2).
    let body = [&[3, 2][..], &[7; 32], &[0], &[0, 2, 0xc0, 0x13], &[1, 0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    let hello = [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat();
    let mut old = TcpStream::connect(gateway.listen).unwrap();
    old.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    old.write_all(&hello).unwrap();
    let mut said = Vec::new();
    let _ = old.read_to_end(&mut said);
    assert!(said.first().is_none_or(|kind| *kind == 0x15), "an alert, or nothing: {said:?}");
}
