//! Requests sent before the last one was answered (RFC 9112 section 9.3.2): each is decided on its own and answered in turn.

use crate::public_app;
use crate::support::bearer;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::played::Played;
use crate::support::wire::Wire;


fn get(path: &str, credential: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n{credential}\r\n")
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let token = format!("authorization: {}\r\n", bearer(&gateway.login("bob@example.com")));
    let requests = [
        get("/public/1", ""),
        get("/2", ""),
        get("/3", &token),
        get("/admin/4", &token),
        get("/auth/me", &token),
        get("/public/6", ""),
    ];
    let mut client = Wire::to(gateway.listen);
    client.send(requests.concat());
    let statuses: Vec<u16> = requests.iter().map(|_| client.answer().expect("an answer to each").status).collect();
    assert_eq!(statuses, [200, 401, 200, 403, 200, 200]);
    let seen = app.seen();
    assert_eq!(seen.iter().map(|seen| seen.path()).collect::<Vec<_>>(), ["/public/1", "/3", "/public/6"]);
    assert_eq!(seen[1].all("x-user-email"), ["bob@example.com"]);
    assert!(seen[0].all("x-user-email").is_empty() && seen[2].all("x-user-email").is_empty(), "one's identity is no other's");
}

#[test]
fn a_request_that_comes_while_another_is_served_waits_its_turn() {
    let app = Played::bind();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.send(get("/1", ""));
    let mut served = app.accept();
    served.request().unwrap();
    client.send(get("/2", ""));
    // The second has come: its bytes are in the gateway's hands, or will be when it asks for them.
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1");
    assert_eq!(client.answer().expect("an answer to the first").body, "1");
    assert_eq!(served.request().expect("the second request").path(), "/2");
    served.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2");
    assert_eq!(client.answer().expect("an answer to the second").body, "2");
}

#[test]
fn a_body_ends_before_the_pipelined_request() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.send(format!("POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody{}", get("/2", "")));
    assert_eq!((client.answer().unwrap().status, client.answer().unwrap().status), (200, 200));
    let seen = app.seen();
    assert_eq!((seen[0].body.as_slice(), seen[1].path(), seen.len()), (&b"body"[..], "/2", 2));
}
