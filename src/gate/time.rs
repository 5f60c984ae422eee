//! Time as an argument. The gate never reads a clock: whoever calls it says what time it is.

use std::time::Duration;

/// A point in wall-clock time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the `NumericDate` of RFC 7519 section 2.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// What "now" means to a decision: the wall clock for tokens, and a clock that never steps back for ages and rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub wall: Timestamp,
    /// Time since the process started.
    pub tick: Duration,
}

impl Moment {
    /// A moment for tests and benches, at `secs` on both clocks.
    pub const fn at_secs(secs: u64) -> Self {
        Self { wall: Timestamp::from_secs(secs), tick: Duration::from_secs(secs) }
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self { wall: self.wall.plus(span), tick: self.tick.saturating_add(span) }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_rather_than_wraps() {
        assert_eq!(Timestamp::from_secs(1).minus(Duration::from_secs(5)), Timestamp::default());
        assert_eq!(Timestamp::from_secs(1).since(Timestamp::from_secs(2)), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(1999).secs(), 1);
        let last = Timestamp::from_millis(u64::MAX);
        assert_eq!(Timestamp::from_secs(u64::MAX), last);
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(last.minus(Duration::MAX), Timestamp::default());
        assert_eq!(last.since(Timestamp::default()), Duration::from_millis(u64::MAX));
        assert_eq!(Moment { wall: last, tick: Duration::MAX }.plus(Duration::MAX).tick, Duration::MAX);
    }
}
