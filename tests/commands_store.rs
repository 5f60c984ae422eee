//! `portcullis store copy`: from SQLite to a real Redis and back, with everyone still signed in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::wall;
use portcullis::gate::keys::Algorithm;
use portcullis::signing;
use portcullis::store::redis::RedisStore;
use portcullis::store::redis::address::{Address, Host, Place};
use portcullis::store::sqlite::SqliteStore;
use portcullis::store::{KeyPurpose, NewUser, Store};
use serde_json::{Value, json};
use support::commands::{Said, say};
use support::gateway::{Gateway, House, PASSWORD, usual};
use support::origin::Origin;
use support::redis::{RedisServer, Reply};
use support::{BINARY, bearer, wait};

/// The usual rules on this store.
fn house(url: &str) -> Arc<House> {
    House::new(&usual(Origin::start().address, "", &format!("[store]\nurl = \"{url}\"\n")))
}

/// The file of a house, from anywhere.
fn file(house: &House, name: &str) -> String {
    format!("sqlite:{}", house.path(name).display())
}

fn copy(from: &str, to: &str) -> Said {
    copy_with(from, to, &["--json"])
}

fn copy_with(from: &str, to: &str, more: &[&str]) -> Said {
    let elsewhere = tempfile::tempdir().unwrap();
    let words = ["store", "copy", "--from", from, "--to", to];
    say(Command::new(BINARY).args(words).args(more).current_dir(elsewhere.path()), "")
}

/// Copied, already there, left out: of users, sessions and keys.
fn counts(report: &Value) -> Value {
    ["users", "sessions", "keys"]
        .map(|what| ["copied", "alreadyThere", "leftOut"].map(|count| report[what][count].clone()))
        .into_iter()
        .collect()
}

fn passes(gateway: &Gateway, tokens: &Value) -> bool {
    gateway.get("/x", &[("authorization", &bearer(tokens))]).status == 200
}

