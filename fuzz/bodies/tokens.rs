//! Tokens. The first byte says how the rest is used: `a` as a whole token; `s` as header and payload, a line each, which are
//! rightly signed; `m` as changes to a good token. Nothing that we did not sign opens, and what we signed opens only if all
//! that a token must say is in it.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::gate::keys::{Algorithm, Key, KeyRing};
use portcullis::gate::role::Role;
use portcullis::gate::secret::Secret;
use portcullis::gate::time::Timestamp;
use portcullis::gate::token::{self, Claims, Issuer, Kind, MAX_BYTES};
use portcullis::gate::user::{SessionId, UserId};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const SECRET: [u8; 32] = [7; 32];

struct Door {
    issuer: Issuer,
    /// One ring for each algorithm whose keys can be written down here.
    rings: [KeyRing; 2],
    /// Of the first ring.
    good: String,
}

static DOOR: LazyLock<Door> = LazyLock::new(|| {
    // Ed25519 in PKCS#8 (RFC 8410 section 7) around a seed of one byte over and over.
    let ed25519 = [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &[9; 32]].concat();
    let ring = |algorithm, private: &[u8]| {
        let key = Key::new("k".into(), algorithm, &Secret::new(private), Timestamp::default()).unwrap();
        KeyRing::new(vec![key], Duration::from_secs(900))
    };
    let rings = [ring(Algorithm::Hs256, &SECRET), ring(Algorithm::EdDsa, &ed25519)];
    let issuer = Issuer { issuer: "i".into(), audience: "a".into() };
    let (user, session) = (UserId(Uuid::from_u128(7)), SessionId(Uuid::from_u128(8)));
    let (issued_at, expires_at) = (NOW.secs(), NOW.secs() + 900);
    let claims = Claims { user, session, token_version: 3, generation: 0, issued_at, expires_at };
    let roles = [Role::parse("admin").unwrap()];
    let good = token::access(&claims, &roles, Uuid::nil(), rings[0].signer(NOW).unwrap(), &issuer).unwrap();
    Door { issuer, rings, good }
});

pub fn check(input: &[u8]) {
    let Some((how, rest)) = input.split_first() else { return };
    match how {
        b's' => signed(rest),
        b'm' => mutated(rest),
        _ => arbitrary(&String::from_utf8_lossy(rest)),
    }
}

fn arbitrary(token: &str) {
    for ring in &DOOR.rings {
        for kind in [Kind::Access, Kind::Refresh] {
            let opened = token::open(token, kind, ring, &DOOR.issuer, NOW);
            assert!(opened.is_err() || token == DOOR.good, "{token:?} is a token: {opened:?}");
        }
    }
}

/// Each change is a place, in two bytes, and the byte to put there.
fn mutated(changes: &[u8]) {
    let mut token = DOOR.good.clone().into_bytes();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % token.len();
        token[place] = change[2];
    }
    let changed = token != DOOR.good.as_bytes();
    let opened = token::open(&String::from_utf8_lossy(&token), Kind::Access, &DOOR.rings[0], &DOOR.issuer, NOW);
    assert_eq!(opened.is_err(), changed, "{opened:?}");
}

fn signed(parts: &[u8]) {
    let Some(at) = parts.iter().position(|byte| *byte == b'\n') else { return };
    let (header, payload) = (&parts[..at], &parts[at + 1..]);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = jsonwebtoken::EncodingKey::from_secret(&SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    let token = format!("{message}.{signature}");
    for kind in [Kind::Access, Kind::Refresh] {
        if let Ok(claims) = token::open(&token, kind, &DOOR.rings[0], &DOOR.issuer, NOW) {
            assert!(token.len() <= MAX_BYTES);
            says_all(kind, header, payload, &claims);
        }
    }
}

/// serde's derived readers refuse a member of another type, and one that is named twice.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    crit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: u64,
    exp: u64,
    token_version: u64,
    #[serde(rename = "gen")]
    generation: Option<Value>,
    jti: Option<Value>,
    roles: Option<Value>,
}

fn says_all(kind: Kind, header: &[u8], payload: &[u8], claims: &Claims) {
    let Header { alg, typ, kid, crit } = serde_json::from_slice(header).unwrap();
    let (expected, generation) = match kind {
        Kind::Access => ("at+jwt", 0),
        Kind::Refresh => ("rt+jwt", claims.generation),
    };
    let typ = typ.to_ascii_lowercase();
    assert_eq!(typ.strip_prefix("application/").unwrap_or(&typ), expected);
    assert_eq!((&*alg, &*kid, crit), ("HS256", "k", None));

    let said: Payload = serde_json::from_slice(payload).unwrap();
    assert_eq!((&*said.iss, &*said.aud), ("i", "a"));
    assert_eq!((said.sub, said.sid), (claims.user.to_string(), claims.session.to_string()));
    let numbers = [said.iat, said.exp, said.token_version];
    assert_eq!(numbers, [claims.issued_at, claims.expires_at, claims.token_version]);
    match kind {
        Kind::Access => {
            assert!(said.jti.unwrap().is_string());
            assert!(said.roles.unwrap().as_array().unwrap().iter().all(Value::is_string));
        }
        Kind::Refresh => assert_eq!(said.generation.unwrap().as_u64(), Some(generation)),
    }
}
