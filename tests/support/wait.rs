//! Waiting for a condition, with a bound that only a broken feature reaches.

use std::time::Duration;

use portcullis::clock::Stopwatch;

use super::gateway::PATIENCE;

/// Returns how long it took until it was so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) -> Duration {
    let watch = Stopwatch::start();
    while !so() {
        assert!(watch.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    watch.elapsed()
}
