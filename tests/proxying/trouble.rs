//! Upstream trouble: whatever an app does instead of answering, the client is told what it can act on, in time, and the
//! operator can see which app it was.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::support::gateway::{Gateway, House};
use crate::support::played::Played;
use crate::support::wire::Wire;
use crate::{DEAD, public_app};

/// An app that reads a request's head and then does as it is told, on every connection.
fn app(then: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let then = then.clone();
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                then(stream);
            });
        }
    });
    address
}

/// An app that says this and hangs up.
fn saying(text: &'static str) -> SocketAddr {
    app(move |mut stream| stream.write_all(text.as_bytes()).unwrap())
}

/// A listener whose queue is full: the kernel drops what else wants to connect, as if the way led nowhere.
fn unreachable() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
    let queue: Vec<_> = std::iter::from_fn(connect).take(10_000).collect();
    assert!(queue.len() < 10_000, "the queue has no end here");
    (address, listener, queue)
}

/// Each app under its own prefix.
fn in_front_of(apps: &[(&str, SocketAddr)]) -> Gateway {
    let tables: String = apps
        .iter()
        .map(|(name, address)| {
            format!(
                "[upstreams.{name}]\nservers = [\"{address}\"]\nconnect_timeout = \"1s\"\nread_timeout = \"1s\"\n\
                 [[routes]]\npath = \"/{name}/*\"\nupstream = \"{name}\"\naccess = \"public\"\n"
            )
        })
        .collect();
    House::new(&format!("[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n{tables}")).run()
}

#[test]
fn an_app_that_gives_no_answer_is_502_or_504_and_counted_under_its_name() {
    let (nowhere, _listener, _queue) = unreachable();
    let cases = [
        ("refuses", DEAD, 502, "connect"),
        ("nowhere", nowhere, 502, "connect"),
        ("hangs-up", saying(""), 502, "broken"),
        ("babbles", saying("SSH-2.0-OpenSSH_9.2\r\n"), 502, "broken"),
        ("half-a-head", saying("HTTP/1.1 200 OK\r\ncontent-le"), 502, "broken"),
        ("two-lengths", saying("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), 502, "broken"),
        ("silent", app(park), 504, "timeout"),
    ];
    let apps: Vec<_> = cases.iter().map(|(name, address, ..)| (*name, *address)).collect();
    let gateway = in_front_of(&apps);
    for (name, _, status, kind) in cases {
        let answered = Wire::to(gateway.listen).ask("GET", &format!("/{name}/x"), &[]).answer();
        let answered = answered.unwrap_or_else(|| panic!("{name}: no answer"));
        let code = if status == 504 { "upstream_timeout" } else { "upstream_unreachable" };
        answered.is_problem(status, code);
        let metric = format!("portcullis_upstream_errors_total{{kind=\"{kind}\",upstream=\"{name}\"}}");
        assert_eq!(gateway.metric(&metric), 1.0, "{name}");
        let line = gateway.wait_for_line(answered.field("x-request-id"));
        assert!(line.contains(&format!("status={status}")) && line.contains(&format!("outcome={code}")), "{line}");
    }
}

/// Keep a connection open for as long as the test runs.
fn park(stream: TcpStream) {
    std::thread::sleep(Duration::from_secs(60));
    drop(stream);
}

#[test]
fn an_app_that_never_reads_is_504() {
    let gateway = in_front_of(&[("deaf", app(park))]);
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/deaf/x", &[("content-length", &(64 << 20).to_string())]);
    let mut sending = client.stream.get_ref().try_clone().unwrap();
    // More than the sockets hold; it fails when the gateway has had enough.
    let sender = std::thread::spawn(move || while sending.write_all(&[0; 1 << 16]).is_ok() {});
    let answered = client.answer().expect("an answer");
    assert_eq!((answered.status, answered.code().as_str()), (504, "upstream_timeout"));
    drop(client);
    sender.join().unwrap();
    assert_eq!(gateway.metric("portcullis_upstream_errors_total{kind=\"timeout\",upstream=\"deaf\"}"), 1.0);
}

#[test]
fn half_an_answer_is_not_passed_off_as_a_whole_one() {
    let gateway = in_front_of(&[
        ("length", saying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")),
        ("chunked", saying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")),
        (
            "stalls",
            app(|mut stream| {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n").unwrap();
                park(stream);
            }),
        ),
    ]);
    for (name, kind, code) in [
        ("length", "broken", "upstream_unreachable"),
        ("chunked", "broken", "upstream_unreachable"),
        ("stalls", "timeout", "upstream_timeout"),
    ] {
        let mut client = Wire::to(gateway.listen);
        let (status, headers) = client.ask("GET", &format!("/{name}/x"), &[]).head().unwrap();
        assert_eq!(status, 200, "{name}");
        let rest = client.rest();
        assert!(String::from_utf8_lossy(&rest).contains("half") && !rest.ends_with(b"0\r\n\r\n"), "{name}: {rest:?}");
        assert!(rest.len() < 50, "{name}: nothing is added to what has begun: {rest:?}");
        let metric = format!("portcullis_upstream_errors_total{{kind=\"{kind}\",upstream=\"{name}\"}}");
        assert_eq!(gateway.metric(&metric), 1.0, "{name}");
        let line = gateway.wait_for_line(headers["x-request-id"].to_str().unwrap());
        assert!(line.contains("status=200") && line.contains(&format!("outcome={code}")), "{line}");
    }
}

#[test]
fn a_promise_of_an_answer_is_no_answer() {
    let gateway = in_front_of(&[
        ("continue", saying("HTTP/1.1 100 Continue\r\n\r\n")),
        ("hints", saying("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")),
    ]);
    for (name, status) in [("continue", 100), ("hints", 103)] {
        let mut client = Wire::to(gateway.listen);
        client.ask("POST", &format!("/{name}/x"), &[("content-length", "0"), ("expect", "100-continue")]);
        assert_eq!(client.head().unwrap().0, status);
        client.answer().expect("an answer").is_problem(502, "upstream_unreachable");
    }
}

#[test]
fn an_answer_that_keeps_coming_may_take_longer_than_the_timeout() {
    let app = Played::bind();
    let gateway = public_app(app.address, "read_timeout = \"1s\"", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/slow", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n");
    for byte in ["a", "b", "c", "d", "e", "f"] {
        std::thread::sleep(Duration::from_millis(300));
        served.send(byte);
    }
    assert_eq!(client.answer().unwrap().body, "abcdef");
}

#[test]
fn trouble_with_one_app_leaves_the_others_alone() {
    let gateway = in_front_of(&[
        ("dead", DEAD),
        ("alive", saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")),
    ]);
    for _ in 0..5 {
        assert_eq!(gateway.get("/dead/x", &[]).status, 502);
        assert_eq!(gateway.get("/alive/x", &[]).body, "ok");
    }
}
