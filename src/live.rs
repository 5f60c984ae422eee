//! Live users: the copy in memory of what a token needs to be judged, and why it cannot serve the past.
//!
//! Look-ups and writes of our own bring copies; word from the change feed takes them away. What a look-up or a write brings
//! back is put here only if no word of anything newer came while it was under way ([`under_way`]). Everything that
//! touches a user's place does so under one short lock; a hit does not wait for it. This module waits for the store and for
//! nothing else. A store that may have become an older one is not believed ([`reconcile`]).

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use self::entry::{AFTER_ALL, Entry, Verdict, judge};
use self::heard::Heard;
use self::under_way::{Errand, UnderWay};
use crate::cache::{self, Cache, Newcomers};
use crate::gate::denial::Denial;
use crate::gate::time::Moment;
use crate::gate::token::Claims;
use crate::gate::user::{Epoch, UserId, UserState};
use crate::store::{self, Changes, Store, StoreError, Subject, User};
use crate::telemetry::metrics::{CacheResult, Metrics};

mod entry;
mod heard;
#[cfg(test)]
mod races;
mod reconcile;
#[cfg(test)]
mod reconcile_tests;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;
mod under_way;

/// How long copies may be believed. From `[store]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    pub capacity: u64,
    /// Without word from the store, a copy is unknown after this and is loaded again.
    pub ttl: Duration,
    /// With the store unreachable, a copy still serves up to this age.
    pub max_stale: Duration,
}

pub struct LiveUsers {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    trust: Trust,
    cache: Cache<UserId, Entry>,
    under_way: Mutex<UnderWay<LookUp>>,
    heard: Mutex<Heard>,
    /// How often there was reason to think that the store may be an older one, and how much of that is dealt with.
    doubts: AtomicU64,
    settled: AtomicU64,
    /// When the feed was last heard to its end, in milliseconds of process time.
    heard_at: AtomicU64,
    /// The last look-up failed: copies that may still serve are served without asking, but for one request in a while.
    failing: AtomicBool,
    /// When it was last asked in spite of that, likewise.
    probed_at: AtomicU64,
}

type LookUp = OnceCell<Result<Entry, ()>>;

/// How long a failing store is left alone while there are copies to serve.
const RESPITE: Duration = Duration::from_millis(500);

