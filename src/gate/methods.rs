//! The methods that are served at all. An app that is handed a method it does not know may well treat it as GET.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::denial::Denial;
use super::fold;

/// RFC 9110 section 9.3 and RFC 5789, without CONNECT and TRACE.
pub static USUAL: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

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
    /// The method that an app may take this request to be of instead of its own. A request that could not be of it is refused,
    /// and so is one that names several: each would have to be judged.
    pub fn other(&self, headers: &HeaderMap) -> Result<Option<Method>, Denial> {
        let overrides = |name: &HeaderName| OVERRIDES.iter().any(|other| fold::is(name, other.as_bytes()));
        let mut named = headers.iter().filter(|(name, _)| overrides(name)).map(|(_, value)| named_method(value));
        let Some(first) = named.next() else { return Ok(None) };
        if named.any(|other| other != first) {
            return Err(Denial::BadRequest("Name one method to be taken instead."));
        }
        let other = first.ok_or(Denial::BadRequest("The method to be taken instead is none."))?;
        self.check(&other).map(|()| Some(other))
    }
}

/// Apps that heed such a field do not heed its case.
fn named_method(value: &HeaderValue) -> Option<Method> {
    Methods::parse(&value.to_str().ok()?.trim().to_ascii_uppercase()).ok()
}

impl Default for Methods {
    fn default() -> Self {
        Self::new(USUAL.to_vec())
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
        let other = |fields: &[(&'static str, &'static str)]| {
            let fields =
                fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            Methods::default().other(&fields.collect())
        };
        for name in ["x-http-method-override", "x_http_method.override", "x-http-method", "x-method-override"] {
            assert_eq!(other(&[(name, "delete")]), Ok(Some(Method::DELETE)), "{name}");
        }
        assert_eq!(other(&[("x-http-methods", "delete")]), Ok(None));
        assert!(matches!(other(&[("x-http-method", "TRACE")]), Err(Denial::BadRequest(_))));
        assert!(matches!(other(&[("x-http-method", "GET, DELETE")]), Err(Denial::BadRequest(_))));
        assert!(matches!(other(&[("x-http-method", "MERGE")]), Err(Denial::MethodNotAllowed(_))));
        let twice = [("x-http-method", "PUT"), ("x-method-override", "put")];
        assert_eq!(other(&twice), Ok(Some(Method::PUT)));
        let two = [("x-http-method", "PUT"), ("x-method-override", "POST")];
        assert!(matches!(other(&two), Err(Denial::BadRequest(_))));
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
