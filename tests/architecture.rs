//! The rules of the house, as data: who may name whom, and which words stand where. A rule that nothing could break would be
//! worth nothing, so the last tests break each of them on purpose.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, test_modules};

/// Every part of the crate, and the parts that it may name. Imports run downward.
const MAY_NAME: [(&str, &[&str]); 25] = [
    ("gate", &[]),
    ("allocator", &[]),
    ("tls", &[]),
    ("cache", &[]),
    ("clock", &["gate"]),
    ("ids", &["gate"]),
    ("limiter", &["gate", "cache"]),
    ("telemetry", &["gate"]),
    ("store", &["gate", "clock"]),
    ("passwords", &["gate", "clock"]),
    ("signing", &["gate", "store"]),
    ("tokens", &["gate", "cache", "store", "signing"]),
    ("live", &["gate", "cache", "store", "telemetry"]),
    ("sessions", &["gate", "ids", "store", "live", "tokens"]),
    ("login", &["gate", "clock", "store", "passwords", "sessions", "tokens"]),
    ("accounts", &["gate", "ids", "store", "passwords"]),
    ("config", &["gate", "store", "live", "login", "passwords", "signing", "telemetry", "tls"]),
    ("api", &["gate", "store", "live", "login", "passwords", "sessions", "signing", "telemetry", "tokens"]),
    ("gateway", &["gate", "api", "limiter"]),
    ("proxy", &["gate", "clock", "api", "gateway", "telemetry", "tls"]),
    ("admin", &["gate", "clock", "live", "proxy", "signing", "telemetry"]),
    (
        "server",
        &[
            "gate",
            "clock",
            "store",
            "live",
            "telemetry",
            "passwords",
            "signing",
            "tokens",
            "sessions",
            "login",
            "limiter",
            "config",
            "api",
            "gateway",
            "admin",
            "proxy",
            "tls",
        ],
    ),
    ("cli", &["gate", "clock", "store", "telemetry", "passwords", "signing", "accounts", "config", "proxy", "server"]),
    ("main", &["allocator", "cli"]),
    ("lib", &[]),
];

/// What stands in few places only: a path or words, the modules (and all below them) in which it may, and why.
const ONLY_IN: [(&str, &[&str], &str); 17] = [
    ("pingora", &["server", "proxy", "admin"], "whoever decides can be tested without a socket"),
    ("rustls", &["tls"], "one place says which versions and keys are good"),
    ("rusqlite", &["store::sqlite"], "a second store must be able to take its place"),
    ("redis", &["store::redis"], "a second store must be able to take its place"),
    ("jsonwebtoken", &["gate::token", "gate::keys"], "one door for tokens"),
    ("prometheus", &["telemetry"], "a metric is an event with a name, wherever it comes from"),
    (
        "crate::cache",
        &["live", "tokens", "limiter"],
        "a cache that serves the past is a hole: each has its argument beside it",
    ),
    (
        "http::StatusCode",
        &["gate::denial", "api::reply", "admin", "cli::health", "proxy::interim"],
        "every no stands in one table",
    ),
    ("StatusCode", &["gate::denial", "api::reply", "admin", "proxy::interim"], "every no stands in one table"),
    ("ErrorType::HTTPStatus", &["proxy"], "it only ever carries a denial's own status"),
    ("std::fs", &["config", "cli", "store::sqlite"], "only the configuration reads files"),
    ("std::time::Instant", &["clock"], "time is an argument"),
    ("std::time::SystemTime", &["clock"], "time is an argument"),
    ("tokio::time::Instant", &["proxy"], "deadlines of sockets, which only the runtime can wake"),
    ("crate::clock::Clock", &["server", "proxy", "admin"], "everyone else is told what time it is"),
    ("crate::clock::wall", &["cli"], "everyone else is told what time it is"),
    ("Uuid::now_v7", &[], "an id is of a given moment: crate::ids"),
];

/// What the gate, being pure, has no use for.
const NOT_IN_THE_GATE: [&str; 13] = [
    "async",
    "await",
    "tokio",
    "tracing",
    "Mutex",
    "RwLock",
    "OnceLock",
    "LazyLock",
    "AtomicU64",
    "AtomicUsize",
    "std::io",
    "std::thread",
    "std::env",
];

