//! Bodies that are no JSON, not of the expected shape, too large, or never there; emails and passwords at their limits.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use super::gateway;
use super::support::gateway::{Gateway, PASSWORD};
use super::support::wire::Wire;
use super::support::{Answer, bearer};

const MAX_BODY: usize = 16 * 1024;

fn post(gateway: &Gateway, path: &str, body: &[u8]) -> Answer {
    gateway.send("POST", path, &[("content-type", "application/json")], Some(body))
}

/// The head of a login with these fields more.
fn head(gateway: &Gateway, fields: &str) -> String {
    let host = gateway.listen;
    format!("POST /auth/login HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{fields}\r\n\r\n")
}

#[test]
fn what_is_no_json_object_is_refused() {
    let gateway = gateway("");
    let deep = format!("{{\"email\":\"a@b\",\"password\":\"x\",\"y\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    for body in [
        "{",
        "}",
        "[]",
        "null",
        "\"x\"",
        "1",
        "{}{}",
        "{'email':'a@b','password':'x'}",
        "{email:\"a@b\",password:\"x\"}",
        "{\"email\":\"a@b\",\"password\":\"x\",}",
        "{\"email\":\"a@b\",\"password\":\"x\"} x",
        "{\"email\":\"a@b\",\"password\":\"x\"/**/}",
        "{\"email\":\"a@b\",\"password\":\"\\ud800\"}",
        "{\"email\":\"a@b\",\"password\":\"\u{1}\"}",
        "{\"email\":\"a@b\",\"password\":\"x\",\"n\":1e999}",
        "{\"email\":\"a@b\",\"password\":\"x\",\"n\":NaN}",
        "\u{feff}{\"email\":\"a@b\",\"password\":\"x\"}",
        "email=a@b&password=x",
        &deep,
    ] {
        for path in ["/auth/login", "/auth/refresh", "/auth/logout"] {
            post(&gateway, path, body.as_bytes()).is_problem(400, "invalid_request");
        }
    }
    for bytes in [&b"\xff\xfe"[..], b"{\"email\":\"\xff\",\"password\":\"x\"}", b"\0", b" ", b"\x1f\x8b\x08"] {
        post(&gateway, "/auth/login", bytes).is_problem(400, "invalid_request");
    }
    post(&gateway, "/auth/login", b"").is_problem(400, "invalid_request");
}

#[test]
fn a_member_of_the_wrong_type_is_refused_and_one_that_nobody_asked_for_is_ignored() {
    let gateway = gateway("");
    for value in [json!(null), json!(1), json!(true), json!(["a@b"]), json!({ "$ne": "" })] {
        for name in ["email", "password", "client"] {
            let mut body = json!({ "email": "a@b", "password": "x" });
            body[name] = value.clone();
            gateway.post("/auth/login", &[], &body).is_problem(400, "invalid_request");
        }
        for path in ["/auth/refresh", "/auth/logout"] {
            gateway.post(path, &[], &json!({ "refreshToken": value })).is_problem(400, "invalid_request");
        }
    }
    for part in [json!({}), json!({ "email": "a@b" }), json!({ "password": "x" }), json!({ "Email": "a@b" })] {
        gateway.post("/auth/login", &[], &part).is_problem(400, "invalid_request");
    }
    let more = json!({ "email": "ann@example.com", "password": PASSWORD, "remember": { "me": [1, null] } });
    assert_eq!(gateway.post("/auth/login", &[], &more).status, 200);
}

#[test]
fn a_member_named_twice_is_refused_at_any_depth_and_in_any_spelling() {
    let gateway = gateway("");
    for body in [
        r#"{"email":"a@b","email":"a@b","password":"x"}"#,
        r#"{"email":"a@b","password":"x","password":"y"}"#,
        r#"{"email":"a@b","\u0065mail":"c@d","password":"x"}"#,
        r#"{"email":"a@b","password":"x","other":1,"other":1}"#,
        r#"{"email":"a@b","password":"x","other":{"a":1,"a":1}}"#,
        r#"{"email":"a@b","password":"x","other":[[{"a":1,"\u0061":1}]]}"#,
        r#"{"email":"a@b","password":"x","client":"web","client":"mobile"}"#,
    ] {
        post(&gateway, "/auth/login", body.as_bytes()).is_problem(400, "invalid_request");
    }
    let escaped = r#"{"\u0065mail":"ann@example.com","password":"a fine long sentence"}"#;
    assert_eq!(post(&gateway, "/auth/login", escaped.as_bytes()).status, 200, "an escape alone is no harm");
}

