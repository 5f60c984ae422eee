//! What the fuzz targets hold the gateway to: each body takes any bytes, and panics if a property is broken. Shared with
//! `tests/fuzz_corpus.rs`, which replays the corpora on stable.

#![allow(clippy::unwrap_used, reason = "a body that cannot go on has found something")]
#![allow(dead_code, reason = "each fuzz target uses a part of this")]

pub mod config;
pub mod cookies;
pub mod heads;
pub mod paths;
pub mod tokens;

#[path = "../../tests/support/rules.rs"]
mod rules;
#[path = "../../tests/support/upstreams.rs"]
mod upstreams;
