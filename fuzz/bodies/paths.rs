//! Paths: a path, and on a second line the things that an upstream does to it, a letter each. Whatever passes has the same
//! route under every upstream's reading; and the work is bounded.

use http::Method;
use portcullis::gate::methods::Methods;
use portcullis::gate::path::is_plain;
use portcullis::gate::path::readings::Readings;
use portcullis::proxy::framing;

use super::rules::{BUILT, agrees, passing};
use super::upstreams::{OPS, Op, UPSTREAMS};

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (path, letters) = text.split_once('\n').unwrap_or((text, ""));
    let op = |letter: u8| OPS[usize::from(letter.wrapping_sub(b'a')) % OPS.len()];
    let ops: Vec<Op> = letters.bytes().take(12).map(op).collect();
    let passing = passing(path);
    for ops in UPSTREAMS.iter().map(|(_, ops)| *ops).chain([&*ops]) {
        agrees(&passing, path, ops).unwrap();
    }
    explains_within_bounds(path);
    if is_plain(path) {
        let mut readings = Readings::of(path).unwrap();
        assert_eq!(readings.advance().unwrap().map(|only| &*only.text), Some(path));
        assert!(readings.advance().unwrap().is_none(), "{path:?} is plain, but has a second reading");
    }
    whole_target(text);
}

/// Whoever explains a path goes through all of its readings: no path makes that dear.
fn explains_within_bounds(path: &str) {
    let (_, table) = &BUILT[0];
    let explained = table.explain(None, &Method::GET, path).readings;
    let bytes: usize = explained.iter().map(|reading| reading.path.len()).sum();
    assert!(explained.len() <= 2 * 257 && bytes <= 2 * (128 * 1024 + path.len()), "{} {bytes}", explained.len());
}

/// A target of a form that we forward has one path, which is where it begins. Pingora cuts a fragment off before we see it.
fn whole_target(target: &str) {
    let Ok(path) = framing::path_of(&Method::GET, target, None, &Methods::default()) else { return };
    assert!(path.starts_with('/') && target.split(['?', '#']).next() == Some(&*path), "{target:?} {path:?}");
    assert!(!path.contains(|c: char| c == ' ' || c.is_ascii_control()), "{target:?} {path:?}");
}
