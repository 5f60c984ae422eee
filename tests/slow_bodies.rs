//! Bodies that come slowly: who drips is told so, whatever he drips; who has a reason to be slow is served.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use support::Answer;
use support::gateway::Gateway;
use support::origin::{self, Origin};
use support::wire::Wire;

/// A cut that comes later than this has not come: the body is given ten seconds before it is judged.
const LIMIT: Duration = Duration::from_secs(40);
const CHUNKED: &str = "POST /public/ HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Begin a body and go on with `piece` again and again, until there is an answer.
#[allow(clippy::disallowed_methods, reason = "the time that a slow client takes is what this is about")]
fn drip(gateway: &Gateway, begin: &str, piece: &str) -> Option<Answer> {
    let mut wire = Wire::to(gateway.listen);
    wire.send(CHUNKED).send(begin);
    let started = Instant::now();
    while started.elapsed() < LIMIT && !has_come(wire.stream.get_ref()) {
        wire.send(piece);
    }
    assert!(started.elapsed() < LIMIT, "{begin:?} and {piece:?} went on and on");
    wire.answer()
}

/// Within a tenth of a second.
fn has_come(stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let come = stream.peek(&mut [0]);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    !come.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn whatever_part_of_a_body_drips_it_is_answered_408() {
    let origin = Origin::start();
    let gateway = Gateway::usual(origin.address, "", "");
    let parts = [
        ("", "1\r\na\r\n"), // whole chunks, of a byte each
        ("1;", "a"),        // the extension of one
        ("0\r\nX: ", "a"),  // a trailer
        ("FFFF\r\n", "a"),  // what is in it
    ];
    std::thread::scope(|scope| {
        let dripping: Vec<_> =
            parts.map(|(begin, piece)| scope.spawn(|| drip(&gateway, begin, piece).map(|a| a.code()))).into();
        for (part, said) in parts.iter().zip(dripping) {
            assert_eq!(said.join().unwrap().as_deref(), Some("request_timeout"), "{part:?}");
        }
    });
}

#[test]
fn who_waited_to_be_asked_for_a_body_is_no_drip() {
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::usual(app.local_addr().unwrap(), "", "");
    let serving = std::thread::spawn(move || {
        let mut stream = BufReader::new(app.accept().unwrap().0);
        let head = stream.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        assert!(head.count() > 0);
        // Longer than a body may drip.
        std::thread::sleep(Duration::from_secs(12));
        stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        origin::answer(stream.get_mut(), "200 OK", &[], b"taken");
    });
    let mut wire = Wire::to(gateway.listen);
    wire.send("POST /public/ HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(wire.head().unwrap().0, 100);
    assert_eq!(wire.send("hello").answer().map(|answer| answer.status), Some(200));
    serving.join().unwrap();
}
