//! Refresh chains, sessions, lock-out, and who can be found out to have an account.
//!
//! Left out: Keycloak CVE-2026-9798 (there is no second way in that checks passwords besides the one tried here), Zitadel
//! CVE-2026-23511 (no policy text depends on the user).

use serde_json::{Value, json};

use crate::Scene;
use crate::support::forge::Token;
use crate::support::gateway::{House, PASSWORD, usual};
use crate::support::origin::Origin;
use crate::support::{Answer, bearer, wait_until};

const FEW: &str = "[limits]\nlogin_per_ip = \"1000/1h\"\nlogin_per_account = \"3/1h\"";

fn x(scene: &Scene, token: &str) -> Answer {
    scene.gateway.get("/x", &[("authorization", token)])
}

/// Two that presented one token at once were both given a successor of their own.
#[test]
fn keycloak_cve_2026_1035_a_race_rotates_once() {
    let scene = Scene::start();
    let first = scene.gateway.login("ann@example.com")["refreshToken"].clone();
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..12).map(|_| scope.spawn(|| scene.gateway.refresh(&first).json())).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()["refreshToken"].clone()).collect()
    });
    assert!(answers.iter().all(|token| token.is_string() && *token == answers[0]), "{answers:?}");
    assert_eq!(Token::open(&answers[0]).payload["gen"], 1);
    assert_eq!(scene.gateway.metric("portcullis_refreshes_total{outcome=\"rotated\"}"), 1.0);
}

/// After a restart a token that had been used up was good again.
#[test]
fn keycloak_cve_2026_9802_a_restart_forgets_no_rotation() {
    let Scene { app: _app, gateway } = Scene::start();
    let first = gateway.login("ann@example.com")["refreshToken"].clone();
    let second = gateway.refresh(&first).json()["refreshToken"].clone();
    let third = gateway.refresh(&second).json()["refreshToken"].clone();
    let again = gateway.kill().run();
    again.refresh(&first).is_problem(401, "token_reused");
    again.refresh(&third).is_problem(401, "session_revoked");
}

/// A rotation that failed on its way to the store had used up the token all the same.
#[test]
fn keycloak_49213_a_rotation_that_fails_leaves_the_token_good() {
    let scene = Scene::start();
    let token = scene.gateway.login("ann@example.com")["refreshToken"].clone();
    let database = scene.gateway.house.database();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    scene.gateway.refresh(&token).is_problem(503, "unavailable");
    database.execute_batch("ROLLBACK").unwrap();
    let next = scene.gateway.refresh(&token);
    assert_eq!((next.status, &Token::open(&next.json()["refreshToken"]).payload["gen"]), (200, &json!(1)));
}

/// Within the grace the predecessor was given ever new successors, and stayed good after one of them had been used.
#[test]
fn django_oauth_toolkit_1617_and_702_and_fapi_567_the_grace_is_for_one_lost_answer() {
    let scene = Scene::start();
    let refresh = |token: &Value| scene.gateway.refresh(token);
    let first = scene.gateway.login("ann@example.com")["refreshToken"].clone();
    let second = refresh(&first).json()["refreshToken"].clone();
    assert_eq!(refresh(&first).json()["refreshToken"], second, "the answer was lost, and is given again");
    assert_eq!(refresh(&second).status, 200);
    refresh(&first).is_problem(401, "token_reused");
}

/// Who was deactivated went on for as long as the token did.
#[test]
fn zitadel_cve_2024_47000_46999_and_47060_a_disabled_user_is_out() {
    let scene = Scene::start();
    let tokens = scene.gateway.login("bob@example.com");
    assert_eq!(x(&scene, &bearer(&tokens)).status, 200);
    scene.gateway.house.says(&["user", "disable", "bob@example.com"], "");
    wait_until("he is refused", || x(&scene, &bearer(&tokens)).status == 401);
    scene.gateway.refresh(&tokens["refreshToken"]).is_problem(401, "session_revoked");
    scene.gateway.try_login("bob@example.com", PASSWORD).is_problem(401, "invalid_credentials");
}

