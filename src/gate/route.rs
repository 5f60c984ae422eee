//! Routes: host, method and path lead to the one rule that a request falls under.

use std::sync::Arc;

use http::Method;

use super::access::Access;
use super::limit::Quota;

/// One rule of the gateway.
#[derive(Clone, Debug)]
pub struct Route {
    /// The `path` as configured: names the route in metrics and messages.
    pub name: Arc<str>,
    pub path: PathPattern,
    /// Empty: all.
    pub methods: Vec<Method>,
    /// Lower case, without port or trailing dot. Empty: all.
    pub hosts: Vec<String>,
    pub target: Target,
    pub access: Access,
    pub rate_limit: Option<Quota>,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An upstream, by its place in the list of upstreams.
    Upstream(usize),
    /// One of the gateway's own endpoints.
    Own(Endpoint),
}

/// The gateway's own endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Login,
    Refresh,
    Logout,
    LogoutAll,
    Me,
    Sessions,
    /// `DELETE /auth/sessions/{id}`.
    Session,
    Password,
    Jwks,
    /// Anything else below the prefix: 404.
    Unknown,
}

/// A path as a route names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// `/a/b`: that path alone.
    Exact(String),
    /// `/a/*`, kept as `/a`: that path, that path with a slash, and all below. `/*` is kept as the empty string.
    Prefix(String),
}
