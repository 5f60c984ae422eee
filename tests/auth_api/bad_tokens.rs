//! Tokens of every malformed kind, at a guarded route and where tokens are refreshed. The secrets are known here, so that
//! each is wrong in one thing only.

use serde_json::{Value, json};

use super::gateway;
use super::support::forge::{ACCESS_SECRET, REFRESH_SECRET, Token, hs256_house, signed};
use super::support::gateway::Gateway;
use super::support::origin::Origin;
use super::support::{Answer, bearer};
use crate::support::wait::until;

/// What a token is presented to.
type Door = fn(&Gateway, &str) -> Answer;

fn guarded(gateway: &Gateway, token: &str) -> Answer {
    gateway.get("/x", &[("authorization", &format!("Bearer {token}"))])
}

fn refresh(gateway: &Gateway, token: &str) -> Answer {
    gateway.refresh(&json!(token))
}

/// The two doors, each with a good token for it and the secret behind it.
fn doors(tokens: &Value) -> [(Door, Token, &'static str); 2] {
    [
        (guarded, Token::open(&tokens["accessToken"]), ACCESS_SECRET),
        (refresh, Token::open(&tokens["refreshToken"]), REFRESH_SECRET),
    ]
}

fn hs256() -> Gateway {
    hs256_house(Origin::start().address, "").run()
}

#[test]
fn one_kind_of_token_cannot_serve_as_the_other() {
    for gateway in [hs256(), gateway("")] {
        let tokens = gateway.login("ann@example.com");
        let [access, refresh_token] = ["accessToken", "refreshToken"].map(|name| tokens[name].as_str().unwrap());
        guarded(&gateway, refresh_token).is_problem(401, "invalid_token");
        refresh(&gateway, access).is_problem(401, "invalid_token");
        assert_eq!(guarded(&gateway, access).status, 200);
        assert_eq!(refresh(&gateway, refresh_token).status, 200);
    }
}

#[test]
fn a_rightly_signed_token_with_a_strange_header_is_refused() {
    let gateway = hs256();
    for (door, good, secret) in doors(&gateway.login("ann@example.com")) {
        let payload = good.payload.to_string();
        let [typ, kid] = ["typ", "kid"].map(|name| good.header[name].as_str().unwrap());
        let other_typ = if typ == "at+jwt" { "rt+jwt" } else { "at+jwt" };
        for header in [
            json!({ "alg": "none", "typ": typ, "kid": kid }).to_string(),
            json!({ "alg": "None", "typ": typ, "kid": kid }).to_string(),
            json!({ "alg": "HS384", "typ": typ, "kid": kid }).to_string(),
            json!({ "alg": "EdDSA", "typ": typ, "kid": kid }).to_string(),
            json!({ "alg": "HS256", "typ": "JWT", "kid": kid }).to_string(),
            json!({ "alg": "HS256", "typ": other_typ, "kid": kid }).to_string(),
            json!({ "alg": "HS256", "kid": kid }).to_string(),
            json!({ "alg": "HS256", "typ": typ }).to_string(),
            json!({ "alg": "HS256", "typ": typ, "kid": "another" }).to_string(),
            json!({ "alg": "HS256", "typ": typ, "kid": "../access" }).to_string(),
            json!({ "alg": "HS256", "typ": typ, "kid": 1 }).to_string(),
            json!({ "alg": "HS256", "typ": typ, "kid": kid, "crit": [] }).to_string(),
            json!({ "alg": "HS256", "typ": typ, "kid": kid, "crit": ["exp"] }).to_string(),
            format!(r#"{{"alg":"HS256","alg":"HS256","typ":"{typ}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","\u0061lg":"HS256","typ":"{typ}","kid":"{kid}"}}"#),
            String::new(),
            "[]".into(),
            "{".into(),
        ] {
            door(&gateway, &signed(&header, &payload, secret)).is_problem(401, "invalid_token");
        }
        assert_eq!(door(&gateway, &good.sign(secret)).status, 200);
    }
}

#[test]
fn a_rightly_signed_token_with_strange_claims_is_refused() {
    let gateway = hs256();
    for (door, good, secret) in doors(&gateway.login("ann@example.com")) {
        let refused = |token: String| door(&gateway, &token).is_problem(401, "invalid_token");
        let now = good.payload["iat"].as_u64().unwrap();
        for (name, _) in good.payload.as_object().unwrap() {
            let mut without = good.clone();
            without.payload.as_object_mut().unwrap().remove(name);
            refused(without.sign(secret));
            refused(good.with(json!({ name: null })).sign(secret));
            refused(good.with(json!({ name: { "$ne": "" } })).sign(secret));
        }
        for members in [
            json!({ "iss": "somebody else" }),
            json!({ "iss": ["portcullis"] }),
            json!({ "aud": "somebody else" }),
            json!({ "aud": ["portcullis"] }),
            json!({ "exp": now.to_string() }),
            json!({ "exp": 1e99 }),
            json!({ "exp": -1 }),
            json!({ "iat": now + 600, "exp": now + 1200 }),
            json!({ "iat": now, "exp": now - 10 }),
            json!({ "nbf": now + 600 }),
            json!({ "nbf": now.to_string() }),
            json!({ "nbf": null }),
            json!({ "tokenVersion": "0" }),
            json!({ "tokenVersion": -1 }),
            json!({ "sub": "ann@example.com" }),
            json!({ "sid": "" }),
        ] {
            refused(good.with(members).sign(secret));
        }
        // How long a session lives is not for its refresh token to say.
        let exp = good.payload["exp"].as_u64().unwrap();
        for longer in [
            json!({ "exp": exp + 1 }),
            json!({ "exp": u64::MAX }),
            json!({ "iat": now - 31_000_000, "exp": now + 900 }),
        ] {
            let answer = door(&gateway, &good.with(longer).sign(secret));
            if good.header["typ"] == "at+jwt" {
                answer.is_problem(401, "token_expired");
            } else {
                assert_eq!(answer.status, 200);
            }
        }
        let payload = good.payload.to_string();
        let header = good.header.to_string();
        for twice in [
            payload.replacen('{', "{\"tokenVersion\":0,", 1),
            payload.replacen('{', "{\"x\":{\"a\":1,\"a\":1},", 1),
            payload.replacen('{', "{\"\\u0073ub\":\"x\",", 1),
            "{}".into(),
            String::new(),
            format!("{payload}{payload}"),
        ] {
            refused(signed(&header, &twice, secret));
        }
        assert_eq!(door(&gateway, &good.with(json!({ "of": "no interest" })).sign(secret)).status, 200);
    }
}

#[test]
fn a_token_has_one_spelling() {
    let gateway = hs256();
    for (door, good, secret) in doors(&gateway.login("ann@example.com")) {
        let token = good.sign(secret);
        let parts: Vec<&str> = token.split('.').collect();
        let (head, payload, signature) = (parts[0], parts[1], parts[2]);
        // 32 bytes end in a digit whose two low bits are zero: the next digit stands for the same bytes elsewhere.
        let (most, last) = signature.split_at(signature.len() - 1);
        let twin = char::from(last.as_bytes()[0] + 1);
        let mut bad = vec![
            format!("{token}="),
            format!("{token}A"),
            format!("{token}.{signature}"),
            format!("{head}.{payload}."),
            format!("{head}.{payload}"),
            format!("{head}..{signature}"),
            format!(".{payload}.{signature}"),
            format!("{head}.{payload}.{most}{twin}"),
            format!("{head}=.{payload}.{signature}"),
            format!("{head}.{payload}=.{signature}"),
            format!("{payload}.{head}.{signature}"),
            signature.to_owned(),
            "..".into(),
            ".".repeat(5000),
        ];
        bad.extend((1..8).map(|cut| token[..token.len() - cut].to_owned()));
        bad.extend((1..8).map(|cut| token[..token.len() * cut / 8].to_owned()));
        for bad in bad {
            door(&gateway, &bad).is_problem(401, "invalid_token");
        }
    }
}

#[test]
fn a_token_has_eight_kibibytes_at_most() {
    let gateway = hs256();
    for (door, good, secret) in doors(&gateway.login("ann@example.com")) {
        let padded = |bytes: usize| good.with(json!({ "x": "x".repeat(bytes) })).sign(secret);
        let fits = (0..8192).rev().map(padded).find(|token| token.len() <= 8192).unwrap();
        assert!(fits.len() > 8188);
        assert_eq!(door(&gateway, &fits).status, 200);
        let over = (0..8192).map(padded).find(|token| token.len() > 8192).unwrap();
        door(&gateway, &over).is_problem(401, "invalid_token");
        door(&gateway, &padded(10_000)).is_problem(401, "invalid_token");
    }
}

#[test]
fn an_expired_token_says_so_only_when_all_else_is_right() {
    let gateway = hs256();
    for (door, good, secret) in doors(&gateway.login("ann@example.com")) {
        let now = good.payload["iat"].as_u64().unwrap();
        let expired = good.with(json!({ "iat": now - 700, "exp": now - 60 }));
        door(&gateway, &expired.sign(secret)).is_problem(401, "token_expired");
        door(&gateway, &expired.sign("another secret altogether, long enough")).is_problem(401, "invalid_token");
        door(&gateway, &expired.with(json!({ "iss": "x" })).sign(secret)).is_problem(401, "invalid_token");
    }
}

#[test]
fn an_access_token_ends_when_its_time_is_over() {
    let gateway = gateway("[auth]\naccess_ttl = \"1s\"\n");
    let tokens = gateway.login("ann@example.com");
    assert_eq!(tokens["expiresIn"], 1);
    until("the token expires", || {
        let answer = gateway.get("/x", &[("authorization", &bearer(&tokens))]);
        answer.status == 401 && answer.code() == "token_expired"
    });
    assert_eq!(gateway.refresh(&tokens["refreshToken"]).status, 200);
}

#[test]
fn a_token_of_nobody_of_no_session_or_of_another_version_is_over() {
    let gateway = hs256();
    let bob = Token::open(&gateway.login("bob@example.com")["accessToken"]).payload;
    for (door, good, secret) in doors(&gateway.login("ann@example.com")) {
        for members in [
            json!({ "sub": uuid::Uuid::now_v7().to_string() }),
            json!({ "sid": uuid::Uuid::now_v7().to_string() }),
            json!({ "sub": bob["sub"] }),
            json!({ "sid": bob["sid"] }),
            json!({ "tokenVersion": 1 }),
        ] {
            door(&gateway, &good.with(members).sign(secret)).is_problem(401, "session_revoked");
        }
    }
}

#[test]
fn a_token_of_another_gateway_or_under_a_confused_key_is_refused() {
    let (here, there) = (gateway(""), gateway(""));
    let (ours, theirs) = (here.login("ann@example.com"), there.login("ann@example.com"));
    guarded(&here, theirs["accessToken"].as_str().unwrap()).is_problem(401, "invalid_token");
    here.refresh(&theirs["refreshToken"]).is_problem(401, "invalid_token");

    // The public key as the secret of an HMAC (RFC 8725 section 2.1).
    let access = Token::open(&ours["accessToken"]);
    let jwk = here.get("/auth/jwks.json", &[]).json()["keys"][0].clone();
    let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": access.header["kid"] }).to_string();
    for secret in [jwk["x"].as_str().unwrap(), &jwk.to_string()] {
        guarded(&here, &signed(&header, &access.payload.to_string(), secret)).is_problem(401, "invalid_token");
    }
}

#[test]
fn a_bearer_field_that_is_no_token_is_bad_and_not_absent() {
    let gateway = gateway("");
    for field in ["Bearer", "Bearer ", "Bearer a b", "Bearer\ta", "Bearer,a", "Bearer =", "bearer junk", "BEARER a!"] {
        gateway.get("/x", &[("authorization", field)]).is_problem(401, "invalid_token");
        gateway.get("/auth/me", &[("authorization", field)]).is_problem(401, "invalid_token");
        assert_eq!(gateway.get("/public/x", &[("authorization", field)]).status, 200, "anonymous");
    }
    gateway.get("/x", &[("authorization", "Basic YTpi")]).is_problem(401, "missing_token");
}
