//! One file for each group of tables in `gateway.toml`: which keys there are, their defaults, and the rules between them.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

pub mod auth;
pub mod browser;
pub mod expect;
pub mod headers;
pub mod log;
pub mod passwords;
pub mod routes;
pub mod server;
pub mod store;
pub mod upstreams;

/// For durations of which zero has a meaning.
const ZERO: Duration = Duration::ZERO;
/// For durations that must be some.
const SOME: Duration = Duration::from_millis(1);
/// For durations that tokens carry in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// What 0 stands for in `threads` and `max_concurrent`.
fn or_one_per_core(count: u64) -> usize {
    match usize::try_from(count) {
        Ok(0) => available_parallelism().map_or(1, NonZero::get),
        Ok(count) => count,
        Err(_) => usize::MAX,
    }
}
