//! Pages name tests: each of them is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every function that a test file or a test module holds, wherever it is.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(names.map(str::to_owned));
        }
    }
}

/// What stands between back ticks and has the form of a test's name: words of the language, three at least.
fn named(text: &str) -> BTreeSet<&str> {
    let is_name = |word: &&str| {
        word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && word.matches('_').count() >= 2
    };
    text.split('`').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn every_test_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    functions(&root.join("tests"), &mut found);
    functions(&root.join("src"), &mut found);
    for (page, at_least) in [("docs/SECURITY.md", 60), ("docs/FAILOVER.md", 5)] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let named = named(&text);
        let missing: Vec<_> = named.iter().filter(|name| !found.contains(**name)).collect();
        assert!(missing.is_empty(), "{page}: {missing:#?}");
        assert!(named.len() > at_least, "{page} names tests: {}", named.len());
    }
}

#[test]
fn a_name_that_is_not_there_is_seen() {
    assert_eq!(named("| `one_that_is_not_there` | `server.methods` | `tests/lessons` |").len(), 1);
}
