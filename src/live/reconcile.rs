//! The store may come back as an older one: a replica takes a dead master's place without the last that the master had
//! acknowledged, and what was revoked by that would live again. So, whenever word from the store has broken off, nothing
//! that it says is believed until its feed has been read again from where it is known to be the same. What was heard and is
//! not in it any more is lost; it may have been a revocation, so every session of that user ends.
//!
//! Why that is enough: a change and its entry in the feed are one write, and a replica holds all writes up to some point.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::entry::AFTER_ALL;
use super::{LiveUsers, Moment, heard};
use crate::gate::denial::Denial;
use crate::gate::user::{Epoch, UserId};
use crate::store::{self, ChangeEvent, FeedPosition, StoreError, Subject, User, UserChange};
use crate::telemetry::metrics::RevocationScope;

impl LiveUsers {
    /// The feed is followed from here.
    pub fn follow_from(&self, position: FeedPosition, now: Moment) {
        self.heard().begin(position, now.tick);
    }

    /// Word from the store has broken off, or it says what cannot be: it may be an older one when it speaks again.
    pub fn doubt_store(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
    }

    pub fn doubts_store(&self) -> bool {
        self.doubts.load(Ordering::Acquire) != self.settled.load(Ordering::Acquire)
    }

    /// Where this user stood at least when it was last heard of; to be asked before the store is.
    pub fn least(&self, user: UserId) -> Epoch {
        self.heard().least(user)
    }

    /// Whether what the store has said of a user can be believed.
    pub fn believe(&self, found: Option<&User>, least: Epoch) -> Result<(), Denial> {
        if found.is_some_and(|user| user.epoch < least) {
            self.doubt_store();
        }
        self.believe_store()
    }

    pub fn believe_store(&self) -> Result<(), Denial> {
        if self.doubts_store() { Err(Denial::UNAVAILABLE) } else { Ok(()) }
    }

    /// Find out what the store has lost, if it may have lost anything, and end what that may have ended.
    pub async fn reconcile(&self, now: Moment) -> store::Result<()> {
        let doubts = self.doubts.load(Ordering::Acquire);
        if doubts == self.settled.load(Ordering::Acquire) {
            return Ok(());
        }
        let mark = self.common_mark().await?;
        // Taken before the feed is read: a write of ours that is answered meanwhile may be missed by the reading.
        let asked = self.heard().after(mark);
        let told = self.told_after(mark).await?;
        let present: HashSet<_> = told.iter().collect();
        let mut lost = newest(asked.iter().filter(|event| !present.contains(event)));
        if mark.is_none() {
            // What was trimmed is not lost.
            lost = self.those_behind(lost).await?;
        }
        let ended = self.end_what_was_lost(&lost, now).await?;
        told.iter().for_each(|event| self.heed(event.subject, now));
        self.heard().settle(mark, told, &asked, now.tick);
        self.settled.store(doubts, Ordering::Release);
        if !lost.is_empty() {
            tracing::warn!(
                "the store has lost changes that it had acknowledged, of {} users; {ended} of them were signed out, so that no \
                 token lives again; what was changed last of passwords, roles and users may have to be changed again",
                lost.len()
            );
        }
        Ok(())
    }

    /// The youngest place in the feed that the store knows.
    async fn common_mark(&self) -> store::Result<Option<FeedPosition>> {
        let marks = self.heard().marks();
        for mark in marks {
            if !self.store.changes(mark, Duration::ZERO).await?.gap {
                return Ok(Some(mark));
            }
        }
        Ok(None)
    }

    async fn told_after(&self, mark: Option<FeedPosition>) -> store::Result<Vec<ChangeEvent>> {
        let (mut told, mut from) = (Vec::new(), mark);
        while let Some(position) = from {
            let changes = self.store.changes(position, Duration::ZERO).await?;
            if changes.gap {
                return Err(StoreError::Unavailable("it has become another while its feed was read".into()));
            }
            told.extend(changes.events);
            from = changes.more.then_some(changes.position);
        }
        Ok(told)
    }

    /// Where nothing is known of the feed, the records say who has gone back.
    async fn those_behind(&self, users: HashMap<UserId, Epoch>) -> store::Result<HashMap<UserId, Epoch>> {
        let mut behind = HashMap::new();
        for (id, heard) in users {
            if self.store.user(id).await?.is_some_and(|user| user.epoch < heard) {
                behind.insert(id, heard);
            }
        }
        Ok(behind)
    }

    /// Every gateway that has heard of it does this: done twice, it is done.
    async fn end_what_was_lost(&self, users: &HashMap<UserId, Epoch>, now: Moment) -> store::Result<usize> {
        let mut ended = 0;
        for (&id, &heard) in users {
            let there = if heard == AFTER_ALL { self.remove(id, now).await? } else { self.end(id, heard, now).await? };
            if there {
                self.metrics.revoked(RevocationScope::User);
                ended += 1;
            }
        }
        Ok(ended)
    }

    async fn remove(&self, id: UserId, now: Moment) -> store::Result<bool> {
        let there = self.store.remove_user(id, now.wall).await?;
        self.heed(Subject::Removed(id), now);
        Ok(there)
    }

    /// And beyond what was heard: no copy of then is taken for younger than the store's.
    async fn end(&self, id: UserId, heard: Epoch, now: Moment) -> store::Result<bool> {
        let mut there = false;
        while let Some(user) = self.store.change_user(id, UserChange::EndSessions, now.wall).await? {
            there = true;
            self.heed(Subject::User(id, user.epoch), now);
            if user.epoch > heard {
                break;
            }
        }
        Ok(there)
    }
}

/// Where each of these users stood last.
fn newest<'a>(events: impl Iterator<Item = &'a ChangeEvent>) -> HashMap<UserId, Epoch> {
    let mut newest = HashMap::new();
    for (user, epoch) in events.filter_map(|event| heard::state(*event)) {
        let least = newest.entry(user).or_insert(epoch);
        *least = epoch.max(*least);
    }
    newest
}
