//! The fuzz targets' bodies on the committed corpora: what fuzzing once found interesting stays so on every run.
//!
//! To fuzz (nightly, `cargo install cargo-fuzz`), here for one minute:
//! `cargo +nightly fuzz run -s none paths fuzz/grown/paths fuzz/corpus/paths -- -max_total_time=60`

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;

/// The names of the inputs that break a property, of how many.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 24, "the corpus of {target} is gone: {inputs:?}");
    let broken: Vec<_> =
        inputs.iter().filter(|input| catch_unwind(|| check(&fs::read(input).unwrap())).is_err()).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn the_paths_found_by_fuzzing_have_one_route() {
    replay("paths", bodies::paths::check);
}

#[test]
fn the_cookies_found_by_fuzzing_are_read_once_and_taken_off() {
    replay("cookies", bodies::cookies::check);
}

#[test]
fn the_tokens_found_by_fuzzing_open_only_if_they_say_all() {
    replay("tokens", bodies::tokens::check);
}

#[test]
fn the_heads_found_by_fuzzing_are_read_in_one_way() {
    replay("heads", bodies::heads::check);
}

#[test]
fn the_configurations_found_by_fuzzing_are_read_or_refused() {
    replay("config", bodies::config::check);
}
