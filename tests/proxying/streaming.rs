//! Bodies flow as they come: nothing waits for the end of anything, and nobody's memory fills because somebody is slow.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::origin::{Origin, answer};
use crate::support::played::Played;
use crate::support::wait::until;
use crate::support::wire::Wire;
use crate::{peak_memory, public_app};

const MIB: usize = 1024 * 1024;

#[test]
fn an_event_arrives_before_the_next_one_is_sent() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/events", &[("accept", "text/event-stream")]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    let (status, headers) = client.head().unwrap();
    assert_eq!((status, &headers["content-type"]), (200, &"text/event-stream".parse().unwrap()));
    for event in ["data: first\n\n", "data: second\n\n", "data: third\n\n"] {
        served.send(format!("{:x}\r\n{event}\r\n", event.len()));
        assert_eq!(client.chunk().unwrap(), event.as_bytes());
    }
    served.send("0\r\n\r\n");
    assert_eq!(client.chunk().unwrap(), b"");
}

#[test]
fn an_answer_that_ends_with_its_connection_streams_too() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/old", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n");
    let (status, headers) = client.head().unwrap();
    assert_eq!((status, headers["transfer-encoding"].as_bytes()), (200, &b"chunked"[..]));
    for part in ["one", "two"] {
        served.send(part);
        assert_eq!(client.chunk().unwrap(), part.as_bytes());
    }
    drop(served);
    assert_eq!(client.chunk().unwrap(), b"");
}

#[test]
fn chunks_of_an_upload_arrive_before_the_next_one_is_sent_and_the_answer_may_begin_first() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/echo", &[("transfer-encoding", "chunked")]);
    let mut served = app.accept();
    assert_eq!(served.request().unwrap().all("transfer-encoding"), ["chunked"]);
    served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(client.head().unwrap().0, 200);
    for part in ["one", "two", "three"] {
        client.send(format!("{:x};extension=1\r\n{part}\r\n", part.len()));
        assert_eq!(served.chunk().unwrap(), part.as_bytes());
        served.send(format!("{:x}\r\n{part}\r\n", part.len()));
        assert_eq!(client.chunk().unwrap(), part.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(served.chunk().unwrap(), b"");
    served.send("0\r\n\r\n");
    assert_eq!(client.chunk().unwrap(), b"");
}

/// Pingora carries no HTTP/1 trailers; what matters is that none of them turns into anything else.
#[test]
fn trailers_are_dropped_and_the_bodies_are_whole() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/x", &[("transfer-encoding", "chunked"), ("trailer", "x-user-id")]);
    client.send("3\r\nabc\r\n0\r\nX-User-Id: evil\r\nContent-Length: 5\r\n\r\n");
    let mut served = app.accept();
    let seen = served.request().unwrap();
    assert!(seen.all("x-user-id").is_empty() && seen.all("trailer").is_empty(), "{seen:?}");
    assert_eq!((served.chunk().unwrap(), served.chunk().unwrap()), (b"abc".to_vec(), Vec::new()));
    served.send(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let answered = client.answer().unwrap();
    assert_eq!((answered.status, answered.body.as_str(), answered.field("trailer")), (200, "ok", ""));
    // Both connections are where they should be.
    client.ask("GET", "/next", &[]);
    assert_eq!(served.request().unwrap().path(), "/next");
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.head().unwrap().0, 204);
}

#[test]
fn a_download_waits_for_its_reader_and_not_in_our_memory() {
    const SIZE: usize = 64 * MIB;
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let app = Origin::with(move |_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").unwrap();
        for at in 0..SIZE / MIB {
            stream.write_all(&vec![u8::try_from(at).unwrap(); MIB]).unwrap();
            counted.fetch_add(MIB as u64, Ordering::Relaxed);
        }
        true
    });
    let gateway = public_app(app.address, "", "");
    assert_eq!(gateway.get("/auth/jwks.json", &[]).status, 200);
    let before = peak_memory(&gateway);
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/big", &[]);
    assert_eq!(client.head().unwrap().0, 200);
    // The reader rests until the app can write no more.
    let mut at_rest = (0, 0);
    until("the app waits for the reader", || {
        std::thread::sleep(Duration::from_millis(50));
        let now = sent.load(Ordering::Relaxed);
        at_rest = if now == at_rest.0 { (now, at_rest.1 + 1) } else { (now, 0) };
        at_rest.1 == 6
    });
    assert!(at_rest.0 < (SIZE / 2) as u64, "{} of {SIZE} bytes were taken from the app", at_rest.0);
    let mut part = vec![0; MIB];
    for at in 0..SIZE / MIB {
        client.stream.read_exact(&mut part).unwrap();
        assert!(part.iter().all(|byte| usize::from(*byte) == at), "part {at}");
    }
    let grown = peak_memory(&gateway) - before;
    assert!(grown < (SIZE / 2) as u64, "{grown} bytes of memory for a download of {SIZE}");
}

#[test]
fn many_small_answers_come_in_their_order_on_one_connection() {
    let app = Origin::with(|seen, stream| {
        answer(stream, "200 OK", &[], seen.path().as_bytes());
        true
    });
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    for turn in 0..200 {
        let path = format!("/{turn}");
        assert_eq!(client.ask("GET", &path, &[]).answer().unwrap().body, path);
    }
}
