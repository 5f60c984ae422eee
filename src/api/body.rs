//! The JSON that the endpoints take: an object whose members are each of their type; members that are not asked for are
//! ignored.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::gate::denial::Denial;
use crate::gate::json::parse_strict;

pub(super) struct Body(Map<String, Value>);

const NOT_AN_OBJECT: Denial = Denial::InvalidRequest("Send a JSON object that names no member twice.");

impl Body {
    /// An empty body is an empty object, where `required` does not say otherwise.
    pub(super) fn read(headers: &HeaderMap, body: &[u8], required: bool) -> Result<Self, Denial> {
        if body.is_empty() && !required {
            return Ok(Self(Map::new()));
        }
        if !is_json(headers.get(CONTENT_TYPE)) {
            return Err(Denial::UnsupportedMediaType);
        }
        match parse_strict(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(NOT_AN_OBJECT),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Denial> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Denial::InvalidRequest("A member is not of the expected type.")),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Denial> {
        self.text(name)?.ok_or(Denial::InvalidRequest("A member is missing."))
    }
}

/// `application/json`, with or without parameters.
fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &str) -> Result<Body, Denial> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Body::read(&headers, body.as_bytes(), true)
    }

    #[test]
    fn only_an_object_in_json_is_taken() {
        assert!(read("application/json; charset=utf-8", "{\"a\":\"b\",\"c\":1}").is_ok());
        for bad in ["", "[]", "null", "{\"a\":1,\"a\":1}", "{", "{}x"] {
            assert!(matches!(read("application/json", bad), Err(Denial::InvalidRequest(_))), "{bad}");
        }
        for other in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            assert!(matches!(read(other, "{}"), Err(Denial::UnsupportedMediaType)), "{other}");
        }
    }

    #[test]
    fn a_member_of_another_type_is_refused_and_not_taken_for_absent() {
        let body = read("application/json", "{\"a\":1}").unwrap();
        assert!(body.text("a").is_err() && body.required("b").is_err());
        assert_eq!(body.text("b"), Ok(None));
    }
}
