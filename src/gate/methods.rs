//! The methods that are served at all. An app that is handed a method it does not know may well treat it as GET.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::denial::Denial;
use super::fold;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods {
    served: Vec<Method>,
    /// As an `Allow` field says them (RFC 9110 section 10.2.1).
    allow: Arc<str>,
}

/// Why a text is no method that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    #[error("a method is written in upper case letters, like \"PROPFIND\"")]
    Form,
    #[error("TRACE and CONNECT are never served: one sends credentials back, the other makes a tunnel")]
    Never,
}

impl Methods {
    pub fn new(served: Vec<Method>) -> Self {
        let names: Vec<&str> = served.iter().map(Method::as_str).collect();
        Self { allow: names.join(", ").into(), served }
    }

    /// RFC 9110 section 9.1: methods are told apart by case.
    pub fn parse(name: &str) -> Result<Method, MethodError> {
        let plain = (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        match Method::from_bytes(name.as_bytes()) {
            Ok(Method::TRACE | Method::CONNECT) => Err(MethodError::Never),
            Ok(method) if plain => Ok(method),
            _ => Err(MethodError::Form),
        }
    }

    pub fn check(&self, method: &Method) -> Result<(), Denial> {
        if self.served.contains(method) { Ok(()) } else { Err(Denial::MethodNotAllowed(Arc::clone(&self.allow))) }
    }
}

/// Fields by which some apps let a request be of another method than it says.
const OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

impl Methods {
    /// The methods that an app may take this request to be of, beside its own. A request that could not be of one is refused.
    pub fn others(&self, headers: &HeaderMap) -> impl Iterator<Item = Result<Method, Denial>> {
        let overrides = |name: &HeaderName| OVERRIDES.iter().any(|other| fold::is(name, other.as_bytes()));
        let named = headers.iter().filter(move |(name, _)| overrides(name));
        named.map(|(_, value)| {
            let other = named_method(value).ok_or(Denial::BadRequest("The method to be taken instead is none."))?;
            self.check(&other).map(|()| other)
        })
    }
}

/// Apps that heed such a field do not heed its case.
fn named_method(value: &HeaderValue) -> Option<Method> {
    Methods::parse(&value.to_str().ok()?.trim().to_ascii_uppercase()).ok()
}

impl Default for Methods {
    fn default() -> Self {
        use Method as M;
        Self::new(vec![M::GET, M::HEAD, M::POST, M::PUT, M::PATCH, M::DELETE, M::OPTIONS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_list_is_not_served() {
        let methods = Methods::new(vec![Method::GET, Methods::parse("PROPFIND").unwrap()]);
        assert_eq!(methods.check(&Method::GET), Ok(()));
        assert_eq!(methods.check(&Method::POST), Err(Denial::MethodNotAllowed("GET, PROPFIND".into())));
        assert!(methods.check(&Method::from_bytes(b"get").unwrap()).is_err());
    }

    #[test]
    fn a_request_may_name_other_methods_than_its_own() {
        let others = |name: &'static str, value| -> Vec<_> {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            Methods::default().others(&headers).collect()
        };
        for name in ["x-http-method-override", "x_http_method.override", "x-http-method", "x-method-override"] {
            assert_eq!(others(name, "delete"), [Ok(Method::DELETE)], "{name}");
        }
        assert_eq!(others("x-http-methods", "delete"), []);
        assert!(matches!(others("x-http-method", "TRACE")[..], [Err(Denial::BadRequest(_))]));
        assert!(matches!(others("x-http-method", "GET, DELETE")[..], [Err(Denial::BadRequest(_))]));
        assert!(matches!(others("x-http-method", "MERGE")[..], [Err(Denial::MethodNotAllowed(_))]));
    }

    #[test]
    fn some_methods_are_never_served() {
        for (name, error) in [
            ("TRACE", MethodError::Never),
            ("CONNECT", MethodError::Never),
            ("get", MethodError::Form),
            ("", MethodError::Form),
            ("A B", MethodError::Form),
        ] {
            assert_eq!(Methods::parse(name), Err(error), "{name}");
        }
    }
}
