//! Facts about live users: what may be cached, what must not be, and what happens while the store is silent or away.

use std::pin::pin;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::scene::{Scene, at, claims, new_session, once, open, waits, word};
use super::*;
use crate::gate::time::Timestamp;
use crate::store::UserChange;

const TRUST: Trust = Trust { capacity: 1000, ttl: Duration::from_secs(30), max_stale: Duration::from_secs(60) };

/// Seconds after which no clock of any gateway can have the sessions of these tests issued still.
const SETTLED: u64 = 1100;

const GAP: Changes = Changes { gap: true, events: Vec::new(), more: false, position: store::FeedPosition(0) };

const DISABLE: UserChange = UserChange::Enabled(false);

#[tokio::test]
async fn a_known_user_costs_no_look_up() {
    let scene = Scene::set(TRUST).await;
    for _ in 0..3 {
        assert!(scene.ask(at(1000)).await.is_ok());
    }
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn a_hundred_who_want_the_same_user_ask_once() {
    let scene = Scene::set(TRUST).await;
    let door = scene.hold();
    let mut all = pin!(join_all((0..100).map(|_| scene.ask(at(1000)))));
    assert!(waits(all.as_mut()).await);
    door.add_permits(100);
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn a_look_up_that_a_word_overtakes_is_asked_again() {
    let scene = Scene::set(TRUST).await;
    let door = scene.hold();
    let mut asked = pin!(scene.ask(at(SETTLED)));
    assert!(waits(asked.as_mut()).await, "it has read the user, and has not come back");
    scene.let_go();
    let word = scene.elsewhere(DISABLE).await;
    scene.live.obey(&word, at(SETTLED));
    // A question after the word does not wait for what began before it.
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
    door.add_permits(1);
    assert_eq!(asked.await.unwrap_err(), Denial::SessionRevoked);
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked, "the past is not cached");
}

#[tokio::test]
async fn a_look_up_that_a_write_of_ours_overtakes_brings_the_present() {
    let scene = Scene::set(TRUST).await;
    let door = scene.hold();
    let mut asked = pin!(scene.ask(at(SETTLED)));
    assert!(waits(asked.as_mut()).await);
    scene.let_go();
    let write = scene.store.end_session(scene.user, scene.session, Timestamp::default());
    scene.live.write(scene.user, at(SETTLED), write).await.unwrap().unwrap();
    door.add_permits(1);
    assert_eq!(asked.await.unwrap_err(), Denial::SessionRevoked);
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
    assert_eq!(scene.asked(), 1, "what the write put was used");
}

#[tokio::test]
async fn a_write_of_ours_that_a_word_overtakes_puts_nothing() {
    let scene = Scene::set(TRUST).await;
    let door = scene.hold();
    let ours = scene.store.change_user(scene.user, UserChange::Roles(Vec::new()), Timestamp::default());
    let mut written = pin!(scene.live.write(scene.user, at(SETTLED), ours));
    assert!(waits(written.as_mut()).await, "it is committed, and has not come back");
    scene.let_go();
    let word = scene.elsewhere(DISABLE).await;
    scene.live.obey(&word, at(SETTLED));
    door.add_permits(1);
    assert!(written.await.unwrap().unwrap().enabled, "what it brings is the past");
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
}

#[tokio::test]
async fn a_slow_write_of_ours_does_not_undo_what_a_look_up_has_seen() {
    let scene = Scene::set(TRUST).await;
    let door = scene.hold();
    let ours = scene.store.change_user(scene.user, UserChange::Roles(Vec::new()), Timestamp::default());
    let mut written = pin!(scene.live.write(scene.user, at(SETTLED), ours));
    assert!(waits(written.as_mut()).await);
    scene.let_go();
    scene.elsewhere(DISABLE).await;
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked, "before any word of it");
    door.add_permits(1);
    written.await.unwrap();
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
}

