//! The id of a request: on every answer, in every problem, on what is forwarded and in the log. A client's own is kept only
//! from a trusted proxy.

use super::support::gateway::Gateway;
use super::support::origin::Origin;
use super::support::wire::Wire;

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1/32\"]";

#[test]
fn an_id_from_a_trusted_proxy_is_kept() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, TRUSTED, "");
    let longest = "x".repeat(128);
    for id in ["a", "0af7651916cd43dd8448eb211c80319c", "Req_1.2-3", &longest] {
        let forwarded = gateway.get("/public/x", &[("x-request-id", id)]);
        assert_eq!((forwarded.status, forwarded.field("x-request-id")), (200, id));
        assert_eq!(app.last().all("x-request-id"), [id]);
        for path in ["/x", "/auth/me", "/public/..%2fadmin/"] {
            let refused = gateway.get(path, &[("x-request-id", id)]);
            refused.is_problem(refused.status, &refused.code());
            assert_eq!(refused.field("x-request-id"), id, "{path}");
        }
        gateway.wait_for_line(&format!("requestId={id} "));
    }
}

#[test]
fn an_id_that_is_doubled_or_of_a_strange_form_is_replaced() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, TRUSTED, "");
    let long = "x".repeat(129);
    for id in ["", " ", "a b", "a,b", "a/b", "a\"b", "a=b", "a;b", "\u{e9}", &long] {
        let answer = gateway.get("/public/x", &[("x-request-id", id)]);
        is_ours(answer.field("x-request-id"));
        assert_eq!(app.last().all("x-request-id"), [answer.field("x-request-id")]);
    }
    for other in ["X_Request_Id: aaaa", "x.request.id: aaaa", "X-Request-Id: aaaa\r\nX-Request-Id: aaaa"] {
        let mut wire = Wire::to(gateway.listen);
        wire.send(format!("GET /public/x HTTP/1.1\r\nHost: gw\r\n{other}\r\n\r\n"));
        let answer = wire.answer().unwrap();
        is_ours(answer.field("x-request-id"));
        let seen = app.last();
        assert_eq!(seen.all("x-request-id"), [answer.field("x-request-id")]);
        assert!(!seen.fields.iter().any(|(_, value)| value == "aaaa"), "{:?}", seen.fields);
    }
}

#[test]
fn an_id_from_anyone_else_is_replaced() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "trusted_proxies = [\"192.0.2.0/24\"]", "");
    let fields = [("x-request-id", "mine"), ("x-forwarded-for", "192.0.2.1")];
    let forwarded = gateway.get("/public/x", &fields);
    is_ours(forwarded.field("x-request-id"));
    assert_eq!(app.last().all("x-request-id"), [forwarded.field("x-request-id")]);
    let refused = gateway.get("/x", &fields);
    refused.is_problem(401, "missing_token");
    is_ours(refused.field("x-request-id"));
    assert_ne!(refused.field("x-request-id"), forwarded.field("x-request-id"), "each has its own");
}

#[track_caller]
fn is_ours(id: &str) {
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
}
