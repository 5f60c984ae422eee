//! Several servers of one upstream: each in its turn, and past those that cannot be connected to.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;

use rustls::{ServerConnection, StreamOwned};

use crate::support::gateway::House;
use crate::support::origin::{Origin, Seen, answer, read_head};
use crate::support::played::Played;
use crate::support::tls::Certificate;
use crate::support::wire::Wire;
use crate::{DEAD, public, public_app, public_toml};

fn named(name: &'static str) -> Origin {
    Origin::with(move |_, stream| {
        answer(stream, "200 OK", &[], name.as_bytes());
        true
    })
}

fn servers(addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

const CONNECT_ERRORS: &str = "portcullis_upstream_errors_total{kind=\"connect\",upstream=\"app\"}";

#[test]
fn servers_take_turns() {
    let [one, two, three] = ["one", "two", "three"].map(named);
    let gateway = public(&servers(&[one.address, two.address, three.address]), "", "");
    let mut answers: Vec<String> = (0..9).map(|_| gateway.get("/x", &[]).body).collect();
    answers.sort();
    assert_eq!(answers, ["one", "one", "one", "three", "three", "three", "two", "two", "two"]);
}

#[test]
fn a_server_that_cannot_be_connected_to_is_passed_over() {
    let alive = named("alive");
    let gateway = public(&servers(&[DEAD, alive.address, DEAD]), "", "");
    for method in ["GET", "POST", "GET", "DELETE", "GET", "PUT"] {
        // Nothing was sent to the dead one: even a POST may go to the next.
        let answered = gateway.send(method, "/x", &[], Some(b"body"));
        assert_eq!((answered.status, answered.body.as_str()), (200, "alive"), "{method}");
    }
    let seen = alive.seen();
    assert_eq!(seen.len(), 6, "each request once");
    assert!(seen.iter().all(|seen| seen.body == b"body"));
    assert!(gateway.metric(CONNECT_ERRORS) >= 2.0, "the dead are counted");
}

#[test]
fn requests_at_the_same_time_are_all_passed_on_to_the_living() {
    let alive = named("alive");
    let gateway = public(&servers(&[DEAD, alive.address]), "", "");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(gateway.get("/x", &[]).status, 200);
                }
            });
        }
    });
    assert_eq!(alive.seen().len(), 80);
}

#[test]
fn where_all_are_dead_each_is_tried_once() {
    let gateway = public(&servers(&[DEAD, DEAD, DEAD]), "", "");
    let answered = gateway.get("/x", &[]);
    assert_eq!((answered.status, answered.code().as_str()), (502, "upstream_unreachable"));
    assert_eq!(gateway.metric(CONNECT_ERRORS), 3.0);
}

#[test]
fn a_server_that_has_read_the_request_is_not_passed_over() {
    let [breaks, alive] = [Origin::with(|_, _| false), named("alive")];
    let gateway = public(&servers(&[breaks.address, alive.address]), "", "");
    let mut statuses: Vec<u16> = (0..4).map(|_| gateway.post("/x", &[], &serde_json::json!({})).status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
    assert_eq!((breaks.seen().len(), alive.seen().len()), (2, 2));
}

#[test]
fn a_server_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let app = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let seen = read_head(&mut BufReader::new(stream.try_clone().unwrap())).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").unwrap();
        seen
    });
    let gateway = public(&[format!("unix:{}", path.display())], "", "");
    assert_eq!(gateway.get("/x?y=z", &[("x-user-id", "evil")]).body, "ok");
    let seen = app.join().unwrap();
    assert_eq!(
        (seen.path(), seen.all("x-forwarded-for"), seen.all("x-user-id").len()),
        ("/x?y=z", vec!["127.0.0.1"], 0)
    );
    drop(folder);
    let gone = gateway.get("/x", &[]);
    assert_eq!((gone.status, gone.code().as_str()), (502, "upstream_unreachable"));
}

#[test]
fn a_server_may_have_an_ipv6_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        // A machine without IPv6 says so when it is asked for the address.
        assert!(TcpListener::bind("127.0.0.1:0").is_ok());
        return;
    };
    let address = listener.local_addr().unwrap();
    drop(listener);
    let app = Played::at(&address.to_string());
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/x", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n6");
    assert_eq!(client.answer().unwrap().body, "6");
}

#[test]
fn a_server_may_have_a_name() {
    let app = Origin::start();
    let gateway = public(&[format!("http://localhost:{}", app.address.port())], "", "");
    assert_eq!(gateway.get("/x", &[]).status, 200);
}

/// The next connection that the gateway makes, whose handshake is still to come.
fn secure(app: &Played, certificate: &Certificate) -> StreamOwned<ServerConnection, TcpStream> {
    let tls = ServerConnection::new(certificate.shown()).unwrap();
    StreamOwned::new(tls, app.accept().stream.into_inner())
}

/// `SSL_CERT_FILE` stands for what a system's administrator trusts.
#[test]
fn a_server_is_asked_over_tls_by_its_name_and_the_connection_is_kept() {
    let (app, certificate) = (Played::bind(), Certificate::of("localhost"));
    let port = app.address.port();
    let trusted = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(trusted.path(), &certificate.chain).unwrap();
    let app = std::thread::spawn(move || {
        let mut stream = BufReader::new(secure(&app, &certificate));
        let mut answered = || {
            let head = read_head(&mut stream).unwrap();
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").unwrap();
            head
        };
        let heads: [Seen; 2] = [answered(), answered()];
        (heads, stream.get_ref().conn.server_name().map(str::to_owned))
    });
    let toml = public_toml(&[format!("https://localhost:{port}")], "", "threads = 1");
    let gateway = House::with_env(&toml, &[("SSL_CERT_FILE", trusted.path().to_str().unwrap())]).run();
    for path in ["/one", "/two"] {
        let answered = gateway.get(path, &[]);
        assert_eq!((answered.status, answered.body.as_str()), (200, "secret"));
    }
    let ([one, two], asked_for) = app.join().unwrap();
    assert_eq!((one.path(), two.path(), asked_for.as_deref()), ("/one", "/two", Some("localhost")));
}

/// It is for `gw.example`, by nobody: the gateway asks for `localhost`, by somebody whom the system knows.
#[test]
fn a_server_whose_certificate_nobody_vouches_for_is_told_nothing() {
    let app = Played::bind();
    let port = app.address.port();
    let app = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let failed = secure(&app, &Certificate::new()).read_to_end(&mut heard);
        (heard, failed.is_err())
    });
    let gateway = public(&[format!("https://localhost:{port}")], "", "");
    gateway.get("/x", &[]).is_problem(502, "upstream_unreachable");
    assert_eq!(app.join().unwrap(), (Vec::new(), true));
    assert_eq!(gateway.metric(CONNECT_ERRORS), 1.0);
}
