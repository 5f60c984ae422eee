//! `portcullis user import`: the users of another app come along with their passwords.
//!
//! `imported_users.jsonl` is as mongoexport writes a collection. Its hashes were made with Python's bcrypt 5.0 (`$2a$` and
//! `$2y$` are its `$2b$` renamed), argon2-cffi 25.1 and passlib 1.7.4 (scrypt, pbkdf2), of the passwords below.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use portcullis::clock::Stopwatch;
use serde_json::Value;
use support::BINARY;
use support::commands::say;
use support::gateway::{CHEAP_PASSWORDS, Gateway, House, PASSWORD, usual};
use support::origin::Origin;
use support::wait::until;

const IMPORTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/imported_users.jsonl");
const OLD_PASSWORD: &str = "Grüße an den Türsteher";
/// bcrypt has only ever looked at 72 bytes of it.
const LONG: &str = "a passphrase of more than seventy-two bytes, of which bcrypt has never looked at the end";
const HASH: &str = "$2b$04$l.JTbdK6ojqLhJheXCm1feB5dC4EcKwhns9szuzA54KQGo8CVvyyi";

/// One line each.
fn users(emails: &[&str]) -> String {
    emails.iter().fold(String::new(), |mut file, email| {
        writeln!(file, r#"{{"email": "{email}", "passwordHash": "{HASH}", "roles": ["user"]}}"#).unwrap();
        file
    })
}

fn emails(house: &House) -> Vec<String> {
    let list = house.tried(&["user", "list", "--json"], "").json();
    list.as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn users_of_an_express_app_sign_in_with_their_old_passwords_and_get_new_hashes() {
    // Dearer than every hash in the file, so that none of them is good enough to stay.
    let dearer = "[passwords]\nmemory = \"512KiB\"\niterations = 2\n";
    let house = House::new(&usual(Origin::start().address, "", "").replace(CHEAP_PASSWORDS, dearer));
    let gateway = house.run();
    let said = house.tried(&["user", "import", IMPORTED], "").worked();
    assert_eq!(said, "11 users added, 0 lines skipped\n");

    let imported = house.says(&["user", "export"], "");
    let file = std::fs::read_to_string(IMPORTED).unwrap();
    for (n, line) in file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).enumerate() {
        let (email, hash) = (line["email"].as_str().unwrap(), line["passwordHash"].as_str().unwrap());
        assert!(imported.contains(hash), "{email}: nothing is hashed before its password comes");
        let password = match email {
            "short@example.com" => "hunter2",
            "long@example.com" => LONG,
            _ => OLD_PASSWORD,
        };
        let wrong = gateway.try_login(email, &format!("{}?", &password[..password.len() - 1]));
        assert_eq!(wrong.status == 401, email != "long@example.com", "{email}: {}", wrong.body);
        if email != "long@example.com" {
            assert_eq!(gateway.try_login(email, password).status, 200, "{email}");
        }
        until("the hash is replaced", || hash_of(&house, email).starts_with("$argon2id$v=19$m=512,t=2,p=1$"));
        assert_eq!(show(&house, email)["tokenVersion"], n, "{email}: nothing else has changed");
    }
    // The whole password that was typed at the first login is what counts from then on.
    for (password, status) in [(format!("{}?", &LONG[..LONG.len() - 1]), 200), (LONG.to_owned(), 401)] {
        assert_eq!(gateway.try_login("long@example.com", &password).status, status, "{password}");
    }
    assert_eq!(gateway.try_login("laravel-2y@example.com", OLD_PASSWORD).status, 200, "again, by the new hash");
    assert_eq!(gateway.try_login("laravel-2y@example.com", &OLD_PASSWORD.to_uppercase()).status, 401);
}

fn show(house: &House, email: &str) -> Value {
    house.tried(&["user", "show", email, "--json"], "").json()
}

fn hash_of(house: &House, email: &str) -> String {
    let exported = house.says(&["user", "export"], "");
    let users = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    users.into_iter().find(|user| user["email"] == email).unwrap()["passwordHash"].as_str().unwrap().to_owned()
}

#[test]
fn every_bad_line_is_named_and_every_good_one_imported() {
    let house = House::new(CHEAP_PASSWORDS);
    house.add_user("taken@x", &["admin"]);
    let before = hash_of(&house, "taken@x");
    let with = |rest: &str| format!("{{\"email\": \"y@x\", \"passwordHash\": \"{HASH}\", {rest}}}\n");
    let bad = [
        ("{\"email\": \"y@x\",\n".to_owned(), "it ends before its JSON does"),
        ("[]\n".into(), "it begins a JSON array"),
        ("\"canary\"\n".into(), "it is not a JSON object"),
        ("email,passwordHash\n".into(), "it is not valid JSON, from column 1 on"),
        (with("\"email\": \"z@x\""), "names a member twice"),
        ("{\"passwordHash\": \"canary\"}\n".into(), "`email` is missing or not a string"),
        ("{\"email\": \"y@x\"}\n".into(), "`passwordHash` is missing or not a string"),
        ("{\"email\": \"y@x\", \"password\": \"canary\"}\n".into(), "`passwordHash` is missing or not a string"),
        (format!("{{\"email\": \"y x\", \"passwordHash\": \"{HASH}\"}}\n"), "email: an email is one name"),
        ("{\"email\": \"y@x\", \"passwordHash\": \"canary\"}\n".into(), "passwordHash: it is not a hash of bcrypt"),
        ("{\"email\": \"y@x\", \"passwordHash\": \"$2b$05$canary\"}\n".into(), "passwordHash: it is damaged"),
        (
            format!("{{\"email\": \"y@x\", \"passwordHash\": \"{}\"}}\n", HASH.replace("$04", "$31")),
            "it costs more than",
        ),
        (with("\"roles\": 5"), "`roles` is not a list of strings"),
        (with("\"roles\": [\"a,b\"]"), "roles: a role is 1 to 64"),
        (with("\"tokenVersion\": -1"), "`tokenVersion` is not a whole number"),
        (with("\"enabled\": \"no\""), "`enabled` is not true or false"),
        (users(&["TAKEN@x"]), "there is a user with this email already"),
        (users(&["first@X"]), "this email is on line 1 already"),
    ];
    let file =
        users(&["first@x"]) + &bad.iter().map(|(line, _)| line.as_str()).collect::<String>() + &users(&["last@x"]);
    std::fs::write(house.path("users.jsonl"), file).unwrap();
    let name = house.path("users.jsonl");
    let said = house.tried(&["user", "import", name.to_str().unwrap()], "");
    assert_eq!((said.code, said.out.as_str()), (1, "2 users added, 18 lines skipped\n"));
    let mut lines = said.err.lines();
    for (n, (_, reason)) in bad.iter().enumerate() {
        let line = lines.next().unwrap();
        assert!(line.starts_with(&format!("{}:{}: ", name.display(), n + 2)) && line.contains(reason), "{line}");
    }
    assert!(lines.next().unwrap().starts_with("portcullis: 18 lines skipped, for the reasons above; mend the file"));
    assert!(lines.next().is_none() && !said.err.contains("canary"), "{}", said.err);
    assert_eq!(emails(&house), ["first@x", "last@x", "taken@x"]);
    assert_eq!((hash_of(&house, "taken@x"), &show(&house, "taken@x")["roles"][0]), (before, &"admin".into()));
}

#[test]
fn a_file_may_come_from_anywhere() {
    let house = House::new(CHEAP_PASSWORDS);
    let file = format!("\u{feff}{}\n\n{}", users(&["a@x", "b@x"]), users(&["c@x"])).replace('\n', "\r\n");
    assert_eq!(house.tried(&["user", "import", "-"], &file).worked(), "3 users added, 0 lines skipped\n");
    let unended = users(&["d@x"]);
    assert_eq!(house.tried(&["user", "import", "-"], unended.trim_end()).worked(), "1 user added, 0 lines skipped\n");
    for nothing in ["", "\n", "\u{feff}", "\r\n\r\n"] {
        let said = house.tried(&["user", "import", "-"], nothing).worked();
        assert_eq!(said, "0 users added, 0 lines skipped\n", "{nothing:?}");
    }
    let utf16: Vec<u8> = users(&["e@x"]).encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(house.path("utf16"), [&b"\xff\xfe"[..], &utf16].concat()).unwrap();
    let said = house.tried(&["user", "import", house.path("utf16").to_str().unwrap()], "");
    assert!(said.code == 1 && said.err.contains("utf16:1: it is not UTF-8; save the file as UTF-8"), "{said:?}");
    assert_eq!(emails(&house), ["a@x", "b@x", "c@x", "d@x"]);
}

#[test]
fn a_line_without_end_costs_one_line() {
    let house = House::new(CHEAP_PASSWORDS);
    let endless = format!("{{\"email\": \"{}\"}}\n", "x".repeat(32 << 20));
    let said = house.tried(&["user", "import", "-"], &[users(&["a@x"]), endless, users(&["b@x"])].concat());
    assert_eq!((said.code, said.out.as_str()), (1, "2 users added, 1 line skipped\n"));
    assert!(said.err.starts_with("-:2: it is longer than 1048576 bytes\n"), "{}", said.err);
}

#[test]
fn ten_thousand_users_come_in_while_the_gateway_serves_and_whoever_watches_sees_them_come() {
    let gateway = Gateway::usual(Origin::start().address, "", "");
    let house = &gateway.house;
    let all: Vec<String> = (0..10_000).map(|n| format!("user{n}@example.com")).collect();
    std::fs::write(house.path("many.jsonl"), users(&all.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    let (many, file) = (house.path("many.jsonl"), house.file());
    let import = format!("{BINARY} user import {} -c {}", many.display(), file.display());
    let watch = Stopwatch::start();
    // What `script` runs has a terminal of its own.
    let watched = say(Command::new("script").args(["-qec", &import, "/dev/null"]), "").worked();
    assert!(watch.elapsed() < Duration::from_secs(60), "{:?}", watch.elapsed());
    let lines: Vec<&str> = watched.lines().collect();
    assert_eq!(lines[0], format!("{}: 1000 lines read, 1000 users added", many.display()));
    assert_eq!(
        lines[9..],
        [&format!("{}: 10000 lines read, 10000 users added", many.display()), "10000 users added, 0 lines skipped"]
    );

    assert_eq!(gateway.try_login("user9999@example.com", "hunter2").status, 200);
    assert_eq!(gateway.try_login("ann@example.com", PASSWORD).status, 200);
    let again = house.tried(&["user", "import", many.to_str().unwrap()], "");
    assert_eq!((again.code, again.out.as_str()), (1, "0 users added, 10000 lines skipped\n"));
    assert!(again.err.ends_with("who is there already is left alone\n"));
}
