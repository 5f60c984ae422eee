//! What upstreams make of a path never leads it under another route. The upstreams here are written apart from the gateway's
//! own readings, on bytes and on purpose naively; so is the choice of the route by plain comparison.

use std::sync::LazyLock;

use http::Method;
use portcullis::gate::access::Access;
use portcullis::gate::route::{PathPattern, Route, Target};
use portcullis::gate::route_table::{Miss, RouteTable};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Ordinary rules, rules within rules, rules that differ in case and final slash, and names that clients escape.
const TABLES: [&[&str]; 6] = [
    &["/public/*", "/admin/*", "/*"],
    &["/public/*", "/admin/*"],
    &["/*", "/a/*", "/a/b/*", "/a/b", "/b/@/*", "/b/*", "/admin"],
    &["/public/a", "/public/*", "/public/admin/", "/A/*", "/a/b/*", "/f/*"],
    &["/é/*", "/k/*", "/a", "/*", "/@/*"],
    &["/*"],
];

static BUILT: LazyLock<Vec<(&[&str], RouteTable)>> =
    LazyLock::new(|| TABLES.iter().map(|patterns| (*patterns, table(patterns))).collect());

#[derive(Clone, Copy, Debug)]
enum Op {
    Decode,
    DecodeButSlashes,
    DecodeButSlash,
    DecodeButBackslash,
    DecodeUnreserved,
    DecodeDots,
    DecodeSlashes,
    Backslashes,
    Merge,
    Dots,
    CleanDots,
    Params,
    Tails,
    CutQuery,
    CutFragment,
    Authority,
    Lower,
    Upper,
    FinalSlash,
}

const OPS: [Op; 19] = [
    Op::Decode,
    Op::DecodeButSlashes,
    Op::DecodeButSlash,
    Op::DecodeButBackslash,
    Op::DecodeUnreserved,
    Op::DecodeDots,
    Op::DecodeSlashes,
    Op::Backslashes,
    Op::Merge,
    Op::Dots,
    Op::CleanDots,
    Op::Params,
    Op::Tails,
    Op::CutQuery,
    Op::CutFragment,
    Op::Authority,
    Op::Lower,
    Op::Upper,
    Op::FinalSlash,
];

/// Real servers, as far as they rewrite paths.
const UPSTREAMS: [(&str, &[Op]); 14] = [
    ("takes it as it is", &[]),
    ("nginx", &[Op::Decode, Op::Merge, Op::Dots]),
    ("Jetty", &[Op::Decode, Op::Params, Op::Dots]),
    ("Tomcat, Spring", &[Op::Params, Op::Decode, Op::Dots]),
    ("Spring, passing slashes on", &[Op::Params, Op::DecodeButSlash, Op::Dots, Op::FinalSlash]),
    ("IIS", &[Op::Decode, Op::Backslashes, Op::Merge, Op::Dots, Op::Tails, Op::Lower]),
    ("IIS, tails first", &[Op::Decode, Op::Backslashes, Op::Tails, Op::Dots, Op::Lower, Op::FinalSlash]),
    ("PHP, CGI", &[Op::Decode, Op::Merge, Op::CleanDots]),
    ("Express", &[Op::Decode, Op::Lower, Op::FinalSlash]),
    ("Node with new URL()", &[Op::Backslashes, Op::Authority, Op::CutFragment, Op::DecodeDots, Op::Dots]),
    ("decodes a URL as a whole", &[Op::Decode, Op::CutFragment, Op::CutQuery, Op::Dots]),
    ("Windows files", &[Op::Decode, Op::Backslashes, Op::Tails, Op::CleanDots, Op::Upper]),
    ("Envoy", &[Op::DecodeSlashes, Op::Backslashes, Op::Merge, Op::DecodeUnreserved, Op::Dots]),
    ("decodes twice", &[Op::Decode, Op::Dots, Op::Decode, Op::Merge, Op::Dots, Op::CutQuery]),
];

