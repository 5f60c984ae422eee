//! Clients that go away before their answer is there: the app is let go, the log says so, and nothing is left behind.

use std::io::Write;

use crate::public_app;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::played::Played;
use crate::support::wire::Wire;

/// One place for connections: whoever is not let go keeps everyone else out.
const ONE_PLACE: &str = "max_connections = 1";

fn is_told(gateway: &Gateway, path: &str) {
    let line = gateway.wait_for_line(&format!("path={path} "));
    assert!(line.contains("outcome=client_gone "), "{line}");
}

#[test]
fn a_client_that_leaves_before_the_answer_takes_its_request_along() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", ONE_PLACE);
    for turn in 0..5 {
        let mut client = Wire::to(gateway.listen);
        let path = format!("/{turn}");
        client.ask("GET", &path, &[]);
        let mut served = app.accept();
        served.request().unwrap();
        drop(client);
        assert!(served.is_closed(), "the app is still waited for");
        is_told(&gateway, &path);
    }
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/after", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.answer().unwrap().body, "ok");
    assert!(
        !gateway.admin("/metrics").body.contains("portcullis_upstream_errors_total{"),
        "it was not the app's fault"
    );
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_upload_does_not_finish_it() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", ONE_PLACE);
    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/length", &[("content-length", "1000")]).send("12345");
    let mut served = app.accept();
    served.request().unwrap();
    assert_eq!(served.exactly(5).unwrap(), b"12345");
    drop(client);
    assert_eq!(served.rest(), b"");
    is_told(&gateway, "/length");

    let mut client = Wire::to(gateway.listen);
    client.ask("POST", "/chunked", &[("transfer-encoding", "chunked")]).send("5\r\n12345\r\n");
    let mut served = app.accept();
    served.request().unwrap();
    assert_eq!(served.chunk().unwrap(), b"12345");
    drop(client);
    assert_eq!(served.rest(), b"", "the end of the body was made up");
    is_told(&gateway, "/chunked");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_download_lets_the_app_go() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", ONE_PLACE);
    let mut client = Wire::to(gateway.listen);
    client.ask("GET", "/endless", &[]);
    let mut served = app.accept();
    served.request().unwrap();
    served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    assert_eq!(client.head().unwrap().0, 200);
    assert_eq!(client.chunk().unwrap(), b"first");
    drop(client);
    // It writes until it is told.
    while served.stream.get_mut().write_all(b"4\r\nmore\r\n").is_ok() {
        std::thread::yield_now();
    }
    is_told(&gateway, "/endless");
    let mut client = Wire::to(gateway.listen);
    assert_eq!(client.ask("GET", "/auth/jwks.json", &[]).answer().unwrap().status, 200);
}

#[test]
fn a_client_that_leaves_a_call_on_our_own_endpoints_leaves_nothing_behind() {
    let gateway = public_app(Origin::start().address, "", ONE_PLACE);
    for _ in 0..3 {
        let mut client = Wire::to(gateway.listen);
        client.ask("POST", "/auth/login", &[("content-length", "100"), ("content-type", "application/json")]);
        client.send("{\"email\":");
    }
    let mut client = Wire::to(gateway.listen);
    assert_eq!(client.ask("GET", "/auth/jwks.json", &[]).answer().unwrap().status, 200);
}
