//! WebSockets (RFC 6455): a handshake is a request like any other, and after 101 there is a tunnel.

use std::time::Duration;

use crate::support::bearer;
use crate::support::gateway::Gateway;
use crate::support::played::Played;
use crate::support::wire::Wire;
use crate::{public_app, support};

const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A text frame with a mask, as clients send them (section 5.2); short enough for one byte of length.
fn from_client(text: &str) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let masked = text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let head = [0x81, 0x80 | u8::try_from(text.len()).unwrap()];
    head.into_iter().chain(mask).chain(masked).collect()
}

/// The same without one, as servers send them.
fn from_server(text: &str) -> Vec<u8> {
    [0x81, u8::try_from(text.len()).unwrap()].into_iter().chain(text.bytes()).collect()
}

/// What the next text frame says, and whether it was masked.
fn frame(wire: &mut Wire) -> (String, bool) {
    let head = wire.exactly(2).expect("a frame");
    assert_eq!(head[0], 0x81, "a whole text frame");
    let masked = head[1] & 0x80 != 0;
    let mask = if masked { wire.exactly(4).unwrap() } else { vec![0; 4] };
    let payload = wire.exactly(usize::from(head[1] & 0x7f)).unwrap();
    let text = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    (String::from_utf8(text).unwrap(), masked)
}

/// A tunnel, from its client's end and its app's.
fn opened(gateway: &Gateway, app: &Played) -> (Wire, Wire) {
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/socket", &HANDSHAKE);
    let mut served = app.accept();
    served.request().unwrap();
    served.send(SWITCHED);
    assert_eq!(client.head().unwrap().0, 101);
    (client, served)
}

#[test]
fn a_signed_in_client_and_the_app_speak_through_the_gateway() {
    let app = Played::bind();
    let gateway = Gateway::usual(app.address, "", "");
    let token = bearer(&gateway.login("bob@example.com"));
    let mut client = Wire::to(gateway.listen);
    let fields =
        [("authorization", token.as_str()), ("sec-websocket-protocol", "chat"), ("origin", "https://a.example")];
    client.ask("GET", "/socket?room=1", &[&HANDSHAKE[..], &fields].concat());
    let mut served = app.accept();
    let seen = served.request().unwrap();
    assert_eq!(seen.line, "GET /socket?room=1 HTTP/1.1");
    assert_eq!(seen.all("x-user-email"), ["bob@example.com"]);
    assert!(seen.all("authorization").is_empty());
    assert_eq!((seen.all("upgrade"), seen.all("connection")), (vec!["websocket"], vec!["Upgrade"]));
    for (name, value) in [HANDSHAKE[2], HANDSHAKE[3], fields[1], fields[2]] {
        assert_eq!(seen.all(name), [value]);
    }
    served.send(SWITCHED);
    let (status, headers) = client.head().unwrap();
    assert_eq!((status, headers["sec-websocket-accept"].as_bytes()), (101, &b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..]));
    assert!(headers["upgrade"].as_bytes().eq_ignore_ascii_case(b"websocket"));
    assert!(headers["connection"].as_bytes().eq_ignore_ascii_case(b"upgrade"));

    for said in ["hello", "", "how are you?"] {
        client.send(from_client(said));
        let (heard, masked) = frame(&mut served);
        assert_eq!((heard.as_str(), masked), (said, true));
        served.send(from_server(&heard));
        assert_eq!(frame(&mut client), (said.to_owned(), false));
    }
    served.send(from_server("unasked"));
    assert_eq!(frame(&mut client).0, "unasked");
    // A close frame and its answer; then the app hangs up, and so does the gateway.
    client.send([0x88, 0x80, 0, 0, 0, 0]);
    assert_eq!(served.exactly(6).unwrap(), [0x88, 0x80, 0, 0, 0, 0]);
    served.send([0x88, 0]);
    assert_eq!(client.exactly(2).unwrap(), [0x88, 0]);
    drop(served);
    assert!(client.is_closed());
    let line = gateway.wait_for_line("status=101");
    assert!(line.contains("outcome=allowed") && line.contains("path=/socket"), "{line}");
}

#[test]
fn a_client_that_hangs_up_ends_the_tunnel_at_the_app() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let (client, mut served) = opened(&gateway, &app);
    drop(client);
    assert!(served.is_closed());
}

#[test]
fn a_handshake_needs_what_its_route_demands() {
    let app = Played::bind();
    let gateway = Gateway::usual(app.address, "", "");
    let token = bearer(&gateway.login("bob@example.com"));
    for (path, credential, code) in [
        ("/socket", None, "missing_token"),
        ("/socket", Some("Bearer junk"), "invalid_token"),
        ("/admin/socket", Some(token.as_str()), "forbidden"),
        ("/public/..%2fadmin/socket", Some(token.as_str()), "ambiguous_path"),
    ] {
        let credential: Vec<_> = credential.iter().map(|value| ("authorization", *value)).collect();
        let mut client = Wire::to(gateway.listen);
        let refused = client.ask("GET", path, &[&HANDSHAKE[..], &credential].concat()).answer().unwrap();
        assert_eq!(refused.code(), code, "{path}");
        assert!(app.is_alone(), "{path}");
    }
}

