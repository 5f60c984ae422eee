//! Bodies on their way up: they flow, and they have a limit.

use std::io::{Read, Write};
use std::time::Duration;

use crate::support::origin::Origin;
use crate::support::played::Played;
use crate::support::wait::until;
use crate::support::wire::Wire;
use crate::{peak_memory, public_app};

const MIB: usize = 1024 * 1024;

#[test]
fn a_large_upload_flows_through_without_filling_memory() {
    const SIZE: usize = 64 * MIB;
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    assert_eq!(gateway.get("/auth/jwks.json", &[]).status, 200);
    let before = peak_memory(&gateway);
    let mut client = Wire::to(gateway.listen);
    client.ask("PUT", "/big", &[("content-length", &SIZE.to_string())]);
    client.send(vec![0; MIB]);
    let mut served = app.accept();
    assert_eq!(served.request().unwrap().all("content-length"), [SIZE.to_string()]);
    // The first part is there while the rest has not been sent.
    assert!(served.exactly(MIB).unwrap().iter().all(|byte| *byte == 0));
    let sender = std::thread::spawn(move || {
        for part in 1..SIZE / MIB {
            client.stream.get_mut().write_all(&vec![u8::try_from(part).unwrap(); MIB]).unwrap();
        }
        client
    });
    // The app rests: what it does not take must wait at the client.
    std::thread::sleep(Duration::from_millis(300));
    let mut part = vec![0; MIB];
    for at in 1..SIZE / MIB {
        served.stream.read_exact(&mut part).unwrap();
        assert!(part.iter().all(|byte| usize::from(*byte) == at), "part {at}");
    }
    served.send("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(sender.join().unwrap().answer().unwrap().status, 201);
    let grown = peak_memory(&gateway) - before;
    assert!(grown < (SIZE / 2) as u64, "{grown} bytes of memory for an upload of {SIZE}");
}

#[test]
fn a_body_over_the_limit_is_refused_before_the_app_is_asked() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "max_request_body = \"64KiB\"");
    let refused = Wire::to(gateway.listen).ask("POST", "/x", &[("content-length", "65537")]).answer().unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (413, "payload_too_large"));
    assert_eq!(refused.field("connection"), "close");
    assert!(app.seen().is_empty());
    let at_the_limit = gateway.send("POST", "/x", &[], Some(&vec![b'x'; 65536]));
    assert_eq!((at_the_limit.status, app.last().body.len()), (200, 65536));
}

#[test]
fn a_chunked_body_is_cut_off_at_the_limit() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "max_request_body = \"64KiB\"");
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/x", &[("transfer-encoding", "chunked")]);
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    client.send(&chunk);
    let mut served = app.accept();
    served.request().unwrap();
    let mut received = 0;
    while received < 0x4000 {
        received += served.chunk().expect("what was sent").len();
    }
    for _ in 0..4 {
        client.send(&chunk);
    }
    let refused = client.answer().unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (413, "payload_too_large"));
    assert!(client.is_closed());
    // What the app got is not a whole body.
    let rest: Vec<_> = std::iter::from_fn(|| served.chunk()).collect();
    assert!(rest.iter().all(|chunk| !chunk.is_empty()), "the end of the body was made up");
    assert!(received + rest.iter().map(Vec::len).sum::<usize>() <= 0x10000);
    gateway.wait_for_line("payload_too_large");
}

#[test]
fn a_body_without_a_limit_of_its_own_ends_where_it_says() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/x", &[("content-length", "5")]);
    client.send("12345GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut served = app.accept();
    served.request().unwrap();
    assert_eq!(served.exactly(5).unwrap(), b"12345");
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 200);
    // What follows is a request of its own, decided on its own, wherever it is served.
    gateway.wait_for_line("path=/x");
}

#[test]
fn a_client_that_waits_to_be_told_to_continue_is_told_by_the_app() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/x", &[("content-length", "5"), ("expect", "100-continue")]);
    let mut served = app.accept();
    assert_eq!(served.request().unwrap().all("expect"), ["100-continue"]);
    served.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.head().unwrap().0, 100);
    client.send("12345");
    assert_eq!(served.exactly(5).unwrap(), b"12345");
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.answer().unwrap().body, "ok");
}

#[test]
fn a_client_that_waits_to_be_told_to_continue_is_refused_at_once() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "max_request_body = \"1KiB\"");
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/x", &[("content-length", "5000"), ("expect", "100-continue")]);
    assert_eq!(client.answer().unwrap().code(), "payload_too_large");
    assert!(client.is_closed(), "what would follow could be taken for a request");
    assert!(app.seen().is_empty());
}

#[test]
fn a_body_that_is_framed_wrongly_is_the_clients_fault() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    for wrong in ["zz\r\n", "-1\r\nx\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "fffffffffffffffff\r\n"] {
        let mut client = Wire::to(gateway.listen);
        client.ask("POST", "/x", &[("transfer-encoding", "chunked")]).send(wrong);
        let refused = client.answer().unwrap_or_else(|| panic!("{wrong:?}: no answer"));
        assert_eq!((refused.status, refused.code().as_str()), (400, "bad_request"), "{wrong:?}");
        assert!(client.is_closed());
    }
    assert_eq!(gateway.metric("portcullis_upstream_errors_total{kind=\"broken\",upstream=\"app\"}"), 0.0);
    until("lines", || gateway.log().matches("bad_request").count() >= 4);
}

#[test]
fn an_app_that_refuses_an_upload_early_is_heard() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/x", &[("content-length", &(32 * MIB).to_string())]);
    let mut sending = client.stream.get_ref().try_clone().unwrap();
    let sender = std::thread::spawn(move || while sending.write_all(&[0; 1 << 16]).is_ok() {});
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 413 Too Much For Me\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmine");
    drop(served);
    let answered = client.answer().expect("an answer");
    assert_eq!((answered.status, answered.body.as_str(), answered.field("connection")), (413, "mine", "close"));
    drop(client);
    sender.join().unwrap();
}
