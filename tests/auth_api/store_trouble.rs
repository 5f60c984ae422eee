//! A database that is locked, cannot be written to, or is full: 503, nothing is lost, nobody is signed out, and when it is
//! over the gateway goes on by itself.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use super::support::forge::Token;
use super::support::gateway::{Gateway, House, PASSWORD, usual};
use super::support::origin::Origin;
use super::support::{Answer, bearer};

/// The signal that a write beyond the limit of a file's size brings is turned off; the write then fails.
const WITHOUT_SIGXFSZ: [&str; 3] = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];

fn limited() -> Gateway {
    let house = House::new(&usual(Origin::start().address, "", ""));
    house.add_usual_users();
    house.run_through(&WITHOUT_SIGXFSZ)
}

/// The largest file that the gateway may write from now on.
fn limit_files(gateway: &Gateway, bytes: &str) {
    let pid = gateway.child.id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().unwrap();
    assert!(done.success());
}

/// Everything that writes, at once: none of it works, all of it says so, and what only reads goes on.
fn all_writes_fail(gateway: &Gateway, tokens: &Value, cookie: &str) {
    let token = bearer(tokens);
    let ours = [("authorization", token.as_str())];
    let logout = || gateway.post("/auth/logout", &[], &json!({ "refreshToken": tokens["refreshToken"] }));
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "another fine long sentence" });
    let id = Token::open(&tokens["accessToken"]).payload["sid"].as_str().unwrap().to_owned();
    let writes: [&(dyn Fn() -> Answer + Sync); 7] = [
        &|| gateway.try_login("bob@example.com", PASSWORD),
        &|| gateway.refresh(&tokens["refreshToken"]),
        &|| gateway.send("POST", "/auth/refresh", &[("cookie", cookie)], None),
        &logout,
        &|| gateway.send("POST", "/auth/logout-all", &ours, None),
        &|| gateway.send("DELETE", &format!("/auth/sessions/{id}"), &ours, None),
        &|| gateway.post("/auth/password", &ours, &change),
    ];
    std::thread::scope(|scope| {
        let asked: Vec<_> = writes.iter().map(|write| scope.spawn(write)).collect();
        for answer in asked.into_iter().map(|asked| asked.join().unwrap()) {
            answer.is_problem(503, "unavailable");
            assert_eq!(answer.cookies().len(), 0, "a cookie that is still good stays");
        }
    });
    for path in ["/x", "/auth/me", "/auth/sessions"] {
        assert_eq!(gateway.get(path, &ours).status, 200, "{path}");
    }
    assert!(gateway.metric("portcullis_store_errors_total{operation=\"take\"}") >= 1.0);
    assert!(gateway.metric("portcullis_store_errors_total{operation=\"advance_session\"}") >= 2.0);
}

/// As if nothing had been: the tokens that were presented in vain rotate for the first time.
fn nothing_was_lost(gateway: &Gateway, tokens: &Value, cookie: &str) {
    let rotated = gateway.refresh(&tokens["refreshToken"]);
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    assert_eq!(Token::open(&rotated.json()["refreshToken"]).payload["gen"], 1);
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(tokens))]).status, 200);
    assert_eq!(gateway.send("POST", "/auth/refresh", &[("cookie", cookie)], None).status, 200);
    assert_eq!(gateway.metric("portcullis_refreshes_total{outcome=\"rotated\"}"), 2.0);
    gateway.login("ann@example.com");
    gateway.login("bob@example.com");
    let sound: String = gateway.house.database().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn a_locked_database_is_our_trouble_and_no_token_suffers() {
    let gateway = super::gateway("");
    let (tokens, browser) = (gateway.login("ann@example.com"), gateway.web_login("ann@example.com"));
    let database = gateway.house.database();
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    all_writes_fail(&gateway, &tokens, &browser.cookie);
    database.execute_batch("ROLLBACK").unwrap();
    nothing_was_lost(&gateway, &tokens, &browser.cookie);
}

#[test]
fn a_database_that_can_no_longer_be_written_is_our_trouble_and_no_token_suffers() {
    let gateway = limited();
    let (tokens, browser) = (gateway.login("ann@example.com"), gateway.web_login("ann@example.com"));
    limit_files(&gateway, "0");
    all_writes_fail(&gateway, &tokens, &browser.cookie);
    limit_files(&gateway, "unlimited");
    nothing_was_lost(&gateway, &tokens, &browser.cookie);
}

#[test]
fn when_the_database_is_full_what_was_answered_stands_and_what_was_refused_has_not_happened() {
    let gateway = limited();
    let mut tokens = gateway.login("ann@example.com");
    let browser = gateway.web_login("ann@example.com");
    let log = std::fs::metadata(gateway.house.path("portcullis.db-wal")).unwrap().len();
    limit_files(&gateway, &(log + 100_000).to_string());
    let (mut logins, mut full) = (Vec::new(), None);
    for _ in 0..100 {
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let login = || gateway.try_login("bob@example.com", PASSWORD);
            let asked: Vec<_> = (0..4).map(|_| scope.spawn(login)).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let (signed_in, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        logins.extend(signed_in.iter().map(Answer::json));
        refused.iter().for_each(|answer| answer.is_problem(503, "unavailable"));
        let rotated = gateway.refresh(&tokens["refreshToken"]);
        if rotated.status != 200 {
            full = Some(rotated);
            break;
        }
        tokens = rotated.json();
    }
    full.expect("it never filled up").is_problem(503, "unavailable");
    assert!(!logins.is_empty());

    // Another process, with room again: what the first one left behind is all there is.
    let gateway = gateway.kill().run();
    for login in &logins {
        assert_eq!(gateway.get("/x", &[("authorization", &bearer(login))]).status, 200);
        assert_eq!(gateway.refresh(&login["refreshToken"]).status, 200);
    }
    let generation = Token::open(&tokens["refreshToken"]).payload["gen"].as_u64().unwrap();
    let rotated = gateway.refresh(&tokens["refreshToken"]);
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    assert_eq!(Token::open(&rotated.json()["refreshToken"]).payload["gen"], generation + 1);
    assert_eq!(gateway.metric("portcullis_refreshes_total{outcome=\"repeated\"}"), 0.0);
    assert_eq!(gateway.send("POST", "/auth/refresh", &[("cookie", &browser.cookie)], None).status, 200);
    let bobs: u32 = gateway
        .house
        .database()
        .query_row("SELECT count(*) FROM sessions JOIN users ON user = users.id WHERE email LIKE 'bob%'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(bobs as usize, logins.len(), "a login that was refused has opened nothing");
}

#[test]
fn a_database_that_may_not_be_written_is_an_error_at_the_start() {
    let gateway = super::gateway("");
    let tokens = gateway.login("ann@example.com");
    let house: Arc<House> = gateway.kill();
    let allow = |mode: u32, folder: u32| {
        let set = |path: &str, mode: u32| {
            std::fs::set_permissions(house.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set("portcullis.db", mode);
        set("", folder);
    };
    allow(0o400, 0o500);
    // Modes do not bind the superuser, unless that power is given up first.
    let superuser = std::fs::metadata(house.path("")).unwrap().uid() == 0;
    let obeying = ["setpriv", "--bounding-set=-dac_override", "--"];
    let wrapper: &[&str] = if superuser { &obeying } else { &[] };
    let output = house.command_through(wrapper, &["run"], "");
    allow(0o600, 0o700);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("portcullis.db"), "it names the file: {said}");

    let gateway = house.run();
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&tokens))]).status, 200);
    assert_eq!(gateway.refresh(&tokens["refreshToken"]).status, 200);
}
