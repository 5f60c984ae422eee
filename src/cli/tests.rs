//! The commands that need a store, run against one in memory: what they say, and that they never say a hash.

use std::io::Write as _;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use uuid::Uuid;

use super::output::Console;
use super::{CliError, session, user};
use crate::accounts::Accounts;
use crate::accounts::memory_store::MemoryStore;
use crate::gate::email::Email;
use crate::gate::role::Role;
use crate::gate::rotation::Chain;
use crate::gate::time::Timestamp;
use crate::passwords::{Passwords, Policy, Verdict};
use crate::store::{Client, Session, SessionId, Store};

#[derive(Parser)]
enum Line {
    #[command(subcommand)]
    User(user::Command),
    #[command(subcommand)]
    Session(session::Command),
}

struct Desk {
    store: Arc<MemoryStore>,
    passwords: Arc<Passwords>,
    accounts: Accounts,
}

/// What was written to the two outputs, and how it ended.
struct Said {
    out: String,
    err: String,
    end: Result<(), CliError>,
}

const PASSWORD: &str = "a fine long sentence";
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuudWPcgfJKcFKSk8S5CdH/BEaQTncxPxS";

impl Desk {
    fn open() -> Self {
        let policy = Policy { min_length: 15, memory_kib: 64, iterations: 1, parallelism: 1, max_concurrent: 1 };
        let passwords = Arc::new(Passwords::start(policy, Arc::new(())).unwrap());
        let store = Arc::new(MemoryStore::default());
        let accounts = Accounts::new(store.clone(), passwords.clone());
        Self { store, passwords, accounts }
    }

    /// With ann (admin, two sessions, added at 2026-01-01) and bob (no roles, no session).
    async fn with_users() -> Self {
        let desk = Self::open();
        let now = Timestamp::from_secs(1_767_225_600);
        let ann = desk.accounts.add(&email("ann@x"), PASSWORD, vec![Role::parse("admin").unwrap()], now).await.unwrap();
        desk.accounts.add(&email("bob@x"), PASSWORD, Vec::new(), now).await.unwrap();
        for n in 1..=2 {
            let chain = Chain { generation: 1, rotated_at: Timestamp::from_secs(n), opened_at: Timestamp::default() };
            let client = Client { ip: "192.0.2.7".into(), user_agent: "\x1b[31mcurl".into() };
            let session = Session { id: id(n), user: ann.id, chain, client };
            desk.store.open_session(session, 0, 100).await.unwrap();
        }
        desk
    }

    async fn run(&self, line: &str) -> Said {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console { out: &mut out, err: &mut err, watched: false };
        let words = ["portcullis"].into_iter().chain(line.split_whitespace());
        let end = match Line::try_parse_from(words).unwrap() {
            Line::User(command) => user::run(command, &self.accounts, &mut console).await,
            Line::Session(command) => session::run(command, &*self.store, &mut console).await,
        };
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { out: text(out), err: text(err), end }
    }

    async fn says(&self, line: &str) -> String {
        let said = self.run(line).await;
        said.end.unwrap();
        assert_eq!(said.err, "");
        assert!(line == "user export" || !said.out.contains("$argon2"), "{line} shows a hash");
        said.out
    }

    async fn fails(&self, line: &str) -> String {
        self.run(line).await.end.unwrap_err().to_string()
    }
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn id(n: u64) -> SessionId {
    SessionId(Uuid::from_u128(n.into()))
}

#[test]
fn the_command_line_is_sound() {
    Line::augment_subcommands(clap::Command::new("portcullis")).debug_assert();
    for wrong in ["session revoke", "session revoke x", "user add nobody", "user roles a@b c,d", "user add a@b -p x"] {
        assert!(Line::try_parse_from(["p"].into_iter().chain(wrong.split(' '))).is_err(), "{wrong}");
    }
    let both = ["p", "session", "revoke", "00000000-0000-0000-0000-000000000001", "--user", "a@b"];
    assert!(Line::try_parse_from(both).is_err());
}

#[tokio::test]
async fn users_are_listed_for_people_and_for_scripts() {
    let desk = Desk::with_users().await;
    let table = desk.says("user list").await;
    let mut lines = table.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["EMAIL", "ROLES", "ENABLED", "SESSIONS", "CREATED", "ID"]
    );
    assert!(lines.next().unwrap().starts_with("ann@x  admin  yes      2         2026-01-01T00:00:00Z  "));
    assert!(lines.next().unwrap().starts_with("bob@x         yes      0         2026-01-01T00:00:00Z  "));

