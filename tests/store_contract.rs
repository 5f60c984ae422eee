//! What every store owes its callers: one suite, run by each store there is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis::gate::email::Email;
use portcullis::gate::limit::{Quota, Standing};
use portcullis::gate::role::Role;
use portcullis::gate::rotation::Chain;
use portcullis::gate::secret::Secret;
use portcullis::gate::time::Timestamp;
use portcullis::store::sqlite::SqliteStore;
use portcullis::store::{
    Client, CounterKey, KeyPurpose, NewUser, Session, SessionId, Store, StoreError, StoredKey, Subject, User,
    UserChange, UserId,
};
use uuid::Uuid;

/// Runs each named test against a fresh store that `$open` makes; `$open` also returns what must outlive the store.
macro_rules! contract {
    ($store:ident, $open:expr, [$($test:ident),* $(,)?]) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    let (store, _keep) = $open;
                    super::$test(store).await;
                }
            )*
        }
    };
}

contract!(
    sqlite,
    super::open_sqlite(),
    [
        an_email_belongs_to_one_user_also_under_races,
        users_are_listed_in_pages,
        every_change_raises_the_epoch,
        a_password_change_ends_the_other_sessions,
        a_password_is_not_changed_from_a_session_that_has_ended,
        enabling_again_revives_nothing,
        a_rehash_replaces_only_what_it_saw,
        a_session_opens_only_for_the_user_that_was_checked,
        the_oldest_sessions_make_room,
        a_new_session_stays_also_when_the_clock_was_set_back,
        one_of_many_rotations_wins,
        an_ended_session_is_gone,
        the_sweep_takes_what_is_past_its_limits,
        gateways_that_start_together_agree_on_one_key,
        places_are_taken_all_or_none,
        a_quota_holds_under_a_burst,
        the_feed_tells_of_every_change_in_order,
        the_feed_says_when_nothing_happened,
        a_feed_that_was_replaced_is_a_gap,
    ]
);

fn open_sqlite() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("test.db"), Arc::new(|_, _, _| ())).unwrap();
    (Arc::new(store), folder)
}

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn new_user(email: &str) -> NewUser {
    NewUser {
        id: UserId(Uuid::now_v7()),
        email: Email::parse(email).unwrap(),
        password_hash: Secret::new("$hash$"),
        roles: vec![Role::parse("admin").unwrap(), Role::parse("user").unwrap()],
        enabled: true,
        token_version: 0,
        created_at: NOW,
    }
}

fn new_session(user: &User, at: Timestamp) -> Session {
    let chain = Chain { generation: 0, rotated_at: at, opened_at: at };
    let client = Client { ip: "192.0.2.1".into(), user_agent: "test".into() };
    Session { id: SessionId(Uuid::now_v7()), user: user.id, chain, client }
}

async fn open(store: &Arc<dyn Store>, user: &User, at: Timestamp) -> Session {
    let session = new_session(user, at);
    let version = store.user(user.id).await.unwrap().unwrap().token_version;
    store.open_session(session.clone(), version, 100).await.unwrap().unwrap();
    session
}

async fn change(store: &Arc<dyn Store>, user: &User, change: UserChange) -> User {
    store.change_user(user.id, change, NOW).await.unwrap().unwrap()
}

