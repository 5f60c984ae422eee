//! Tokens and the libraries that read them.
//!
//! Left out: Zitadel CVE-2026-55672 (tokens are bound to no client here).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::Scene;
use crate::support::Answer;
use crate::support::forge::{ACCESS_SECRET, REFRESH_SECRET, Token, hs256_house, signed};
use crate::support::gateway::{Gateway, PASSWORD};
use crate::support::origin::Origin;

/// A gateway whose tokens these tests can sign, and a good one.
fn forger() -> (Gateway, Token) {
    let gateway = hs256_house(Origin::start().address, "").run();
    let token = Token::open(&gateway.login("ann@example.com")["accessToken"]);
    (gateway, token)
}

fn present(gateway: &Gateway, token: &str) -> Answer {
    gateway.get("/admin/x", &[("authorization", &format!("Bearer {token}"))])
}

#[track_caller]
fn refused(gateway: &Gateway, token: &str) {
    present(gateway, token).is_problem(401, "invalid_token");
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Where no algorithm was demanded, `none` was one. node-jws had it too.
#[test]
fn node_jsonwebtoken_cve_2022_23540_none_is_no_algorithm() {
    let (gateway, good) = forger();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": good.header["kid"] });
        let unsigned = format!("{}.{}.", encoded(&header), encoded(&good.payload));
        refused(&gateway, &unsigned);
        refused(&gateway, &format!("{unsigned}AAAA"));
    }
}

/// A public key, which everybody has, served as the secret of an HMAC. So in node-jsonwebtoken, Hono and fast-jwt, there
/// again with a space in front of it.
#[test]
fn pyjwt_cve_2022_29217_and_fast_jwt_cve_2026_34950_a_public_key_is_no_secret() {
    let scene = Scene::start();
    let good = Token::open(&scene.gateway.login("ann@example.com")["accessToken"]);
    let jwk = scene.gateway.get("/auth/jwks.json", &[]).json()["keys"][0].clone();
    let raw = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    // RFC 8410 section 4: the same key as others publish it.
    let der = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", &raw[..]].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let texts = [pem.as_bytes(), pem.trim().as_bytes(), jwk["x"].as_str().unwrap().as_bytes(), &der, &raw];
    for alg in ["HS256", "hs256", " HS256"] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": good.header["kid"] });
        let message = format!("{}.{}", encoded(&header), encoded(&good.payload));
        for secret in texts.iter().flat_map(|text| [text.to_vec(), [b" ", *text].concat()]) {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
            refused(&scene.gateway, &format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag)));
        }
    }
}

/// An extension that the token calls critical was ignored. PyJWT and fast-jwt ignored it too.
#[test]
fn authlib_cve_2025_59420_what_is_critical_and_unknown_is_refused() {
    let (gateway, good) = forger();
    for crit in [json!(["b64"]), json!(["x"]), json!([]), json!("x"), json!(null), json!(["exp"])] {
        let mut header = good.header.clone();
        header.as_object_mut().unwrap().extend([
            ("crit".into(), crit),
            ("x".into(), json!(1)),
            ("b64".into(), json!(true)),
        ]);
        refused(&gateway, &signed(&header.to_string(), &good.payload.to_string(), ACCESS_SECRET));
    }
    assert_eq!(present(&gateway, &good.sign(ACCESS_SECRET)).status, 200);
}

/// Dots without number were split without limit. golang-jwt did the same.
#[test]
fn go_jose_cve_2025_27144_and_golang_jwt_cve_2025_30204_a_token_has_two_dots() {
    let (gateway, good) = forger();
    let token = good.sign(ACCESS_SECRET);
    refused(&gateway, &".".repeat(8000));
    refused(&gateway, &".".repeat(30_000));
    for shape in [format!("{token}."), format!(".{token}"), format!("{token}.{token}"), token.replacen('.', "..", 1)] {
        refused(&gateway, &shape);
    }
    assert_eq!(present(&gateway, &token).status, 200);
}

