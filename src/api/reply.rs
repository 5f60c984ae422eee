//! An answer of the gateway's own, as data.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::gate::denial::Denial;

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The error's code, for metrics and the access line.
    pub outcome: &'static str,
}

/// RFC 9457, with members of our own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    status: u16,
    title: &'a str,
    code: &'a str,
    message: &'a str,
    request_id: &'a str,
}

impl Reply {
    pub fn json(body: &Value) -> Self {
        Self::new(StatusCode::OK, "allowed", body.to_string()).with("content-type", "application/json")
    }

    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, "allowed", String::new())
    }

    /// Whether its status leaves no room for a body, and so for a length (RFC 9110 section 8.6).
    pub fn is_bodiless(&self) -> bool {
        self.status == StatusCode::NO_CONTENT
    }

    pub fn denial(denial: &Denial, request_id: &str) -> Self {
        let status = denial.status();
        let (code, message) = (denial.code(), denial.message());
        let title = status.canonical_reason().unwrap_or_default();
        let problem = Problem { status: status.as_u16(), title, code, message, request_id };
        // Plain text and a number: there is nothing in it that could fail.
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut reply = Self::new(status, code, body).with("content-type", "application/problem+json");
        for (name, value) in denial.fields() {
            reply = reply.with(name, &value);
        }
        reply
    }

    /// Replaces what stood under this name. A value that cannot stand in a header is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    #[must_use]
    pub fn cookie(mut self, set_cookie: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(set_cookie) {
            value.set_sensitive(true);
            self.headers.append(http::header::SET_COOKIE, value);
        }
        self
    }

    fn new(status: StatusCode, outcome: &'static str, body: String) -> Self {
        // Every answer of ours is about one caller at one moment (RFC 6750 section 5.3).
        Self { status, headers: HeaderMap::new(), body: body.into(), outcome }.with("cache-control", "no-store")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_denial_is_a_problem_that_names_the_request() {
        let reply = Reply::denial(&Denial::TokenExpired, "r-1");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            (&body["status"], &body["code"], &body["requestId"]),
            (&json!(401), &json!("token_expired"), &json!("r-1"))
        );
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        assert!(reply.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    }
}