fn rotated(gateway: &Gateway, tokens: &Value) -> Value {
    let answer = gateway.refresh(&tokens["refreshToken"]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn open(server: &RedisServer) -> RedisStore {
    let host = Host { name: "127.0.0.1".into(), port: server.port };
    let address = Address { place: Place::Server(host), database: 0, tls: None, username: None, password: None };
    RedisStore::open(address, Arc::new(|_, _, _| ())).await.unwrap()
}

/// What there is to see of users and sessions.
fn seen(house: &House) -> Vec<Value> {
    let of = |email: &&str| house.tried(&["session", "list", email, "--json"], "").json();
    let people = ["ann@example.com", "bob@example.com", "eve@example.com"];
    [house.tried(&["user", "list", "--json"], "").json()].into_iter().chain(people.iter().map(of)).collect()
}

/// Ann and bob are signed in, bob after a refresh, and eve, who was, is disabled.
fn with_people(house: &Arc<House>) -> [Value; 3] {
    house.add_usual_users();
    house.add_user("eve@example.com", &["editor"]);
    let gateway = house.run();
    let [ann, bob, eve] = ["ann@example.com", "bob@example.com", "eve@example.com"].map(|email| gateway.login(email));
    let bob = rotated(&gateway, &bob);
    house.says(&["user", "disable", "eve@example.com"], "");
    gateway.kill();
    [ann, bob, eve]
}

#[test]
fn whoever_is_signed_in_stays_so_on_redis_and_back_again() {
    let server = RedisServer::start();
    let old = house("sqlite:portcullis.db");
    let [ann, bob, eve] = with_people(&old);
    let said = copy_with(&file(&old, "portcullis.db"), &server.url(), &[]).worked();
    let table = "          COPIED  ALREADY THERE  LEFT OUT\n\
                 users     3       0              0\n\
                 sessions  2       0              0\n\
                 keys      2       0              0\n";
    assert_eq!(said, table);

    let new = house(&server.url());
    assert_eq!(seen(&new), seen(&old));
    let gateway = new.run();
    assert!(passes(&gateway, &ann) && passes(&gateway, &bob), "access tokens from before");
    assert_eq!(gateway.get("/admin/x", &[("authorization", &bearer(&ann))]).status, 200, "roles");
    let (ann, bob) = (rotated(&gateway, &ann), rotated(&gateway, &bob));
    assert_eq!(gateway.try_login("ann@example.com", PASSWORD).status, 200, "the password");
    assert_eq!(gateway.try_login("eve@example.com", PASSWORD).code(), "invalid_credentials");
    assert!(!passes(&gateway, &eve), "who was disabled stays so");
    gateway.kill();

    let back = house("sqlite:back.db");
    let report = copy(&server.url(), &file(&back, "back.db")).json();
    assert_eq!(counts(&report), json!([[3, 0, 0], [3, 0, 0], [2, 0, 0]]));
    assert_eq!(seen(&back), seen(&new));
    let gateway = back.run();
    for tokens in [&ann, &bob] {
        assert!(passes(&gateway, tokens));
        let next = rotated(&gateway, tokens);
        assert_eq!(rotated(&gateway, tokens)["refreshToken"], next["refreshToken"], "a rotation is still repeated");
        assert!(passes(&gateway, &next));
    }
    assert_eq!(gateway.try_login("eve@example.com", PASSWORD).code(), "invalid_credentials");
    back.says(&["user", "enable", "eve@example.com"], "");
    assert_eq!(gateway.refresh(&eve["refreshToken"]).code(), "session_revoked", "enabling again revives nothing");
}

#[test]
fn a_second_copy_finds_everything_there() {
    let server = RedisServer::start();
    let old = house("sqlite:portcullis.db");
    with_people(&old);
    let from = file(&old, "portcullis.db");
    let (first, second) = (copy(&from, &server.url()).json(), copy(&from, &server.url()).json());
    assert_eq!(counts(&first), json!([[3, 0, 0], [2, 0, 0], [2, 0, 0]]));
    assert_eq!(counts(&second), json!([[0, 3, 0], [0, 2, 0], [0, 2, 0]]));
    assert_eq!(second["conflicts"], json!([]));
    assert_eq!(counts(&copy(&server.url(), &from).json()), json!([[0, 3, 0], [0, 2, 0], [0, 2, 0]]));
}

/// As a copy leaves it that was cut short: some are there without their sessions.
#[test]
fn a_copy_that_was_cut_short_is_made_whole_by_another() {
    let server = RedisServer::start();
    let old = house("sqlite:portcullis.db");
    let [ann, bob, _] = with_people(&old);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let source = SqliteStore::open(&old.path("portcullis.db"), Arc::new(|_, _, _| ())).unwrap();
        let half = open(&server).await;
        let users = source.users(None, 2).await.unwrap().into_iter().map(|user| NewUser {
            id: user.id,
            email: user.email,
            password_hash: user.password_hash,
            roles: user.roles,
            enabled: user.enabled,
            token_version: user.token_version,
            created_at: user.created_at,
        });
        assert!(half.add_users(users.collect()).await.unwrap().is_empty());
    });
    let report = copy(&file(&old, "portcullis.db"), &server.url()).json();
    assert_eq!(counts(&report), json!([[1, 2, 0], [2, 0, 0], [2, 0, 0]]));
    let new = house(&server.url());
    assert_eq!(seen(&new), seen(&old));
    let gateway = new.run();
    assert!(passes(&gateway, &ann) && passes(&gateway, &bob));
}

#[test]
fn an_email_that_another_has_is_named_and_nothing_is_overwritten() {
    let server = RedisServer::start();
    let (old, new) = (house("sqlite:portcullis.db"), house(&server.url()));
    let [ann, bob, _] = with_people(&old);
    new.says(&["user", "add", "bob@example.com", "--role", "other", "--password-stdin"], "quite another sentence\n");
    let before = new.says(&["user", "show", "bob@example.com", "--json"], "");
    let said = copy(&file(&old, "portcullis.db"), &server.url());
    assert_eq!(said.code, 1, "{said:?}");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(counts(&report), json!([[2, 0, 1], [1, 0, 1], [2, 0, 0]]));
    assert_eq!(report["conflicts"], json!([{ "email": "bob@example.com", "code": "email_taken" }]));
    let why = "bob@example.com: another user has this email there\n\
               portcullis: 1 user left out, for the reasons above; all others are copied\n";
    assert_eq!(said.err, why);
    assert_eq!(new.says(&["user", "show", "bob@example.com", "--json"], ""), before);
    let gateway = new.run();
    assert!(passes(&gateway, &ann) && !passes(&gateway, &bob));
}

