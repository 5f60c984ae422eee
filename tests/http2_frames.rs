//! HTTP/2 frame by frame, from clients who are slow or send what costs them nothing: each is cut off or made to wait, and
//! takes no memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::gateway::{Gateway, House, usual};
use support::origin::Origin;
use support::tls::{Certificate, Secure, Stream, client};
use support::wait::until;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A cut that comes later than this has not come.
const LIMIT: Duration = Duration::from_secs(30);

/// RFC 9113 section 6, by number.
mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const CONTINUATION: u8 = 9;
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that is sent as it stands (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| vec![u8::try_from(text.len()).unwrap()];
    [vec![0], length(name), name.as_bytes().to_vec(), length(value), value.as_bytes().to_vec()].concat()
}

fn head(method: &str, path: &str) -> Vec<u8> {
    [(":method", method), (":scheme", "https"), (":path", path), (":authority", "gw.example")]
        .map(|(name, value)| field(name, value))
        .concat()
}

struct Setting {
    certificate: Certificate,
    gateway: Gateway,
    _origin: Origin,
}

fn start(server: &str) -> Setting {
    let (origin, certificate) = (Origin::start(), Certificate::new());
    let tls = "tls = { certificate_file = \"chain.pem\", private_key_file = \"key.pem\" }";
    let house: Arc<House> = House::new(&usual(origin.address, &format!("{tls}\n{server}"), ""));
    certificate.write(&house);
    Setting { certificate, gateway: house.run(), _origin: origin }
}

impl Setting {
    fn connect(&self) -> Stream {
        let stream = client(self.gateway.listen, &self.certificate, &[b"h2"]).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        stream
    }

    /// After the preface and our settings.
    fn begin(&self) -> Stream {
        let mut stream = self.connect();
        stream.write_all(&[PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat()).unwrap();
        stream
    }

    fn serves_others(&self) -> bool {
        let mut other = Secure::to(self.gateway.listen, &self.certificate, &[]);
        other.ask("GET /public/ HTTP/1.1\r\nHost: gw.example\r\n\r\n").starts_with("HTTP/1.1 200")
    }

    /// What the gateway holds in memory, in bytes.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// Send `pieces` in turn, some time apart, until the other end has had enough. Returns whether it had, and all it said.
#[allow(clippy::disallowed_methods, reason = "the time that a slow client takes is what this is about")]
fn drip(stream: &mut Stream, pieces: &[Vec<u8>], apart: Duration) -> (bool, Vec<u8>) {
    stream.sock.set_read_timeout(Some(apart)).unwrap();
    let (begin, mut said, mut scratch) = (Instant::now(), Vec::new(), [0; 4096]);
    for piece in pieces.iter().cycle() {
        if stream.write_all(piece).and_then(|()| stream.flush()).is_err() {
            return (true, said);
        }
        match stream.read(&mut scratch) {
            Ok(0) => return (true, said),
            Ok(bytes) => said.extend_from_slice(&scratch[..bytes]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return (true, said),
        }
        if begin.elapsed() > LIMIT {
            return (false, said);
        }
    }
    unreachable!("the pieces go round")
}

#[test]
fn a_preface_that_does_not_come_or_drips_is_cut_off() {
    let setting = start("header_timeout = \"1s\"");
    let bytes: Vec<Vec<u8>> = PREFACE[..23].iter().map(|byte| vec![*byte]).collect();
    assert!(drip(&mut setting.connect(), &bytes, Duration::from_millis(200)).0, "it went on dripping");
    assert!(drip(&mut setting.connect(), &[Vec::new()], Duration::from_millis(200)).0, "it went on saying nothing");
    until("both are counted", || {
        setting.gateway.metric("portcullis_connections_ended_total{reason=\"header_timeout\"}") >= 2.0
    });
}

#[test]
fn a_connection_without_a_request_ends_however_it_chatters() {
    let setting = start("idle_timeout = \"1s\"");
    let apart = Duration::from_millis(100);
    for chatter in [
        frame(kind::PING, 0, 0, b"are you?"),
        frame(kind::SETTINGS, 0, 0, &[]),
        // A priority, which nobody heeds any more.
        frame(2, 0, 1, &[0, 0, 0, 0, 1]),
    ] {
        assert!(drip(&mut setting.begin(), &[chatter], apart).0, "it went on chattering");
    }
    let mut endless = setting.begin();
    endless.write_all(&frame(kind::HEADERS, 0, 1, &head("GET", "/public/"))).unwrap();
    assert!(drip(&mut endless, &[frame(kind::CONTINUATION, 0, 1, &[])], apart).0, "a head went on without end");
    let mut half = setting.begin();
    half.write_all(&frame(kind::HEADERS, 4, 1, &[0; 1000])[..20]).unwrap();
    assert!(drip(&mut half, &[vec![0]], apart).0, "a frame went on dripping");
}

#[test]
fn a_body_that_drips_is_answered_408() {
    let setting = start("idle_timeout = \"1s\"");
    let mut stream = setting.begin();
    stream.write_all(&frame(kind::HEADERS, 4, 1, &head("POST", "/public/"))).unwrap();
    let (ended, said) = drip(&mut stream, &[frame(kind::DATA, 0, 1, b"a")], Duration::from_millis(100));
    assert!(ended, "it went on dripping");
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("request_timeout"), "{said}");
}

#[test]
fn floods_take_no_memory_and_nothing_from_others() {
    let setting = start("");
    assert!(setting.serves_others());
    let before = setting.memory();
    let mut held = Vec::new();
    for (opening, piece) in [
        (Vec::new(), frame(kind::PING, 0, 0, b"are you?")),
        (Vec::new(), frame(kind::SETTINGS, 0, 0, &[])),
        (frame(kind::HEADERS, 4, 1, &head("POST", "/public/")), frame(kind::DATA, 0, 1, &[])),
        (frame(kind::HEADERS, 4, 1, &head("POST", "/public/")), frame(kind::DATA, 0, 1, &[0])),
    ] {
        let mut stream = setting.begin();
        stream.write_all(&opening).unwrap();
        stream.sock.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let many = piece.repeat(64 * 1024 / piece.len());
        // Nothing is read. So it ends in being cut off or in being made to wait, or when we have had enough.
        for _ in 0..300 {
            if stream.write_all(&many).is_err() {
                break;
            }
        }
        held.push(stream);
        assert!(setting.serves_others());
    }
    let grown = setting.memory().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes more than before");
}
