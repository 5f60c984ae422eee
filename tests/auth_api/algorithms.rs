//! Each signing algorithm from login to guarded route, what it publishes, and the change from one key to the next while the
//! gateway runs.

use std::sync::Arc;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::members;
use super::support::bearer;
use super::support::forge::{ACCESS_SECRET, REFRESH_SECRET, Token, hs256_house};
use super::support::gateway::{Gateway, House, usual};
use super::support::origin::Origin;
use crate::support::wait::until;

fn house(auth: &str) -> Arc<House> {
    let house = House::new(&usual(Origin::start().address, "", &format!("[auth]\n{auth}\n")));
    house.add_usual_users();
    house
}

fn published(gateway: &Gateway) -> Vec<Value> {
    gateway.get("/auth/jwks.json", &[]).json()["keys"].as_array().unwrap().clone()
}

/// As somebody would who has nothing but what is published.
fn verifies_elsewhere(token: &Value, keys: &[Value], algorithm: Algorithm) -> bool {
    let set: JwkSet = serde_json::from_value(json!({ "keys": keys })).unwrap();
    let token = token.as_str().unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let Some(key) = set.find(&kid) else { return false };
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&["portcullis"]);
    validation.set_issuer(&["portcullis"]);
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).is_ok()
}

#[test]
fn every_key_pair_signs_serves_and_publishes_its_public_half_alone() {
    for (name, algorithm, kty, parts) in [
        ("EdDSA", Algorithm::EdDSA, "OKP", &["alg", "crv", "kid", "kty", "use", "x"][..]),
        ("ES256", Algorithm::ES256, "EC", &["alg", "crv", "kid", "kty", "use", "x", "y"]),
        ("RS256", Algorithm::RS256, "RSA", &["alg", "e", "kid", "kty", "n", "use"]),
    ] {
        let gateway = house(&format!("algorithm = \"{name}\"")).run();
        let tokens = gateway.login("ann@example.com");
        assert_eq!(gateway.get("/admin/", &[("authorization", &bearer(&tokens))]).status, 200);
        let renewed = gateway.refresh(&tokens["refreshToken"]).json();
        assert_eq!(gateway.get("/admin/", &[("authorization", &bearer(&renewed))]).status, 200);

        let keys = published(&gateway);
        assert_eq!(keys.len(), 1, "the key of refresh tokens is not published");
        assert_eq!(members(&keys[0]), parts);
        assert_eq!((&keys[0]["kty"], &keys[0]["use"]), (&json!(kty), &json!("sig")));
        assert_eq!(keys[0]["alg"], name);
        let header = Token::open(&tokens["accessToken"]).header;
        assert_eq!((&header["alg"], &header["kid"]), (&json!(name), &keys[0]["kid"]));
        assert!(verifies_elsewhere(&tokens["accessToken"], &keys, algorithm), "{name}");
        gateway.post("/auth/logout", &[], &json!({ "refreshToken": renewed["refreshToken"] }));
        gateway.get("/admin/", &[("authorization", &bearer(&renewed))]).is_problem(401, "session_revoked");
    }
}

#[test]
fn shared_secrets_sign_and_serve_and_are_never_published() {
    let house = hs256_house(Origin::start().address, "");
    let gateway = house.run();
    let tokens = gateway.login("ann@example.com");
    assert_eq!(gateway.get("/admin/", &[("authorization", &bearer(&tokens))]).status, 200);
    for path in ["/auth/jwks.json", "/.well-known/jwks.json"] {
        assert_eq!(gateway.get(path, &[]).json(), json!({ "keys": [] }));
    }
    let [access, refresh] = ["accessToken", "refreshToken"].map(|name| Token::open(&tokens[name]));
    assert_eq!(access.sign(ACCESS_SECRET), tokens["accessToken"].as_str().unwrap(), "it is the configured secret");
    assert_eq!(refresh.sign(REFRESH_SECRET), tokens["refreshToken"].as_str().unwrap());
    let rotated = house.command(&["key", "rotate"], "");
    assert_eq!(rotated.status.code(), Some(1), "the file holds these keys");
}

