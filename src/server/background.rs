//! What goes on beside the requests: obeying the change feed, and sweeping out what is past its limits.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::gate::rotation::Lifetimes;
use crate::gate::time::Moment;
use crate::live::LiveUsers;
use crate::proxy::Configuration;
use crate::signing::Signing;
use crate::store::{self, Changes, FeedPosition, Store, Subject};
use crate::telemetry::metrics::Metrics;

/// How often dead sessions and counters are swept.
const SWEEP: Duration = Duration::from_secs(60);

/// How long to wait before the feed is read again after it could not be.
const RESPITE: Duration = Duration::from_millis(100);

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
        self.live.follow_from(position, self.clock.now());
        let (mut keys_changed, mut said) = (false, String::new());
        loop {
            let changes = self.store.changes(position, Duration::from_secs(1)).await;
            let now = self.clock.now();
            let obeyed = match changes {
                Ok(changes) => self.obey(&changes, now).await.map(|()| changes),
                Err(error) => Err(error),
            };
            match obeyed {
                Ok(changes) => {
                    self.metrics.store_up(true);
                    said.clear();
                    position = changes.position;
                    keys_changed |= changes.gap || changes.events.iter().any(|event| event.subject == Subject::Keys);
                    keys_changed = keys_changed && !self.reload_keys().await;
                }
                Err(error) => {
                    self.live.doubt_store();
                    self.metrics.store_up(false);
                    if said != error.to_string() {
                        said = error.to_string();
                        tracing::error!(%error, "the change feed cannot be read");
                    }
                    tokio::time::sleep(RESPITE).await;
                }
            }
        }
    }

    /// A feed that has broken off, or does not reach back, may be that of a store that has lost something: first that is made
    /// good, while the copies that are here still stand.
    async fn obey(&self, changes: &Changes, now: Moment) -> store::Result<()> {
        if changes.gap {
            self.live.doubt_store();
        }
        self.live.reconcile(now).await?;
        self.live.obey(changes, now);
        Ok(())
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
