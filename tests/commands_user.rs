//! `portcullis user …` on the live store, while a gateway runs on it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::bearer;
use support::commands::Said;
use support::gateway::{Gateway, House, PASSWORD, usual};
use support::origin::Origin;
use support::wait::until;

const OTHER: &str = "another fine sentence";

fn guarded() -> Gateway {
    Gateway::usual(Origin::start().address, "", "")
}

fn tried(gateway: &Gateway, words: &[&str], input: &str) -> Said {
    gateway.house.tried(&[&["user"], words].concat(), input)
}

fn code(gateway: &Gateway, path: &str, tokens: &Value) -> String {
    let answer = gateway.get(path, &[("authorization", &bearer(tokens))]);
    if answer.status == 200 { "200".into() } else { answer.code() }
}

#[test]
fn who_is_added_can_sign_in_at_once() {
    let gateway = guarded();
    assert_eq!(gateway.try_login("cid@example.com", PASSWORD).code(), "invalid_credentials");
    let added =
        tried(&gateway, &["add", "Cid@Example.com", "--role", "a", "--password-stdin"], &format!("{PASSWORD}\r\n"));
    assert_eq!(added.worked(), "cid@example.com is added, with the role a\n");
    let me = gateway.get("/auth/me", &[("authorization", &bearer(&gateway.login("CID@example.com")))]).json();
    assert_eq!((&me["email"], &me["roles"]), (&json!("cid@example.com"), &json!(["a"])));
}

#[test]
fn a_new_password_ends_every_session_and_the_old_password() {
    let gateway = guarded();
    let (one, two) = (gateway.login("ann@example.com"), gateway.login("ann@example.com"));
    let said = tried(&gateway, &["passwd", "ann@example.com", "--password-stdin"], &format!("{OTHER}\n"));
    assert_eq!(said.worked(), "ann@example.com has a new password; 2 sessions ended\n");
    for tokens in [&one, &two] {
        until("both are signed out", || code(&gateway, "/", tokens) == "session_revoked");
        assert_eq!(gateway.refresh(&tokens["refreshToken"]).code(), "session_revoked");
    }
    assert_eq!(gateway.try_login("ann@example.com", PASSWORD).code(), "invalid_credentials");
    assert_eq!(gateway.try_login("ann@example.com", OTHER).status, 200);
}

#[test]
fn roles_count_as_they_stand_now() {
    let gateway = guarded();
    let bob = gateway.login("bob@example.com");
    assert_eq!(code(&gateway, "/admin/", &bob), "forbidden");
    let said = tried(&gateway, &["roles", "bob@example.com", "user", "admin", "user"], "");
    assert_eq!(said.worked(), "bob@example.com now has the roles user, admin\n");
    until("bob is let in", || code(&gateway, "/admin/", &bob) == "200");
    assert_eq!(tried(&gateway, &["roles", "bob@example.com"], "").worked(), "bob@example.com now has no roles\n");
    until("bob is kept out", || code(&gateway, "/admin/", &bob) == "forbidden");
    assert_eq!(code(&gateway, "/", &bob), "200", "the session goes on");
}

#[test]
fn who_is_disabled_is_out_and_enabling_revives_no_session() {
    let gateway = guarded();
    let bob = gateway.login("bob@example.com");
    let said = tried(&gateway, &["disable", "bob@example.com"], "").worked();
    assert_eq!(said, "bob@example.com is disabled; 1 session ended\n");
    until("bob is out", || code(&gateway, "/", &bob) != "200");
    assert_eq!(gateway.try_login("bob@example.com", PASSWORD).code(), "invalid_credentials");
    assert_eq!(tried(&gateway, &["disable", "bob@example.com"], "").worked(), "bob@example.com is disabled already\n");
    assert_eq!(tried(&gateway, &["enable", "bob@example.com"], "").worked(), "bob@example.com is enabled\n");
    let again = gateway.login("bob@example.com");
    assert_eq!((code(&gateway, "/", &again), code(&gateway, "/", &bob)), ("200".into(), "session_revoked".into()));
}

#[test]
fn who_is_removed_does_not_come_back_with_the_same_email() {
    let gateway = guarded();
    let bob = gateway.login("bob@example.com");
    let said = tried(&gateway, &["remove", "bob@example.com"], "").worked();
    assert_eq!(said, "bob@example.com is removed; 1 session ended\n");
    until("bob is gone", || code(&gateway, "/", &bob) != "200");
    gateway.house.add_user("bob@example.com", &["admin"]);
    assert_eq!(code(&gateway, "/", &gateway.login("bob@example.com")), "200");
    assert_ne!(code(&gateway, "/", &bob), "200", "another person's token");
}