#[tokio::test]
async fn a_removed_user_stays_gone() {
    let scene = Scene::set(TRUST).await;
    let door = scene.hold();
    let ours = scene.store.change_user(scene.user, UserChange::Roles(Vec::new()), Timestamp::default());
    let mut written = pin!(scene.live.write(scene.user, at(SETTLED), ours));
    let mut asked = pin!(scene.ask(at(SETTLED)));
    assert!(waits(written.as_mut()).await && waits(asked.as_mut()).await);
    scene.let_go();
    scene.store.remove_user(scene.user, Timestamp::default()).await.unwrap();
    scene.live.obey(&word(Subject::Removed(scene.user)), at(SETTLED));
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
    door.add_permits(2);
    written.await.unwrap();
    assert_eq!(asked.await.unwrap_err(), Denial::SessionRevoked);
    let asked = scene.asked();
    for _ in 0..9 {
        assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
    }
    assert_eq!(scene.asked(), asked, "that the user is gone is known");
}

#[tokio::test]
async fn a_gap_in_the_feed_drops_everything_and_overtakes_what_is_under_way() {
    let scene = Scene::set(TRUST).await;
    assert!(scene.ask(at(SETTLED)).await.is_ok());
    let other = scene.with("bob@example.com").await;
    let door = scene.hold();
    let ours = scene.store.change_user(other.user, UserChange::Roles(Vec::new()), Timestamp::default());
    let mut written = pin!(scene.live.write(other.user, at(SETTLED), ours));
    let mut asked = pin!(other.ask(at(SETTLED)));
    assert!(waits(written.as_mut()).await && waits(asked.as_mut()).await);
    scene.let_go();
    for user in [&scene, &other] {
        user.elsewhere(DISABLE).await;
    }
    scene.live.obey(&GAP, at(SETTLED));
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
    door.add_permits(2);
    written.await.unwrap();
    assert_eq!(asked.await.unwrap_err(), Denial::SessionRevoked);
    assert_eq!(other.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
}

#[tokio::test]
async fn an_end_that_came_too_late_is_in_force_all_the_same() {
    let scene = Scene::set(TRUST).await;
    assert!(scene.ask(at(SETTLED)).await.is_ok());
    // Another gateway was first, and has not been heard of here.
    scene.store.end_session(scene.user, scene.session, Timestamp::default()).await.unwrap().unwrap();
    let again = scene.store.end_session(scene.user, scene.session, Timestamp::default());
    assert!(scene.live.write(scene.user, at(SETTLED), again).await.unwrap().is_none());
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
}

#[tokio::test]
async fn a_user_who_is_written_to_all_the_time_can_be_looked_up() {
    let scene = Scene::set(TRUST).await;
    let door = scene.hold();
    let mut asked = pin!(scene.ask(at(SETTLED)));
    for _ in 0..20 {
        assert!(waits(asked.as_mut()).await);
        let session = new_session(scene.user);
        let mut written = pin!(scene.live.write(scene.user, at(SETTLED), scene.store.open_session(session, 0, 100)));
        assert!(waits(written.as_mut()).await);
        // The first in line is the look-up; it comes back just before the write does, and so with the past.
        door.add_permits(2);
        assert!(!waits(written.as_mut()).await);
        if let Some(answer) = once(asked.as_mut()).await {
            assert!(answer.is_ok());
            return;
        }
    }
    panic!("the look-up never came to an end");
}

#[tokio::test]
async fn a_place_that_was_evicted_lets_no_past_in() {
    let scene = Scene::set(Trust { capacity: 1, ..TRUST }).await;
    let door = scene.hold();
    let mut asked = pin!(scene.ask(at(SETTLED)));
    assert!(waits(asked.as_mut()).await);
    scene.let_go();
    let word = scene.elsewhere(DISABLE).await;
    scene.live.obey(&word, at(SETTLED));
    for n in 0..50 {
        assert!(scene.with(&format!("u{n}@example.com")).await.ask(at(SETTLED)).await.is_ok());
    }
    door.add_permits(1);
    assert_eq!(asked.await.unwrap_err(), Denial::SessionRevoked);
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
}

#[tokio::test]
async fn a_token_younger_than_the_copy_is_asked_about_once() {
    let scene = Scene::set(TRUST).await;
    assert!(scene.ask(at(1000)).await.is_ok());
    let opened_elsewhere = open(&scene.store, scene.user).await;
    let claims = claims(scene.user, opened_elsewhere, 0);
    assert!(scene.live.recognise(&claims, at(1000)).await.is_ok(), "its word has not come, and yet it is known");
    assert_eq!(scene.asked(), 1);

    let ended = scene.store.end_session(scene.user, opened_elsewhere, Timestamp::default()).await.unwrap().unwrap();
    scene.live.obey(&word(Subject::User(scene.user, ended.epoch)), at(1000));
    assert_eq!(scene.live.recognise(&claims, at(1000)).await.unwrap_err(), Denial::SessionRevoked);
    assert_eq!(scene.asked(), 2, "a look-up that began after the question is the last word");
}

#[tokio::test]
async fn a_signed_out_client_that_hammers_costs_no_look_up() {
    let scene = Scene::set(TRUST).await;
    let word = scene.elsewhere(UserChange::EndSessions).await;
    scene.live.obey(&word, at(SETTLED));
    for _ in 0..100 {
        assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked);
    }
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn a_copy_without_word_from_the_feed_is_loaded_again() {
    let scene = Scene::set(TRUST).await;
    assert!(scene.ask(at(1000)).await.is_ok());
    scene.elsewhere(DISABLE).await;
    assert!(scene.ask(at(1030)).await.is_ok(), "believed for cache_ttl");
    assert_eq!(scene.ask(at(1031)).await.unwrap_err(), Denial::SessionRevoked);

    let scene = Scene::set(TRUST).await;
    assert!(scene.ask(at(1000)).await.is_ok());
    scene.live.obey(&Changes::default(), at(1100));
    assert!(scene.ask(at(1130)).await.is_ok());
    assert_eq!(scene.asked(), 1, "word that nothing has happened keeps it known");
    scene.live.obey(&Changes { more: true, ..Changes::default() }, at(1200));
    assert!(scene.ask(at(1200)).await.is_ok());
    assert_eq!(scene.asked(), 2, "a feed that was not heard to its end is no word");
}

#[tokio::test]
async fn with_the_store_away_a_copy_serves_up_to_max_stale_and_then_nothing_does() {
    let scene = Scene::set(TRUST).await;
    assert!(scene.ask(at(1000)).await.is_ok());
    scene.store.failing.store(true, Ordering::Relaxed);
    assert!(scene.ask(at(1060)).await.is_ok());
    let asked = scene.asked();
    for _ in 0..100 {
        assert!(scene.ask(at(1060)).await.is_ok());
    }
    assert_eq!(scene.asked(), asked, "a store that fails is left alone");
    assert!(scene.ask(at(1060).plus(RESPITE)).await.is_err(), "older than max_stale");
    assert_eq!(scene.ask(at(1061)).await.unwrap_err(), Denial::UNAVAILABLE);
    scene.store.failing.store(false, Ordering::Relaxed);
    assert!(scene.ask(at(1061)).await.is_ok(), "and it is back without further ado");
}

#[tokio::test]
async fn a_failing_store_is_asked_now_and_then_and_one_at_a_time() {
    let scene = Scene::set(TRUST).await;
    assert!(scene.ask(at(1000)).await.is_ok());
    scene.store.failing.store(true, Ordering::Relaxed);
    assert!(scene.ask(at(1040)).await.is_ok());
    let asked = scene.asked();
    let later = at(1040).plus(RESPITE);
    let door = scene.hold();
    let mut probe = pin!(scene.ask(later));
    assert!(waits(probe.as_mut()).await);
    for _ in 0..9 {
        assert!(scene.ask(later).await.is_ok(), "nobody waits for the one who asks");
    }
    assert_eq!(scene.asked(), asked + 1);
    scene.store.failing.store(false, Ordering::Relaxed);
    door.add_permits(1);
    assert!(probe.await.is_ok());
}

#[tokio::test]
async fn a_stranger_while_the_store_is_away_is_our_trouble_and_no_401() {
    let scene = Scene::set(TRUST).await;
    scene.store.failing.store(true, Ordering::Relaxed);
    assert_eq!(scene.ask(at(1000)).await.unwrap_err(), Denial::UNAVAILABLE);
}

#[tokio::test]
async fn an_errand_that_is_given_up_leaves_nothing_behind() {
    let scene = Scene::set(TRUST).await;
    let _door = scene.hold();
    {
        let mut asked = pin!(scene.ask(at(SETTLED)));
        assert!(waits(asked.as_mut()).await);
    }
    scene.let_go();
    scene.elsewhere(DISABLE).await;
    assert_eq!(scene.ask(at(SETTLED)).await.unwrap_err(), Denial::SessionRevoked, "it joins no look-up of the past");
}
