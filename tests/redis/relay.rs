//! Stands between a gateway and Redis, and can swallow what goes over the lines that are there: they stay open, and nothing
//! arrives any more. New ones are good, and may lead to another server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Relay {
    pub address: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
    lines: Arc<AtomicUsize>,
    swallowed: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Relay {
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (lines, swallowed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (server, most) = (Arc::new(Mutex::new(server)), Arc::new(AtomicUsize::new(usize::MAX)));
        let (leads_to, counted, silenced) = (Arc::clone(&server), Arc::clone(&lines), Arc::clone(&swallowed));
        let relay = Self { address, server: leads_to, lines: counted, swallowed: silenced, most: Arc::clone(&most) };
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let (number, leads_to) = (lines.fetch_add(1, Ordering::SeqCst), *server.lock().unwrap());
                let far = (number < most.load(Ordering::SeqCst)).then(|| TcpStream::connect(leads_to));
                let Some(Ok(far)) = far else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let swallowed = Arc::clone(&swallowed);
                    thread::spawn(move || pass(from, to, || number < swallowed.load(Ordering::SeqCst)));
                }
            }
        });
        relay
    }

    /// Lines beyond these are closed at once.
    pub fn at_most(&self, lines: usize) {
        self.most.store(lines, Ordering::SeqCst);
    }

    /// From the next line on.
    pub fn lead_to(&self, server: SocketAddr) {
        *self.server.lock().unwrap() = server;
    }

    /// Nothing passes on the lines that are there now.
    pub fn swallow(&self) {
        self.swallowed.store(self.lines.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, swallowed: impl Fn() -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !swallowed() && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    if !swallowed() {
        let _ = to.shutdown(Shutdown::Both);
    }
}
