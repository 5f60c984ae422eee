//! A raw connection, for requests that no HTTP client would send, and for answers as they come.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::Answer;
use super::gateway::PATIENCE;

pub struct Wire {
    pub stream: BufReader<TcpStream>,
}

/// Every connection of this machine: /proc/net/tcp, as proc(5) has it. Takes a while where there are thousands.
pub fn connections() -> String {
    std::fs::read_to_string("/proc/net/tcp").unwrap()
}

impl Wire {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// The other end, which is on this machine, as the system sees it: its line of [`connections`].
    pub fn other_end<'t>(&self, table: &'t str) -> Option<Vec<&'t str>> {
        let tcp = self.stream.get_ref();
        let [ours, theirs] = [tcp.local_addr(), tcp.peer_addr()].map(|end| format!(":{:04X}", end.unwrap().port()));
        let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.find(|line| line.len() > 5 && line[1].ends_with(&theirs) && line[2].ends_with(&ours))
    }

    /// As it stands, byte for byte. The other end having closed is for the answer to show.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
        self
    }

    /// The head of an answer, and its body where it has a length. `None`: the other end closed instead.
    pub fn answer(&mut self) -> Option<Answer> {
        let (status, headers) = self.head()?;
        let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        Some(Answer { status, headers, body: String::from_utf8(body).unwrap() })
    }

    pub fn head(&mut self) -> Option<(u16, http::HeaderMap)> {
        let line = self.line().filter(|line| !line.is_empty())?;
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = http::HeaderMap::new();
        while let Some(field) = self.line().filter(|line| !line.is_empty()) {
            let (name, value) = field.split_once(':').unwrap();
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.trim().parse().unwrap());
        }
        Some((status, headers))
    }

    /// One line without its end; `None` at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    /// Whether the other end has closed, or does within [`PATIENCE`].
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