/// Encrypted tokens: one that unpacks to gigabytes, one that panics, one that asks for a billion rounds. There are none here.
#[test]
fn go_jose_cve_2024_28180_and_2026_34986_and_jwx_cve_2023_49290_no_token_is_encrypted() {
    let (gateway, good) = forger();
    for header in [
        json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" }),
        json!({ "alg": "A128KW", "enc": "A128GCM" }),
        json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000_000, "p2s": "AAAA" }),
    ] {
        for rest in ["AAAA.AAAA.AAAA.AAAA", ".AAAA.AAAA.AAAA", "..."] {
            refused(&gateway, &format!("{}.{rest}", encoded(&header)));
        }
        refused(&gateway, &signed(&header.to_string(), &good.payload.to_string(), ACCESS_SECRET));
    }
    // A member that would have it unpacked, in a token that is otherwise good.
    let mut zipped = good.header.clone();
    zipped["zip"] = json!("DEF");
    zipped["alg"] = json!("HS512");
    refused(&gateway, &signed(&zipped.to_string(), &good.payload.to_string(), ACCESS_SECRET));
}

/// What was said of a bad token held the secret that it had been checked with.
#[test]
fn apisix_cve_2022_29266_a_refusal_tells_no_secret() {
    let (gateway, good) = forger();
    for token in [good.sign("another secret altogether, long enough"), "a.b.c".into(), good.sign("") + "x"] {
        let answer = present(&gateway, &token);
        gateway.access_line(answer.field("x-request-id"));
        let all = format!("{:?} {} {}", answer.headers, answer.body, gateway.log());
        assert!(!all.contains(ACCESS_SECRET) && !all.contains(REFRESH_SECRET) && !all.contains(&token), "{all}");
    }
}

/// The endpoint that signs merged what the caller sent over its own claims.
#[test]
fn apisix_jwt_auth_sign_the_claims_are_ours() {
    let (gateway, _) = forger();
    let wish = json!({
        "email": "bob@example.com", "password": PASSWORD, "client": "mobile",
        "exp": 9_999_999_999_u64, "roles": ["admin"], "sub": "ann", "tokenVersion": 7, "key": "x", "iss": "evil",
    });
    let token = Token::open(&gateway.post("/auth/login", &[], &wish).json()["accessToken"]);
    let lives = token.payload["exp"].as_u64().unwrap() - token.payload["iat"].as_u64().unwrap();
    assert_eq!((lives, &token.payload["roles"], &token.payload["iss"]), (900, &json!([]), &json!("portcullis")));
    assert_eq!(present(&gateway, &token.sign(ACCESS_SECRET)).code(), "forbidden");
}

/// An opaque token that was cut short was still accepted.
#[test]
fn zitadel_cve_2026_27840_a_truncated_token_is_no_token() {
    let (gateway, _) = forger();
    let tokens = gateway.login("ann@example.com");
    let [access, refresh] = ["accessToken", "refreshToken"].map(|name| tokens[name].as_str().unwrap());
    for cut in 1..20 {
        refused(&gateway, &access[..access.len() - cut]);
        gateway.refresh(&json!(refresh[..refresh.len() - cut])).is_problem(401, "invalid_token");
    }
    for more in ["A", "=", ".", "AAAA"] {
        refused(&gateway, &format!("{access}{more}"));
        gateway.refresh(&json!(format!("{refresh}{more}"))).is_problem(401, "invalid_token");
    }
    assert_eq!((present(&gateway, access).status, gateway.refresh(&json!(refresh)).status), (200, 200));
}

/// Whom a token was for was not asked, nor in another report when it began and ended.
#[test]
fn zitadel_cve_2026_55669_and_ghsa_wxg7_w2v3_w38g_every_claim_is_checked() {
    let (gateway, good) = forger();
    let now = good.payload["iat"].as_u64().unwrap();
    for members in [
        json!({ "aud": "another" }),
        json!({ "aud": "" }),
        json!({ "iss": "another" }),
        json!({ "iat": now + 600, "exp": now + 1200 }),
    ] {
        refused(&gateway, &good.with(members).sign(ACCESS_SECRET));
    }
    for over in [json!({ "iat": now - 600, "exp": now - 60 }), json!({ "exp": now + 10_000_000 })] {
        present(&gateway, &good.with(over).sign(ACCESS_SECRET)).is_problem(401, "token_expired");
    }
}

/// Where no audience had been configured, none was demanded.
#[test]
fn openfga_cve_2026_55689_an_audience_is_demanded_where_none_is_configured() {
    let (gateway, good) = forger();
    for name in ["aud", "iss", "exp", "iat", "sid", "tokenVersion"] {
        let mut without = good.clone();
        without.payload.as_object_mut().unwrap().remove(name);
        refused(&gateway, &without.sign(ACCESS_SECRET));
    }
    assert_eq!(present(&gateway, &good.sign(ACCESS_SECRET)).status, 200);
}
