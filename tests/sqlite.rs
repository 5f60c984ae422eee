//! What is true of the embedded store alone: its file, its second process, its failures.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use portcullis::gate::email::Email;
use portcullis::gate::secret::Secret;
use portcullis::gate::time::Timestamp;
use portcullis::store::sqlite::SqliteStore;
use portcullis::store::{NewUser, Store, StoreError, Subject, UserChange, UserId};
use support::gateway::{House, name_of, usual};
use uuid::Uuid;

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, Arc::new(|_, _, _| ()))
}

fn user(email: &str) -> NewUser {
    NewUser {
        id: UserId(Uuid::now_v7()),
        email: Email::parse(email).unwrap(),
        password_hash: Secret::new("$hash$"),
        roles: Vec::new(),
        enabled: true,
        token_version: 0,
        created_at: Timestamp::from_secs(1),
    }
}

#[tokio::test]
async fn the_file_is_its_owners_alone_and_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.db");
    let added = open(&path).unwrap().add_user(user("a@x")).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let found = open(&path).unwrap().user_by_email(&added.email).await.unwrap().unwrap();
    assert_eq!(found.id, added.id);
}

#[test]
fn what_another_program_made_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (name, made, why) in [
        ("version 0", "CREATE TABLE users (a)", "another program's database"),
        ("version 1", "CREATE TABLE users (a); PRAGMA user_version = 1", "another program's database"),
        ("newer", "PRAGMA user_version = 99", "of version 99, newer than this program's"),
    ] {
        let path = folder.path().join(name);
        rusqlite::Connection::open(&path).unwrap().execute_batch(made).unwrap();
        let before = std::fs::read(&path).unwrap();
        let said = match open(&path).map(drop) {
            Err(error @ (StoreError::Foreign(_) | StoreError::Newer(_))) => error.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        assert!(said.contains(why) && said.contains(name) && !said.contains('\n'), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{name}");
    }
    let path = folder.path().join("text");
    std::fs::write(&path, "no database at all ".repeat(100)).unwrap();
    let said = open(&path).map(drop).unwrap_err().to_string();
    assert!(said.contains("file is not a database") && said.contains("/text"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_opener_s_write_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (open(&folder.path().join("p.db")).unwrap(), open(&folder.path().join("p.db")).unwrap());
    let start = ours.feed_end().await.unwrap();
    let listening = tokio::spawn(async move { ours.changes(start, Duration::from_secs(20)).await.unwrap() });
    let added = theirs.add_user(user("a@x")).await.unwrap();
    let changes = listening.await.unwrap();
    assert_eq!(changes.events[0].subject, Subject::User(added.id, added.epoch));
}

#[tokio::test]
async fn a_long_feed_comes_in_pages_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("p.db")).unwrap();
    let start = store.feed_end().await.unwrap();
    store.add_users((0..10_500).map(|n| user(&format!("u{n}@x"))).collect()).await.unwrap();
    let first = store.changes(start, Duration::ZERO).await.unwrap();
    assert!(first.more && !first.gap);
    let second = store.changes(first.position, Duration::ZERO).await.unwrap();
    assert!(!second.more && first.events.len() + second.events.len() == 10_500);
    assert_eq!(second.position, store.feed_end().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_the_same_moment_share_commits() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder.path().join("p.db")).unwrap());
    let writes = (0..200).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.add_user(user(&format!("u{n}@x"))).await.unwrap() })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    assert_eq!(store.users(None, 500).await.unwrap().len(), 200);
    assert!(store.commits() < 200, "{} commits for 200 writes", store.commits());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_gets_its_turn_while_we_write_all_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.db");
    let (ours, theirs) = (Arc::new(open(&path).unwrap()), open(&path).unwrap());
    let id = ours.add_user(user("a@x")).await.unwrap().id;
    let busy: Vec<_> = (0..64)
        .map(|_| {
            let ours = Arc::clone(&ours);
            tokio::spawn(async move {
                loop {
                    ours.change_user(id, UserChange::EndSessions, Timestamp::from_secs(2)).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..100 {
        let turn = theirs.change_user(id, UserChange::EndSessions, Timestamp::from_secs(2)).await;
        assert!(turn.is_ok(), "{turn:?}");
    }
    busy.into_iter().for_each(|task| task.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_unavailable_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.db");
    let store = open(&path).unwrap();
    store.add_user(user("a@x")).await.unwrap();
    let intruder = rusqlite::Connection::open(&path).unwrap();
    intruder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(matches!(store.add_user(user("b@x")).await, Err(StoreError::Unavailable(_))));
    intruder.execute_batch("ROLLBACK").unwrap();
    assert!(store.add_user(user("b@x")).await.is_ok());
    assert_eq!(store.users(None, 9).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_corrupt_and_not_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.db");
    let store = open(&path).unwrap();
    let added = store.add_user(user("a@x")).await.unwrap();
    let intruder = rusqlite::Connection::open(&path).unwrap();
    intruder.execute("UPDATE users SET roles = 'a b, \u{1F4A5}'", []).unwrap();
    assert!(matches!(store.user(added.id).await, Err(StoreError::Corrupt(_))));
    assert!(store.keys().await.is_ok(), "the rest can be read");
}

/// So that a copy of the file alone is a copy of everything.
#[tokio::test]
async fn a_store_that_was_closed_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("p.db")).unwrap();
    store.add_user(user("a@x")).await.unwrap();
    drop(store);
    assert_eq!(names(folder.path()), ["p.db"]);
}

#[test]
fn a_gateway_that_was_stopped_and_a_command_that_is_done_leave_one_file() {
    let house = House::new(&usual(([127, 0, 0, 1], 9).into(), "", ""));
    house.add_user("ann@example.com", &[]);
    assert_eq!(names(house.folder.path()), ["gateway.toml", "portcullis.db"]);
    let mut gateway = house.run();
    gateway.login("ann@example.com");
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    assert_eq!(names(house.folder.path()), ["gateway.toml", "portcullis.db"]);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = folder.read_dir().unwrap().map(|entry| name_of(&entry.unwrap().path())).collect();
    names.sort();
    names
}
