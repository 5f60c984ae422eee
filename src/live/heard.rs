//! What the store has told, remembered for a while: each change of a user, where in the feed it was heard, and each write of
//! ours that has not been heard back yet. A store that comes back as an older one, as a replica does that had not been
//! sent everything when its master died, is known by that. Plain data; [`super::reconcile`] holds it against the store.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::entry::AFTER_ALL;
use crate::gate::time::Timestamp;
use crate::gate::user::{Epoch, UserId};
use crate::store::{ChangeEvent, FeedPosition, Subject};

/// Far longer than a replica that is ever made a master is behind.
const KEEP: Duration = Duration::from_secs(600);

/// The most changes remembered, of all users.
const MOST: usize = 100_000;

/// How far apart the places are from which the feed is read again.
const MARK_EVERY: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Heard {
    /// In the order of the feed, with when they were heard.
    events: VecDeque<(Duration, ChangeEvent)>,
    /// How many were before these.
    dropped: usize,
    marks: VecDeque<Mark>,
    /// Writes of ours of which the feed has not told, and when they were made.
    unheard: HashMap<(UserId, Epoch), Timestamp>,
    newest: HashMap<UserId, Epoch>,
}

/// Everything before this position was heard, and is among the first so many events.
#[derive(Clone, Copy)]
struct Mark {
    position: FeedPosition,
    made: Duration,
    events: usize,
}

impl Heard {
    pub fn hear(&mut self, event: ChangeEvent, tick: Duration) {
        let Some((user, epoch)) = state(event) else { return };
        self.unheard.remove(&(user, epoch));
        self.raise(user, epoch);
        self.events.push_back((tick, event));
        if self.events.len() > MOST {
            self.drop_first();
        }
    }

    /// A write of ours has brought a user to this epoch.
    pub fn wrote(&mut self, user: UserId, epoch: Epoch, at: Timestamp) {
        // The feed may have been faster than the answer.
        if self.least(user) < epoch && self.unheard.len() < MOST {
            self.unheard.insert((user, epoch), at);
        }
        self.raise(user, epoch);
    }

    /// From here on, everything is heard.
    pub fn begin(&mut self, position: FeedPosition, tick: Duration) {
        self.marks = [Mark { position, made: tick, events: self.dropped + self.events.len() }].into();
    }

    /// All that comes before this position has been heard.
    pub fn mark(&mut self, position: FeedPosition, tick: Duration) {
        while self.events.front().is_some_and(|(heard, _)| tick.saturating_sub(*heard) > KEEP) {
            self.drop_first();
        }
        // Of those that are too old, the last stays: what came after it may not be.
        while self.marks.get(1).is_some_and(|mark| tick.saturating_sub(mark.made) > KEEP) {
            self.marks.pop_front();
        }
        if self.marks.back().is_none_or(|last| tick.saturating_sub(last.made) >= MARK_EVERY) {
            self.marks.push_back(Mark { position, made: tick, events: self.dropped + self.events.len() });
        }
    }

    /// The store has told of this epoch, or of a later one: what is below it is the past.
    pub fn least(&self, user: UserId) -> Epoch {
        self.newest.get(&user).copied().unwrap_or_default()
    }

    /// The places from which the feed can be read again, the youngest first.
    pub fn marks(&self) -> Vec<FeedPosition> {
        self.marks.iter().rev().map(|mark| mark.position).collect()
    }

    /// What the feed must tell when it is read again from this mark; from none, everything.
    pub fn after(&self, mark: Option<FeedPosition>) -> HashSet<ChangeEvent> {
        let unheard = self.unheard.iter().map(|(&(user, epoch), &at)| {
            let subject = Subject::User(user, epoch);
            ChangeEvent { subject, at }
        });
        self.events.iter().skip(self.before(mark)).map(|(_, event)| *event).chain(unheard).collect()
    }

    /// From this mark on, the feed tells this and nothing else. What was asked for may be forgotten.
    pub fn settle(
        &mut self,
        mark: Option<FeedPosition>,
        told: Vec<ChangeEvent>,
        asked: &HashSet<ChangeEvent>,
        tick: Duration,
    ) {
        self.events.truncate(self.before(mark));
        self.unheard.retain(|&(user, epoch), &mut at| {
            let subject = Subject::User(user, epoch);
            !asked.contains(&ChangeEvent { subject, at })
        });
        let until = self.dropped + self.events.len();
        self.marks.retain(|there| mark.is_some() && there.events <= until);
        self.newest.clear();
        let kept = self.events.iter().filter_map(|(_, event)| state(*event));
        let kept: Vec<_> = kept.chain(self.unheard.keys().copied()).collect();
        kept.into_iter().for_each(|(user, epoch)| self.raise(user, epoch));
        told.into_iter().for_each(|event| self.hear(event, tick));
    }

    fn raise(&mut self, user: UserId, epoch: Epoch) {
        let newest = self.newest.entry(user).or_default();
        *newest = epoch.max(*newest);
    }

