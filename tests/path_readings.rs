//! What upstreams make of a path never leads it under another route.
//!
//! Four thousand paths a property. A longer run: `PROPTEST_CASES=1000000 cargo test --test path_readings` (some 40 minutes).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use http::Method;
use portcullis::gate::route_table::Miss;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use support::nasty::nasty_path;
use support::rules::{BUILT, TABLES, agrees, passed, passing};
use support::upstreams::{OPS, UPSTREAMS, rewritten};

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4000);
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_known_upstream_reads_a_path_into_another_route(path in nasty_path()) {
        let passing = passing(&path);
        for (_, ops) in UPSTREAMS {
            agrees(&passing, &path, ops).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn no_rewriting_in_any_order_reads_a_path_into_another_route(
        path in nasty_path(),
        ops in prop::collection::vec(prop::sample::select(OPS.to_vec()), 0..8),
    ) {
        agrees(&passing(&path), &path, &ops).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn what_is_explained_is_what_is_decided(path in nasty_path(), table in 0..TABLES.len()) {
        let (_, table) = &BUILT[table];
        let explained = table.explain(None, &Method::GET, &path);
        let mut names = explained.readings.iter().map(|reading| reading.route.map(|route| &*route.name));
        let first = names.next().flatten();
        let agreed = explained.unreadable.is_none() && names.all(|name| name == first);
        let found = table.find(None, &Method::GET, &path);
        prop_assert_eq!(agreed, !matches!(found, Err(Miss::Ambiguous)), "{:?}", explained);
        if let Ok((_, route)) = found {
            prop_assert_eq!(Some(&*route.name), first);
        }
    }
}

/// Found by longer runs.
#[test]
fn paths_that_were_once_read_into_another_route_are_not_any_more() {
    for path in ["/admin/a/.. /...", "/a/.. /public/ .. ", "/a/..%20/public/%20..%20", "/a/%2E%2e/a/b/%2E%2e"] {
        for (name, ops) in UPSTREAMS {
            assert_eq!(agrees(&passing(path), path, ops), Ok(()), "{name}");
        }
    }
}

#[test]
fn enough_nasty_paths_pass_for_the_properties_to_mean_something() {
    let mut runner = TestRunner::deterministic();
    let (mut passing, mut rewritten_and_passing) = (0, 0);
    let (_, table) = &BUILT[0];
    for _ in 0..1000 {
        let path = nasty_path().new_tree(&mut runner).unwrap().current();
        if passed(table, &path).is_ok() {
            passing += 1;
            rewritten_and_passing +=
                u32::from(UPSTREAMS.iter().any(|(_, ops)| rewritten(ops, &path) != Some(path.clone())));
        }
    }
    assert!(passing > 200 && rewritten_and_passing > 100, "{passing} {rewritten_and_passing}");
}
