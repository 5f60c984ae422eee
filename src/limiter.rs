//! Local quotas, in memory and bounded: per address, and per user or address on a route. Quotas of failed logins are shared
//! by all gateways and live in the store (`accounts`).

use std::convert::Infallible;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::{self, Cache, Newcomers};
use crate::gate::denial::{Exceeded, Limit};
use crate::gate::limit::{self, Quota, Standing};
use crate::gate::time::Moment;
use crate::gate::user::UserId;

/// Callers that are remembered at once. Those heard of least are forgotten first; a forgotten caller starts afresh.
const CAPACITY: u64 = 1_000_000;

pub struct Limiter {
    addresses: Counters<IpAddr>,
    routes: Counters<RouteKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteKey {
    /// [`crate::gate::route::Route::identity`].
    pub route: u64,
    pub caller: RouteCaller,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteCaller {
    User(UserId),
    Address(IpAddr),
}

impl Default for Limiter {
    fn default() -> Self {
        Self { addresses: Counters::new(), routes: Counters::new() }
    }
}

impl Limiter {
    pub fn take_per_ip(&self, ip: IpAddr, quota: Quota, now: Moment) -> Result<(), Exceeded> {
        self.addresses.take(ip, quota, now, Limit::PerIp)
    }

    pub fn take_on_route(&self, key: RouteKey, quota: Quota, now: Moment) -> Result<(), Exceeded> {
        self.routes.take(key, quota, now, Limit::Route)
    }
}

/// One TAT a caller.
struct Counters<K> {
    tats: Cache<K, Arc<AtomicU64>>,
}

impl<K: Hash + Eq + Copy> Counters<K> {
    fn new() -> Self {
        // A flood of new addresses is to be counted, too.
        Self { tats: cache::bounded(CAPACITY, Newcomers::HALF) }
    }

    fn take(&self, key: K, quota: Quota, now: Moment, limit: Limit) -> Result<(), Exceeded> {
        let Ok(tat) = self.tats.get_or_insert_with(&key, || Ok::<_, Infallible>(Arc::default()));
        let now = u64::try_from(now.tick.as_micros()).unwrap_or(u64::MAX);
        let mut seen = tat.load(Ordering::Relaxed);
        loop {
            match limit::take(seen, now, quota) {
                Standing::Full { retry_after } => return Err(Exceeded { limit, quota, retry_after }),
                Standing::Taken { tat: next } => {
                    match tat.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                        Ok(_) => return Ok(()),
                        Err(newer) => seen = newer,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn callers_are_counted_apart() {
        let (limiter, quota) = (Limiter::default(), Quota::new(1, Duration::from_secs(60)).unwrap());
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let now = Moment::at_secs(10);
        assert!(limiter.take_per_ip(one, quota, now).is_ok());
        assert_eq!(limiter.take_per_ip(one, quota, now).unwrap_err().retry_after, Duration::from_secs(60));
        assert!(limiter.take_per_ip(two, quota, now).is_ok());
        assert!(limiter.take_per_ip(one, quota, now.plus(Duration::from_secs(60))).is_ok());
    }
}