    /// How many of the events were heard before this mark.
    fn before(&self, mark: Option<FeedPosition>) -> usize {
        let mark = self.marks.iter().rev().find(|there| Some(there.position) == mark);
        mark.map_or(0, |mark| mark.events.saturating_sub(self.dropped))
    }

    fn drop_first(&mut self) {
        let Some((_, event)) = self.events.pop_front() else { return };
        self.dropped += 1;
        if let Some((user, epoch)) = state(event)
            && self.newest.get(&user) == Some(&epoch)
        {
            self.newest.remove(&user);
        }
    }
}

/// Where the user stands after it; `None` for what is not about a user.
pub(super) fn state(event: ChangeEvent) -> Option<(UserId, Epoch)> {
    match event.subject {
        Subject::User(user, epoch) => Some((user, epoch)),
        Subject::Removed(user) => Some((user, AFTER_ALL)),
        Subject::Keys => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ANN: UserId = UserId(Uuid::from_u128(1));
    const BOB: UserId = UserId(Uuid::from_u128(2));

    fn event(user: UserId, epoch: u64) -> ChangeEvent {
        ChangeEvent { subject: Subject::User(user, Epoch(epoch)), at: Timestamp::from_secs(epoch) }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn position(number: u128) -> Option<FeedPosition> {
        Some(FeedPosition(number))
    }

    #[test]
    fn what_was_heard_after_a_mark_is_asked_for_from_there() {
        let mut heard = Heard::default();
        heard.mark(FeedPosition(0), secs(0));
        heard.hear(event(ANN, 1), secs(1));
        heard.mark(FeedPosition(1), secs(1));
        heard.hear(event(BOB, 1), secs(9));
        heard.mark(FeedPosition(2), secs(9));
        heard.hear(event(ANN, 2), secs(10));
        assert_eq!(heard.marks(), [FeedPosition(2), FeedPosition(0)], "a second is no reason for another");
        assert_eq!(heard.after(position(2)), [event(ANN, 2)].into());
        assert_eq!(heard.after(position(0)), [event(ANN, 1), event(BOB, 1), event(ANN, 2)].into());
        assert_eq!(heard.after(None), heard.after(position(0)));
        assert_eq!((heard.least(ANN), heard.least(BOB)), (Epoch(2), Epoch(1)));
    }

    #[test]
    fn a_write_of_ours_is_asked_for_until_it_is_heard() {
        let mut heard = Heard::default();
        heard.wrote(ANN, Epoch(3), Timestamp::from_secs(3));
        assert_eq!((heard.after(None), heard.least(ANN)), ([event(ANN, 3)].into(), Epoch(3)));
        heard.hear(event(ANN, 3), secs(1));
        heard.mark(FeedPosition(1), secs(1));
        assert!(heard.after(position(1)).is_empty());
        heard.wrote(ANN, Epoch(3), Timestamp::from_secs(3));
        assert!(heard.after(position(1)).is_empty(), "it was heard before it was answered");
    }

    #[test]
    fn what_is_settled_is_what_the_feed_tells() {
        let mut heard = Heard::default();
        heard.hear(event(ANN, 1), secs(0));
        heard.mark(FeedPosition(1), secs(0));
        heard.hear(event(ANN, 2), secs(6));
        heard.mark(FeedPosition(2), secs(6));
        heard.wrote(BOB, Epoch(5), Timestamp::from_secs(5));
        let asked = heard.after(position(1));
        heard.wrote(BOB, Epoch(6), Timestamp::from_secs(6));
        heard.settle(position(1), vec![event(BOB, 2)], &asked, secs(7));
        assert_eq!(heard.marks(), [FeedPosition(1)]);
        assert_eq!(heard.after(position(1)), [event(BOB, 2), event(BOB, 6)].into(), "not asked for: still awaited");
        assert_eq!((heard.least(ANN), heard.least(BOB)), (Epoch(1), Epoch(6)));
        heard.settle(None, Vec::new(), &heard.after(None), secs(7));
        assert!(heard.marks().is_empty() && heard.after(None).is_empty() && heard.newest.is_empty());
    }

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let mut heard = Heard::default();
        heard.mark(FeedPosition(0), secs(0));
        for n in 0..(MOST as u64 + 10) {
            heard.hear(event(UserId(Uuid::from_u128(n.into())), 1), secs(n / 100));
        }
        assert_eq!((heard.events.len(), heard.newest.len()), (MOST, MOST));
        heard.mark(FeedPosition(1), secs(1000));
        heard.mark(FeedPosition(2), secs(1700));
        assert!(heard.events.is_empty() && heard.newest.is_empty());
        assert_eq!(heard.marks(), [FeedPosition(2), FeedPosition(1)]);
        heard.hear(ChangeEvent { subject: Subject::Keys, at: Timestamp::default() }, secs(1700));
        assert!(heard.events.is_empty(), "keys are read anew in any case");
    }
}
