//! A bounded map that forgets: what was used least makes room for what is new, which gets a place. A hit keeps no list in
//! order, so that it waits for memory as seldom as can be; it holds a lock of a part of the map for as long as that takes.

use std::hash::Hash;

use quick_cache::sync::{Cache as Bounded, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

/// The hash is keyed: nobody outside can choose keys that fall together.
pub type Cache<K, V> = Bounded<K, V, UnitWeighter, ahash::RandomState>;

/// When all places are taken, the part of them that is meant for what was not asked for again yet.
pub struct Newcomers(f64);

impl Newcomers {
    pub const FEW: Self = Self(0.03);
    pub const HALF: Self = Self(0.5);
}

/// For so many entries.
pub fn bounded<K: Hash + Eq, V: Clone>(entries: u64, newcomers: Newcomers) -> Cache<K, V> {
    let options = OptionsBuilder::new()
        .weight_capacity(entries)
        .estimated_items_capacity(usize::try_from(entries).unwrap_or(usize::MAX))
        .hot_allocation(1.0 - newcomers.0)
        .build()
        .expect("both capacities are given");
    Cache::with_options(options, UnitWeighter, ahash::RandomState::default(), DefaultLifecycle::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Full of what is asked for often.
    fn full(newcomers: Newcomers) -> Cache<u64, ()> {
        let cache = bounded(10_000, newcomers);
        for key in (0..20_000).chain(0..10_000) {
            cache.get(&key).unwrap_or_else(|| cache.insert(key, ()));
        }
        cache
    }

    #[test]
    fn what_is_new_always_gets_a_place_and_nothing_grows() {
        for newcomers in [Newcomers::FEW, Newcomers::HALF] {
            let cache = full(newcomers);
            for key in 100_000..150_000 {
                cache.insert(key, ());
                assert!(cache.get(&key).is_some(), "{key}");
            }
            assert!(cache.len() <= 10_000, "{}", cache.len());
        }
    }

    #[test]
    fn of_a_flood_as_many_are_remembered_as_have_places() {
        for (newcomers, places) in [(Newcomers::FEW, 200), (Newcomers::HALF, 4_000)] {
            let (cache, flood) = (full(newcomers), 100_000..100_000 + places);
            flood.clone().for_each(|key| cache.insert(key, ()));
            let remembered = flood.filter(|key| cache.get(key).is_some()).count() as u64;
            assert!(remembered > places * 9 / 10, "{remembered} of {places}");
        }
    }
}
