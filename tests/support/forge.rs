//! Tokens as somebody else would make them. The secrets of HS256 are known here, so that a token can be wrong in one thing
//! and rightly signed.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::gateway::{House, usual};

pub const ACCESS_SECRET: &str = "the access secret of these tests, long enough";
pub const REFRESH_SECRET: &str = "the refresh secret of these tests, long enough";

/// What [`HS256`] takes from the environment.
pub const SECRETS: [(&str, &str); 2] =
    [("ACCESS_TOKEN_SECRET", ACCESS_SECRET), ("REFRESH_TOKEN_SECRET", REFRESH_SECRET)];

pub const HS256: &str = r#"
[auth]
algorithm = "HS256"
access_secret = "${ACCESS_TOKEN_SECRET}"
refresh_secret = "${REFRESH_TOKEN_SECRET}"
"#;

/// The usual rules and users, with tokens that these tests can sign. `auth` adds keys of that table.
pub fn hs256_house(app: SocketAddr, auth: &str) -> Arc<House> {
    let house = House::with_env(&usual(app, "", &format!("{HS256}{auth}")), &SECRETS);
    house.add_usual_users();
    house
}

/// A token taken apart: to be looked at, or changed and signed again.
#[derive(Clone, Debug)]
pub struct Token {
    pub header: Value,
    pub payload: Value,
}

impl Token {
    pub fn open(token: &Value) -> Self {
        let parts: Vec<&str> = token.as_str().unwrap().split('.').collect();
        assert_eq!(parts.len(), 3);
        Self { header: json(parts[0]), payload: json(parts[1]) }
    }

    /// With these members of the payload in place of its own.
    #[must_use]
    pub fn with(&self, members: Value) -> Self {
        let mut other = self.clone();
        other.payload.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        other
    }

    pub fn sign(&self, secret: &str) -> String {
        signed(&self.header.to_string(), &self.payload.to_string(), secret)
    }
}

/// Whatever the two texts say, under a good signature of HS256.
pub fn signed(header: &str, payload: &str, secret: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn json(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
