//! What is asked for arrives as it was asked: method, path, query and host, byte for byte.

use crate::public_app;
use crate::support::gateway::{House, usual};
use crate::support::origin::Origin;
use crate::support::wire::Wire;

const TARGETS: [&str; 22] = [
    "/",
    "/?",
    "/a/b/",
    "/a%20b/c%2Bd",
    "/a+b",
    "/caf%C3%A9",
    "/caf%c3%a9",
    "/x;v=1/y;w=2,3",
    "/%E2%9C%93?%E2%9C%93=1",
    "/s?q=a+b&r=c%20d&q=e",
    "/s?q=a/../b//c/%2e%2e/d",
    "/s?q=http://other.example/x?y=z",
    "/s?q[]=1&q[]=2&r[a][b]=3",
    "/s?a=b=c==&&&",
    "/s?a=%",
    "/s?a=%zz&b=%00",
    "/s?a=b;c=d",
    "/s?a='b'&c=(d)&e=*!$,:@~",
    "/s?a=|b|&c=^d^&e=`f`",
    "/s?jwt=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln",
    "/~user/(a)/b'c/d$e/f,g/h:i/j@k/l=m/n&o/p!q/r*s",
    "/.well-known/x",
];

#[test]
fn path_and_query_arrive_byte_for_byte() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    for target in TARGETS {
        let answered = client.ask("GET", target, &[]).answer().unwrap();
        assert_eq!(answered.status, 200, "{target} {}", answered.body);
        assert_eq!(app.last().path(), target);
    }
}

#[test]
fn a_long_query_arrives_whole() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    let target = format!("/s?q={}", "a%2Fb+".repeat(1300));
    assert_eq!(Wire::to(gateway.listen).ask("GET", &target, &[]).answer().unwrap().status, 200);
    assert_eq!(app.last().path(), target);
    let longer = format!("/s?q={}", "a".repeat(8 * 1024));
    assert_eq!(Wire::to(gateway.listen).ask("GET", &longer, &[]).answer().unwrap().code(), "uri_too_long");
}

#[test]
fn the_host_arrives_as_it_was_sent() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    for host in ["app.example", "App.Example:8080", "app.example.", "127.0.0.1:80", "[::1]:8080", "a_b.example"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(Wire::to(gateway.listen).send(request).answer().unwrap().status, 200, "{host}");
        let seen = app.last();
        assert_eq!((seen.all("host"), seen.all("x-forwarded-host")), (vec![host], vec![host]));
    }
}

#[test]
fn the_method_arrives_as_it_was_sent() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "methods = [\"GET\", \"POST\", \"OPTIONS\", \"PROPFIND\", \"M-SEARCH\"]");
    for method in ["GET", "POST", "OPTIONS", "PROPFIND", "M-SEARCH"] {
        let answered = Wire::to(gateway.listen).ask(method, "/x", &[("content-length", "0")]).answer().unwrap();
        assert_eq!(answered.status, 200, "{method} {}", answered.body);
        assert_eq!(app.last().line, format!("{method} /x HTTP/1.1"));
    }
}

/// Apps that heed such a field serve the method that it names.
#[test]
fn a_method_to_be_taken_instead_falls_under_the_same_rule() {
    let app = Origin::start();
    let rule =
        "[[routes]]\npath = \"/public/*\"\nmethods = [\"DELETE\", \"PUT\"]\nupstream = \"app\"\nroles = [\"admin\"]";
    let gateway = House::new(&usual(app.address, "", rule)).run();
    let ask = |name, value| {
        let fields = [("content-length", "0"), (name, value)];
        Wire::to(gateway.listen).ask("POST", "/public/x", &fields).answer().unwrap()
    };
    for name in ["x-http-method-override", "X_HTTP_Method", "x-method.override"] {
        for elsewhere in ["DELETE", "delete", " Put"] {
            ask(name, elsewhere).is_problem(400, "bad_request");
        }
        ask(name, "TRACE").is_problem(400, "bad_request");
        ask(name, "GET, DELETE").is_problem(400, "bad_request");
        ask(name, "MERGE").is_problem(405, "method_not_allowed");
        assert!(app.seen().is_empty(), "{:?}", app.seen());
    }
    let two = [("x-http-method", "GET"), ("x-http-method-override", "PUT")];
    gateway.get("/x", &two).is_problem(400, "bad_request");
    assert_eq!(ask("x-http-method-override", "GET").status, 200);
    assert_eq!(app.last().all("x-http-method-override"), ["GET"]);
}

#[test]
fn other_fields_arrive_as_they_were_sent_and_in_their_order() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    let fields = [
        ("accept", "text/html;q=0.9, */*;q=0.1"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("if-none-match", "W/\"abc\""),
        ("range", "bytes=0-99"),
        ("x-empty", ""),
        ("user-agent", "t/1 (a; b) \"c\""),
        ("via", "1.1 edge"),
        ("sec-fetch-site", "cross-site"),
        ("x-http-method", "PUT"),
        ("authorization", "Digest username=\"a\""),
    ];
    assert_eq!(Wire::to(gateway.listen).ask("GET", "/x", &fields).answer().unwrap().status, 200);
    let seen = app.last();
    for (name, _) in fields {
        let sent: Vec<&str> = fields.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect();
        assert_eq!(seen.all(name), sent);
    }
    for hop_by_hop in ["connection", "keep-alive", "te", "proxy-connection", "upgrade"] {
        assert!(seen.all(hop_by_hop).is_empty(), "{hop_by_hop}");
    }
}

#[test]
fn what_concerns_the_clients_connection_stays_here() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    let fields = [
        ("connection", "keep-alive, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic YTpi"),
        ("x-end-to-end", "1"),
    ];
    assert_eq!(Wire::to(gateway.listen).ask("GET", "/x", &fields).answer().unwrap().status, 200);
    let seen = app.last();
    for name in ["connection", "x-hop", "keep-alive", "te", "proxy-connection", "proxy-authorization"] {
        assert!(seen.all(name).is_empty(), "{name}: {seen:?}");
    }
    assert_eq!(seen.all("x-end-to-end"), ["1"]);
}
