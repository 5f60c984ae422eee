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
    /// Time, judged on every use: `exp` and `iat` with the leeway, and no longer a life than `ttl`.
    pub fn check_time(&self, now: Timestamp, ttl: Duration) -> Result<(), TokenError> {
        let (now, leeway) = (now.secs(), LEEWAY.as_secs());
        if self.issued_at > now + leeway || self.expires_at < self.issued_at {
            return Err(TokenError::Invalid);
        }
        if self.expires_at - self.issued_at > ttl.as_secs() {
            return Err(TokenError::Invalid);
        }
        if self.expires_at.saturating_add(leeway) <= now { Err(TokenError::Expired) } else { Ok(()) }
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
mod tests {
    use super::*;
    use crate::gate::keys::Algorithm;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn issuer() -> Issuer {
        Issuer { issuer: "i".into(), audience: "a".into() }
    }

    fn ring(algorithm: Algorithm) -> KeyRing {
        let key = Key::new("k".into(), algorithm, &algorithm.generate().unwrap(), Timestamp::default()).unwrap();
        KeyRing::new(vec![key], Duration::from_secs(900))
    }

    fn claims() -> Claims {
        let (user, session) = (UserId(Uuid::from_u128(7)), SessionId(Uuid::from_u128(8)));
        Claims { user, session, token_version: 3, generation: 0, issued_at: NOW.secs(), expires_at: NOW.secs() + 900 }
    }

    fn minted(ring: &KeyRing) -> String {
        access(&claims(), &[Role::parse("admin").unwrap()], Uuid::nil(), ring.signer(NOW).unwrap(), &issuer()).unwrap()
    }

    /// A token with this header and payload, rightly signed: only its content is wrong.
    fn forged(ring: &KeyRing, header: &str, payload: &str) -> String {
        let key = ring.signer(NOW).unwrap();
        let message = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.signing, key.algorithm.jose()).unwrap();
        format!("{message}.{signature}")
    }

    #[test]
    fn every_algorithm_opens_what_it_signed() {
        for algorithm in Algorithm::ALL {
            let ring = ring(algorithm);
            assert_eq!(open(&minted(&ring), Kind::Access, &ring, &issuer(), NOW), Ok(claims()), "{algorithm:?}");
        }
    }

    #[test]
    fn a_refresh_token_is_a_pure_function_and_is_no_access_token() {
        let (ring, claims) = (ring(Algorithm::Hs256), Claims { generation: 4, ..claims() });
        let key = ring.signer(NOW).unwrap();
        let token = refresh(&claims, key, &issuer()).unwrap();
        assert_eq!(refresh(&claims, key, &issuer()).unwrap(), token);
        assert_eq!(open(&token, Kind::Refresh, &ring, &issuer(), NOW), Ok(claims));
        assert_eq!(open(&token, Kind::Access, &ring, &issuer(), NOW), Err(TokenError::Invalid));
        assert_eq!(open(&minted(&ring), Kind::Refresh, &ring, &issuer(), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_rightly_signed_token_with_a_wrong_header_is_refused() {
        let ring = ring(Algorithm::Hs256);
        let payload = String::from_utf8(decode(minted(&ring).split('.').nth(1).unwrap()).unwrap()).unwrap();
        assert!(
            open(
                &forged(&ring, r#"{"alg":"HS256","typ":"at+jwt","kid":"k"}"#, &payload),
                Kind::Access,
                &ring,
                &issuer(),
                NOW
            )
            .is_ok()
        );
        assert!(
            open(
                &forged(&ring, r#"{"alg":"HS256","typ":"application/AT+JWT","kid":"k"}"#, &payload),
                Kind::Access,
                &ring,
                &issuer(),
                NOW
            )
            .is_ok()
        );
        for header in [
            r#"{"alg":"HS256","typ":"JWT","kid":"k"}"#,
            r#"{"alg":"HS256","kid":"k"}"#,
            r#"{"alg":"none","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"HS512","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"HS256","typ":"at+jwt","kid":"other"}"#,
            r#"{"alg":"HS256","typ":"at+jwt","kid":["k"]}"#,
            r#"{"alg":"HS256","typ":"at+jwt"}"#,
            r#"{"alg":"HS256","typ":"at+jwt","kid":"k","crit":[]}"#,
            r#"{"alg":"HS256","typ":"at+jwt","kid":"k","crit":["x"]}"#,
            r#"{"alg":"HS256","alg":"HS256","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"HS256","typ":"é123456789012","kid":"k"}"#,
            "[]",
            "{",
        ] {
            let token = forged(&ring, header, &payload);
            assert_eq!(open(&token, Kind::Access, &ring, &issuer(), NOW), Err(TokenError::Invalid), "{header}");
        }
    }

    #[test]
    fn a_rightly_signed_token_whose_claims_are_missing_or_of_another_type_is_refused() {
        let ring = ring(Algorithm::EdDsa);
        let header = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#;
        let good: Value = serde_json::from_slice(&decode(minted(&ring).split('.').nth(1).unwrap()).unwrap()).unwrap();
        for name in ["iss", "aud", "sub", "sid", "iat", "exp", "tokenVersion", "jti", "roles"] {
            let mut missing = good.clone();
            missing.as_object_mut().unwrap().remove(name);
            let mut wrong = vec![missing];
            for value in [json!(null), json!("x"), json!(1.5), json!(-1), json!(["i"]), json!({}), json!(true)] {
                // A string is a fine `jti`, and a list of strings are fine roles.
                if (name, &value) == ("jti", &json!("x")) || (name, &value) == ("roles", &json!(["i"])) {
                    continue;
                }
                let mut other = good.clone();
                other[name] = value;
                wrong.push(other);
            }
            for payload in wrong {
                let token = forged(&ring, header, &payload.to_string());
                assert_eq!(open(&token, Kind::Access, &ring, &issuer(), NOW), Err(TokenError::Invalid), "{payload}");
            }
        }
        let twice = good.to_string().replacen('{', "{\"iss\":\"i\",", 1);
        assert_eq!(open(&forged(&ring, header, &twice), Kind::Access, &ring, &issuer(), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_has_one_spelling() {
        let ring = ring(Algorithm::Hs256);
        let token = minted(&ring);
        let mut last = token.clone().into_bytes();
        // 32 bytes end in a digit whose two low bits must be zero: the next letter decodes to the same bytes elsewhere.
        *last.last_mut().unwrap() += 1;
        let last = String::from_utf8(last).unwrap();
        for bad in [last, format!("{token}="), format!("{token}."), format!(" {token}"), token.replacen('.', "..", 1)] {
            assert_eq!(open(&bad, Kind::Access, &ring, &issuer(), NOW), Err(TokenError::Invalid), "{bad}");
        }
        for cut in 0..token.len() {
            assert!(open(&token[..cut], Kind::Access, &ring, &issuer(), NOW).is_err(), "{cut}");
        }
        let long = format!("{token}{}", "A".repeat(MAX_BYTES));
        assert_eq!(open(&long, Kind::Access, &ring, &issuer(), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn time_is_judged_with_five_seconds_of_leeway() {
        let (claims, ttl) = (claims(), Duration::from_secs(900));
        assert_eq!(claims.check_time(NOW.plus(Duration::from_secs(904)), ttl), Ok(()));
        assert_eq!(claims.check_time(NOW.plus(Duration::from_secs(905)), ttl), Err(TokenError::Expired));
        assert_eq!(claims.check_time(NOW.minus(Duration::from_secs(5)), ttl), Ok(()));
        assert_eq!(claims.check_time(NOW.minus(Duration::from_secs(6)), ttl), Err(TokenError::Invalid));
        assert_eq!(claims.check_time(NOW, Duration::from_secs(899)), Err(TokenError::Invalid));
        let endless = Claims { expires_at: u64::MAX, ..claims.clone() };
        assert_eq!(endless.check_time(NOW, ttl), Err(TokenError::Invalid));
    }
}