impl LiveUsers {
    pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>, trust: Trust) -> Self {
        let cache = cache::bounded(trust.capacity, Newcomers::FEW);
        Self {
            store,
            metrics,
            trust,
            cache,
            under_way: Mutex::default(),
            heard: Mutex::default(),
            doubts: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            heard_at: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            probed_at: AtomicU64::new(0),
        }
    }

    /// The user behind these claims, if the claims still hold. [`Denial::SessionRevoked`] if not; [`Denial::Unavailable`]
    /// if nobody can tell.
    pub async fn recognise(&self, claims: &Claims, now: Moment) -> Result<Arc<UserState>, Denial> {
        if let Some(entry) = self.cache.get(&claims.user) {
            let age = self.age(&entry, now);
            let known = age <= self.trust.ttl;
            let stale = !known && age <= self.trust.max_stale && self.leave_store_alone(now);
            if known || stale {
                let result = if known { CacheResult::Hit } else { CacheResult::Stale };
                match judge(&entry, claims) {
                    Verdict::Yes(state) => return Ok(self.count(result, state)),
                    Verdict::No => return self.count(result, Err(Denial::SessionRevoked)),
                    Verdict::AskAgain => {}
                }
            }
        }
        Box::pin(self.ask(claims, now)).await
    }

    /// A write of ours to this user. What it brought about is in force here before this returns. A caller who goes away
    /// meanwhile has been promised nothing, and the feed brings word of it.
    pub async fn write(
        &self,
        id: UserId,
        now: Moment,
        write: impl Future<Output = store::Result<Option<User>>>,
    ) -> store::Result<Option<User>> {
        let errand = self.begin(id);
        let written = write.await?;
        match &written {
            Some(user) => self.take_in(*errand, user, now)?,
            // There was nothing left to write to: whoever was first may not have been heard of here yet.
            None => self.doubt(id),
        }
        Ok(written)
    }

    /// Obey the feed.
    pub fn obey(&self, changes: &Changes, now: Moment) {
        if changes.gap {
            let mut under_way = self.under_way();
            under_way.overtake_all();
            self.cache.clear();
        }
        for event in &changes.events {
            self.heed(event.subject, now);
            self.heard().hear(*event, now.tick);
            self.metrics.obeyed(now.wall.since(event.at));
        }
        self.heard().mark(changes.position, now.tick);
        if !changes.more {
            self.heard_at.store(millis(now), Ordering::Release);
            self.failing.store(false, Ordering::Release);
        }
        self.metrics.user_cache_entries(self.cache.len() as u64);
    }

    fn heed(&self, subject: Subject, now: Moment) {
        let mut under_way = self.under_way();
        match subject {
            Subject::User(id, epoch) => self.forget(&mut under_way, id, epoch),
            Subject::Removed(id) => {
                under_way.raise(id, AFTER_ALL);
                self.place(id, Entry::Gone(now));
            }
            Subject::Keys => {}
        }
    }

    /// How long it is since the feed was heard to its end.
    pub fn silence(&self, now: Moment) -> Duration {
        now.tick.saturating_sub(Duration::from_millis(self.heard_at.load(Ordering::Acquire)))
    }

    /// Ask the store. Only a look-up that began after the question did is the last word: one that we joined may have
    /// begun before the token was issued. The second is always such a one.
    async fn ask(&self, claims: &Claims, now: Moment) -> Result<Arc<UserState>, Denial> {
        self.metrics.user_cache(CacheResult::Miss);
        for second in [false, true] {
            let Ok((entry, began)) = self.load(claims.user, now).await else { return self.fall_back(claims, now) };
            match judge(&entry, claims) {
                Verdict::Yes(state) => return Ok(state),
                Verdict::AskAgain if !began && !second => {}
                Verdict::AskAgain | Verdict::No => break,
            }
        }
        Err(Denial::SessionRevoked)
    }

    /// The store is unreachable: a copy that is not too old may still say yes, or no.
    fn fall_back(&self, claims: &Claims, now: Moment) -> Result<Arc<UserState>, Denial> {
        let copy = self.cache.get(&claims.user).filter(|entry| self.age(entry, now) <= self.trust.max_stale);
        match copy.map(|entry| judge(&entry, claims)) {
            Some(Verdict::Yes(state)) => self.count(CacheResult::Stale, Ok(state)),
            Some(Verdict::No) => self.count(CacheResult::Stale, Err(Denial::SessionRevoked)),
            Some(Verdict::AskAgain) | None => Err(Denial::UNAVAILABLE),
        }
    }

    /// One look-up for all who want this user now, and whether we began it.
    async fn load(&self, id: UserId, now: Moment) -> Result<(Entry, bool), ()> {
        // Each turn is lost only to a write elsewhere that was heard of meanwhile, and those come together in batches.
        for _ in 0..4 {
            if self.doubts_store() {
                return Err(());
            }
            let errand = self.begin(id);
            let look_up = self.under_way().look_up(*errand);
            let mut began = false;
            let fetch = || {
                began = true;
                self.fetch(id, now)
            };
            let loaded = look_up.get_or_init(fetch).await.clone();
            if let Some(entry) = self.land(*errand, &look_up, loaded)? {
                return Ok((entry, began));
            }
        }
        Err(())
    }

    /// A look-up has come back: the present, from it or from what stands here, or nothing if it brought the past.
    fn land(&self, errand: Errand, look_up: &Arc<LookUp>, loaded: Result<Entry, ()>) -> Result<Option<Entry>, ()> {
        let mut under_way = self.under_way();
        under_way.looked_up(errand, look_up);
        let entry = loaded?;
        if under_way.holds(errand, entry.epoch()) {
            // Older than what was heard before it began.
            if entry.epoch() < self.least(errand.user) {
                self.doubt_store();
            }
            if self.doubts_store() {
                return Err(());
            }
            self.place(errand.user, entry.clone());
            return Ok(Some(entry));
        }
        // Nothing that stands here is older than any word heard.
        Ok(self.cache.get(&errand.user))
    }

    async fn fetch(&self, id: UserId, now: Moment) -> Result<Entry, ()> {
        let found = self.store.user(id).await;
        let failing = matches!(found, Err(StoreError::Unavailable(_) | StoreError::Refused(_)));
        if failing {
            self.probed_at.store(millis(now), Ordering::Release);
        }
        self.failing.store(failing, Ordering::Release);
        match found {
            Ok(None) => Ok(Entry::Gone(now)),
            Ok(Some(user)) => Entry::of(&user, now).ok_or(()),
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(user = %id, %error, "a user cannot be read");
                Err(())
            }
            Err(_) => Err(()),
        }
    }

    /// What a write of ours has made of a user.
    fn take_in(&self, errand: Errand, user: &User, now: Moment) -> store::Result<()> {
        let mut under_way = self.under_way();
        self.forget(&mut under_way, user.id, user.epoch);
        let holds = under_way.holds(errand, user.epoch);
        if holds && user.epoch < self.least(user.id) {
            self.doubt_store();
            return Err(StoreError::Unavailable("it has lost what it had acknowledged".into()));
        }
        self.heard().wrote(user.id, user.epoch, now.wall);
        if let Some(entry) = Entry::of(user, now).filter(|_| holds && !self.doubts_store()) {
            self.place(user.id, entry);
        }
        Ok(())
    }

    /// There is something newer than whatever is older than `epoch`.
    fn forget(&self, under_way: &mut UnderWay<LookUp>, id: UserId, epoch: Epoch) {
        under_way.raise(id, epoch);
        if self.cache.peek(&id).is_some_and(|standing| standing.epoch() < epoch) {
            self.cache.remove(&id);
        }
    }

    /// Whatever stands here or is under way may be the past.
    fn doubt(&self, id: UserId) {
        let mut under_way = self.under_way();
        under_way.overtake(id);
        self.cache.remove(&id);
    }

    /// Only under the lock, and only what holds.
    fn place(&self, id: UserId, entry: Entry) {
        if self.cache.peek(&id).is_none_or(|standing| standing.epoch() <= entry.epoch()) {
            self.cache.insert(id, entry);
        }
    }

    /// How long ago it was last certain that this copy is the present.
    fn age(&self, entry: &Entry, now: Moment) -> Duration {
        self.silence(now).min(now.tick.saturating_sub(entry.loaded_at().tick))
    }

    /// Whether the store is failing, and it is not this request's turn to see if it still is.
    fn leave_store_alone(&self, now: Moment) -> bool {
        if self.doubts_store() {
            return true;
        }
        if !self.failing.load(Ordering::Acquire) {
            return false;
        }
        let (probed_at, now) = (self.probed_at.load(Ordering::Acquire), millis(now));
        let rested = Duration::from_millis(now.saturating_sub(probed_at)) >= RESPITE;
        !rested || self.probed_at.compare_exchange(probed_at, now, Ordering::AcqRel, Ordering::Relaxed).is_err()
    }

    fn count<T>(&self, result: CacheResult, value: T) -> T {
        self.metrics.user_cache(result);
        value
    }

    fn begin(&self, id: UserId) -> Held<'_> {
        Held { live: self, errand: self.under_way().begin(id) }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay<LookUp>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An errand that ends when it is dropped, also with a request that is given up.
struct Held<'a> {
    live: &'a LiveUsers,
    errand: Errand,
}

impl Deref for Held<'_> {
    type Target = Errand;

    fn deref(&self) -> &Errand {
        &self.errand
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.live.under_way().end(self.errand);
    }
}

fn millis(now: Moment) -> u64 {
    u64::try_from(now.tick.as_millis()).unwrap_or(u64::MAX)
}