#[test]
fn secrets_from_files_are_the_same_as_from_the_environment() {
    let app = Origin::start().address;
    let house = hs256_house(app, "");
    let gateway = house.run();
    let tokens = gateway.login("ann@example.com");
    let house = gateway.kill();
    for (name, secret) in [("access", ACCESS_SECRET), ("refresh", REFRESH_SECRET)] {
        std::fs::write(house.path(name), format!("{secret}\n")).unwrap();
    }
    let files = "[auth]\nalgorithm = \"HS256\"\naccess_secret_file = \"access\"\nrefresh_secret_file = \"refresh\"\n";
    house.rewrite(&usual(app, "", files));
    let gateway = house.run();
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&tokens))]).status, 200);
    assert_eq!(gateway.refresh(&tokens["refreshToken"]).status, 200);

    std::fs::write(house.path("access"), "another access secret of these tests").unwrap();
    let gateway = gateway.kill().run();
    gateway.get("/x", &[("authorization", &bearer(&tokens))]).is_problem(401, "invalid_token");
}

#[test]
fn a_new_key_is_published_before_it_signs_and_the_old_one_verifies_until_its_last_token_is_over() {
    let gateway = house("access_ttl = \"15m\"").run();
    let before = gateway.login("ann@example.com");
    let old = published(&gateway)[0]["kid"].clone();
    gateway.house.says(&["key", "rotate"], "");
    until("the new key is published", || published(&gateway).len() == 2);
    let keys = published(&gateway);
    let new = keys.iter().map(|key| &key["kid"]).find(|kid| **kid != old).unwrap();
    let kid_of = |tokens: &Value| Token::open(&tokens["accessToken"]).header["kid"].clone();
    assert_eq!(kid_of(&gateway.login("ann@example.com")), old, "not yet");

    passes(&gateway, 601);
    until("the new key signs", || kid_of(&gateway.login("ann@example.com")) == *new);
    let after = gateway.login("ann@example.com");
    for tokens in [&before, &after] {
        assert_eq!(gateway.get("/x", &[("authorization", &bearer(tokens))]).status, 200);
        assert!(verifies_elsewhere(&tokens["accessToken"], &keys, Algorithm::EdDSA));
    }

    passes(&gateway, 16 * 60);
    until("the old key is gone", || published(&gateway).len() == 1);
    gateway.get("/x", &[("authorization", &bearer(&before))]).is_problem(401, "invalid_token");
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&after))]).status, 200);
    let renewed = gateway.refresh(&before["refreshToken"]).json();
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&renewed))]).status, 200, "nobody is signed out");
}

/// As if so many seconds had passed for the keys.
fn passes(gateway: &Gateway, seconds: i64) {
    let database = gateway.house.database();
    database.execute("UPDATE keys SET signs_from = signs_from - ?1", [seconds * 1000]).unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    database.execute("INSERT INTO feed (kind, epoch, at) VALUES ('keys', 0, ?1)", [now]).unwrap();
}

#[test]
fn another_algorithm_takes_over_and_the_tokens_of_the_old_one_stay_good() {
    let gateway = house("algorithm = \"EdDSA\"").run();
    let before = gateway.login("ann@example.com");
    let house = gateway.kill();
    let file = std::fs::read_to_string(house.file()).unwrap();
    house.rewrite(&file.replace("EdDSA", "ES256"));
    let gateway = house.run();
    let after = gateway.login("ann@example.com");
    assert_eq!(Token::open(&after["accessToken"]).header["alg"], "ES256");
    for tokens in [&before, &after] {
        assert_eq!(gateway.get("/x", &[("authorization", &bearer(tokens))]).status, 200);
        assert_eq!(gateway.refresh(&tokens["refreshToken"]).status, 200);
    }
}
