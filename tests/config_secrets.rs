//! Secrets, the environment and `.env`: what is missing is named, and nothing that says a value is ever printed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;

use support::commands::{Said, say_in};
use support::gateway::{CHEAP_PASSWORDS, House};

const A: &str = "canary-0123456789abcdef0123456789";
const B: &str = "canary-fedcba9876543210fedcba9876";
const FROM_VARIABLES: &str =
    "[auth]\nalgorithm = \"HS256\"\naccess_secret = \"${ACCESS}\"\nrefresh_secret = \"${REFRESH}\"\n";
const FROM_FILES: &str =
    "[auth]\nalgorithm = \"HS256\"\naccess_secret_file = \"keys/a\"\nrefresh_secret_file = \"keys/b\"\n";

/// A house with this environment and these files beside its gateway.toml.
fn house(gateway_toml: &str, env: &[(&str, &str)], files: &[(&str, &str)]) -> Arc<House> {
    let house = House::with_env(gateway_toml, env);
    for (name, text) in files {
        let path = house.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    house
}

#[track_caller]
fn is_sound(house: &House) {
    let said = house.tried(&["check"], "");
    assert_eq!(said.code, 0, "{}", said.err);
    without_canary(&said);
}

/// Exactly these: where, and what is said there.
#[track_caller]
fn is_wrong(house: &House, wrong: &[(&str, &str)]) {
    for words in [&["check"][..], &["check", "--json"], &["run"], &["user", "list"]] {
        let said = house.tried(words, "");
        without_canary(&said);
        let found = house.mistakes_in(&said);
        assert_eq!(found.len(), wrong.len(), "{found:#?}");
        for (found, (at, what)) in found.iter().zip(wrong) {
            assert!(found.starts_with(at) && found.contains(what), "{at}{what}\nbut: {found}");
        }
    }
}

#[track_caller]
fn without_canary(said: &Said) {
    assert!(!format!("{said:?}").to_lowercase().contains("canary"), "{said:?}");
}

#[test]
fn a_secret_comes_from_the_environment_or_from_a_file() {
    is_sound(&house(FROM_VARIABLES, &[("ACCESS", A), ("REFRESH", B)], &[]));
    for end in ["", "\n", "\r\n"] {
        is_sound(&house(FROM_FILES, &[], &[("keys/a", &format!("{A}{end}")), ("keys/b", B)]));
    }
    let mixed = "[auth]\nalgorithm = \"HS256\"\naccess_secret = \"${ACCESS}\"\nrefresh_secret_file = \"${FOLDER}/b\"\n";
    is_sound(&house(mixed, &[("ACCESS", A), ("FOLDER", "keys")], &[("keys/b", B)]));
}

#[test]
fn a_secret_never_stands_in_the_file_nor_has_a_default() {
    for literal in [
        "\"canary-0123456789abcdef0123456789\"",
        "\"${ACCESS:-canary}\"",
        "\"x${ACCESS}\"",
        "\"${ACCESS}${REFRESH}\"",
        "\"$ACCESS\"",
        "\"\"",
        "\"${}\"",
        "\"${AC CESS}\"",
        "5",
        "[\"${ACCESS}\"]",
        "{ canary = 1 }",
    ] {
        let file =
            format!("[auth]\nalgorithm = \"HS256\"\naccess_secret = {literal}\nrefresh_secret = \"${{REFRESH}}\"\n");
        let advice = "a secret does not stand in this file, and has no default; write access_secret = \"${NAME}\" and nothing \
                      else in it, or access_secret_file = \"PATH\"";
        is_wrong(&house(&file, &[("ACCESS", A), ("REFRESH", B)], &[]), &[("3:17: auth.access_secret: ", advice)]);
    }
}

#[test]
fn a_variable_that_is_missing_empty_short_or_used_twice_is_named() {
    let access = "3:17: auth.access_secret: ";
    let refresh = "4:18: auth.refresh_secret: ";
    is_wrong(
        &house(FROM_VARIABLES, &[("REFRESH", "")], &[]),
        &[
            (access, "the environment variable ACCESS is not set; set it in the environment or in .env"),
            (refresh, "the environment variable REFRESH is empty"),
        ],
    );
    let short = &A[..31];
    is_wrong(
        &house(FROM_VARIABLES, &[("ACCESS", short), ("REFRESH", "canary")], &[]),
        &[
            (access, "ACCESS holds fewer than 32 bytes; make one with: openssl rand -base64 48"),
            (refresh, "REFRESH holds fewer than 32 bytes"),
        ],
    );
    let same = [("4:1: auth.refresh_secret: ", "the two secrets must differ from each other")];
    is_wrong(&house(FROM_VARIABLES, &[("ACCESS", A), ("REFRESH", A)], &[]), &same);
    is_wrong(
        &house("[auth]\nalgorithm = \"HS256\"\n", &[], &[]),
        &[
            (
                "1:1: auth.access_secret is missing",
                "write access_secret = \"${NAME}\" or access_secret_file = \"PATH\"",
            ),
            ("1:1: auth.refresh_secret is missing", "HS256 needs it"),
        ],
    );
    let unasked = "[auth]\naccess_secret = \"${ACCESS}\"\n";
    let only =
        [("2:1: auth.access_secret: ", "only for algorithm \"HS256\": the other algorithms make their own keys")];
    is_wrong(&house(unasked, &[("ACCESS", A)], &[]), &only);
}

#[test]
fn both_twins_and_files_that_hold_no_secret_are_refused() {
    let both = "[auth]\nalgorithm = \"HS256\"\naccess_secret = \"${ACCESS}\"\naccess_secret_file = \"keys/a\"\nrefresh_secret_file = \"keys/empty\"\n";
    is_wrong(
        &house(both, &[("ACCESS", A)], &[("keys/a", B), ("keys/empty", "\n")]),
        &[
            ("3:1: auth.access_secret: ", "access_secret and access_secret_file are both there; keep one of them"),
            ("5:23: auth.refresh_secret_file: ", "this file is empty"),
        ],
    );
    let file =
        "[auth]\nalgorithm = \"HS256\"\naccess_secret_file = \"${WHERE}/nothing\"\nrefresh_secret_file = \"keys\"\n";
    is_wrong(
        &house(file, &[("WHERE", "canary")], &[("keys/a", A)]),
        &[
            ("3:22: auth.access_secret_file: ", "this file cannot be read: "),
            ("4:23: auth.refresh_secret_file: ", "a path is relative to the folder of the configuration"),
        ],
    );
    is_wrong(
        &house(FROM_FILES, &[], &[("keys/a", "canary"), ("keys/b", B)]),
        &[("3:22: auth.access_secret_file: ", "auth.access_secret_file holds fewer than 32 bytes")],
    );
}

#[test]
fn the_env_file_is_read_first_and_never_overrides_the_environment() {
    let text = format!("# secrets\nexport ACCESS='{A}'\nREFRESH=\"{B}\"\nREFRESH=canary\n");
    let env_file = [(".env", text.as_str())];
    is_sound(&house(FROM_VARIABLES, &[], &env_file));
    is_wrong(&house(FROM_VARIABLES, &[("REFRESH", "canary")], &env_file), &[("4:18: ", "REFRESH holds fewer than 32")]);
    is_wrong(&house(FROM_VARIABLES, &[("REFRESH", "")], &env_file), &[("4:18: ", "REFRESH is empty")]);
    let broken = [(".env", "GOOD=1\nB=can ary\nC=2\n!canary\n")];
    is_wrong(
        &house(CHEAP_PASSWORDS, &[], &broken),
        &[
            ("the .env file beside it: the entry after C is not NAME=value", "single quotes"),
            ("the .env file beside it: the entry after GOOD is not NAME=value", "single quotes"),
        ],
    );
    let folder = house(CHEAP_PASSWORDS, &[], &[(".env/x", "")]);
    is_wrong(&folder, &[("the .env file beside it cannot be read: ", "")]);
}

#[test]
fn variables_stand_in_any_text_and_their_values_are_never_repeated() {
    let good = "[server]\nlisten = [\"${HOST:-127.0.0.1}:${PORT}\"]\nadmin_listen = \"127.0.0.1:${ADMIN:-0}\"\n\
                [auth]\nprefix = \"/${NONE:-}sign\"\n[upstreams.app]\nservers = [\"${APP}\"]\n[[routes]]\npath = \"/${APP_PATH}/*\"\nupstream = \"${NAME}\"\n";
    let env = [("PORT", "0"), ("APP", "127.0.0.1:3000"), ("APP_PATH", "there"), ("NAME", "app")];
    let table = house(good, &env, &[]).tried(&["check"], "").worked();
    assert!(table.contains("/there/*") && table.contains("/sign/login"), "{table}");

    let bad = "[server]\nlisten = \"${LISTEN}\"\ntrusted_proxies = [\"${BLOCK}\"]\n[store]\nurl = \"${STORE}\"\n[auth]\nalgorithm = \"${ALGORITHM}\"\n\
               issuer = \"${NONE}\"\naudience = \"${EMPTY}\"\n[log]\nlevel = \"${\"\nformat = \"${a b}\"\n[upstreams.app]\nservers = [\"${SERVER}\"]\n\
               [[routes]]\npath = \"${A_PATH}\"\nupstream = \"${UPSTREAM}\"\nroles = [\"${ROLE}\"]\n";
    let names = ["LISTEN", "BLOCK", "STORE", "ALGORITHM", "SERVER", "A_PATH", "UPSTREAM"];
    let env: Vec<_> =
        names.into_iter().map(|name| (name, "canary")).chain([("EMPTY", ""), ("ROLE", "can ary")]).collect();
    is_wrong(
        &house(bad, &env, &[]),
        &[
            ("2:10: server.listen: ", "its variables were filled in before it was read"),
            ("3:20: server.trusted_proxies: ", "a CIDR block is ADDRESS/BITS"),
            ("5:7: store.url: ", "sqlite:PATH"),
            ("7:13: auth.algorithm: ", "there is no such choice; one of"),
            (
                "8:10: auth.issuer: ",
                "the environment variable NONE is not set; set it, or write a default: ${NAME:-default}",
            ),
            ("9:12: auth.audience: ", "the environment variable EMPTY is empty; set it, or write a default"),
            ("11:9: log.level: ", "a ${ is not closed by }"),
            ("12:10: log.format: ", "a variable is written ${NAME} or ${NAME:-default}"),
            ("14:12: upstreams.app.servers: ", "a server without http:// or https:// needs a port"),
            ("16:8: routes.path: ", "a path starts with /"),
            ("17:12: routes.upstream: ", "there is no upstream of this name"),
            ("18:10: routes.roles: ", "a role is 1 to 64"),
        ],
    );
}

#[test]
fn paths_are_relative_to_the_folder_of_the_file_wherever_one_stands() {
    let file = format!("{FROM_FILES}[store]\nurl = \"sqlite:data/p.db\"\n{CHEAP_PASSWORDS}");
    let files = [("etc/keys/a", A), ("etc/keys/b", B), ("etc/data/x", ""), ("etc/gateway.toml", &file)];
    let house = house("", &[], &files);
    say_in(house.folder.path(), &["user", "list", "-c", "etc/gateway.toml"]).worked();
    assert!(house.path("etc/data/p.db").exists());
    let (elsewhere, file) = (tempfile::tempdir().unwrap(), house.path("etc/gateway.toml"));
    say_in(elsewhere.path(), &["user", "list", "-c", file.to_str().unwrap()]).worked();
    say_in(&house.path("etc"), &["user", "list"]).worked();
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
