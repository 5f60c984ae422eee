//! Waiting for a condition, with a bound that only a broken feature reaches.

use std::time::Duration;

use portcullis::clock::Stopwatch;

use super::gateway::PATIENCE;

/// Returns how long it took until it was so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) -> Duration {
    let watch = Stopwatch::start();
    while !so() {
        assert!(watch.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        // Often at first, for what is measured; then less, for what counts its visitors.
        std::thread::sleep((watch.elapsed() / 20).clamp(Duration::from_millis(1), Duration::from_millis(20)));
    }
    watch.elapsed()
}
