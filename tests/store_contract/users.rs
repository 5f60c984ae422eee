//! Users: emails, pages, epochs, passwords.

use std::sync::Arc;
use std::time::Duration;

use portcullis::gate::email::Email;
use portcullis::gate::role::Role;
use portcullis::gate::secret::Secret;
use portcullis::store::{Store, StoreError, UserChange, UserId};
use uuid::Uuid;

use super::{NOW, change, new_user, open};

pub async fn an_email_belongs_to_one_user_also_under_races(store: Arc<dyn Store>) {
    let adds = (0..50).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.add_user(new_user("a@x")).await })
    });
    let mut added = 0;
    for add in adds.collect::<Vec<_>>() {
        match add.await.unwrap() {
            Ok(user) => added += usize::from(user.email.as_str() == "a@x"),
            Err(error) => assert!(matches!(error, StoreError::EmailTaken), "{error}"),
        }
    }
    assert_eq!(added, 1);
    let taken = store.add_users(vec![new_user("a@x"), new_user("b@x")]).await.unwrap();
    assert_eq!(taken, [Email::parse("a@x").unwrap()]);
    assert!(store.user_by_email(&Email::parse("b@x").unwrap()).await.unwrap().is_some());
}

pub async fn users_are_listed_in_pages(store: Arc<dyn Store>) {
    store.add_users(["c@x", "a@x", "b@x"].map(new_user).into()).await.unwrap();
    let first = store.users(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(), ["a@x", "b@x"]);
    let rest = store.users(Some(&first[1].email), 2).await.unwrap();
    assert_eq!(rest.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(), ["c@x"]);
}

pub async fn every_change_raises_the_epoch(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let mut epoch = user.epoch;
    let changes = [
        UserChange::Roles(vec![Role::parse("other").unwrap()]),
        UserChange::Enabled(false),
        UserChange::Enabled(true),
        UserChange::EndSessions,
        UserChange::Password { hash: Secret::new("new"), keep: None },
    ];
    for change in changes {
        let changed = store.change_user(user.id, change.clone(), NOW).await.unwrap().unwrap();
        assert!(changed.epoch > epoch, "{change:?}");
        epoch = changed.epoch;
    }
    assert_eq!(store.user(user.id).await.unwrap().unwrap().roles, [Role::parse("other").unwrap()]);
    let nobody = UserId(Uuid::now_v7());
    assert!(store.change_user(nobody, UserChange::EndSessions, NOW).await.unwrap().is_none());
}

pub async fn a_password_change_ends_the_other_sessions(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let (kept, other) = (open(&store, &user, NOW).await, open(&store, &user, NOW).await);
    let later = NOW.plus(Duration::from_secs(9));
    let password = UserChange::Password { hash: Secret::new("new"), keep: Some(kept.id) };
    let changed = store.change_user(user.id, password, later).await.unwrap().unwrap();
    assert_eq!(changed.token_version, 1);
    assert_eq!(changed.password_hash, Secret::new("new"));
    assert_eq!(changed.sessions.iter().map(|session| session.id).collect::<Vec<_>>(), [kept.id]);
    assert!(store.session(other.id).await.unwrap().is_none());
    let (kept, _) = store.session(kept.id).await.unwrap().unwrap();
    assert_eq!((kept.chain.generation, kept.chain.rotated_at), (1, later));
}

pub async fn a_password_is_not_changed_from_a_session_that_has_ended(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let ended = open(&store, &user, NOW).await;
    let user = store.end_session(user.id, ended.id, NOW).await.unwrap().unwrap();
    let password = UserChange::Password { hash: Secret::new("new"), keep: Some(ended.id) };
    assert!(store.change_user(user.id, password, NOW).await.unwrap().is_none());
    let found = store.user(user.id).await.unwrap().unwrap();
    assert_eq!((found.password_hash, found.token_version), (user.password_hash, user.token_version));
}

pub async fn enabling_again_revives_nothing(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let session = open(&store, &user, NOW).await;
    change(&store, &user, UserChange::Enabled(false)).await;
    let enabled = change(&store, &user, UserChange::Enabled(true)).await;
    assert!(enabled.enabled && enabled.sessions.is_empty() && enabled.token_version > user.token_version);
    assert!(store.session(session.id).await.unwrap().is_none());
}

pub async fn a_rehash_replaces_only_what_it_saw(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let rehash = |old: &str| UserChange::Rehash { old: Secret::new(old), new: Secret::new("better") };
    assert!(store.change_user(user.id, rehash("stale"), NOW).await.unwrap().is_none());
    let rehashed = store.change_user(user.id, rehash("$hash$"), NOW).await.unwrap().unwrap();
    assert_eq!((rehashed.password_hash, rehashed.epoch), (Secret::new("better"), user.epoch));
}
