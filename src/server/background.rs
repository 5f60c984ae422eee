//! What goes on beside the requests: obeying the change feed, and sweeping out what is past its limits.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::gate::rotation::Lifetimes;
use crate::live::LiveUsers;
use crate::proxy::Configuration;
use crate::signing::Signing;
use crate::store::{FeedPosition, Store, Subject};
use crate::telemetry::metrics::Metrics;

/// How often dead sessions and counters are swept.
const SWEEP: Duration = Duration::from_secs(60);

/// Obeys the change feed, for as long as the process lives.
pub(super) struct Follower {
    pub(super) store: Arc<dyn Store>,
    pub(super) live: Arc<LiveUsers>,
    pub(super) signing: Arc<Signing>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) current: Arc<ArcSwap<Configuration>>,
    pub(super) clock: Clock,
}

impl Follower {
    pub(super) async fn follow(self, mut position: FeedPosition) {
        let mut keys_changed = false;
        loop {
            match self.store.changes(position, Duration::from_secs(1)).await {
                Ok(changes) => {
                    self.metrics.store_up(true);
                    self.live.obey(&changes, self.clock.now());
                    position = changes.position;
                    keys_changed |= changes.gap || changes.events.iter().any(|event| event.subject == Subject::Keys);
                    keys_changed = keys_changed && !self.reload_keys().await;
                }
                Err(error) => {
                    self.metrics.store_up(false);
                    tracing::error!(%error, "the change feed cannot be read");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Whether the keys are the present ones. If not, the next word from the feed tries again.
    async fn reload_keys(&self) -> bool {
        match self.signing.reload(self.clock.now().wall).await {
            Ok(()) => self.current.load().gateway.api.tokens.forget_verified(),
            Err(error) => {
                tracing::error!(%error, "the signing keys could not be read again");
                return false;
            }
        }
        true
    }
}

pub(super) async fn sweep(store: Arc<dyn Store>, current: Arc<ArcSwap<Configuration>>, clock: Clock) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let now = clock.now().wall;
        let Lifetimes { idle, absolute, .. } = *current.load().gateway.api.tokens.lifetimes();
        if let Err(error) = store.sweep(now.minus(idle), now.minus(absolute), now).await {
            tracing::warn!(%error, "the sweep failed; the next one will do");
        }
    }
}