/// What ends a process, or a connection without a word, or is beyond the compiler's care; and the modules in which it cannot
/// happen all the same, or has its argument beside it.
const NOWHERE: [(&str, &[&str]); 6] = [
    (".unwrap()", &[]),
    // Defaults that are constants, and options that are all given: each read by a test.
    (".expect(", &["config::sections::passwords", "cache"]),
    ("panic!", &[]),
    ("unreachable!", &[]),
    ("todo!", &[]),
    ("unsafe", &["allocator"]),
];

const MOST_LINES: usize = 350;
const MEDIAN_LINES: usize = 130;

/// What is wrong with a file of the program.
fn mistakes(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let paths = source.paths();
    let module = &source.module;
    let Some((_, allowed)) = MAY_NAME.iter().find(|(part, _)| *part == source.part()) else {
        return vec![format!("{module} is a part that MAY_NAME does not know: say there what it may name")];
    };
    for named in paths.iter().filter(|path| matches!(path[0].as_str(), "crate" | "portcullis")) {
        let part = named.get(1).map_or("", String::as_str);
        let known = MAY_NAME.iter().any(|(known, _)| *known == part);
        if known && part != source.part() && !allowed.contains(&part) {
            wrong.push(format!("{module} names {}, which is not below it", named.join("::")));
        }
    }
    let named = |what: &str| {
        let wanted: Vec<&str> = what.split("::").collect();
        paths.iter().any(|path| path.len() >= wanted.len() && path.iter().zip(&wanted).all(|(a, b)| a == b))
    };
    for (what, places, why) in ONLY_IN {
        let allowed = places.iter().any(|place| module == place || module.starts_with(&format!("{place}::")));
        if !allowed && named(what) {
            wrong.push(format!("{module} names {what}, which stands in {places:?} only: {why}"));
        }
    }
    let fatal = NOWHERE.iter().filter(|(_, but)| !but.contains(&module.as_str())).map(|(words, _)| words);
    let banned = fatal.chain(NOT_IN_THE_GATE.iter().filter(|_| source.part() == "gate"));
    wrong.extend(
        banned.filter(|words| named(words) || source.says(words)).map(|words| format!("{module} says {words}")),
    );
    wrong
}

