//! Quotas, and the arithmetic that holds callers to them: GCRA, the generic cell rate algorithm. One number is kept for a
//! caller, the theoretical arrival time (TAT); a burst of `count` is allowed, after which places return one by one.

use std::fmt;
use std::time::Duration;

/// At most `count` in any `period`, as `"300/1m"` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    count: u32,
    period: Duration,
}

impl Quota {
    /// `None` if either is zero, or if places would return faster than one a microsecond.
    pub fn new(count: u32, period: Duration) -> Option<Self> {
        let quota = Self { count, period };
        (count > 0 && quota.spacing() > 0).then_some(quota)
    }

    pub fn count(self) -> u32 {
        self.count
    }

    pub fn period(self) -> Duration {
        self.period
    }

    /// Microseconds after which one place returns.
    pub(crate) fn spacing(self) -> u64 {
        self.micros() / u64::from(self.count)
    }

    /// The period in microseconds.
    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX)
    }
}

/// As `gateway.toml` writes it.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.period.as_millis();
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
        let (unit, length) = units.into_iter().find(|(_, length)| millis.is_multiple_of(*length)).unwrap_or(("ms", 1));
        write!(f, "{}/{}{unit}", self.count, millis / length)
    }
}

/// Where a caller stands with a quota after asking for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The place is taken; `tat` is to be kept.
    Taken { tat: u64 },
    /// No place; nothing changes. One will be free after `retry_after`.
    Full { retry_after: Duration },
}

/// Ask for one place. `tat` is what was kept for this caller (microseconds on the same clock as `now`), 0 for a stranger.
pub fn take(tat: u64, now: u64, quota: Quota) -> Standing {
    let next = believed(tat, now, quota).max(now).saturating_add(quota.spacing());
    match (next - now).checked_sub(quota.micros()) {
        None | Some(0) => Standing::Taken { tat: next },
        Some(wait) => Standing::Full { retry_after: Duration::from_micros(wait) },
    }
}

/// Hand back a place that turned out not to count. Returns the TAT to keep.
pub fn give_back(tat: u64, now: u64, quota: Quota) -> u64 {
    let tat = believed(tat, now, quota);
    tat.saturating_sub(quota.spacing()).max(now.min(tat))
}

/// By how much the clocks of gateways that share a counter may differ, in microseconds.
pub(crate) const SKEW: u64 = 60_000_000;

/// No taking puts the TAT farther ahead than a whole period. One that is was kept before the clock was set back: it says
/// nothing any more, and would lock its caller out until the clock is there again.
fn believed(tat: u64, now: u64, quota: Quota) -> u64 {
    let farthest = now.saturating_add(quota.micros()).saturating_add(SKEW);
    if tat > farthest { 0 } else { tat }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota(count: u32, secs: u64) -> Quota {
        Quota::new(count, Duration::from_secs(secs)).unwrap()
    }

    #[test]
    fn a_burst_fills_the_quota_and_places_return_one_by_one() {
        let (mut tat, now, q) = (0, 1_000_000_000, quota(3, 60));
        for place in 1..=3 {
            assert_eq!(take(tat, now, q), Standing::Taken { tat: now + place * 20_000_000 });
            tat = now + place * 20_000_000;
        }
        assert_eq!(take(tat, now, q), Standing::Full { retry_after: Duration::from_secs(20) });
        assert_eq!(take(tat, now + 20_000_000, q), Standing::Taken { tat: tat + 20_000_000 });
    }

    #[test]
    fn a_place_given_back_can_be_taken_again() {
        let (now, q) = (5_000_000, quota(1, 10));
        let Standing::Taken { tat } = take(0, now, q) else { panic!("the first place") };
        assert!(matches!(take(tat, now, q), Standing::Full { .. }));
        assert!(matches!(take(give_back(tat, now, q), now, q), Standing::Taken { .. }));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let (hour, now, q) = (3_600_000_000, 7_200_000_000, quota(1, 60));
        let Standing::Taken { tat } = take(0, now, q) else { panic!("the first place") };
        assert_eq!(take(tat, now - hour, q), Standing::Taken { tat: now - hour + 60_000_000 });
        assert_eq!(give_back(tat, now - hour, q), 0);
        let skewed = take(tat, now - 5_000_000, q);
        assert!(matches!(skewed, Standing::Full { .. }), "another gateway's clock may be a little behind");
    }

    #[test]
    fn a_quota_of_nothing_is_none() {
        assert_eq!(Quota::new(0, Duration::from_secs(1)), None);
        assert_eq!(Quota::new(5, Duration::ZERO), None);
    }

    proptest! {
        /// Whatever the arrival times, no window of one period holds more than twice the count, and a burst at one
        /// instant never holds more than the count.
        #[test]
        fn no_burst_exceeds_the_count(count in 1u32..50, secs in 1u64..100, tries in 1usize..200) {
            let (q, now, mut tat, mut taken) = (quota(count, secs), 7_000_000, 0, 0u32);
            for _ in 0..tries {
                if let Standing::Taken { tat: kept } = take(tat, now, q) { tat = kept; taken += 1; }
            }
            prop_assert_eq!(taken, count.min(u32::try_from(tries).unwrap()));
        }

        /// Whatever was kept, and wherever the clock has gone: nothing overflows, and nobody waits for longer than the
        /// period and what clocks may differ by.
        #[test]
        fn no_clock_makes_anyone_wait_for_ever(tat: u64, now: u64, count in 1u32.., millis in 1u64..400_000_000) {
            let Some(q) = Quota::new(count, Duration::from_millis(millis)) else { return Ok(()) };
            match take(tat, now, q) {
                Standing::Taken { tat } => prop_assert!(tat >= now),
                Standing::Full { retry_after } => {
                    prop_assert!(retry_after <= q.period() + Duration::from_micros(SKEW));
                }
            }
            prop_assert!(give_back(tat, now, q) <= tat);
        }
    }
}
