//! What is under way about each user: questions to the store, and writes of ours, that have not come back yet.
//!
//! What comes back may be the past, but only if word of something newer came after it had begun. So a word need be kept
//! only until all that had begun before it has come back: nothing of that can be evicted, and a user about whom nothing
//! is under way costs nothing. Plain data; [`super::LiveUsers`] keeps it under its one lock.

use std::collections::HashMap;
use std::sync::Arc;

use crate::gate::user::{Epoch, UserId};

/// `L` is a look-up, which all who want the same user share.
pub struct UnderWay<L> {
    places: HashMap<UserId, Place<L>>,
    last: u64,
}

struct Place<L> {
    number: u64,
    /// How many errands hold it. With the last of them it goes.
    errands: usize,
    /// The newest epoch heard of since the first errand began.
    floor: Epoch,
    look_up: Option<Arc<L>>,
}

/// One question or one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errand {
    pub user: UserId,
    place: u64,
}

impl<L> Default for UnderWay<L> {
    fn default() -> Self {
        Self { places: HashMap::new(), last: 0 }
    }
}

impl<L: Default> UnderWay<L> {
    pub fn begin(&mut self, user: UserId) -> Errand {
        let last = &mut self.last;
        let place = self.places.entry(user).or_insert_with(|| {
            *last += 1;
            Place { number: *last, errands: 0, floor: Epoch::default(), look_up: None }
        });
        place.errands += 1;
        Errand { user, place: place.number }
    }

    pub fn end(&mut self, errand: Errand) {
        if let Some(place) = self.of(errand) {
            place.errands -= 1;
            if place.errands == 0 {
                self.places.remove(&errand.user);
            }
        }
    }

    /// The look-up that is under way, or a new one. An errand that was overtaken has one to itself.
    pub fn look_up(&mut self, errand: Errand) -> Arc<L> {
        self.of(errand).map(|place| Arc::clone(place.look_up.get_or_insert_default())).unwrap_or_default()
    }

    /// It has come back: who asks from now on begins another.
    pub fn looked_up(&mut self, errand: Errand, look_up: &Arc<L>) {
        if let Some(place) = self.of(errand) {
            place.look_up.take_if(|current| Arc::ptr_eq(current, look_up));
        }
    }

    /// Word that a user stands at this epoch, or beyond. Who asks from now on need not wait for a look-up that began
    /// before it.
    pub fn raise(&mut self, user: UserId, epoch: Epoch) {
        if let Some(place) = self.places.get_mut(&user).filter(|place| place.floor < epoch) {
            place.floor = epoch;
            place.look_up = None;
        }
    }

    /// Word that nothing under way about this user can be relied on.
    pub fn overtake(&mut self, user: UserId) {
        self.places.remove(&user);
    }

    /// The same, of all users.
    pub fn overtake_all(&mut self) {
        self.places.clear();
    }

    /// Whether what the errand brought back, of this epoch, is not the past.
    pub fn holds(&mut self, errand: Errand, epoch: Epoch) -> bool {
        self.of(errand).is_some_and(|place| epoch >= place.floor)
    }

    fn of(&mut self, errand: Errand) -> Option<&mut Place<L>> {
        self.places.get_mut(&errand.user).filter(|place| place.number == errand.place)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ANN: UserId = UserId(Uuid::from_u128(1));

    #[test]
    fn a_word_counts_for_what_had_begun_before_it_and_is_forgotten_with_that() {
        let mut under_way = UnderWay::<()>::default();
        under_way.raise(ANN, Epoch(9));
        let (first, second) = (under_way.begin(ANN), under_way.begin(ANN));
        assert!(under_way.holds(first, Epoch(0)), "the word came before it");
        under_way.raise(ANN, Epoch(5));
        under_way.raise(ANN, Epoch(3));
        assert!(!under_way.holds(first, Epoch(4)) && under_way.holds(second, Epoch(5)));
        under_way.end(first);
        assert!(!under_way.holds(second, Epoch(4)), "one of the two is still under way");
        under_way.end(second);
        assert!(under_way.places.is_empty());
        let third = under_way.begin(ANN);
        assert!(under_way.holds(third, Epoch(0)));
    }

    #[test]
    fn what_was_overtaken_never_holds_again() {
        let mut under_way = UnderWay::<()>::default();
        let overtaken = under_way.begin(ANN);
        under_way.overtake(ANN);
        let after = under_way.begin(ANN);
        assert!(!under_way.holds(overtaken, Epoch(u64::MAX)) && under_way.holds(after, Epoch(0)));
        under_way.end(overtaken);
        assert!(under_way.holds(after, Epoch(0)), "its end is nobody else's");
        under_way.overtake_all();
        assert!(!under_way.holds(after, Epoch(u64::MAX)));
    }

    #[test]
    fn a_look_up_is_shared_until_it_has_come_back() {
        let mut under_way = UnderWay::<u8>::default();
        let (first, second) = (under_way.begin(ANN), under_way.begin(ANN));
        let shared = under_way.look_up(first);
        assert!(Arc::ptr_eq(&shared, &under_way.look_up(second)));
        under_way.looked_up(first, &shared);
        let next = under_way.look_up(second);
        assert!(!Arc::ptr_eq(&shared, &next));
        under_way.looked_up(first, &shared);
        assert!(Arc::ptr_eq(&next, &under_way.look_up(second)), "an old one takes no newer one away");
        under_way.raise(ANN, Epoch(1));
        assert!(!Arc::ptr_eq(&next, &under_way.look_up(second)), "a word makes a new one");
    }
}