/// What is wrong with the text of any file, tests included.
fn faults(name: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text.starts_with("//! ") {
        wrong.push(format!("{name} does not begin by saying what it is"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        wrong.push(format!("{name} has {lines} lines: which of its ideas should stand alone?"));
    }
    // Spelled so that this file does not hold them.
    for word in [["to", "do"], ["fix", "me"]].map(|halves| halves.concat()) {
        let found =
            text.split(|c: char| !c.is_alphanumeric()).filter(|found| found.eq_ignore_ascii_case(&word)).count();
        // The macro of that name may be banned by name.
        let banned = text.matches(&format!("{word}!")).count();
        if found > banned {
            wrong.push(format!("{name} says {word}"));
        }
    }
    wrong
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder, with their names from there and their texts.
fn files(folder: &str) -> Vec<(String, String)> {
    let (mut folders, mut files) = (vec![root().join(folder)], Vec::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root().join(folder)).unwrap().to_string_lossy().into_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} holds nothing");
    files.sort();
    files
}

fn module(name: &str) -> String {
    name.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::")
}

/// The files of the program that are not tests.
fn program() -> Vec<Source> {
    let files = files("src");
    let tests: Vec<String> = files
        .iter()
        .flat_map(|(name, text)| test_modules(text).into_iter().map(move |test| format!("{}::{test}", module(name))))
        .collect();
    let ours = files.iter().filter(|(name, _)| !name.ends_with("_tests.rs") && !tests.contains(&module(name)));
    ours.map(|(name, text)| Source::read(&module(name), text)).collect()
}

fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn everyone_names_only_what_is_below() {
    let program = program();
    assert!(program.len() > 60, "{} files", program.len());
    none(program.iter().flat_map(mistakes).collect());
}

#[test]
fn every_file_says_what_it_is_and_holds_one_idea() {
    let all = ["src", "tests", "benches"].map(files).into_iter().flatten();
    none(all.flat_map(|(name, text)| faults(&name, &text)).collect());
    let mut lengths: Vec<usize> = files("src").iter().map(|(_, text)| text.lines().count()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN_LINES, "half of the files have more than {median} lines");
}

#[test]
fn every_part_is_there() {
    for (part, _) in MAY_NAME {
        let (file, folder) = (root().join(format!("src/{part}.rs")), root().join(format!("src/{part}")));
        assert!(file.is_file() || folder.is_dir(), "{part} is gone; take it out of MAY_NAME");
    }
    let places = ONLY_IN.iter().flat_map(|(_, places, _)| *places);
    for place in places.map(|place| root().join("src").join(place.replace("::", "/"))) {
        assert!(place.is_dir() || Path::new(&format!("{}.rs", place.display())).is_file(), "{}", place.display());
    }
}

#[test]
fn the_rules_see_what_breaks_them() {
    let broken = [
        ("gate::x", "use crate::store::User;"),
        ("gate::x", "use crate::{gate::time::Moment, live::{self, Trust}};"),
        ("gate::x", "fn f() { super::super::store::open() }"),
        ("gate", "use super::clock::wall;"),
        ("gate::x", "async fn f() {}"),
        ("gate::x", "static S: std::sync::Mutex<u8> = std::sync::Mutex::new(1);"),
        ("gate::x", "use std::{fmt, io::Read};"),
        ("api::x", "use crate::clock; fn f() { clock::wall() }"),
        ("store::x", "use pingora::Result;"),
        ("gateway", "fn f(e: &pingora::Error) {}"),
        ("live", "fn f(db: ::rusqlite::Connection) {}"),
        ("store::other", "use rusqlite::{params, Row};"),
        ("store", "pub mod redis; fn f(e: ::redis::RedisError) {}"),
        ("api::x", "fn f() -> http::StatusCode { later() }"),
        ("gateway", "use http::{HeaderMap, StatusCode};"),
        ("api::x", "let status = StatusCode::OK;"),
        ("sessions", "fn f() { Uuid::now_v7(); }"),
        ("login", "use crate::clock::{self, Clock};"),
        ("proxy::x", "fn f(x: Option<u8>) { x.unwrap(); }"),
        ("proxy::x", "fn f(x: Option<u8>) { x\n    .expect(\"there\"); }"),
        ("proxy::x", "fn f() { panic!(\"no\") }"),
        ("proxy::x", "fn f(x: *const u8) -> u8 { unsafe { *x } }"),
        ("novel", "fn f() {}"),
        ("cli::x", "#[cfg(test)] mod tests { use pingora::x; } use pingora::Error;"),
    ];
    for (module, text) in broken {
        assert!(!mistakes(&Source::read(module, text)).is_empty(), "{module}: {text}");
    }
}

#[test]
fn the_rules_leave_alone_what_keeps_them() {
    let kept = [
        (
            "gate::x",
            "//! Not `crate::store`, nor async.\nuse super::time::Moment; /* pingora */ fn f<'a>(x: &'a str) {}",
        ),
        ("gate::x", "fn f() -> &'static str { \"use crate::store; x.unwrap()\" }"),
        (
            "gate::x",
            "fn f() -> &'static str { r#\"a \" use pingora::x;\"# }\nconst Q: char = '\"'; use crate::gate::role::Role;",
        ),
        ("gate::x", "#[cfg(test)]\nmod tests { fn f() { async { crate::store::x().unwrap() } } }\nfn g() {}"),
        ("gate::x", "#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;\nfn g() {}"),
        ("store::sqlite::rows", "use rusqlite::Row; use crate::store::User; use super::super::Session;"),
        ("proxy", "use crate::gateway::Gateway; use pingora::Result; fn f(x: Option<u8>) { x.unwrap_or(1); }"),
        ("login", "use crate::clock::Stopwatch;"),
        ("store", "pub mod redis; pub use self::redis::RedisStore;"),
    ];
    for (module, text) in kept {
        none(mistakes(&Source::read(module, text)));
    }
    assert_eq!(
        test_modules("#[cfg(test)]\npub(crate) mod a;\nmod b;\n    #[cfg(test)]\n#[path = \"d.rs\"]\nmod c;"),
        ["a", "c"]
    );
}

#[test]
fn a_file_without_a_word_about_itself_or_too_long_is_seen() {
    assert!(faults("a", "//! What it is.\nfn f() {}\n").is_empty());
    assert!(!faults("a", "fn f() {}\n").is_empty());
    assert!(!faults("a", &format!("//! It.\n{}", "\n".repeat(MOST_LINES))).is_empty());
    assert!(!faults("a", &format!("//! It.\n// {}{}: more\n", "TO", "DO")).is_empty());
}