#[test]
fn a_tunnel_may_be_silent_for_longer_than_an_answer() {
    let app = Played::bind();
    let gateway = public_app(app.address, "read_timeout = \"1s\"", "");
    let (mut client, mut served) = opened(&gateway, &app);
    // What is shown is that this time does nothing.
    std::thread::sleep(Duration::from_millis(2500));
    client.send(from_client("still here?"));
    assert_eq!(frame(&mut served).0, "still here?");
    served.send(from_server("still here"));
    assert_eq!(frame(&mut client).0, "still here");
}

#[test]
fn a_tunnel_is_not_held_to_the_limit_of_a_body() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "max_request_body = \"1KiB\"");
    let (mut client, mut served) = opened(&gateway, &app);
    for _ in 0..50 {
        client.send(from_client(&"x".repeat(100)));
        assert_eq!(frame(&mut served).0.len(), 100);
    }
}

#[test]
fn a_handshake_that_the_app_never_answers_ends_in_time() {
    let app = Played::bind();
    let gateway = public_app(app.address, "read_timeout = \"1s\"", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/socket", &HANDSHAKE);
    let mut served = app.accept();
    served.request().unwrap();
    client.answer().expect("an answer").is_problem(504, "upstream_timeout");
    assert!(served.is_closed());
    assert_eq!(gateway.metric("portcullis_upstream_errors_total{kind=\"timeout\",upstream=\"app\"}"), 1.0);
}

#[test]
fn an_app_that_does_not_switch_answers_as_usual() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/socket", &HANDSHAKE);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain");
    let answered = client.answer().unwrap();
    assert_eq!((answered.status, answered.body.as_str()), (200, "plain"));
    assert!(served.is_closed(), "nobody would use this connection again");
    client.ask("GET", "/next", &[]);
    let mut served = app.accept();
    assert_eq!(served.request().unwrap().path(), "/next");
    served.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.head().unwrap().0, 204);
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: gw.example\r\n\r\n";

fn handshake_then_more() -> String {
    let fields: String = HANDSHAKE.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET /socket HTTP/1.1\r\nhost: gw.example\r\n{fields}\r\n{SMUGGLED}")
}

#[test]
fn what_is_sent_before_the_switch_is_the_tunnels() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.send(handshake_then_more());
    let mut served = app.accept();
    assert_eq!(served.request().unwrap().path(), "/socket");
    served.stream.get_mut().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(served.exactly(1).is_none(), "nothing follows the handshake until the app has agreed");
    served.stream.get_mut().set_read_timeout(Some(support::gateway::PATIENCE)).unwrap();
    served.send(SWITCHED);
    assert_eq!(client.head().unwrap().0, 101);
    assert_eq!(served.exactly(SMUGGLED.len()).unwrap(), SMUGGLED.as_bytes());
}

#[test]
fn what_is_sent_before_a_switch_that_does_not_come_is_no_request() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.send(handshake_then_more());
    let mut served = app.accept();
    assert_eq!(served.request().unwrap().path(), "/socket");
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!(client.answer().unwrap().body, "no");
    assert!(client.is_closed());
    gateway.wait_for_line("path=/socket");
    assert!(app.is_alone() && !gateway.log().contains("/smuggled"), "{}", gateway.log());
    drop(gateway);
    assert!(served.rest().is_empty(), "the app was sent more than the handshake");
}

#[test]
fn what_is_sent_while_the_app_thinks_about_it_is_no_request() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/socket", &HANDSHAKE);
    let mut served = app.accept();
    served.request().unwrap();
    client.send(SMUGGLED);
    client.answer().expect("an answer").is_problem(400, "bad_request");
    assert!(served.rest().is_empty(), "the app was sent more than the handshake");
    gateway.wait_for_line("path=/socket");
    assert!(app.is_alone() && !gateway.log().contains("/smuggled"), "{}", gateway.log());
}

#[test]
fn a_switch_that_nobody_asked_for_is_a_broken_answer() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/x", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send(SWITCHED);
    client.answer().unwrap().is_problem(502, "upstream_unreachable");
}

/// An app that answers at once, and a gateway that has much to do: whichever of the two comes first, the tunnel stands.
#[test]
fn every_tunnel_of_many_carries_what_is_said() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = public_app(listener.local_addr().unwrap(), "", "");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut served = Wire::over(stream);
                served.request().unwrap();
                served.send(SWITCHED);
                let (said, _) = frame(&mut served);
                served.send(from_server(&said));
                served.rest();
            });
        }
    });
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let listen = gateway.listen;
            scope.spawn(move || {
                for turn in 0..25 {
                    let mut client = Wire::to(listen);
                    client.ask("GET", "/socket", &HANDSHAKE);
                    assert_eq!(client.head().unwrap().0, 101);
                    let said = format!("{caller} {turn}");
                    client.send(from_client(&said));
                    assert_eq!(frame(&mut client).0, said);
                }
            });
        }
    });
}
