//! Stored hashes and what it costs to check them: more logins than fit, hashes that came from elsewhere, hashes that are
//! damaged.

use serde_json::json;

use super::gateway;
use super::support::forge::Token;
use super::support::gateway::{CHEAP_PASSWORDS, Gateway, House, PASSWORD, usual};
use super::support::origin::Origin;
use super::support::wait::until;
use super::support::{Answer, bearer};

fn set_hash(gateway: &Gateway, email: &str, hash: &[u8]) {
    let sql = "UPDATE users SET password_hash = ?2 WHERE email = ?1";
    assert_eq!(gateway.house.database().execute(sql, rusqlite::params![email, hash]).unwrap(), 1);
}

fn stored_hash(gateway: &Gateway, email: &str) -> String {
    let sql = "SELECT CAST(password_hash AS TEXT) FROM users WHERE email = ?1";
    gateway.house.database().query_row(sql, [email], |row| row.get(0)).unwrap()
}

#[test]
fn more_logins_than_fit_are_turned_away_and_the_rest_goes_on() {
    // One at a time, each of some hundred milliseconds; four may wait.
    let slow = "[passwords]\nmemory = \"64MiB\"\niterations = 10\nmax_concurrent = 1\n";
    let limits = "[limits]\nlogin_per_ip = \"16/1h\"\n";
    let house = House::new(&usual(Origin::start().address, "", limits).replace(CHEAP_PASSWORDS, slow));
    house.add_usual_users();
    let gateway = house.run();
    let token = bearer(&gateway.login("ann@example.com"));
    let failing = |n: usize| gateway.try_login(&format!("user{n}@example.com"), "x");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let storm: Vec<_> = (0..16).map(|n| scope.spawn(move || failing(n))).collect();
        assert_eq!(gateway.get("/x", &[("authorization", &token)]).status, 200, "proxying is not slowed");
        storm.into_iter().map(|login| login.join().unwrap()).collect()
    });
    let (refused, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 401);
    assert!(!refused.is_empty() && !busy.is_empty(), "{} {}", refused.len(), busy.len());
    refused.iter().for_each(|answer| answer.is_problem(401, "invalid_credentials"));
    for answer in &busy {
        answer.is_problem(503, "unavailable");
        assert_eq!(answer.field("retry-after"), "2");
    }
    assert_eq!(gateway.metric("portcullis_password_hash_waiting"), 0.0);
    // Who was turned away has used up no place: so many are left, and no more.
    for n in 0..busy.len() {
        failing(n).is_problem(401, "invalid_credentials");
    }
    failing(0).is_problem(429, "rate_limited");
}

/// 4 GiB for a hash, in a process that may have three.
#[test]
fn a_password_that_there_is_no_memory_for_is_told_to_come_again() {
    let cheap = usual(Origin::start().address, "", "");
    let house = House::new(&cheap);
    house.add_usual_users();
    house.rewrite(&cheap.replace(CHEAP_PASSWORDS, "[passwords]\nmemory = \"4GiB\"\n"));
    let gateway = house.run_through(&["sh", "-c", "ulimit -v 3145728 && exec \"$@\"", "sh"]);
    let answer = gateway.try_login("nobody@example.com", PASSWORD);
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.field("retry-after"), "2");
    // Nothing is lost: whose hash is a cheap one of before is let in, with that, and is served.
    let token = bearer(&gateway.login("ann@example.com"));
    assert_eq!(gateway.get("/admin/x", &[("authorization", &token)]).status, 200);
}

/// As the kernel has it: 10 for threads that hash, 0 for those that serve.
#[test]
#[cfg(target_os = "linux")]
fn threads_that_hash_run_after_everything_else() {
    let gateway = gateway("");
    gateway.login("ann@example.com");
    until("they have started", || !nice(&gateway, "password-").is_empty());
    until("they have stepped back", || nice(&gateway, "password-").iter().all(|nice| nice == "10"));
    let serving = nice(&gateway, "requests-");
    assert!(!serving.is_empty() && serving.iter().all(|nice| nice == "0"), "{serving:?}");
}

