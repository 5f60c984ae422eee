//! Answers without a body, before the answer, and to old clients: where one ends and the next begins is never in doubt.

use crate::public_app;
use crate::support::played::Played;
use crate::support::wire::Wire;

/// Ask, answer as the app, and ask again: the second exchange shows that the first ended where it should.
fn exchange(method: &str, answer: &str) -> (u16, http::HeaderMap, String) {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask(method, "/x", &[]);
    let mut served = app.accept();
    assert_eq!(served.request().unwrap().line, format!("{method} /x HTTP/1.1"));
    served.send(answer);
    let (status, headers) = client.head().unwrap();
    let body = if method == "HEAD" || matches!(status, 204 | 304) {
        String::new()
    } else {
        let length = headers["content-length"].to_str().unwrap().parse().unwrap();
        String::from_utf8(client.exactly(length).unwrap()).unwrap()
    };
    client.ask("GET", "/next", &[]);
    assert_eq!(served.request().expect("the connection to the app is kept").path(), "/next");
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext");
    let next = client.answer().unwrap();
    assert_eq!((next.status, next.body.as_str()), (200, "next"));
    (status, headers, body)
}

#[test]
fn an_answer_to_head_has_a_length_and_no_body() {
    let (status, headers, _) = exchange("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\netag: \"1\"\r\n\r\n");
    assert_eq!(
        (status, headers["content-length"].as_bytes(), headers["etag"].as_bytes()),
        (200, &b"1234"[..], &b"\"1\""[..])
    );
    let (status, headers, _) = exchange("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!((status, headers.contains_key("content-length")), (200, false));
}

#[test]
fn no_content_and_not_modified_have_no_body() {
    let (status, headers, _) = exchange("DELETE", "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n");
    assert_eq!((status, headers["x-a"].as_bytes(), headers.contains_key("transfer-encoding")), (204, &b"1"[..], false));
    let (status, headers, _) =
        exchange("GET", "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\ncontent-length: 99\r\n\r\n");
    assert_eq!((status, headers["etag"].as_bytes()), (304, &b"\"1\""[..]));
}

#[test]
fn an_empty_answer_is_empty() {
    let (status, _, body) = exchange("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    let (status, _, body) = exchange("POST", "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!((status, body.as_str()), (201, "ok"));
}

#[test]
fn hints_before_the_answer_come_before_the_answer() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/x", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
    let (status, headers) = client.head().unwrap();
    assert_eq!((status, headers["link"].as_bytes()), (103, &b"</a.css>; rel=preload"[..]));
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.answer().unwrap().body, "ok");
    let line = gateway.wait_for_line("path=/x");
    assert!(line.contains("status=200"), "{line}");
}

/// RFC 9112 section 6.3: chunks win over a length, which may be there to fool somebody.
#[test]
fn an_answer_that_says_its_length_twice_is_said_once() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/x", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n");
    let answered = client.answer().unwrap();
    assert_eq!((answered.status, answered.body.as_str()), (200, "one"));
    assert!(!answered.headers.contains_key("content-length"));
}

/// RFC 9112 section 6.1: a client that speaks HTTP/1.0 knows no chunks, and takes the end of the connection for the end.
#[test]
fn an_old_client_gets_an_answer_that_it_understands() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", "onetwo"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none", "one"),
    ] {
        let mut client = Wire::to(gateway.listen);
        client.send("GET /x HTTP/1.0\r\nhost: a\r\n\r\n");
        let mut served = app.accept();
        served.request().unwrap();
        served.send(answer);
        let (status, headers) = client.head().unwrap();
        assert_eq!((status, headers.contains_key("transfer-encoding")), (200, false), "{headers:?}");
        assert_eq!(headers["connection"], "close");
        assert_eq!(String::from_utf8(client.rest()).unwrap(), body);
        drop(served);
    }
}

#[test]
fn an_old_client_that_asks_for_it_keeps_its_connection() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    let request = "GET /x HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n";
    client.send(request);
    let mut served = app.accept();
    for turn in ["1", "2"] {
        served.request().unwrap();
        served.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{turn}"));
        let answered = client.answer().unwrap();
        assert_eq!((answered.body.as_str(), answered.field("connection")), (turn, "keep-alive"));
        client.send(request);
    }
}
