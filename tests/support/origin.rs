//! An app without authentication, behind the gateway: answers as the path says, and keeps what it was sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request as the app read it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET /path HTTP/1.1`.
    pub line: String,
    /// Names in lower case, in their order.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

/// Given the request and the connection, writes the whole answer. True: the connection may serve another.
pub type Handler = dyn Fn(&Seen, &mut TcpStream) -> bool + Send + Sync;

pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Origin {
    /// Answers everything with 200 and `path method` as its body.
    pub fn start() -> Self {
        Self::with(|seen, stream| {
            let text = format!("origin {}", seen.line);
            answer(stream, "200 OK", &[], text.as_bytes());
            true
        })
    }

    pub fn with(handler: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, handler): (_, Arc<Handler>) = (Arc::clone(&seen), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, handler) = (Arc::clone(&kept), Arc::clone(&handler));
                std::thread::spawn(move || serve(stream, &kept, &*handler));
            }
        });
        Self { address, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The same, and forget it.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// What came last.
    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("the app was asked nothing")
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Seen>>, handler: &Handler) {
    // A head and a body are two writes: without this, the second would wait 40 ms for the first to be acknowledged.
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    // A connection that breaks is its test's business.
    while let Some(seen) = read(&mut reader) {
        kept.lock().unwrap().push(seen.clone());
        if !handler(&seen, &mut stream) {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

/// The head of a request; its body is still to come. `None`: the other end closed instead.
pub fn read_head(reader: &mut impl BufRead) -> Option<Seen> {
    let line = read_line(reader).filter(|line| !line.is_empty())?;
    let mut fields = Vec::new();
    while let Some(field) = read_line(reader).filter(|line| !line.is_empty()) {
        let (name, value) = field.split_once(':')?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(Seen { line, fields, body: Vec::new() })
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut seen = read_head(reader)?;
    let length = seen.all("content-length").first().map(|length| length.parse::<usize>().unwrap());
    if let Some(length) = length {
        seen.body.resize(length, 0);
        reader.read_exact(&mut seen.body).ok()?;
    } else if seen.all("transfer-encoding") == ["chunked"] {
        loop {
            let size = usize::from_str_radix(read_line(reader)?.split(';').next()?, 16).ok()?;
            let mut chunk = vec![0; size];
            reader.read_exact(&mut chunk).ok()?;
            read_line(reader)?;
            seen.body.extend(chunk);
            if size == 0 {
                break;
            }
        }
    }
    Some(seen)
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
    let text = String::from_utf8_lossy(&line);
    Some(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A whole answer with a length.
pub fn answer(stream: &mut TcpStream, status: &str, fields: &[(&str, &str)], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    // The gateway may have gone: what it made of that is what the test looks at.
    let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
}