/// How nice each thread of such a name is.
#[cfg(target_os = "linux")]
fn nice(gateway: &Gateway, name: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", gateway.child.id())).unwrap();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let nice = |stat: String| {
        let (found, values) = stat.split_once('(').unwrap().1.rsplit_once(") ").unwrap();
        // Of all values the nineteenth.
        found.starts_with(name).then(|| values.split(' ').nth(16).unwrap().to_owned())
    };
    stats.filter_map(nice).collect()
}

#[test]
fn a_hash_that_came_with_an_import_is_replaced_at_the_next_login() {
    let gateway = gateway("");
    // Made by another program, of "Grüße, correct horse".
    let bcrypt = "$2b$05$abcdefghijklmnopqrstuudWPcgfJKcFKSk8S5CdH/BEaQTncxPxS";
    let line = json!({ "email": "old@example.com", "passwordHash": bcrypt, "roles": ["admin"], "tokenVersion": 7 });
    std::fs::write(gateway.house.path("users.jsonl"), format!("{line}\n")).unwrap();
    let file = gateway.house.path("users.jsonl");
    gateway.house.says(&["user", "import", file.to_str().unwrap()], "");
    assert_eq!(stored_hash(&gateway, "old@example.com"), bcrypt);

    gateway.try_login("old@example.com", "Gr\u{fc}\u{df}e").is_problem(401, "invalid_credentials");
    assert_eq!(stored_hash(&gateway, "old@example.com"), bcrypt, "a wrong password replaces nothing");
    let password = "Gr\u{fc}\u{df}e, correct horse";
    let first = gateway.try_login("old@example.com", password);
    assert_eq!(first.status, 200, "{}", first.body);
    let replaced = stored_hash(&gateway, "old@example.com");
    assert!(replaced.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{replaced}");

    let second = gateway.try_login("old@example.com", password);
    assert_eq!(second.status, 200);
    assert_eq!(stored_hash(&gateway, "old@example.com"), replaced, "it is up to date now");
    for tokens in [first.json(), second.json()] {
        assert_eq!(Token::open(&tokens["accessToken"]).payload["tokenVersion"], 7, "nobody is signed out by it");
        assert_eq!(gateway.get("/admin/", &[("authorization", &bearer(&tokens))]).status, 200);
    }
}

#[test]
fn a_damaged_hash_is_a_refusal_to_the_client_and_an_error_to_the_operator() {
    let gateway = gateway("");
    let good = stored_hash(&gateway, "ann@example.com");
    for damaged in [
        &b""[..],
        b"plain text",
        b"\xff\xfe\x00",
        &good.as_bytes()[..good.len() - 20],
        b"$2b$05$abc",
        b"$2b$31$abcdefghijklmnopqrstuudWPcgfJKcFKSk8S5CdH/BEaQTncxPxS",
        b"$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$2b$05$abcdefghijklmnopqrstu\u{e9}dWPcgfJKcFKSk8S5CdH/BEaQTncxPx".as_bytes(),
    ] {
        set_hash(&gateway, "ann@example.com", damaged);
        gateway.try_login("ann@example.com", PASSWORD).is_problem(401, "invalid_credentials");
    }
    let line = gateway.wait_for_line("the stored password hash cannot be read");
    assert!(line.contains("ERROR") && line.contains("user="), "{line}");
    gateway.login("bob@example.com");
    set_hash(&gateway, "ann@example.com", good.as_bytes());
    gateway.login("ann@example.com");
    assert_eq!(gateway.metric("portcullis_panics_total"), 0.0);
}

#[test]
fn a_damaged_hash_keeps_a_password_from_being_changed_and_says_why_in_the_log() {
    let gateway = gateway("");
    let token = bearer(&gateway.login("ann@example.com"));
    set_hash(&gateway, "ann@example.com", b"plain text");
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "another fine long sentence" });
    let answer = gateway.post("/auth/password", &[("authorization", &token)], &change);
    answer.is_problem(401, "invalid_credentials");
    gateway.wait_for_line("the stored password hash cannot be read");
    assert_eq!(stored_hash(&gateway, "ann@example.com"), "plain text");
}