/// `None`: this upstream cannot read the path and refuses it.
fn apply(op: Op, path: &str) -> Option<String> {
    let each = |of: &dyn Fn(&str) -> String| path.split('/').map(of).collect::<Vec<_>>().join("/");
    Some(match op {
        Op::Decode => return decode(path, |_| true),
        Op::DecodeButSlashes => return decode(path, |byte| byte != b'/' && byte != b'\\'),
        Op::DecodeButSlash => return decode(path, |byte| byte != b'/'),
        Op::DecodeButBackslash => return decode(path, |byte| byte != b'\\'),
        Op::DecodeUnreserved => return decode(path, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
        Op::DecodeDots => return decode(path, |byte| byte == b'.'),
        Op::DecodeSlashes => return decode(path, |byte| byte == b'/' || byte == b'\\'),
        Op::Backslashes => path.replace('\\', "/"),
        Op::Merge => {
            let mut merged = path.to_owned();
            while merged.contains("//") {
                merged = merged.replace("//", "/");
            }
            merged
        }
        Op::Dots => dots(path, true),
        Op::CleanDots => dots(path, false),
        Op::Params => each(&|segment| segment.split(';').next().unwrap_or_default().to_owned()),
        Op::Tails => each(&|segment| match segment.trim_end_matches(' ') {
            dots @ ("." | "..") => dots.to_owned(),
            other => other.trim_end_matches(['.', ' ']).to_owned(),
        }),
        Op::CutQuery => path.split('?').next()?.to_owned(),
        Op::CutFragment => path.split('#').next()?.to_owned(),
        Op::Authority => match path.strip_prefix("//") {
            Some(rest) => rest.trim_start_matches('/').split_once('/').map_or("/".to_owned(), |(_, p)| format!("/{p}")),
            None => path.to_owned(),
        },
        Op::Lower => path.to_lowercase(),
        Op::Upper => path.to_uppercase(),
        Op::FinalSlash => match path.strip_suffix('/') {
            Some("") | None => path.to_owned(),
            Some(rest) => rest.to_owned(),
        },
    })
}

fn decode(path: &str, of: impl Fn(u8) -> bool) -> Option<String> {
    let mut bytes = path.as_bytes();
    let mut out = Vec::new();
    while let [byte, rest @ ..] = bytes {
        let hex = |at: usize| rest.get(at).and_then(|digit| (*digit as char).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) if of((high * 16 + low) as u8) => {
                out.push((high * 16 + low) as u8);
                bytes = &rest[2..];
            }
            _ => {
                out.push(*byte);
                bytes = rest;
            }
        }
    }
    String::from_utf8(out).ok()
}

