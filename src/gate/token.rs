//! The token door: `jsonwebtoken` signs and checks signatures, everything else about a token is judged here.
//!
//! Norms: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best practice), RFC 9068 (access tokens). In order: size and shape,
//! strict base64url and JSON, `typ`, no `crit`, a key we know with its own algorithm, the signature, claims of the right
//! type; then, on every use, time. An error says which kind of no, and never a byte of the token.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::json::parse_strict;
use super::keys::{Key, KeyRing};
use super::role::Role;
use super::time::Timestamp;
use super::user::{SessionId, UserId};

/// The most bytes a token may have; checked before anything is decoded.
pub const MAX_BYTES: usize = 8 * 1024;

/// By how much clocks may differ.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// Who issues and for whom: both are required in every token.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub issuer: String,
    pub audience: String,
}

/// The two kinds of token, told apart by `typ` (RFC 8725 section 3.11). One cannot serve as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Access,
    Refresh,
}

impl Kind {
    fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }
}

/// What a token with a good signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub user: UserId,
    pub session: SessionId,
    pub token_version: u64,
    /// The refresh chain's generation; 0 in an access token.
    pub generation: u64,
    /// Seconds since the epoch, as in the token.
    pub issued_at: u64,
    pub expires_at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
}

impl Claims {
    /// Time, judged on every use: `exp` and `iat` with the leeway.
    pub fn check_time(&self, now: Timestamp) -> Result<(), TokenError> {
        let (now, leeway) = (now.secs(), LEEWAY.as_secs());
        if self.issued_at > now + leeway || self.expires_at < self.issued_at {
            return Err(TokenError::Invalid);
        }
        if self.expires_at.saturating_add(leeway) <= now { Err(TokenError::Expired) } else { Ok(()) }
    }

    /// What it was given, from its issue on.
    pub fn life(&self) -> Duration {
        Duration::from_secs(self.expires_at.saturating_sub(self.issued_at))
    }
}

/// Everything but time: shape, header, key, signature, and claims that are all there and of the right type.
pub fn open(token: &str, kind: Kind, keys: &KeyRing, issuer: &Issuer, now: Timestamp) -> Result<Claims, TokenError> {
    let parts = Parts::split(token).ok_or(TokenError::Invalid)?;
    let key = parts.key(kind, keys, now).ok_or(TokenError::Invalid)?;
    let signed =
        jsonwebtoken::crypto::verify(parts.signature, parts.message.as_bytes(), &key.verifying, key.algorithm.jose());
    if !signed.unwrap_or(false) {
        return Err(TokenError::Invalid);
    }
    parts.claims(kind, issuer, now).ok_or(TokenError::Invalid)
}

/// An access token: a JWT as RFC 9068 section 2 lays out.
pub fn access(claims: &Claims, roles: &[Role], jti: Uuid, key: &Key, issuer: &Issuer) -> Option<String> {
    let roles: Vec<_> = roles.iter().map(Role::as_str).collect();
    let mut payload = shared(claims, issuer);
    payload.insert("jti".into(), jti.to_string().into());
    payload.insert("roles".into(), roles.into());
    sign(Kind::Access, payload, key)
}

/// A refresh token: a pure function of its arguments, so that the same session gives the same bytes on any gateway.
/// That holds because HS256 is deterministic and the members of a JSON object are written in one fixed order.
pub fn refresh(claims: &Claims, key: &Key, issuer: &Issuer) -> Option<String> {
    let mut payload = shared(claims, issuer);
    payload.insert("gen".into(), claims.generation.into());
    sign(Kind::Refresh, payload, key)
}

fn shared(claims: &Claims, issuer: &Issuer) -> Map<String, Value> {
    let payload = json!({
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "sub": claims.user.to_string(),
        "sid": claims.session.to_string(),
        "iat": claims.issued_at,
        "exp": claims.expires_at,
        "tokenVersion": claims.token_version,
    });
    match payload {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn sign(kind: Kind, payload: Map<String, Value>, key: &Key) -> Option<String> {
    let header = json!({ "alg": key.algorithm.name(), "typ": kind.typ(), "kid": key.kid });
    let message =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(Value::Object(payload).to_string().as_bytes()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.signing, key.algorithm.jose()).ok()?;
    Some(format!("{message}.{signature}"))
}

/// A token cut at its two dots, header and payload decoded.
struct Parts<'a> {
    message: &'a str,
    signature: &'a str,
    header: Value,
    payload: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Option<Self> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        // The signature goes to the library as text: only its one canonical spelling is let through.
        decode(signature)?;
        Some(Self { message, signature, header: parse_strict(&decode(header)?).ok()?, payload })
    }

    fn key<'k>(&self, kind: Kind, keys: &'k KeyRing, now: Timestamp) -> Option<&'k Key> {
        let header = self.header.as_object()?;
        let typ = header.get("typ")?.as_str()?;
        let bare = typ.get(..12).filter(|p| p.eq_ignore_ascii_case("application/")).map_or(typ, |_| &typ[12..]);
        if !bare.eq_ignore_ascii_case(kind.typ()) || header.contains_key("crit") {
            return None;
        }
        let key = keys.verifier(header.get("kid")?.as_str()?, now)?;
        (header.get("alg")?.as_str()? == key.algorithm.name()).then_some(key)
    }

    fn claims(&self, kind: Kind, issuer: &Issuer, now: Timestamp) -> Option<Claims> {
        let payload = parse_strict(&decode(self.payload)?).ok()?;
        let text = |name: &str| payload.get(name)?.as_str();
        let number = |name: &str| payload.get(name)?.as_u64();
        if text("iss")? != issuer.issuer || text("aud")? != issuer.audience {
            return None;
        }
        if kind == Kind::Access {
            text("jti")?;
            payload.get("roles")?.as_array()?.iter().all(Value::is_string).then_some(())?;
        }
        // RFC 7519 section 4.1.5. Ours have none; what has begun stays begun, so that this need not be judged on every use.
        let begun = |nbf: &Value| nbf.as_u64().is_some_and(|nbf| nbf <= now.plus(LEEWAY).secs());
        payload.get("nbf").is_none_or(begun).then_some(())?;
        Some(Claims {
            user: UserId(canonical_uuid(text("sub")?)?),
            session: SessionId(canonical_uuid(text("sid")?)?),
            token_version: number("tokenVersion")?,
            generation: if kind == Kind::Refresh { number("gen")? } else { 0 },
            issued_at: number("iat")?,
            expires_at: number("exp")?,
        })
    }
}

fn canonical_uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.as_hyphenated().to_string() == text)
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Without padding, and without stray trailing bits: each byte string has one spelling (RFC 7515 section 2).
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