/// Somebody who was signed out, or changed, on the new store stays so whatever the old one says.
#[test]
fn what_was_ended_on_the_new_store_is_not_revived() {
    let server = RedisServer::start();
    let (old, new) = (house("sqlite:portcullis.db"), house(&server.url()));
    let [ann, bob, _] = with_people(&old);
    let from = file(&old, "portcullis.db");
    copy(&from, &server.url()).json();
    let gateway = new.run();
    assert_eq!(gateway.post("/auth/logout", &[("authorization", &bearer(&ann))], &json!({})).status, 200);
    new.says(&["user", "roles", "bob@example.com", "editor"], "");
    let said = copy(&from, &server.url());
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(counts(&report), json!([[0, 2, 1], [0, 0, 2], [0, 2, 0]]), "ann's session and bob's are left out");
    assert_eq!(report["conflicts"], json!([{ "email": "bob@example.com", "code": "differs" }]));
    assert!(said.code == 1 && said.err.contains("not the same"), "{said:?}");
    assert_eq!(gateway.refresh(&ann["refreshToken"]).code(), "session_revoked");
    assert!(passes(&gateway, &bob) && new.says(&["user", "show", "bob@example.com"], "").contains("editor"));
}

/// A gateway made keys there a day ago, which would have replaced those that come.
#[test]
fn where_there_are_keys_already_the_old_tokens_pass_too() {
    let server = RedisServer::start();
    let old = house("sqlite:portcullis.db");
    let [ann, bob, _] = with_people(&old);
    let day = Duration::from_secs(86_400);
    old.database().execute("UPDATE keys SET signs_from = signs_from - ?1", [2 * 86_400_000]).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let yesterday = wall().minus(day);
        let key = signing::new_key(KeyPurpose::Access, Algorithm::EdDsa, yesterday, yesterday).unwrap();
        assert!(open(&server).await.add_key(key, false).await.unwrap());
    });
    assert_eq!(counts(&copy(&file(&old, "portcullis.db"), &server.url()).json())[2], json!([2, 0, 0]));
    let gateway = house(&server.url()).run();
    assert!(passes(&gateway, &ann) && passes(&gateway, &bob));
    assert!(passes(&gateway, &rotated(&gateway, &bob)));
}

#[test]
fn a_source_that_is_not_there_is_said_and_not_made() {
    let server = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let here = |from: &str, to: &str| {
        let words = ["store", "copy", "--from", from, "--to", to];
        say(Command::new(BINARY).args(words).current_dir(folder.path()), "").refused()
    };
    let empty = |folder: &Path| folder.read_dir().unwrap().count() == 0;
    let said = here("sqlite:typo.db", &server.url());
    assert_eq!(said, "--from: the store is unavailable: typo.db: there is no store; check the url");
    let said = here(&server.url(), "sqlite:new.db");
    assert_eq!(said, "--from: the store cannot be used: Redis: there is no store");
    let said = here("redis://127.0.0.1:1", "sqlite:new.db");
    assert!(said.starts_with("--from: the store is unavailable: Redis at 127.0.0.1:1 cannot be reached"), "{said}");
    assert!(empty(folder.path()) && server.cli(&["DBSIZE"]) == Reply::Number(0), "nothing was made");

    std::fs::write(folder.path().join("empty.db"), "").unwrap();
    assert!(here("sqlite:empty.db", &server.url()).contains("there is no store"));
    for (from, to) in [("sqlite:a.db", "sqlite:./a.db"), ("redis://h/2", "redis://h:6379/2")] {
        let same = say(Command::new(BINARY).args(["store", "copy", "--from", from, "--to", to]), "").refused();
        assert!(same.starts_with("--from and --to are the same store"), "{same}");
    }
}

