//! Live users: the copy in memory of what a token needs to be judged, and why it cannot serve the past.
//!
//! Three things can bring a copy: a look-up, a write of our own, and word from the change feed that there is something
//! newer. A look-up that was under way when either of the others came may hold the past; it is *detached*, so that its
//! result is thrown away and asked for anew. Everything that touches a user's place does so under one short lock.
//! A hit takes no lock. This module waits for the store and for nothing else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::ops::compute::Op;
use tokio::sync::OnceCell;

use crate::gate::denial::Denial;
use crate::gate::time::Moment;
use crate::gate::token::Claims;
use crate::gate::user::{Epoch, Recognition, Stated, UserId, UserState};
use crate::store::{Changes, Store, StoreError, Subject, User};
use crate::telemetry::metrics::{CacheResult, Metrics};

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
    cache: moka::sync::Cache<UserId, Entry, ahash::RandomState>,
    flights: Mutex<HashMap<UserId, Arc<Flight>>>,
    /// When the feed was last heard, in milliseconds of process time.
    heard_at: AtomicU64,
    /// When the store last failed us, likewise: while it is away, copies are served without asking it on each request.
    failed_at: AtomicU64,
}

#[derive(Clone)]
enum Entry {
    State(Arc<UserState>),
    /// The user is gone. Ids are never used twice, so nothing newer can come.
    Gone(Moment),
}

#[derive(Default)]
struct Flight {
    loaded: OnceCell<Result<Entry, ()>>,
    landed: AtomicBool,
}

/// How long a failing store is left alone while there are copies to serve.
const RESPITE: Duration = Duration::from_millis(500);