/// Groups were those of the login, whatever had become of them. So in Pomerium.
#[test]
fn authelia_ghsa_x883_2vmg_xwf7_and_pomerium_cve_2021_41230_a_role_taken_away_is_gone() {
    let scene = Scene::start();
    let ann = scene.token("ann@example.com");
    let admin = || scene.gateway.get("/admin/x", &[("authorization", &ann)]).status;
    assert_eq!(admin(), 200);
    scene.gateway.house.says(&["user", "roles", "ann@example.com"], "");
    wait_until("the role is gone", || admin() == 403);
}

/// Each way of writing a name had a counter of its own: case in Authelia and Vault, in Vault a space too.
#[test]
fn authelia_cve_2026_47203_and_2025_24806_and_vault_cve_2025_6004_an_account_has_one_counter() {
    let scene = Scene::with("", FEW);
    for email in ["ann@example.com", "ANN@example.com", "Ann@Example.Com"] {
        scene.gateway.try_login(email, "guess").is_problem(401, "invalid_credentials");
    }
    for email in ["aNN@example.com", "ann@EXAMPLE.com", "ann@example.com"] {
        scene.gateway.try_login(email, PASSWORD).is_problem(429, "rate_limited");
    }
    for other in [" ann@example.com", "ann@example.com ", "ann@example.com\t"] {
        scene.gateway.try_login(other, PASSWORD).is_problem(401, "invalid_credentials");
    }
}

/// The quota of one endpoint did not know of another that checks the same passwords.
#[test]
fn tinyauth_pr_555_every_endpoint_that_checks_a_password_counts() {
    let scene = Scene::with("", FEW);
    let ann = scene.token("ann@example.com");
    let change = json!({ "currentPassword": "guess", "newPassword": "another fine long sentence" });
    for _ in 0..3 {
        let guess = scene.gateway.post("/auth/password", &[("authorization", &ann)], &change);
        guess.is_problem(401, "invalid_credentials");
    }
    scene.gateway.try_login("ann@example.com", PASSWORD).is_problem(429, "rate_limited");
}

/// Guesses made at once were counted after they had been answered. So in Keycloak and caddy-security.
#[test]
fn zitadel_cve_2024_32868_and_keycloak_cve_2024_1722_a_burst_has_no_more_guesses() {
    let scene = Scene::with("", FEW);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guess = || scene.gateway.try_login("ann@example.com", "guess").status;
        let all: Vec<_> = (0..16).map(|_| scope.spawn(guess)).collect();
        all.into_iter().map(|guesser| guesser.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3, "{statuses:?}");
}

/// Who has an account could be read from the answer, or from the time that it took: only for those was a password hashed.
#[test]
fn traefik_cve_2026_32595_and_vault_cve_2025_6011_nobody_learns_who_has_an_account() {
    let scene = Scene::with("", FEW);
    let hashed = || scene.gateway.metric("portcullis_password_hash_duration_seconds_count");
    let of = |email: &str| {
        let before = hashed();
        let answers: Vec<_> = (0..4).map(|_| scene.gateway.try_login(email, "guess")).collect();
        let shown = answers.iter().map(|answer| {
            let names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
            (answer.status, answer.code(), answer.json()["message"].clone(), names)
        });
        (shown.collect::<Vec<_>>(), hashed() - before)
    };
    assert_eq!(of("ann@example.com"), of("nobody@example.com"));
}

/// A session's id that the client had brought along became the id of whoever signed in.
#[test]
fn zitadel_cve_2024_28197_and_keycloak_cve_2024_7341_an_offered_session_is_not_adopted() {
    let scene = Scene::start();
    let planted = scene.gateway.web_login("bob@example.com");
    let login = json!({ "email": "ann@example.com", "password": PASSWORD, "sessionId": "planted", "client": "web" });
    let answer = scene.gateway.post("/auth/login", &[("cookie", &planted.cookie)], &login);
    assert_eq!(answer.status, 200);
    assert_ne!(answer.the_cookie().pair(), planted.cookie);
    let [one, other] = [&planted.tokens, &answer.json()].map(|tokens| Token::open(&tokens["accessToken"]).payload);
    assert_ne!(one["sid"], other["sid"]);
    let bob = scene.gateway.send("POST", "/auth/refresh", &[("cookie", &planted.cookie)], None).json();
    assert_eq!(Token::open(&bob["accessToken"]).payload["sub"], one["sub"]);
}