async fn an_email_belongs_to_one_user_also_under_races(store: Arc<dyn Store>) {
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

async fn users_are_listed_in_pages(store: Arc<dyn Store>) {
    store.add_users(["c@x", "a@x", "b@x"].map(new_user).into()).await.unwrap();
    let first = store.users(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(), ["a@x", "b@x"]);
    let rest = store.users(Some(&first[1].email), 2).await.unwrap();
    assert_eq!(rest.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(), ["c@x"]);
}

async fn every_change_raises_the_epoch(store: Arc<dyn Store>) {
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

async fn a_password_change_ends_the_other_sessions(store: Arc<dyn Store>) {
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

async fn a_password_is_not_changed_from_a_session_that_has_ended(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let ended = open(&store, &user, NOW).await;
    let user = store.end_session(user.id, ended.id, NOW).await.unwrap().unwrap();
    let password = UserChange::Password { hash: Secret::new("new"), keep: Some(ended.id) };
    assert!(store.change_user(user.id, password, NOW).await.unwrap().is_none());
    let found = store.user(user.id).await.unwrap().unwrap();
    assert_eq!((found.password_hash, found.token_version), (user.password_hash, user.token_version));
}

async fn enabling_again_revives_nothing(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let session = open(&store, &user, NOW).await;
    change(&store, &user, UserChange::Enabled(false)).await;
    let enabled = change(&store, &user, UserChange::Enabled(true)).await;
    assert!(enabled.enabled && enabled.sessions.is_empty() && enabled.token_version > user.token_version);
    assert!(store.session(session.id).await.unwrap().is_none());
}

async fn a_rehash_replaces_only_what_it_saw(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let rehash = |old: &str| UserChange::Rehash { old: Secret::new(old), new: Secret::new("better") };
    assert!(store.change_user(user.id, rehash("stale"), NOW).await.unwrap().is_none());
    let rehashed = store.change_user(user.id, rehash("$hash$"), NOW).await.unwrap().unwrap();
    assert_eq!((rehashed.password_hash, rehashed.epoch), (Secret::new("better"), user.epoch));
}

async fn a_session_opens_only_for_the_user_that_was_checked(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let refused = |user: &User, version| store.open_session(new_session(user, NOW), version, 100);
    assert!(refused(&user, 1).await.unwrap().is_none(), "another version");
    change(&store, &user, UserChange::Enabled(false)).await;
    assert!(refused(&user, 1).await.unwrap().is_none(), "disabled");
    store.remove_user(user.id, NOW).await.unwrap();
    assert!(refused(&user, 1).await.unwrap().is_none(), "removed");
    assert!(store.sessions(user.id).await.unwrap().is_empty());
}

async fn the_oldest_sessions_make_room(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let mut opened = Vec::new();
    for second in 0..5 {
        let session = new_session(&user, NOW.plus(Duration::from_secs(second)));
        let after = store.open_session(session.clone(), 0, 3).await.unwrap().unwrap();
        opened.push(session.id);
        assert!(after.sessions.len() <= 3);
    }
    let left: Vec<_> = store.sessions(user.id).await.unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(left, opened[2..]);
}

async fn a_new_session_stays_also_when_the_clock_was_set_back(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    for second in [100, 200] {
        store.open_session(new_session(&user, NOW.plus(Duration::from_secs(second))), 0, 2).await.unwrap().unwrap();
    }
    let new = new_session(&user, NOW);
    let after = store.open_session(new.clone(), 0, 2).await.unwrap().unwrap();
    assert!(after.sessions.len() == 2 && after.sessions.iter().any(|session| session.id == new.id));
}

async fn one_of_many_rotations_wins(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let session = open(&store, &user, NOW).await;
    let epoch = store.user(user.id).await.unwrap().unwrap().epoch;
    let races = (0..50).map(|_| {
        let (store, id) = (Arc::clone(&store), session.id);
        tokio::spawn(async move { store.advance_session(id, 0, NOW.plus(Duration::from_secs(1))).await.unwrap() })
    });
    let mut won = Vec::new();
    for race in races.collect::<Vec<_>>() {
        won.extend(race.await.unwrap());
    }
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].chain.generation, 1);
    assert_eq!(store.user(user.id).await.unwrap().unwrap().epoch, epoch, "a rotation is no news to the live cache");
}

async fn an_ended_session_is_gone(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let stranger = store.add_user(new_user("b@x")).await.unwrap();
    let session = open(&store, &user, NOW).await;
    assert!(store.end_session(stranger.id, session.id, NOW).await.unwrap().is_none(), "not theirs");
    let after = store.end_session(user.id, session.id, NOW).await.unwrap().unwrap();
    assert!(after.sessions.is_empty());
    assert!(store.end_session(user.id, session.id, NOW).await.unwrap().is_none());
    assert!(store.advance_session(session.id, 0, NOW).await.unwrap().is_none());
}

async fn the_sweep_takes_what_is_past_its_limits(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let at = |secs| NOW.plus(Duration::from_secs(secs));
    let (_idle, live) = (open(&store, &user, NOW).await, open(&store, &user, at(100)).await);
    assert_eq!(store.sweep(at(50), NOW, at(200)).await.unwrap(), 1);
    let left = store.sessions(user.id).await.unwrap();
    assert_eq!(left, [live]);
}

async fn gateways_that_start_together_agree_on_one_key(store: Arc<dyn Store>) {
    let key = |n: usize| StoredKey {
        kid: format!("k{n}"),
        purpose: KeyPurpose::Access,
        algorithm: "EdDSA".into(),
        private: Secret::new([7; 32]),
        created_at: NOW,
        signs_from: NOW,
    };
    let starts = (0..20).map(|n| {
        let (store, key) = (Arc::clone(&store), key(n));
        tokio::spawn(async move { store.add_key(key, true).await.unwrap() })
    });
    let mut added = 0;
    for start in starts.collect::<Vec<_>>() {
        added += usize::from(start.await.unwrap());
    }
    assert_eq!((added, store.keys().await.unwrap().len()), (1, 1));
    assert!(store.add_key(key(99), false).await.unwrap());
    assert!(store.add_key(StoredKey { purpose: KeyPurpose::Refresh, ..key(98) }, true).await.unwrap());
    assert!(store.remove_key("k99", NOW).await.unwrap() && !store.remove_key("k99", NOW).await.unwrap());
    let kept = store.keys().await.unwrap();
    assert!(kept.iter().all(|key| key.private == Secret::new([7; 32])) && kept.len() == 2);
}

fn counter(kind: &'static str) -> CounterKey {
    CounterKey { kind, value: "192.0.2.1".into() }
}

async fn places_are_taken_all_or_none(store: Arc<dyn Store>) {
    let wide = (counter("wide"), Quota::new(100, Duration::from_secs(60)).unwrap());
    let narrow = (counter("narrow"), Quota::new(1, Duration::from_secs(60)).unwrap());
    let both = [wide.clone(), narrow.clone()];
    let taken = store.take(&both, NOW).await.unwrap();
    assert!(matches!(taken[..], [Standing::Taken { remaining: 99, .. }, Standing::Taken { remaining: 0, .. }]));
    assert!(matches!(store.take(&both, NOW).await.unwrap()[1], Standing::Full { .. }));
    let alone = store.take(std::slice::from_ref(&wide), NOW).await.unwrap();
    assert!(matches!(alone[..], [Standing::Taken { remaining: 98, .. }]), "the full one kept the other's place");
    store.give_back(&[narrow], NOW).await.unwrap();
    assert!(matches!(store.take(&both, NOW).await.unwrap()[1], Standing::Taken { .. }));
}

async fn a_quota_holds_under_a_burst(store: Arc<dyn Store>) {
    let place = [(counter("burst"), Quota::new(10, Duration::from_secs(600)).unwrap())];
    let takes = (0..50).map(|_| {
        let (store, place) = (Arc::clone(&store), place.clone());
        tokio::spawn(async move { matches!(store.take(&place, NOW).await.unwrap()[0], Standing::Taken { .. }) })
    });
    let mut taken = 0;
    for take in takes.collect::<Vec<_>>() {
        taken += usize::from(take.await.unwrap());
    }
    assert_eq!(taken, 10);
}

const MOMENT: Duration = Duration::from_millis(50);

async fn the_feed_tells_of_every_change_in_order(store: Arc<dyn Store>) {
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

async fn the_feed_says_when_nothing_happened(store: Arc<dyn Store>) {
    let start = store.feed_end().await.unwrap();
    let changes = store.changes(start, MOMENT).await.unwrap();
    assert!(changes.events.is_empty() && !changes.gap && changes.position == start);
}

async fn a_feed_that_was_replaced_is_a_gap(store: Arc<dyn Store>) {
    store.add_user(new_user("a@x")).await.unwrap();
    let end = store.feed_end().await.unwrap();
    let ahead = portcullis::store::FeedPosition(end.0 + 50);
    let changes = store.changes(ahead, MOMENT).await.unwrap();
    assert!(changes.gap && changes.position == end);
}
