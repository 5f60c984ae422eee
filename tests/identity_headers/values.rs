//! What a user or a role may be called is one legal value that no app reads in two ways: it splits no field, and fakes none.

use std::cell::Cell;

use portcullis::gate::email::Email;
use portcullis::gate::role::Role;
use portcullis::gate::user::{Stated, UserId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::apps::{APPS, sees};
use crate::cases;
use crate::support::gateway::{House, PASSWORD, usual};
use crate::support::origin::Origin;
use crate::support::{bearer, percent_decoded};

const NASTY: [&str; 20] = [
    "\r\nX-User-Roles: admin",
    "\r",
    "\n",
    "\0",
    "\t",
    " ",
    ",",
    ", admin",
    "%0d%0a",
    "%2C",
    "%",
    "x-user-roles:admin",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{285}",
    "\u{2a0}",
    "e\u{301}",
    "\u{202e}",
    "\u{ff0c}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(NASTY.to_vec()).prop_map(str::to_owned),
        "[a-z0-9.]{1,4}",
        "[!-~]{1,4}",
        "\\PC{1,3}",
        any::<char>().prop_map(String::from),
    ];
    vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

fn is_visible(value: &[u8]) -> bool {
    value.iter().all(|byte| (0x21..=0x7e).contains(byte))
}

#[test]
fn an_email_that_is_accepted_is_one_visible_value_and_no_others() {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    TestRunner::new(cases(1000))
        .run(&(text(), text()), |(name, domain)| {
            let raw = format!("{name}@{domain}");
            let Ok(email) = Email::parse(&raw) else {
                refused.update(|n| n + 1);
                return Ok(());
            };
            accepted.update(|n| n + 1);
            let stated = Stated::new(UserId(uuid::Uuid::nil()), &email, &[]).expect("a value");
            let value = stated.email.as_bytes();
            prop_assert!(is_visible(value) && !value.contains(&b','), "{:?}", stated.email);
            // What can be read back is no other email's.
            prop_assert_eq!(percent_decoded(stated.email.to_str().unwrap()), email.as_str());
            Ok(())
        })
        .unwrap();
    assert!(accepted.get() > 10 && refused.get() > 10, "both sides are tried: {accepted:?}, {refused:?}");
}

#[test]
fn roles_that_are_accepted_are_the_same_list_again() {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let name = prop_oneof![text(), "[A-Za-z0-9._:/-]{1,65}"];
    TestRunner::new(cases(300))
        .run(&vec(name, 1..5), |names| {
            let roles: Vec<Role> = names.iter().filter_map(|name| Role::parse(name).ok()).collect();
            accepted.update(|n| n + roles.len());
            refused.update(|n| n + names.len() - roles.len());
            let email = Email::parse("a@b").unwrap();
            let stated = Stated::new(UserId(uuid::Uuid::nil()), &email, &roles).expect("a value").roles;
            prop_assert!(is_visible(stated.as_bytes()), "{:?}", stated);
            let read: Vec<&str> = stated.to_str().unwrap().split(',').filter(|name| !name.is_empty()).collect();
            prop_assert_eq!(read, roles.iter().map(Role::as_str).collect::<Vec<_>>());
            Ok(())
        })
        .unwrap();
    assert!(accepted.get() > 10 && refused.get() > 10, "both sides are tried: {accepted:?}, {refused:?}");
}

#[test]
fn the_strangest_names_arrive_as_one_value_each() {
    let longest = format!("{}@{}", "é".repeat(100), "a".repeat(53));
    let emails = [
        "!#$%&'*+/=?^_`{|}~;:<>[]\\()\"@[::1]",
        "x-user-roles:admin@x",
        "a%0d%0ax-user-roles:admin@x",
        "jos%c3%a9@example.com",
        "josé@example.com",
        "ąx-user-roles:admin@voilà",
        "\u{202e}nna@\u{feff}example.com",
        &longest,
    ];
    let widest = "r".repeat(64);
    let roles = ["a:b/c.d_e-f", "-", "...", ":/", "ADMIN", "admin", &widest];
    let app = Origin::start();
    let house = House::new(&usual(app.address, "", ""));
    let words = roles.map(|role| format!("--role={role}"));
    for email in emails {
        let words = ["user", "add", email, "--password-stdin"].into_iter().chain(words.iter().map(String::as_str));
        house.says(&words.collect::<Vec<_>>(), &format!("{PASSWORD}\n"));
    }
    let gateway = house.run();
    let mut told = Vec::new();
    for email in emails {
        let token = bearer(&gateway.login(email));
        assert_eq!(gateway.get("/admin/x", &[("authorization", &token)]).status, 200);
        let fields = app.last().fields;
        for app in &APPS {
            let value = sees(app, &fields, "x-user-email").unwrap();
            assert_eq!(percent_decoded(&value), email, "{}", app.name);
            assert!(is_visible(value.as_bytes()), "{value}");
            let mut list: Vec<String> =
                sees(app, &fields, "x-user-roles").unwrap().split(',').map(str::to_owned).collect();
            list.sort();
            let mut sorted = roles.to_vec();
            sorted.sort_unstable();
            assert_eq!(list, sorted, "{}", app.name);
        }
        told.push(app.last().all("x-user-email")[0].to_owned());
    }
    told.sort();
    told.dedup();
    assert_eq!(told.len(), emails.len(), "no two are told alike");
}

#[test]
fn no_import_brings_a_name_that_splits_a_field() {
    let house = House::new(&usual("127.0.0.1:1".parse().unwrap(), "", ""));
    let hash = "$2b$10$bSAhv7UkCMEY23vJ/LIG0.3iq0IzlWnkQJ94BPLPxkFEW7OBTGF3G";
    let bad_emails =
        ["a\r\nx-user-roles: admin@x", "a\u{85}@x", "a\u{a0}@x", "a\0@x", " a@x", "a@x ", "a,b@x", "a@x\n"];
    let bad_roles = ["a,b", "a\r\nX: y", " a", "a ", "", "é", "a\0"];
    let emails = bad_emails.iter().map(|email| json!({ "email": email, "passwordHash": hash, "roles": [] }));
    let roles = bad_roles.iter().map(|role| json!({ "email": "ok@x", "passwordHash": hash, "roles": ["fine", role] }));
    let lines: String = emails.chain(roles).map(|line| format!("{line}\n")).collect();
    let said = house.tried(&["user", "import", "-"], &lines);
    for line in 1..=bad_emails.len() + bad_roles.len() {
        assert!(said.err.contains(&format!("-:{line}: ")), "line {line}: {said:?}");
    }
    assert_eq!(house.says(&["user", "list", "--json"], "").trim(), "[]");
}
