//! New ids: UUIDv7 (RFC 9562 section 5.7). They sort by the moment they are given and are never used twice.

use uuid::{NoContext, Uuid};

use crate::gate::time::Timestamp;

pub fn new(now: Timestamp) -> Uuid {
    // Below a second, so it fits.
    let nanos = u32::try_from(now.millis() % 1000 * 1_000_000).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, now.secs(), nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age_and_never_repeat() {
        let [a, b, c] = [1, 2, 2].map(|secs| new(Timestamp::from_secs(secs)));
        assert!(a < b && a < c && b != c);
        assert_eq!(a.get_version_num(), 7);
    }

    #[test]
    fn no_clock_is_too_far_off() {
        assert!(new(Timestamp::default()) < new(Timestamp::from_millis(u64::MAX)));
    }
}
