//! Sessions: opening, rotating, ending, and the sweep.

use std::sync::Arc;
use std::time::Duration;

use portcullis::gate::time::Timestamp;
use portcullis::store::{Store, User, UserChange};

use super::{NOW, change, new_session, new_user, open};

pub async fn a_session_opens_only_for_the_user_that_was_checked(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let refused = |user: &User, version| store.open_session(new_session(user, NOW), version, 100);
    assert!(refused(&user, 1).await.unwrap().is_none(), "another version");
    change(&store, &user, UserChange::Enabled(false)).await;
    assert!(refused(&user, 1).await.unwrap().is_none(), "disabled");
    store.remove_user(user.id, NOW).await.unwrap();
    assert!(refused(&user, 1).await.unwrap().is_none(), "removed");
    assert!(store.sessions(user.id).await.unwrap().is_empty());
}

pub async fn the_oldest_sessions_make_room(store: Arc<dyn Store>) {
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

pub async fn a_new_session_stays_also_when_the_clock_was_set_back(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    for second in [100, 200] {
        store.open_session(new_session(&user, NOW.plus(Duration::from_secs(second))), 0, 2).await.unwrap().unwrap();
    }
    let new = new_session(&user, NOW);
    let after = store.open_session(new.clone(), 0, 2).await.unwrap().unwrap();
    assert!(after.sessions.len() == 2 && after.sessions.iter().any(|session| session.id == new.id));
}

pub async fn one_of_many_rotations_wins(store: Arc<dyn Store>) {
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

pub async fn an_ended_session_is_gone(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let stranger = store.add_user(new_user("b@x")).await.unwrap();
    let session = open(&store, &user, NOW).await;
    assert!(store.end_session(stranger.id, session.id, NOW).await.unwrap().is_none(), "not theirs");
    let after = store.end_session(user.id, session.id, NOW).await.unwrap().unwrap();
    assert!(after.sessions.is_empty());
    assert!(store.end_session(user.id, session.id, NOW).await.unwrap().is_none());
    assert!(store.advance_session(session.id, 0, NOW).await.unwrap().is_none());
}

pub async fn the_sweep_takes_what_is_past_its_limits(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let at = |secs| NOW.plus(Duration::from_secs(secs));
    let (_idle, live) = (open(&store, &user, NOW).await, open(&store, &user, at(100)).await);
    assert_eq!(store.sweep(at(50), NOW, at(200)).await.unwrap(), 1);
    let left = store.sessions(user.id).await.unwrap();
    assert_eq!(left, [live]);
}

pub async fn the_sweep_finds_all_there_are(store: Arc<dyn Store>) {
    let at = |secs| NOW.plus(Duration::from_secs(secs));
    for n in 0..6 {
        let user = store.add_user(new_user(&format!("u{n}@x"))).await.unwrap();
        for _ in 0..90 {
            open(&store, &user, NOW).await;
        }
        open(&store, &user, at(100)).await;
    }
    assert_eq!(store.sweep(at(50), NOW, at(200)).await.unwrap(), 540);
    assert_eq!(store.sweep(at(50), NOW, at(200)).await.unwrap(), 0);
    assert!(store.users(None, 9).await.unwrap().iter().all(|user| user.sessions.len() == 1));
}

pub async fn a_session_that_was_used_meanwhile_outlives_the_sweep(store: Arc<dyn Store>) {
    let user = store.add_user(new_user("a@x")).await.unwrap();
    let (at, session) = (|secs| NOW.plus(Duration::from_secs(secs)), open(&store, &user, NOW).await);
    let hour = Duration::from_secs(3600);
    let sweep = |now: Timestamp| store.sweep(now.minus(hour), now.minus(hour * 2), now);
    assert_eq!(sweep(at(60)).await.unwrap(), 0);
    store.advance_session(session.id, 0, at(3000)).await.unwrap().unwrap();
    assert_eq!(sweep(at(3700)).await.unwrap(), 0, "it was used 700 seconds ago");
    store.advance_session(session.id, 1, at(6500)).await.unwrap().unwrap();
    assert_eq!(sweep(at(6700)).await.unwrap(), 0);
    assert_eq!(sweep(at(7201)).await.unwrap(), 1, "it was opened more than two hours ago");
    assert!(store.user(user.id).await.unwrap().unwrap().sessions.is_empty());
}
