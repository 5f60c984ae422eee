//! Starts the real binary and talks to it over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::net::SocketAddr;

use serde_json::Value;

pub mod app;
pub mod commands;
pub mod cookies;
pub mod crew;
pub mod demo;
pub mod dice;
pub mod forge;
pub mod gateway;
pub mod golden;
pub mod http2;
pub mod identity;
pub mod ledger;
pub mod mistakes;
pub mod nasty;
pub mod origin;
pub mod played;
pub mod problem;
pub mod readme;
pub mod redis;
pub mod rules;
pub mod servers;
pub mod tls;
pub mod upstreams;
pub mod wait;
pub mod wire;

pub const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.body))
    }

    /// The `code` of a problem, or the whole answer where there is none.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or(&self.body).to_owned()
    }

    /// The field's value, or nothing.
    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// With an ordinary HTTP client. `body` none: no body and no length.
pub fn send(to: SocketAddr, method: &str, path: &str, fields: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
    try_send(to, method, path, fields, body).unwrap_or_else(|| panic!("no answer to {method} {path}"))
}

/// `None`: there was no whole answer.
pub fn try_send(
    to: SocketAddr,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Option<Answer> {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).allow_non_standard_methods(true);
    let agent = ureq::Agent::new_with_config(config.build());
    let mut request = http::Request::builder().method(method).uri(format!("http://{to}{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut response = match body {
        Some(body) => agent.run(request.body(body).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    }
    .ok()?;
    let body = response.body_mut().with_config().limit(1 << 30).read_to_string().ok()?;
    Some(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
}

/// The `Authorization` field of a login's access token.
pub fn bearer(tokens: &Value) -> String {
    format!("Bearer {}", tokens["accessToken"].as_str().unwrap())
}

/// Until it holds. A test that waits for longer than [`gateway::PATIENCE`] has failed.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    const STEP: std::time::Duration = std::time::Duration::from_millis(20);
    for _ in 0..gateway::PATIENCE.as_millis() / STEP.as_millis() {
        if holds() {
            return;
        }
        std::thread::sleep(STEP);
    }
    panic!("in vain: {what}");
}

/// What stands behind `%41` and its like; what is not of that form stays.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = text.bytes().peekable();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let rest: Vec<u8> = bytes.clone().take(2).collect();
        let escaped = std::str::from_utf8(&rest).ok().filter(|hex| byte == b'%' && hex.len() == 2);
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                bytes.nth(1);
            }
            None => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).unwrap()
}
