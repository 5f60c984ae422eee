//! HTTP/2 frame by frame (RFC 9113 section 6), for clients that no library would be.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use crate::support::gateway::{Gateway, House, usual};
use crate::support::origin::Origin;
use crate::support::tls::{Certificate, Stream, client};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_HEADERS: u8 = 4;
pub const END_STREAM: u8 = 1;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Each field as it stands (RFC 7541 section 6.2.2).
pub fn head(method: &str, path: &str) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "gw.example")];
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.map(|(name, value)| [vec![0], text(name), text(value)].concat()).concat()
}

/// A gateway that speaks HTTP/2.
pub struct Secured {
    pub app: Origin,
    pub gateway: Gateway,
    certificate: Certificate,
}

impl Secured {
    pub fn start() -> Self {
        let (app, certificate) = (Origin::start(), Certificate::new());
        let tls = "tls = { certificate_file = \"chain.pem\", private_key_file = \"key.pem\" }";
        let house = House::new(&usual(app.address, tls, ""));
        certificate.write(&house);
        Self { app, gateway: house.run(), certificate }
    }

    /// After the preface and our settings.
    pub fn connect(&self) -> Stream {
        let mut stream = client(self.gateway.listen, &self.certificate, &[b"h2"]).unwrap();
        stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(4, 0, 0, &[])[..]].concat()).unwrap();
        stream
    }

    pub fn serves_others(&self) -> bool {
        let mut stream = self.connect();
        let before = self.app.seen().len();
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", "/public/"))).unwrap();
        crate::support::wait_until("another client is served", || self.app.seen().len() > before);
        true
    }

    /// What the gateway holds in memory, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// Send piece after piece, reading what is said, until the other end has had enough. Returns whether it had.
pub fn has_enough_of(stream: &mut Stream, pieces: impl IntoIterator<Item = Vec<u8>>) -> bool {
    stream.sock.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    stream.sock.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut scratch = [0; 65536];
    pieces.into_iter().any(|piece| {
        stream.write_all(&piece).and_then(|()| stream.flush()).is_err()
            || match stream.read(&mut scratch) {
                Ok(read) => read == 0,
                Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
    })
}

/// The kind of the first frame that answers a request or refuses it; `None`: the connection was closed instead.
pub fn answered_by(stream: &mut Stream) -> Option<u8> {
    loop {
        let mut begin = [0; 9];
        stream.read_exact(&mut begin).ok()?;
        let length = u32::from_be_bytes([0, begin[0], begin[1], begin[2]]);
        stream.read_exact(&mut vec![0; length as usize]).ok()?;
        if [HEADERS, RST_STREAM, GOAWAY].contains(&begin[3]) {
            return Some(begin[3]);
        }
    }
}
