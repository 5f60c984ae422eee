//! `[[expect]]`: what `portcullis check` holds the routes to.

use http::Method;

use crate::config::address;
use crate::config::reader::Section;
use crate::config::settings::{Expectation, Outcome};
use crate::gate::role::Role;

pub fn expectations(root: &mut Section<'_>) -> Vec<Expectation> {
    root.tables("expect", |s| {
        let request = s.text("request", Request::parse);
        let request = s.required("request", request, "request = \"GET /admin/users\"");
        let roles = s.list("roles", Role::parse).map(|roles| roles.into_iter().map(|role| role.it).collect());
        let outcome = s.choice("outcome", &Outcome::ALL.map(|outcome| (outcome.word(), outcome)));
        let outcome = s.required("outcome", outcome, "outcome = \"forbidden\"");
        let line = s.source.position(s.at).line;
        let Request { method, path, host } = request?;
        Some(Expectation { line, method, path, host, roles, outcome: outcome? })
    })
}

/// `METHOD PATH` or `METHOD URL`.
#[derive(Debug, PartialEq)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub host: Option<String>,
}

impl Request {
    /// Any method and any path may be asked about, the odd ones above all.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "a request is METHOD PATH or METHOD URL, like \"GET /admin/users\"";
        let (method, url) = text.split_once(' ').ok_or(FORM)?;
        let (method, Url { path, host }) = (self::method(method)?, Url::parse(url)?);
        Ok(Self { method, path, host })
    }
}

/// Any of the form that is forwarded, the odd ones too.
pub fn method(text: &str) -> Result<Method, &'static str> {
    let upper = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    Method::from_bytes(text.as_bytes()).ok().filter(|_| upper).ok_or("a method is a word in upper case, like GET")
}

/// Where a request goes: a path, or a URL whose host counts too.
#[derive(Clone, Debug, PartialEq)]
pub struct Url {
    /// With its query.
    pub path: String,
    pub host: Option<String>,
}

impl Url {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "a path starts with /, and a URL is like \"https://app.example.com/path\", without a user";
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a path holds no spaces or control characters; write a space as %20");
        }
        if text.starts_with('/') {
            return Ok(Self { path: text.to_owned(), host: None });
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(FORM)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, _) = address::authority(authority).ok_or(FORM)?;
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { path: path.to_owned(), host: Some(host) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_method_and_a_path_or_a_url() {
        let parsed = |method, path: &str, host: Option<&str>| {
            Ok(Request { method, path: path.into(), host: host.map(str::to_owned) })
        };
        assert_eq!(Request::parse("GET /a/%2e%2e/b?c"), parsed(Method::GET, "/a/%2e%2e/b?c", None));
        assert_eq!(
            Request::parse("POST https://App.Example.com:8443/x"),
            parsed(Method::POST, "/x", Some("app.example.com"))
        );
        assert_eq!(Request::parse("GET http://app"), parsed(Method::GET, "/", Some("app")));
        for bad in ["", "GET", "/a", "get /a", "GET a", "GET  /a", "GET /a b", "GET ftp://a/", "GET http://u@a/"] {
            assert!(Request::parse(bad).is_err(), "{bad:?}");
        }
    }
}