#[test]
fn the_help_says_what_an_operator_must_know() {
    let help = say(Command::new(BINARY).args(["store", "copy", "--help"]), "").worked();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for what in ["Stop the gateways first", "can be made again", "as the configuration says (-c FILE)"] {
        assert!(help.contains(what), "{what}: {help}");
    }
}

#[test]
fn a_relative_path_is_relative_to_the_present_folder() {
    let old = house("sqlite:portcullis.db");
    with_people(&old);
    let words = ["store", "copy", "--from", "sqlite:portcullis.db", "--to", "sqlite:new.db", "--json"];
    let report = say(Command::new(BINARY).args(words).current_dir(old.folder.path()), "").json();
    assert_eq!(counts(&report), json!([[3, 0, 0], [2, 0, 0], [2, 0, 0]]));
    assert!(old.path("new.db").is_file());
}

#[test]
fn a_password_comes_from_the_configuration_whose_url_it_is() {
    let servers = [(); 2].map(|()| RedisServer::with(&["--requirepass", "canary"]));
    let guarded = |server: &RedisServer| {
        let store = format!("[store]\nurl = \"{}\"\npassword = \"${{REDIS_PASSWORD}}\"\n", server.url());
        House::with_env(&usual(Origin::start().address, "", &store), &[("REDIS_PASSWORD", "canary")])
    };
    let (old, [new, newer]) = (house("sqlite:portcullis.db"), servers.each_ref().map(guarded));
    with_people(&old);
    let from = file(&old, "portcullis.db");
    let said = copy(&from, &servers[0].url()).refused();
    let advice = "they are taken from [store] in -c FILE, if its url is the one given";
    assert!(said.starts_with("--to: the store turns us away: ") && said.ends_with(advice), "{said}");
    let words = |from: &str, to: &str| ["store", "copy", "--json", "--from", from, "--to", to].map(str::to_owned);
    let tried =
        |house: &House, words: &[String]| house.tried(&words.iter().map(String::as_str).collect::<Vec<_>>(), "").json();
    let all = json!([[3, 0, 0], [2, 0, 0], [2, 0, 0]]);
    assert_eq!(counts(&tried(&new, &words(&from, &servers[0].url()))), all);
    let other = ["--from-config".to_owned(), new.file().display().to_string()];
    let words = [&words(&servers[0].url(), &servers[1].url())[..], &other].concat();
    assert_eq!(counts(&tried(&newer, &words)), all, "each with its own");

    for url in ["redis://:canary@127.0.0.1:1", "redis://u:canary@h/x", "junk:canary@h"] {
        let said = copy(url, &servers[0].url());
        assert!(said.code == 2 && !said.err.contains("canary"), "{said:?}");
    }
    let said = copy_with(&from, &servers[0].url(), &["-c", "nowhere.toml"]).refused();
    assert!(said.starts_with("nowhere.toml: there is no such file"), "{said}");
}

#[test]
fn a_store_that_goes_away_ends_the_copy_with_what_it_has_done() {
    let server = RedisServer::start();
    let old = house("sqlite:portcullis.db");
    with_people(&old);
    let new = house(&server.url());
    new.says(&["user", "list"], "");
    // Reading goes on, writing does not.
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let said = copy(&file(&old, "portcullis.db"), &server.url());
    assert!(said.code == 1 && said.err.contains("stopped: --to: ") && said.err.contains("copy again"), "{said:?}");
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap()["users"]["copied"], 0);
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    let mut report = Value::Null;
    wait::until("it takes writes again", || {
        let said = copy(&file(&old, "portcullis.db"), &server.url());
        report = serde_json::from_str(&said.out).unwrap_or_default();
        said.code == 0
    });
    assert_eq!(counts(&report), json!([[3, 0, 0], [2, 0, 0], [2, 0, 0]]));
}
