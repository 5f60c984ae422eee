//! `[auth]`: where the gateway's own endpoints are, how tokens are signed, and how long they live.

use super::{SECOND, ZERO};
use crate::config::reader::Section;
use crate::config::secrets::{Found, secret};
use crate::config::settings::Auth;
use crate::gate::keys::Algorithm;
use crate::gate::rotation::Lifetimes;
use crate::gate::token::Issuer;
use crate::signing::HmacSecrets;

/// RFC 7518 section 3.2: a key of the hash's size or longer.
const SECRET_BYTES: usize = 32;

/// The settings, and `prefix`: where the gateway's own endpoints are, a plain path without a final slash.
pub fn auth(s: &mut Section<'_>) -> (Auth, String) {
    let words = Algorithm::ALL.map(|algorithm| (algorithm.name(), algorithm));
    let algorithm = s.choice("algorithm", &words).unwrap_or(Algorithm::EdDsa);
    let access_ttl = s.duration("access_ttl", "15m", SECOND);
    let lifetimes = Lifetimes {
        idle: s.duration("refresh_ttl", "7d", SECOND),
        absolute: s.duration("session_ttl", "30d", SECOND),
        grace: s.duration("rotation_grace", "30s", ZERO),
    };
    let outlives = lifetimes.idle >= access_ttl;
    s.rule(&["refresh_ttl", "access_ttl"], outlives, "refresh_ttl must not be shorter than access_ttl");
    let outlives = lifetimes.absolute >= lifetimes.idle;
    s.rule(&["session_ttl", "refresh_ttl"], outlives, "session_ttl must not be shorter than refresh_ttl");
    let within = lifetimes.grace < lifetimes.idle;
    s.rule(&["rotation_grace", "refresh_ttl"], within, "rotation_grace must be shorter than refresh_ttl");
    let prefix = s.text("prefix", prefix).unwrap_or_else(|| "/auth".to_owned());
    let issuer = Issuer {
        issuer: s.text("issuer", claim).unwrap_or_else(|| "portcullis".to_owned()),
        audience: s.text("audience", claim).unwrap_or_else(|| "portcullis".to_owned()),
    };
    (Auth { issuer, secrets: secrets(s, algorithm), algorithm, access_ttl, lifetimes }, prefix)
}

fn secrets(s: &mut Section<'_>, algorithm: Algorithm) -> Option<HmacSecrets> {
    let access = secret(s, "access_secret", "access_secret_file");
    let refresh = secret(s, "refresh_secret", "refresh_secret_file");
    if algorithm != Algorithm::Hs256 {
        for key in ["access_secret", "access_secret_file", "refresh_secret", "refresh_secret_file"] {
            // While the algorithm itself is wrong, it may yet be HS256.
            let message = "only for algorithm \"HS256\": the other algorithms make their own keys";
            s.rule(&[key, "algorithm"], !s.has(key), message);
        }
        return None;
    }
    for (key, file_key) in [("access_secret", "access_secret_file"), ("refresh_secret", "refresh_secret_file")] {
        let written = s.has(key) || s.has(file_key);
        s.required(
            key,
            written.then_some(()),
            &format!("{key} = \"${{NAME}}\" or {file_key} = \"PATH\": HS256 needs it"),
        );
    }
    for Found { secret, origin, key, at } in [&access, &refresh].into_iter().flatten() {
        if secret.len() < SECRET_BYTES {
            let hint = "make one with: openssl rand -base64 48".to_owned();
            s.wrong(key, *at, format!("{origin} holds fewer than {SECRET_BYTES} bytes"), Some(hint));
        }
    }
    let (access, refresh) = (access?, refresh?);
    s.rule(&[refresh.key, access.key], access.secret != refresh.secret, "the two secrets must differ from each other");
    Some(HmacSecrets { access: access.secret, refresh: refresh.secret })
}

/// A plain path: one that every upstream and proxy reads alike.
fn prefix(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "a prefix is one or more plain segments, like \"/auth\", without a final slash";
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let plain = |segment: &str| !segment.is_empty() && !segment.ends_with('.') && segment.bytes().all(legal);
    let segments = text.strip_prefix('/').ok_or(FORM)?;
    if segments.split('/').all(plain) { Ok(text.to_owned()) } else { Err(FORM) }
}

/// `iss` and `aud`: unset must never come to mean unchecked.
fn claim(text: &str) -> Result<String, &'static str> {
    let legal = (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) && text.trim() == text;
    if legal { Ok(text.to_owned()) } else { Err("1 to 256 bytes, without control characters or spaces around it") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_plain() {
        assert_eq!(prefix("/api/v1.0/auth").unwrap(), "/api/v1.0/auth");
        for bad in
            ["", "/", "auth", "/auth/", "//auth", "/a/../b", "/a%2fb", "/a b", "/a;b", "/é", "/a*", "/a?b", "/a."]
        {
            assert!(prefix(bad).is_err(), "{bad:?}");
        }
    }
}
