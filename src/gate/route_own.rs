//! The gateway's own endpoints as routes: they take every host and method, are public, and come before all others. Who may
//! do what there is decided behind them.

use super::access::Access;
use super::route::{Endpoint, PathPattern, Route, Target, WELL_KNOWN_JWKS};
use super::route_index::key;

/// Below `prefix`, with or without a final slash.
pub fn own_routes(prefix: &str) -> Vec<Route> {
    let exact = |rest: &str, endpoint| route(PathPattern::Exact(join(prefix, rest)), endpoint);
    let below = |rest: &str, endpoint| route(PathPattern::Prefix(join(prefix, rest)), endpoint);
    vec![
        exact("/login", Endpoint::Login),
        exact("/refresh", Endpoint::Refresh),
        exact("/logout", Endpoint::Logout),
        exact("/logout-all", Endpoint::LogoutAll),
        exact("/me", Endpoint::Me),
        exact("/sessions", Endpoint::Sessions),
        exact("/password", Endpoint::Password),
        exact("/jwks.json", Endpoint::Jwks),
        route(PathPattern::Exact(WELL_KNOWN_JWKS.to_owned()), Endpoint::Jwks),
        below("/sessions", Endpoint::Session),
        below("", Endpoint::Unknown),
    ]
}

/// Whether a route with this path would stand where the gateway's own endpoints are.
pub fn is_own(prefix: &str, pattern: &PathPattern) -> bool {
    let (own, path) = (key(prefix), key(pattern.path()));
    let below = path.strip_prefix(own.as_ref()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below || path == WELL_KNOWN_JWKS
}

fn join(prefix: &str, rest: &str) -> String {
    format!("{}{rest}", prefix.trim_end_matches('/'))
}

fn route(path: PathPattern, endpoint: Endpoint) -> Route {
    Route {
        name: path.to_string().into(),
        path,
        methods: Vec::new(),
        hosts: Vec::new(),
        target: Target::Own(endpoint),
        access: Access::Public,
        rate_limit: None,
    }
}