/// The cookie of a session that was over stayed in the browser.
#[test]
fn oauth2_proxy_cve_2026_34454_a_dead_cookie_is_taken_away() {
    let scene = Scene::start();
    let browser = scene.gateway.web_login("bob@example.com");
    scene.gateway.post("/auth/logout-all", &[("authorization", &bearer(&browser.tokens))], &json!({}));
    let answer = scene.gateway.send("POST", "/auth/refresh", &[("cookie", &browser.cookie)], None);
    answer.is_problem(401, "session_revoked");
    assert_eq!(answer.the_cookie().value, "");
}

/// A cookie that could not be read, or a session that could not be loaded, was answered 200.
#[test]
fn authentik_cve_2026_25748_and_18063_what_cannot_be_read_opens_nothing() {
    let scene = Scene::start();
    for value in ["", "x", "\"", "a.b.c", "=", "%00", "e30.e30.", "{}", "\u{e9}"] {
        for name in ["__Host-refreshToken", "__Host-accessToken"] {
            let answer = scene.ask("/admin/x", &[("cookie", &format!("{name}={value}"))]);
            assert!([400, 401].contains(&answer.status), "{name}={value}: {}", answer.status);
        }
    }
    let token = scene.gateway.login("ann@example.com");
    let Scene { app, gateway } = scene;
    let cold = gateway.kill();
    let gateway = cold.run();
    cold.database().execute_batch("ALTER TABLE sessions RENAME TO gone").unwrap();
    let answer = gateway.get("/admin/x", &[("authorization", &bearer(&token))]);
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(app.seen().is_empty());
}

/// That there was a token was taken for its being good.
#[test]
fn envoy_cve_2022_29226_a_token_is_not_good_for_being_there() {
    let scene = Scene::start();
    for field in ["Bearer x", "Bearer", "bearer null", "Bearer undefined", "Basic YW5uOng=", "x"] {
        assert_eq!(scene.ask("/x", &[("authorization", field)]).status, 401, "{field}");
    }
    scene.shuts(&["/x?access_token=x", "/x?token=x"]);
    assert!(scene.app.seen().is_empty());
}

/// Of name and password joined only the first 72 bytes were hashed: with a long name, any password was right.
#[test]
fn okta_2024_10_30_every_byte_of_a_password_counts() {
    let house = House::new(&usual(Origin::start().address, "", ""));
    let (email, password) = (format!("{}@example.com", "long".repeat(16)), "a fine long sentence ".repeat(10));
    house.says(&["user", "add", &email, "--password-stdin"], &format!("{password}\n"));
    let gateway = house.run();
    let changed = format!("{}!", &password[..password.len() - 1]);
    for wrong in [&changed, &password[..72], "", "anything else at all"] {
        gateway.try_login(&email, wrong).is_problem(401, "invalid_credentials");
    }
    assert_eq!(gateway.try_login(&email, &password).status, 200);
}

/// Bodies that were huge, or deep, cost the server its time before they were refused. So in Vault.
#[test]
fn keycloak_cve_2026_4634_and_vault_cve_2025_6203_and_12044_a_body_is_bounded_first() {
    let scene = Scene::start();
    let json = [("content-type", "application/json")];
    let post = |body: &str| scene.gateway.send("POST", "/auth/login", &json, Some(body.as_bytes()));
    post(&format!("{{\"scope\":\"{}\"}}", "x".repeat(16 << 10))).is_problem(413, "payload_too_large");
    post(&format!("{{\"email\":{}", "[".repeat(16_000))).is_problem(400, "invalid_request");
    post(&"{\"a\":".repeat(3_000)).is_problem(400, "invalid_request");
    let many: String = (0..1_500).map(|n| format!("\"m{n}\":1,")).collect();
    post(&format!("{{{many}\"email\":1}}")).is_problem(400, "invalid_request");
    scene.is_well();
}