    let json: serde_json::Value = serde_json::from_str(&desk.says("user list --json").await).unwrap();
    assert_eq!((&json[0]["email"], &json[0]["sessions"]), (&"ann@x".into(), &2.into()));
    assert_eq!(json[1]["passwordScheme"], "argon2id");
    let json: serde_json::Value = serde_json::from_str(&desk.says("user show ANN@x --json").await).unwrap();
    assert_eq!(json["roles"], serde_json::json!(["admin"]));
    assert!(desk.says("user show ann@x").await.contains("\npassword       argon2id\n"));
}

#[tokio::test]
async fn changes_say_what_they_did_and_what_they_ended() {
    let desk = Desk::with_users().await;
    assert_eq!(desk.says("user roles bob@x a b a").await, "bob@x now has the roles a, b\n");
    assert_eq!(desk.says("user roles bob@x").await, "bob@x now has no roles\n");
    assert_eq!(desk.says("user enable ann@x").await, "ann@x is enabled already\n");
    assert_eq!(desk.says("user disable ann@x").await, "ann@x is disabled; 2 sessions ended\n");
    assert_eq!(desk.says("user disable ann@x").await, "ann@x is disabled already\n");
    assert_eq!(desk.says("user enable ann@x").await, "ann@x is enabled\n");
    assert_eq!(desk.says("user remove ann@x").await, "ann@x is removed; 0 sessions ended\n");
    for line in ["user show ann@x", "user remove ann@x", "user passwd ann@x", "session list ann@x"] {
        assert_eq!(desk.fails(line).await, "there is no user ann@x; `portcullis user list` shows everyone", "{line}");
    }
    assert_eq!(
        desk.fails("user add bob@x").await,
        "there is a user bob@x already; `portcullis user passwd bob@x` sets a new password"
    );
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_or_all() {
    let desk = Desk::with_users().await;
    let table = desk.says("session list ann@x").await;
    assert!(table.contains("1970-01-01T00:00:01Z  192.0.2.7  \\u{1b}[31mcurl\n"), "{table}");
    let json: serde_json::Value = serde_json::from_str(&desk.says("session list ann@x --json").await).unwrap();
    assert_eq!(json[1]["lastUsedAt"], "1970-01-01T00:00:02Z");

    let revoke = format!("session revoke {}", id(1));
    assert_eq!(desk.says(&revoke).await, format!("session {} of ann@x is ended\n", id(1)));
    assert!(desk.fails(&revoke).await.starts_with("there is no session 0000"));
    assert_eq!(desk.says("session revoke --user ann@x").await, "ann@x is signed out everywhere; 1 session ended\n");
    assert_eq!(desk.says("session list bob@x").await, "ID  SIGNED IN  LAST USED  IP  USER AGENT\n");
}

#[tokio::test]
async fn a_new_password_works_and_ends_the_sessions() {
    let desk = Desk::with_users().await;
    let changed = desk.accounts.set_password(&email("ann@x"), "another fine one", Timestamp::default()).await.unwrap();
    assert_eq!(changed.sessions_ended, 2);
    let presented = "another fine one".to_owned().into();
    let verdict = desk.passwords.verify(&presented, Some(&changed.user.password_hash)).await;
    assert_eq!(verdict, Ok(Verdict::Match { outdated: false }));
}

#[tokio::test]
async fn an_import_reports_each_bad_line_and_an_export_reads_back() {
    let desk = Desk::with_users().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, r#"{{"email": "cid@x", "passwordHash": "{BCRYPT}", "roles": ["user"], "tokenVersion": 4}}"#)
        .unwrap();
    writeln!(file, r#"{{"email": "ann@x", "passwordHash": "{BCRYPT}"}}"#).unwrap();
    writeln!(file, r#"{{"email": "dan@x", "passwordHash": "hunter2"}}"#).unwrap();
    let path = file.path().display().to_string();
    let said = desk.run(&format!("user import {path}")).await;
    assert_eq!(said.out, "1 user added, 2 lines skipped\n");
    let mut reasons = said.err.lines();
    assert_eq!(reasons.next().unwrap(), format!("{path}:2: there is a user with this email already"));
    assert!(reasons.next().unwrap().starts_with(&format!("{path}:3: passwordHash: it is not a hash of bcrypt")));
    assert!(said.end.is_err() && !said.err.contains("hunter2"));
    assert!(desk.says("user show cid@x").await.contains("bcrypt, replaced by argon2id at the next login"));

    desk.says("user disable bob@x").await;
    let exported = desk.says("user export").await;
    assert_eq!(exported.lines().count(), 3);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(exported.as_bytes()).unwrap();
    let copy = Desk::open();
    let import = format!("user import {}", file.path().display());
    assert_eq!(copy.says(&import).await, "3 users added, 0 lines skipped\n");
    assert_eq!(copy.says("user export").await, exported);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let failed = Desk::open().fails("user import /nowhere/users.json").await;
    assert!(failed.starts_with("cannot read /nowhere/users.json: "), "{failed}");
}