fn dots(path: &str, keep_slash: bool) -> String {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if !segments.iter().any(|segment| *segment == "." || *segment == "..") {
        return path.to_owned();
    }
    let mut kept = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
        if keep_slash && at + 1 == segments.len() && (*segment == "." || *segment == "..") {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// How an upstream compares: one that folds case or drops a final slash does so with its rules, too.
#[derive(Clone, Copy, Debug, Default)]
struct Eye {
    no_case: bool,
    no_slash: bool,
}

impl Eye {
    fn of(ops: &[Op]) -> Self {
        Self {
            no_case: ops.iter().any(|op| matches!(op, Op::Lower | Op::Upper)),
            no_slash: ops.iter().any(|op| matches!(op, Op::FinalSlash)),
        }
    }

    fn sees(self, text: &str) -> String {
        let mut seen = text.to_owned();
        if self.no_case {
            seen = seen.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
        }
        if self.no_slash && seen.len() > 1 {
            seen = seen.trim_end_matches('/').to_owned();
        }
        seen
    }

    /// The route by plain comparison, one after the other: the longest, exact before prefix.
    fn route(self, patterns: &[&str], path: &str) -> Option<usize> {
        // Bytes above ASCII are always sent escaped: `%C3%A9` is how `é` is written.
        let path = self.sees(&decode(path, |byte| byte > 0x7f).unwrap_or_else(|| path.to_owned()));
        let rank = |pattern: &str| match pattern.strip_suffix("/*") {
            Some(above) => {
                let above = self.sees(above);
                let rest = path.strip_prefix(&*above)?;
                (rest.is_empty() || rest.starts_with('/')).then_some((above.len(), false))
            }
            None => (self.sees(pattern) == path).then_some((path.len(), true)),
        };
        let ranks = patterns.iter().enumerate().filter_map(|(at, pattern)| Some((rank(pattern)?, at)));
        ranks.max().map(|(_, at)| at)
    }
}

fn table(patterns: &[&str]) -> RouteTable {
    let route = |path: &&str| Route {
        name: (*path).into(),
        path: PathPattern::parse(path).expect("a plain path"),
        methods: Vec::new(),
        hosts: Vec::new(),
        target: Target::Upstream(0),
        access: Access::User,
        rate_limit: None,
    };
    RouteTable::build("/auth", patterns.iter().map(route).collect()).expect("no two alike")
}

/// What the gateway says: the route's place, or none. `Err`: refused.
fn passed(table: &RouteTable, path: &str) -> Result<Option<usize>, Miss> {
    match table.find(None, &Method::GET, path) {
        Ok((id, _)) => Ok(Some(id.index())),
        Err(Miss::NoRoute) => Ok(None),
        Err(refused) => Err(refused),
    }
}

fn rewritten(ops: &[Op], path: &str) -> Option<String> {
    ops.iter().try_fold(path.to_owned(), |path, op| apply(*op, &path))
}

fn agrees(patterns: &[&str], route: Option<usize>, path: &str, ops: &[Op]) -> Result<(), TestCaseError> {
    let Some(read) = rewritten(ops, path) else { return Ok(()) };
    prop_assert!(!read.bytes().any(|byte| byte.is_ascii_control()), "{:?} is {:?} for {:?}", path, read, ops);
    let theirs = Eye::of(ops).route(patterns, &read);
    prop_assert_eq!(route, theirs, "{:?} is {:?} for {:?} under {:?}", path, read, ops, patterns);
    Ok(())
}

const NAMES: &str = "public admin public/admin admin/x a/b a b c @ k f A Admin é x x.y";

const TRICKS: &str = r". .. ... %2e %2E%2e .%2e %252e %252e%252e ..;x ..%20 ..%3b / // %2f \ %5c %252f %255c ; ;x %3b %253B ? # %3f
    %23 %2523 %20 %2520 %25 %2525 %61 %40 %2561dmin %41 %C3%A9 %c3%89 %25c3%25a9 %EF%AC%80 %252%EF%AC%80 ſ %E2%84%AA + ~ , % %00
    %250a %C0%AE %ff";

/// Few tricks in most paths: a path of nothing else is refused, and proves nothing.
fn nasty_path() -> impl Strategy<Value = String> {
    let names = prop::sample::select(NAMES.split_whitespace().chain([""]).collect::<Vec<_>>());
    let tricks = prop::sample::select(TRICKS.split_whitespace().chain([" ", ".. "]).collect::<Vec<_>>());
    let glue = prop::sample::select(vec!["/", "/", "/", ""]);
    let pieces = prop::collection::vec((glue, prop_oneof![5 => names, 3 => tricks]), 0..7);
    (pieces, prop::bool::weighted(0.95)).prop_map(|(pieces, slash)| {
        let text: String = pieces.iter().flat_map(|(glue, piece)| [*glue, *piece]).collect();
        if slash && !text.starts_with('/') { format!("/{text}") } else { text }
    })
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4000);
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_known_upstream_reads_a_path_into_another_route(path in nasty_path()) {
        for (patterns, table) in BUILT.iter() {
            let Ok(route) = passed(table, &path) else { continue };
            for (_, ops) in UPSTREAMS {
                agrees(patterns, route, &path, ops)?;
            }
        }
    }

    #[test]
    fn no_rewriting_in_any_order_reads_a_path_into_another_route(
        path in nasty_path(),
        ops in prop::collection::vec(prop::sample::select(OPS.to_vec()), 0..8),
    ) {
        for (patterns, table) in BUILT.iter() {
            let Ok(route) = passed(table, &path) else { continue };
            agrees(patterns, route, &path, &ops)?;
        }
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
