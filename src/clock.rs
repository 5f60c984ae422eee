//! The one place that reads a clock, but for timers. Who decides by time is given *now*.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::gate::time::{Moment, Timestamp};

/// The process's clock: copied to whoever must know what time it is.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

#[allow(clippy::disallowed_methods, reason = "this is the place")]
impl Clock {
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    pub fn now(&self) -> Moment {
        Moment { wall: wall(), tick: self.started.elapsed() }
    }
}

/// The wall clock, for commands that have no use for a process's own time.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub fn wall() -> Timestamp {
    // A clock before 1970 reads as 1970: every token is then not yet valid, which is a no.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Measures a span: for metrics and log lines, never for decisions.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

#[allow(clippy::disallowed_methods, reason = "this is the place")]
impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
