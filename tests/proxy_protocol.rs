//! Behind a load balancer that says who is calling by the PROXY protocol.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::Write;
use std::net::TcpStream;

use support::gateway::{Gateway, House, usual};
use support::origin::Origin;
use support::tls::{Certificate, Secure};
use support::wait::until;
use support::wire::Wire;

const GET: &str = "GET /public/ HTTP/1.1\r\nHost: gw\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";

fn start(trusted: &str) -> (Origin, Gateway) {
    let origin = Origin::start();
    let server = format!("proxy_protocol = true\ntrusted_proxies = [\"{trusted}\"]");
    let gateway = Gateway::usual(origin.address, &server, "");
    (origin, gateway)
}

fn v2(addresses: &[u8], family: u8) -> Vec<u8> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [&signature[..], &[0x21, family], &length, addresses].concat()
}

#[test]
fn the_balancer_says_who_is_calling_and_the_client_cannot() {
    let (origin, gateway) = start("127.0.0.1/32");
    let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x13, 0x88, 1, 0xbb];
    let six: Vec<u8> =
        [[0x20, 1, 0xd, 0xb8], [0; 4], [0; 4], [0, 0, 0, 7], [0; 4], [0; 4], [0; 4], [0, 0, 0, 1]].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 5000 443\r\n".to_vec(), "2001:db8::7"),
        (v2(&four, 0x11), "192.0.2.7"),
        (v2(&[&six[..], &[0x13, 0x88, 1, 0xbb]].concat(), 0x21), "2001:db8::7"),
    ] {
        let mut wire = Wire::to(gateway.listen);
        assert_eq!(wire.send(&header).send(GET).answer().unwrap().status, 200);
        assert_eq!(origin.last().all("x-forwarded-for"), [client]);
        assert_eq!(wire.send(GET).answer().unwrap().status, 200, "once for a connection");
        gateway.wait_for_line(&format!("ip={client}"));
    }
}

/// A load balancer before a proxy before the gateway: the proxy is trusted, and says more.
#[test]
fn a_trusted_proxy_behind_the_balancer_is_believed() {
    let origin = Origin::start();
    let server = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1/32\", \"10.0.0.0/8\"]";
    let gateway = Gateway::usual(origin.address, server, "");
    for (proxy, client) in [("10.0.0.9", "6.6.6.6"), ("::ffff:10.0.0.9", "6.6.6.6"), ("192.0.2.7", "192.0.2.7")] {
        let family = if proxy.contains(':') { "TCP6" } else { "TCP4" };
        let to = if proxy.contains(':') { "::1" } else { "10.0.0.1" };
        let header = format!("PROXY {family} {proxy} {to} 5000 443\r\n");
        assert_eq!(Wire::to(gateway.listen).send(header).send(GET).answer().unwrap().status, 200, "{proxy}");
        gateway.wait_for_line(&format!("ip={client}"));
        let chain = if client == proxy { vec![client.to_owned()] } else { vec!["6.6.6.6, 10.0.0.9".to_owned()] };
        assert_eq!(origin.last().all("x-forwarded-for"), chain, "{proxy}");
    }
}

