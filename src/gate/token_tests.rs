//! Facts about the token door.

use proptest::prelude::*;

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
    let claims = claims();
    assert_eq!(claims.check_time(NOW.plus(Duration::from_secs(904))), Ok(()));
    assert_eq!(claims.check_time(NOW.plus(Duration::from_secs(905))), Err(TokenError::Expired));
    assert_eq!(claims.check_time(NOW.minus(Duration::from_secs(5))), Ok(()));
    assert_eq!(claims.check_time(NOW.minus(Duration::from_secs(6))), Err(TokenError::Invalid));
}

proptest! {
    /// Whatever a token says and wherever the clock has gone: nothing overflows, and what passes is within every bound.
    #[test]
    fn no_time_passes_that_is_out_of_bounds(issued_at in extreme(), expires_at in extreme(), now in extreme()) {
        let now = Timestamp::from_millis(now);
        let claims = Claims { issued_at, expires_at, ..claims() };
        if claims.check_time(now).is_ok() {
            prop_assert!(issued_at <= now.secs() + 5 && now.secs() < expires_at.saturating_add(5));
            prop_assert!(issued_at <= expires_at && claims.life().as_secs() == expires_at - issued_at);
        }
    }
}

/// Any number, the edges more often than chance would have them.
fn extreme() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0u64..10, (u64::MAX - 10)..=u64::MAX, 999_990u64..1_001_000]
}
