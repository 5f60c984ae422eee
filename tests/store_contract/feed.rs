//! The change feed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis::store::{Store, Subject, UserChange};

use super::{NOW, new_user, open};

const MOMENT: Duration = Duration::from_millis(50);

pub async fn the_feed_tells_of_every_change_in_order(store: Arc<dyn Store>) {
    let start = store.feed_end().await.unwrap();
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let session = open(&store, &user, NOW).await;
    store.advance_session(session.id, 0, NOW).await.unwrap().unwrap();
    let ended = store.end_session(user.id, session.id, NOW).await.unwrap().unwrap();
    store.remove_user(user.id, NOW).await.unwrap();
    let changes = store.changes(start, MOMENT).await.unwrap();
    let subjects: Vec<_> = changes.events.iter().map(|event| event.subject).collect();
    let [Subject::User(a, first), Subject::User(b, second), Subject::User(c, third), Subject::Removed(gone)] =
        subjects[..]
    else {
        panic!("{subjects:?}")
    };
    assert_eq!(HashSet::from([a, b, c, gone]), HashSet::from([user.id]));
    assert!(first < second && second < third && third == ended.epoch);
    assert!(!changes.gap);
    assert!(store.changes(changes.position, MOMENT).await.unwrap().events.is_empty());
}

pub async fn the_feed_says_when_nothing_happened(store: Arc<dyn Store>) {
    let start = store.feed_end().await.unwrap();
    let changes = store.changes(start, MOMENT).await.unwrap();
    assert!(changes.events.is_empty() && !changes.gap && changes.position == start);
}

pub async fn a_feed_that_was_replaced_is_a_gap(store: Arc<dyn Store>) {
    store.add_user(new_user("a@x")).await.unwrap();
    let end = store.feed_end().await.unwrap();
    let ahead = portcullis::store::FeedPosition(end.0 + 50);
    let changes = store.changes(ahead, MOMENT).await.unwrap();
    assert!(changes.gap && changes.position == end);
}

pub async fn the_feed_tells_at_once(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let start = store.feed_end().await.unwrap();
    let listener = Arc::clone(&store);
    let heard = tokio::spawn(async move { listener.changes(start, Duration::from_secs(20)).await.unwrap() });
    store.change_user(user.id, UserChange::EndSessions, NOW).await.unwrap().unwrap();
    let changes = tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap().unwrap();
    assert!(matches!(changes.events[..], [event] if event.at == NOW), "{changes:?}");
}