#[test]
fn a_header_may_come_byte_by_byte() {
    let (origin, gateway) = start("127.0.0.1/32");
    for header in
        [b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n".to_vec(), v2(&[192, 0, 2, 7, 10, 0, 0, 1, 1, 1, 1, 1], 0x11)]
    {
        let mut wire = Wire::to(gateway.listen);
        for byte in header.iter().chain(GET.as_bytes()) {
            wire.send([*byte]);
        }
        assert_eq!(wire.answer().unwrap().status, 200);
        assert_eq!(origin.last().all("x-forwarded-for"), ["192.0.2.7"]);
    }
}

#[test]
fn what_else_a_balancer_says_is_passed_over_up_to_a_bound() {
    let (origin, gateway) = start("127.0.0.1/32");
    let with_tlv = |bytes: u16| {
        let tlv = [&[0xea][..], &bytes.to_be_bytes(), &vec![b'G'; usize::from(bytes)]].concat();
        v2(&[&[192, 0, 2, 7, 10, 0, 0, 1, 1, 1, 1, 1][..], &tlv].concat(), 0x11)
    };
    assert_eq!(Wire::to(gateway.listen).send(with_tlv(4000)).send(GET).answer().unwrap().status, 200);
    assert_eq!(origin.last().all("x-forwarded-for"), ["192.0.2.7"]);
    for huge in [4200, 60_000] {
        assert!(Wire::to(gateway.listen).send(with_tlv(huge)).send(GET).answer().is_none(), "{huge}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn who_does_not_finish_the_header_is_sent_away() {
    let origin = Origin::start();
    let server = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1/32\"]\nheader_timeout = \"1s\"";
    let gateway = Gateway::usual(origin.address, server, "");
    for begin in [&b""[..], b"PROXY TCP4 192.0.2.7", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\x00"] {
        let mut wire = Wire::to(gateway.listen);
        assert!(wire.send(begin).is_closed(), "{}", begin.escape_ascii());
    }
    until("each is counted", || gateway.metric("portcullis_connections_ended_total{reason=\"header_timeout\"}") == 3.0);
    assert!(origin.seen().is_empty());
}

#[test]
fn tls_begins_after_the_header() {
    let (origin, certificate) = (Origin::start(), Certificate::new());
    let server = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1/32\"]\n\
                  tls = { certificate_file = \"chain.pem\", private_key_file = \"key.pem\" }";
    let house = House::new(&usual(origin.address, server, ""));
    certificate.write(&house);
    let gateway = house.run();
    for header in
        [b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n".to_vec(), v2(&[192, 0, 2, 7, 10, 0, 0, 1, 1, 1, 1, 1], 0x11)]
    {
        let mut tcp = TcpStream::connect(gateway.listen).unwrap();
        tcp.write_all(&header).unwrap();
        let answer = Secure::over(tcp, &certificate).ask(GET);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(origin.last().all("x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(origin.last().all("x-forwarded-proto"), ["https"]);
    }
    let without = support::tls::client(gateway.listen, &certificate, &[]);
    assert!(without.is_err(), "a handshake is no header");
}

#[test]
fn a_health_check_of_the_balancer_is_served() {
    let (_origin, gateway) = start("127.0.0.1/32");
    assert_eq!(Wire::to(gateway.listen).send("PROXY UNKNOWN\r\n").send(GET).answer().unwrap().status, 200);
}

#[test]
fn without_its_header_no_connection_is_served() {
    let (origin, gateway) = start("127.0.0.1/32");
    for begin in
        ["", "PROXY TCP4 junk\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\n", "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"]
    {
        assert!(Wire::to(gateway.listen).send(begin).send(GET).answer().is_none(), "{begin:?}");
    }
    assert!(origin.seen().is_empty());
    until("it is counted", || gateway.metric("portcullis_connections_ended_total{reason=\"proxy_header\"}") >= 4.0);
}

#[test]
fn a_stranger_cannot_say_who_is_calling() {
    let (origin, gateway) = start("192.0.2.0/24");
    let header = "PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\n";
    assert!(Wire::to(gateway.listen).send(header).send(GET).answer().is_none());
    assert!(origin.seen().is_empty());
}

#[test]
fn the_cap_is_on_the_clients_address_and_not_on_the_balancers() {
    let origin = Origin::start();
    let server = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1/32\"]\nmax_connections_per_ip = 1";
    let gateway = Gateway::usual(origin.address, server, "");
    let connect = |ip: &str| {
        let mut wire = Wire::to(gateway.listen);
        let status = wire.send(format!("PROXY TCP4 {ip} 10.0.0.1 5000 443\r\n{GET}")).answer().map(|a| a.status);
        (wire, status)
    };
    let (_held, first) = connect("192.0.2.1");
    assert_eq!(first, Some(200));
    assert_eq!(connect("192.0.2.1").1, None);
    assert_eq!(connect("192.0.2.2").1, Some(200));
}

#[test]
fn it_needs_trusted_proxies() {
    let origin = Origin::start();
    let house = House::new(&usual(origin.address, "proxy_protocol = true", ""));
    let output = house.command(&["check"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("trusted_proxies must name the balancers"));
}