#[test]
fn listings_are_json_for_scripts_and_hold_no_hash() {
    let gateway = guarded();
    gateway.login("ann@example.com");
    let list = tried(&gateway, &["list", "--json"], "").json();
    let [ann, bob] = list.as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(
        (&ann["email"], &ann["roles"], &ann["sessions"]),
        (&json!("ann@example.com"), &json!(["admin"]), &json!(1))
    );
    assert_eq!(
        (&bob["enabled"], &bob["tokenVersion"], &bob["passwordScheme"]),
        (&json!(true), &json!(0), &json!("argon2id"))
    );
    assert_eq!(tried(&gateway, &["show", "ANN@example.com", "--json"], "").json(), *ann);

    let id = ann["id"].as_str().unwrap();
    let (table, shown) =
        (tried(&gateway, &["list"], "").worked(), tried(&gateway, &["show", "ann@example.com"], "").worked());
    assert_eq!(table.lines().count(), 3);
    assert!(table.lines().nth(1).unwrap().ends_with(id) && shown.contains(id), "{table}{shown}");
    for said in [list.to_string(), table, shown] {
        assert!(!said.contains("$argon2"), "{said}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_in_one_line_that_says_what_to_do() {
    let gateway = guarded();
    let nobody = "there is no user x@y; `portcullis user list` shows everyone";
    for (words, input, line) in [
        (&["show", "x@y"][..], "", nobody),
        (&["show", "x@y", "--json"], "", nobody),
        (&["passwd", "x@y", "--password-stdin"], "a fine long sentence\n", nobody),
        (&["roles", "x@y", "a"], "", nobody),
        (&["disable", "x@y"], "", nobody),
        (&["enable", "x@y"], "", nobody),
        (&["remove", "x@y"], "", nobody),
        (
            &["add", "ANN@example.com", "--password-stdin"],
            "a fine long sentence\n",
            "there is a user ann@example.com already; `portcullis user passwd ann@example.com` sets a new password",
        ),
        (&["add", "x@y", "--password-stdin"], "", "no password came on standard input; send it as one line"),
        (&["add", "x@y", "--password-stdin"], "\n", "a password has at least 15 characters; choose another"),
        (
            &["passwd", "ann@example.com", "--password-stdin"],
            "too short\n",
            "a password has at least 15 characters; choose another",
        ),
        (
            &["add", "x@y", "--password-stdin"],
            "password123456789\n",
            "this password is among the first that anyone would try; choose another",
        ),
        (
            &["import", "/nowhere/users.jsonl"],
            "",
            "cannot read /nowhere/users.jsonl: No such file or directory (os error 2)",
        ),
        (&["import", "/"], "", "cannot read /: this is a folder"),
    ] {
        let said = tried(&gateway, words, input);
        assert_eq!(said.refused(), line, "{words:?}");
    }
    let long = tried(&gateway, &["add", "x@y", "--password-stdin"], &"x".repeat(100_000)).refused();
    assert_eq!(long, "a password has at most 1024 bytes; choose another");
    assert_eq!(tried(&gateway, &["list", "--json"], "").json().as_array().unwrap().len(), 2);
    assert_eq!(gateway.try_login("ann@example.com", PASSWORD).status, 200, "nothing was changed");
}

#[test]
fn no_password_is_taken_as_an_argument_nor_shown() {
    let house = House::new("");
    for words in [
        &["add", "x@y", "--password", "hunter2canary sentence"][..],
        &["add", "x@y", "--password=hunter2canary sentence"],
        &["add", "x@y", "-p", "hunter2canary sentence"],
        &["add", "x@y", "--password-stdin=hunter2canary sentence"],
        &["add", "x@y", "hunter2canary sentence"],
        &["passwd", "x@y", "hunter2canary sentence"],
        &["passwd", "x@y", "--password", "hunter2canary sentence"],
    ] {
        let said = house.tried(&[&["user"], words].concat(), "");
        assert_eq!(said.code, 2, "{words:?}");
        assert!(!said.err.contains("canary"), "{}", said.err);
    }
}

#[test]
fn what_is_exported_gives_the_same_logins_elsewhere() {
    let here = guarded();
    here.login("ann@example.com");
    for words in [&["roles", "bob@example.com", "b", "a"][..], &["disable", "bob@example.com"]] {
        tried(&here, words, "").worked();
    }
    let exported = tried(&here, &["export"], "").worked();
    assert_eq!(exported.lines().count(), 2);
    let house = House::new(&usual(Origin::start().address, "", ""));
    assert_eq!(house.tried(&["user", "import", "-"], &exported).worked(), "2 users added, 0 lines skipped\n");
    assert_eq!(house.says(&["user", "export"], ""), exported);

    let there = House::run(&house);
    let ann = there.login("ann@example.com");
    assert_eq!(code(&there, "/admin/", &ann), "200");
    assert_eq!(there.try_login("ann@example.com", OTHER).code(), "invalid_credentials");
    assert_eq!(there.try_login("bob@example.com", PASSWORD).code(), "invalid_credentials", "still disabled");
    assert_ne!(code(&there, "/", &here.login("ann@example.com")), "200", "another gateway's token");
    let _: Arc<House> = there.kill();
}
