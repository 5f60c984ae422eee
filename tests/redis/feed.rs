//! The change feed, and what stands at its keys: whatever may have gone unheard is a gap, whatever cannot be read is an error.

use std::time::Duration;

use portcullis::gate::email::Email;
use portcullis::gate::secret::Secret;
use portcullis::gate::time::Timestamp;
use portcullis::store::redis::RedisStore;
use portcullis::store::{FeedPosition, NewUser, Store, StoreError, UserId};
use uuid::Uuid;

use super::open;
use super::support::redis::{RedisServer, Reply};

const MOMENT: Duration = Duration::from_millis(50);

fn user(email: &str) -> NewUser {
    NewUser {
        id: UserId(Uuid::now_v7()),
        email: Email::parse(email).unwrap(),
        password_hash: Secret::new("canary"),
        roles: Vec::new(),
        enabled: true,
        token_version: 0,
        created_at: Timestamp::from_secs(1_000_000),
    }
}

/// A store in which something has happened, and where its feed ends.
async fn begun(server: &RedisServer) -> (RedisStore, FeedPosition) {
    let store = open(server).await.unwrap();
    store.add_user(user("a@x")).await.unwrap();
    let end = store.feed_end().await.unwrap();
    (store, end)
}

/// And from there it goes on.
async fn is_gap(store: &RedisStore, position: FeedPosition) {
    let changes = store.changes(position, Duration::from_secs(20)).await.unwrap();
    assert!(changes.gap && changes.events.is_empty(), "{changes:?}");
    assert_eq!(changes.position, store.feed_end().await.unwrap());
    store.add_user(user("later@x")).await.unwrap();
    let changes = store.changes(changes.position, Duration::from_secs(20)).await.unwrap();
    assert!(!changes.gap && changes.events.len() == 1, "{changes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_emptied_is_a_gap() {
    let server = RedisServer::start();
    let (store, end) = begun(&server).await;
    server.cli(&["FLUSHALL"]);
    is_gap(&store, end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_emptied_is_a_gap_also_when_there_is_news_in_it() {
    let server = RedisServer::start();
    let (store, end) = begun(&server).await;
    server.cli(&["FLUSHALL"]);
    let other = open(&server).await.unwrap();
    for n in 0..3 {
        other.add_user(user(&format!("new{n}@x"))).await.unwrap();
    }
    is_gap(&store, end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_was_trimmed_is_a_gap() {
    let server = RedisServer::start();
    let (store, end) = begun(&server).await;
    store.add_user(user("b@x")).await.unwrap();
    store.add_user(user("c@x")).await.unwrap();
    server.cli(&["XTRIM", "{portcullis}:f", "MAXLEN", "1"]);
    is_gap(&store, end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_was_trimmed_where_we_stand_is_none() {
    let server = RedisServer::start();
    let (store, end) = begun(&server).await;
    server.cli(&["XTRIM", "{portcullis}:f", "MAXLEN", "0"]);
    let changes = store.changes(end, MOMENT).await.unwrap();
    assert!(!changes.gap && changes.position == end);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_went_back_to_an_older_state_is_a_gap() {
    let server = RedisServer::start();
    let (store, end) = begun(&server).await;
    server.cli(&["DEL", "{portcullis}:f"]);
    server.cli(&["XADD", "{portcullis}:f", "1-1", "k", "s"]);
    is_gap(&store, end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_feed_comes_in_pages_and_says_so() {
    let server = RedisServer::start();
    let (store, mut position) = begun(&server).await;
    store.add_users((0..2500).map(|n| user(&format!("u{n}@x"))).collect()).await.unwrap();
    let mut heard = 0;
    loop {
        let changes = store.changes(position, Duration::ZERO).await.unwrap();
        assert!(!changes.gap);
        (heard, position) = (heard + changes.events.len(), changes.position);
        if !changes.more {
            break;
        }
    }
    assert_eq!((heard, position), (2500, store.feed_end().await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_store_is_left_alone_also_by_those_who_have_it_open() {
    let server = RedisServer::start();
    let (store, _) = begun(&server).await;
    server.cli(&["HSET", "{portcullis}:m", "v", "99"]);
    assert!(matches!(open(&server).await.map(drop), Err(StoreError::Newer(_))));
    let said = store.add_user(user("b@x")).await.unwrap_err();
    assert!(matches!(said, StoreError::Newer(_)), "{said}");
    assert_eq!(store.users(None, 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_left_alone() {
    for words in [
        &["SET", "{portcullis}:m", "x"][..],
        &["HSET", "{portcullis}:m", "other", "x"],
        &["ZADD", "{portcullis}:e", "0", "x"],
    ] {
        let server = RedisServer::with(&["--enable-debug-command", "yes"]);
        server.cli(words);
        let before = server.cli(&["DEBUG", "DIGEST"]);
        assert!(matches!(before, Reply::Text(_)), "{before:?}");
        let said = open(&server).await.map(drop).unwrap_err();
        assert!(matches!(said, StoreError::Foreign(_)), "{words:?}: {said}");
        assert_eq!(server.cli(&["DEBUG", "DIGEST"]), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_an_error_and_says_nothing_of_it() {
    let server = RedisServer::start();
    let store = open(&server).await.unwrap();
    for (n, garbage) in ["canary", "", "\0", "\u{1}\0\0\0\0\0\0\0\0"].iter().enumerate() {
        let added = store.add_user(user(&format!("u{n}@x"))).await.unwrap();
        let spoil = "for _, k in ipairs(redis.call('KEYS', '{portcullis}:u:*')) do redis.call('SET', k, ARGV[1]) end";
        server.cli(&["EVAL", spoil, "0", garbage]);
        let email = Email::parse("u0@x").unwrap();
        for said in [
            store.user(added.id).await.map(drop),
            store.user_by_email(&email).await.map(drop),
            store.users(None, 9).await.map(drop),
            store
                .change_user(added.id, portcullis::store::UserChange::EndSessions, Timestamp::default())
                .await
                .map(drop),
        ] {
            let said = said.unwrap_err();
            assert!(matches!(said, StoreError::Corrupt(_)), "{garbage:?}: {said}");
            assert!(!said.to_string().contains("canary"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_vanish_by_themselves() {
    let server = RedisServer::start();
    let store = open(&server).await.unwrap();
    let quota = portcullis::gate::limit::Quota::new(3, Duration::from_secs(60)).unwrap();
    let counter = portcullis::store::CounterKey { kind: "login", value: "192.0.2.1".into() };
    store.take(&[(counter, quota)], Timestamp::from_secs(1_000_000)).await.unwrap();
    let count = "local left = {} for _, k in ipairs(redis.call('KEYS', '{portcullis}:c:*')) do \
                 left[#left + 1] = redis.call('PTTL', k) end return left";
    let Reply::List(left) = server.cli(&["EVAL", count, "0"]) else { panic!("no list") };
    assert!(matches!(left[..], [Reply::Number(1..=80_000)]), "{left:?}");
}
