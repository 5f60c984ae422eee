//! What is true of the embedded store alone: its file, its second process, its failures.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis::gate::email::Email;
use portcullis::gate::secret::Secret;
use portcullis::gate::time::Timestamp;
use portcullis::store::sqlite::SqliteStore;
use portcullis::store::{NewUser, Store, StoreError, Subject, UserChange, UserId};
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

#[tokio::test]
async fn a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.db");
    drop(open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = open(&path).err().unwrap().to_string();
    assert!(refused.contains("version 99"), "{refused}");
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
    assert!(store.ping().await.is_ok());
}