#[test]
fn sixteen_kibibytes_are_read_and_not_one_byte_more() {
    let gateway = gateway("");
    let of_size = |bytes: usize| {
        let body = json!({ "email": "ann@example.com", "password": PASSWORD }).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let (fits, over) = (of_size(MAX_BODY), of_size(MAX_BODY + 1));
    assert_eq!(post(&gateway, "/auth/login", fits.as_bytes()).status, 200);
    post(&gateway, "/auth/login", over.as_bytes()).is_problem(413, "payload_too_large");

    let chunked = |body: &str| {
        let (first, second) = body.split_at(9000);
        let chunks = [first, second, ""].map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()));
        let head = head(&gateway, "Transfer-Encoding: chunked");
        Wire::to(gateway.listen).send(format!("{head}{}", chunks.concat())).answer().unwrap()
    };
    assert_eq!(chunked(&fits).status, 200);
    chunked(&over).is_problem(413, "payload_too_large");
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let gateway = gateway("");
    let mut wire = Wire::to(gateway.listen);
    wire.send(head(&gateway, "Content-Length: 16385\r\nExpect: 100-continue"));
    wire.answer().unwrap().is_problem(413, "payload_too_large");

    let body = json!({ "email": "ann@example.com", "password": PASSWORD }).to_string();
    let mut wire = Wire::to(gateway.listen);
    wire.send(head(&gateway, &format!("Content-Length: {}\r\nExpect: 100-continue", body.len())));
    assert_eq!(wire.head().unwrap().0, 100);
    assert_eq!(wire.send(body).answer().unwrap().status, 200);
}

#[test]
fn a_body_that_is_badly_chunked_is_refused() {
    let gateway = gateway("");
    for chunks in ["zz\r\n{}\r\n0\r\n\r\n", "-1\r\n{}\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"] {
        let mut wire = Wire::to(gateway.listen);
        wire.send(format!("{}{chunks}", head(&gateway, "Transfer-Encoding: chunked")));
        wire.answer().expect(chunks).is_problem(400, "bad_request");
        assert!(wire.is_closed());
    }
}

#[test]
fn a_body_that_drips_is_cut_off() {
    let gateway = gateway("");
    let mut wire = Wire::to(gateway.listen);
    wire.send(head(&gateway, "Content-Length: 10000"));
    wire.stream.get_ref().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut writer = wire.stream.get_ref().try_clone().unwrap();
    std::thread::spawn(move || {
        while writer.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    wire.answer().unwrap().is_problem(408, "request_timeout");
    assert!(wire.is_closed());
}

#[test]
fn an_email_has_254_bytes_at_most() {
    let gateway = gateway("");
    let longest = format!("{}@example.com", "a".repeat(254 - "@example.com".len()));
    gateway.house.add_user(&longest, &[]);
    gateway.login(&longest);
    gateway.try_login(&format!("b{}", &longest[1..]), "x").is_problem(401, "invalid_credentials");
    gateway.try_login(&format!("a{longest}"), PASSWORD).is_problem(400, "invalid_request");
    let letters = format!("{}@example.com", "\u{e9}".repeat(121));
    assert_eq!(letters.len(), 254, "bytes count, not letters");
    gateway.try_login(&letters, "x").is_problem(401, "invalid_credentials");
    gateway.try_login(&format!("\u{e9}{letters}"), "x").is_problem(400, "invalid_request");
}

#[test]
fn a_password_has_1024_bytes_at_most_whoever_it_is_for() {
    let gateway = gateway("");
    let longest = "this is no short one; ".repeat(47).split_off(10);
    gateway.house.says(&["user", "add", "uwe@example.com", "--password-stdin"], &format!("{longest}\n"));
    assert_eq!(gateway.try_login("uwe@example.com", &longest).status, 200);
    gateway.try_login("uwe@example.com", &longest[1..]).is_problem(401, "invalid_credentials");
    for email in ["uwe@example.com", "nobody@example.com"] {
        gateway.try_login(email, &format!("{longest}x")).is_problem(400, "invalid_request");
    }
    let token = bearer(&gateway.login("ann@example.com"));
    let change = |new: &str| {
        let body = json!({ "currentPassword": PASSWORD, "newPassword": new });
        gateway.post("/auth/password", &[("authorization", &token)], &body)
    };
    change(&format!("{longest}x")).is_problem(400, "invalid_request");
    assert_eq!(change(&longest).status, 200);
}