impl LiveUsers {
    pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>, trust: Trust) -> Self {
        let cache =
            moka::sync::Cache::builder().max_capacity(trust.capacity).build_with_hasher(ahash::RandomState::default());
        let (heard_at, failed_at) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { store, metrics, trust, cache, flights: Mutex::default(), heard_at, failed_at }
    }

    /// The user behind these claims, if the claims still hold. [`Denial::SessionRevoked`] if not; [`Denial::Unavailable`]
    /// if nobody can tell.
    pub async fn recognise(&self, claims: &Claims, now: Moment) -> Result<Arc<UserState>, Denial> {
        if let Some(entry) = self.cache.get(&claims.user) {
            let age = self.age(&entry, now);
            let known = age <= self.trust.ttl;
            let stale = !known && age <= self.trust.max_stale && self.store_is_failing(now);
            if known || stale {
                let result = if known { CacheResult::Hit } else { CacheResult::Stale };
                match judge(&entry, claims) {
                    Verdict::Yes(state) => return Ok(self.count(result, state)),
                    Verdict::No => return self.count(result, Err(Denial::SessionRevoked)),
                    Verdict::AskAgain => {}
                }
            }
        }
        self.ask(claims, now).await
    }

    /// Take in a state that a write of ours has just made. Its answer may leave after this.
    pub fn put(&self, user: &User, now: Moment) {
        match state(user, now) {
            Some(state) => self.land(user.id, Entry::State(Arc::new(state))),
            None => self.forget(user.id, user.epoch),
        }
    }

    /// Obey the feed.
    pub fn obey(&self, changes: &Changes, now: Moment) {
        if changes.gap {
            self.flights().clear();
            self.cache.invalidate_all();
        }
        for event in &changes.events {
            match event.subject {
                Subject::User(id, epoch) => self.forget(id, epoch),
                Subject::Removed(id) => self.land(id, Entry::Gone(now)),
                Subject::Keys => {}
            }
            self.metrics.obeyed(now.wall.since(event.at));
        }
        self.heard_at.store(millis(now), Ordering::Release);
        self.metrics.user_cache_entries(self.cache.entry_count());
    }

    /// How long it is since the feed was heard.
    pub fn silence(&self, now: Moment) -> Duration {
        now.tick.saturating_sub(Duration::from_millis(self.heard_at.load(Ordering::Acquire)))
    }

    /// Ask the store. Twice at most: a look-up that we joined may have begun before the token was issued.
    async fn ask(&self, claims: &Claims, now: Moment) -> Result<Arc<UserState>, Denial> {
        self.metrics.user_cache(CacheResult::Miss);
        for _ in 0..2 {
            match self.load(claims.user, now).await {
                Ok(entry) => match judge(&entry, claims) {
                    Verdict::Yes(state) => return Ok(state),
                    Verdict::No => return Err(Denial::SessionRevoked),
                    Verdict::AskAgain => {}
                },
                Err(()) => return self.fall_back(claims, now),
            }
        }
        Err(Denial::SessionRevoked)
    }

    /// The store is unreachable: a copy that is not too old may still say yes, or no.
    fn fall_back(&self, claims: &Claims, now: Moment) -> Result<Arc<UserState>, Denial> {
        self.failed_at.store(millis(now), Ordering::Release);
        let copy = self.cache.get(&claims.user).filter(|entry| self.age(entry, now) <= self.trust.max_stale);
        match copy.map(|entry| judge(&entry, claims)) {
            Some(Verdict::Yes(state)) => self.count(CacheResult::Stale, Ok(state)),
            Some(Verdict::No) => self.count(CacheResult::Stale, Err(Denial::SessionRevoked)),
            Some(Verdict::AskAgain) | None => Err(Denial::UNAVAILABLE),
        }
    }

    /// One look-up for all who want this user now.
    async fn load(&self, id: UserId, now: Moment) -> Result<Entry, ()> {
        // Each turn is lost only to a write that came meanwhile; a user is not written to four times in one look-up.
        for _ in 0..4 {
            let flight = Arc::clone(self.flights().entry(id).or_default());
            let loaded = flight.loaded.get_or_init(|| self.fetch(id, now)).await.clone();
            let mut flights = self.flights();
            let ours = flights.get(&id).is_some_and(|current| Arc::ptr_eq(current, &flight));
            if ours {
                flights.remove(&id);
                flight.landed.store(true, Ordering::Release);
                if let Ok(entry) = &loaded {
                    self.place(id, entry.clone());
                }
            }
            if ours || flight.landed.load(Ordering::Acquire) {
                return loaded;
            }
        }
        Err(())
    }

    async fn fetch(&self, id: UserId, now: Moment) -> Result<Entry, ()> {
        match self.store.user(id).await {
            Ok(None) => Ok(Entry::Gone(now)),
            Ok(Some(user)) => state(&user, now).map(|state| Entry::State(Arc::new(state))).ok_or(()),
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(user = %id, %error, "a user cannot be read");
                Err(())
            }
            Err(_) => Err(()),
        }
    }

    /// There is something newer than whatever is older than `epoch`.
    fn forget(&self, id: UserId, epoch: Epoch) {
        let mut flights = self.flights();
        flights.remove(&id);
        self.cache.entry(id).and_compute_with(|current| match current.map(|entry| entry.into_value()) {
            Some(Entry::State(state)) if state.epoch < epoch => Op::Remove,
            _ => Op::Nop,
        });
    }

    fn land(&self, id: UserId, entry: Entry) {
        let mut flights = self.flights();
        flights.remove(&id);
        self.place(id, entry);
    }

    /// Only under the lock of `flights`.
    fn place(&self, id: UserId, entry: Entry) {
        self.cache.entry(id).and_compute_with(|current| match (current.map(|entry| entry.into_value()), &entry) {
            (Some(Entry::State(standing)), Entry::State(new)) if standing.epoch > new.epoch => Op::Nop,
            (Some(Entry::Gone(_)), Entry::State(_)) => Op::Nop,
            _ => Op::Put(entry),
        });
    }

    /// How long ago it was last certain that this copy is the present.
    fn age(&self, entry: &Entry, now: Moment) -> Duration {
        let loaded_at = match entry {
            Entry::State(state) => state.loaded_at,
            Entry::Gone(at) => *at,
        };
        self.silence(now).min(now.tick.saturating_sub(loaded_at.tick))
    }

    fn store_is_failing(&self, now: Moment) -> bool {
        let failed_at = self.failed_at.load(Ordering::Acquire);
        failed_at != u64::MAX && now.tick.saturating_sub(Duration::from_millis(failed_at)) < RESPITE
    }

    fn count<T>(&self, result: CacheResult, value: T) -> T {
        self.metrics.user_cache(result);
        value
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Verdict {
    Yes(Arc<UserState>),
    No,
    AskAgain,
}

fn judge(entry: &Entry, claims: &Claims) -> Verdict {
    match entry {
        Entry::Gone(_) => Verdict::No,
        Entry::State(state) => match state.recognise(claims) {
            Recognition::Recognised => Verdict::Yes(Arc::clone(state)),
            Recognition::Revoked => Verdict::No,
            Recognition::Unknown => Verdict::AskAgain,
        },
    }
}

fn state(user: &User, now: Moment) -> Option<UserState> {
    Some(UserState {
        stated: Stated::new(user.id, &user.email, &user.roles)?,
        id: user.id,
        epoch: user.epoch,
        token_version: user.token_version,
        enabled: user.enabled,
        email: user.email.clone(),
        roles: user.roles.clone(),
        sessions: user.sessions.clone(),
        loaded_at: now,
    })
}

fn millis(now: Moment) -> u64 {
    u64::try_from(now.tick.as_millis()).unwrap_or(u64::MAX)
}
