//! Route tables to try paths on, and the choice of a route by plain comparison: what an upstream with the same rules as the
//! gateway would do with the path that it made of the one it was sent.

use std::sync::LazyLock;

use http::Method;
use portcullis::gate::access::Access;
use portcullis::gate::route::{PathPattern, Route, Target};
use portcullis::gate::route_table::{Miss, RouteTable};

use super::upstreams::{Op, decode, rewritten};

/// Ordinary rules, rules within rules, rules that differ in case and final slash, and names that clients escape.
pub const TABLES: [&[&str]; 6] = [
    &["/public/*", "/admin/*", "/*"],
    &["/public/*", "/admin/*"],
    &["/*", "/a/*", "/a/b/*", "/a/b", "/b/@/*", "/b/*", "/admin"],
    &["/public/a", "/public/*", "/public/admin/", "/A/*", "/a/b/*", "/f/*"],
    &["/é/*", "/k/*", "/a", "/*", "/@/*"],
    &["/*"],
];

/// The gateway's own endpoints, which come before all rules.
const OWN: [&str; 11] = [
    "/auth/login",
    "/auth/refresh",
    "/auth/logout",
    "/auth/logout-all",
    "/auth/me",
    "/auth/sessions",
    "/auth/password",
    "/auth/jwks.json",
    "/.well-known/jwks.json",
    "/auth/sessions/*",
    "/auth/*",
];

pub static BUILT: LazyLock<Vec<(&'static [&'static str], RouteTable)>> =
    LazyLock::new(|| TABLES.iter().map(|patterns| (*patterns, table(patterns))).collect());

pub fn table(patterns: &[&str]) -> RouteTable {
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

/// What the gateway says: the route's place, the gateway's own after the given ones, or none. `Err`: refused.
pub fn passed(table: &RouteTable, path: &str) -> Result<Option<usize>, Miss> {
    match table.find(None, &Method::GET, path) {
        Ok((id, _)) => Ok(Some(id.index())),
        Err(Miss::NoRoute) => Ok(None),
        Err(refused) => Err(refused),
    }
}

/// How an upstream compares: one that folds case or drops a final slash does so with its rules, too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Eye {
    no_case: bool,
    no_slash: bool,
}

impl Eye {
    pub fn of(ops: &[Op]) -> Self {
        Self {
            no_case: ops.iter().any(|op| matches!(op, Op::Lower | Op::Upper)),
            no_slash: ops.iter().any(|op| matches!(op, Op::FinalSlash)),
        }
    }

    /// The route by plain comparison, one after the other: the longest, exact before prefix.
    pub fn route(self, patterns: &[&str], path: &str) -> Option<usize> {
        let own = self.longest(&OWN, path).map(|at| patterns.len() + at);
        own.or_else(|| self.longest(patterns, path))
    }

    fn longest(self, patterns: &[&str], path: &str) -> Option<usize> {
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
}

/// The tables that let a path pass, and by which route.
pub fn passing(path: &str) -> Vec<(&'static [&'static str], Option<usize>)> {
    let tables = BUILT.iter();
    tables.filter_map(|(patterns, table)| passed(table, path).ok().map(|route| (*patterns, route))).collect()
}

/// Whether an upstream that does this to a path finds the routes that the gateway let it pass by.
pub fn agrees(passing: &[(&[&str], Option<usize>)], path: &str, ops: &[Op]) -> Result<(), String> {
    let Some(read) = rewritten(ops, path).filter(|_| !passing.is_empty()) else { return Ok(()) };
    if read.contains(|c: char| c.is_ascii_control()) {
        return Err(format!("{path:?} is {read:?} for {ops:?}"));
    }
    let eye = Eye::of(ops);
    for (patterns, ours) in passing {
        let theirs = eye.route(patterns, &read);
        if theirs != *ours {
            return Err(format!("{path:?} is {read:?} for {ops:?}: route {theirs:?}, not {ours:?}, of {patterns:?}"));
        }
    }
    Ok(())
}
