//! Facts about a store that comes back as an older one, as a gateway's memory meets it.

use std::sync::atomic::Ordering;

use super::scene::{Scene, at, claims, new_session};
use super::*;
use crate::accounts::memory_store::State;
use crate::store::UserChange;

const TRUST: Trust = Trust { capacity: 1000, ttl: Duration::from_secs(30), max_stale: Duration::from_secs(60) };

/// Follows the feed as the server does.
struct Gateway {
    scene: Scene,
    position: store::FeedPosition,
}

impl Gateway {
    async fn start() -> Self {
        let scene = Scene::set(TRUST).await;
        let position = scene.store.feed_end().await.unwrap();
        scene.live.follow_from(position, at(1100));
        Self { scene, position }
    }

    async fn hears(&mut self) -> store::Result<()> {
        let changes = self.scene.store.changes(self.position, Duration::ZERO).await?;
        if changes.gap {
            self.scene.live.doubt_store();
        }
        self.scene.live.reconcile(at(1100)).await?;
        self.scene.live.obey(&changes, at(1100));
        self.position = changes.position;
        Ok(())
    }

    async fn ends_here(&self, scene: &Scene) {
        let end = scene.store.end_session(scene.user, scene.session, at(1100).wall);
        scene.live.write(scene.user, at(1100), end).await.unwrap().unwrap();
    }

    /// As it was at `state`, with nothing heard meanwhile.
    fn goes_back(&self, state: State) {
        self.scene.live.doubt_store();
        self.scene.store.go_back(state);
    }

    async fn version(&self) -> u64 {
        self.scene.store.user(self.scene.user).await.unwrap().unwrap().token_version
    }
}

#[tokio::test]
async fn an_end_that_was_heard_and_lost_is_in_force() {
    let mut gateway = Gateway::start().await;
    let other = gateway.scene.with("bob@example.com").await;
    gateway.hears().await.unwrap();
    let before = gateway.scene.store.state();
    gateway.scene.elsewhere(UserChange::EndSessions).await;
    gateway.hears().await.unwrap();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::SessionRevoked);

    gateway.goes_back(before);
    gateway.scene.live.cache.clear();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::UNAVAILABLE, "nothing it says is believed");
    gateway.hears().await.unwrap();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::SessionRevoked);
    assert!(other.ask(at(1100)).await.is_ok(), "nobody else is signed out");
    let version = gateway.version().await;
    gateway.scene.live.doubt_store();
    gateway.hears().await.unwrap();
    assert_eq!(gateway.version().await, version, "it is made good once");
}

#[tokio::test]
async fn an_end_of_ours_is_in_force_though_the_feed_never_told_of_it() {
    let mut gateway = Gateway::start().await;
    gateway.hears().await.unwrap();
    let before = gateway.scene.store.state();
    gateway.ends_here(&gateway.scene).await;
    gateway.goes_back(before);
    gateway.hears().await.unwrap();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::SessionRevoked);
    assert!(gateway.version().await > 0, "its refresh tokens are over, too");
}

#[tokio::test]
async fn as_many_changes_since_do_not_hide_what_was_lost() {
    let mut gateway = Gateway::start().await;
    gateway.hears().await.unwrap();
    let before = gateway.scene.store.state();
    gateway.ends_here(&gateway.scene).await;
    gateway.hears().await.unwrap();
    gateway.goes_back(before);
    for n in 0..3 {
        // Later, by somebody who has not heard of it.
        let roles = UserChange::Roles(Vec::new());
        gateway.scene.store.change_user(gateway.scene.user, roles, at(1200 + n).wall).await.unwrap();
    }
    gateway.hears().await.unwrap();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::SessionRevoked);
}

#[tokio::test]
async fn a_store_that_has_lost_nothing_keeps_everyone_signed_in() {
    let mut gateway = Gateway::start().await;
    let ended = gateway.scene.with("bob@example.com").await;
    gateway.hears().await.unwrap();
    gateway.ends_here(&ended).await;
    let session = new_session(gateway.scene.user);
    let open = gateway.scene.store.open_session(session.clone(), 0, 100);
    gateway.scene.live.write(session.user, at(1000), open).await.unwrap().unwrap();
    gateway.scene.live.doubt_store();
    assert!(gateway.scene.ask(at(1100)).await.is_ok(), "the copy that is here still stands");
    gateway.hears().await.unwrap();
    assert!(gateway.scene.ask(at(1100)).await.is_ok());
    assert!(gateway.scene.live.recognise(&claims(session.user, session.id, 0), at(1100)).await.is_ok());
    assert_eq!(gateway.version().await, 0);
}

#[tokio::test]
async fn a_removal_that_was_lost_is_done_again() {
    let mut gateway = Gateway::start().await;
    gateway.hears().await.unwrap();
    let before = gateway.scene.store.state();
    gateway.scene.store.remove_user(gateway.scene.user, at(1100).wall).await.unwrap();
    gateway.hears().await.unwrap();
    gateway.goes_back(before);
    gateway.hears().await.unwrap();
    assert!(gateway.scene.store.user(gateway.scene.user).await.unwrap().is_none());
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::SessionRevoked);
}

#[tokio::test]
async fn a_store_that_cannot_be_reconciled_is_not_believed() {
    let mut gateway = Gateway::start().await;
    gateway.hears().await.unwrap();
    let before = gateway.scene.store.state();
    gateway.ends_here(&gateway.scene).await;
    gateway.goes_back(before);
    gateway.scene.store.failing.store(true, Ordering::Relaxed);
    assert!(gateway.hears().await.is_err());
    gateway.scene.store.failing.store(false, Ordering::Relaxed);
    gateway.scene.live.cache.clear();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::UNAVAILABLE);
    gateway.hears().await.unwrap();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::SessionRevoked);
}

/// The break in the feed went unnoticed: what it says gives it away.
#[tokio::test]
async fn a_record_that_is_older_than_what_was_heard_is_never_believed() {
    let mut gateway = Gateway::start().await;
    gateway.hears().await.unwrap();
    let before = gateway.scene.store.state();
    gateway.ends_here(&gateway.scene).await;
    gateway.scene.store.go_back(before);
    gateway.scene.live.cache.clear();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::UNAVAILABLE);
    gateway.hears().await.unwrap();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::SessionRevoked);
}

#[tokio::test]
async fn an_emptied_store_revives_nobody_and_wants_nothing_made_good() {
    let mut gateway = Gateway::start().await;
    gateway.hears().await.unwrap();
    gateway.ends_here(&gateway.scene).await;
    gateway.hears().await.unwrap();
    gateway.goes_back(State::default());
    gateway.hears().await.unwrap();
    assert_eq!(gateway.scene.ask(at(1100)).await.unwrap_err(), Denial::SessionRevoked);
    assert!(!gateway.scene.live.doubts_store());
}

#[tokio::test]
async fn a_feed_that_was_trimmed_signs_nobody_out() {
    let mut gateway = Gateway::start().await;
    gateway.hears().await.unwrap();
    let other = gateway.scene.with("bob@example.com").await;
    gateway.ends_here(&other).await;
    gateway.hears().await.unwrap();
    gateway.scene.store.feed.lock().unwrap().clear();
    gateway.hears().await.unwrap();
    assert!(!gateway.scene.live.doubts_store());
    assert!(gateway.scene.ask(at(1100)).await.is_ok());
    assert_eq!(gateway.version().await, 0);
}
