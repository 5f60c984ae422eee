//! What `gateway.toml` means: plain values, checked against each other, defaults filled in. PRODUCT.md 2 says what each is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use ipnet::IpNet;
use tracing::Level;

use super::problem::{Position, Problems};
use crate::gate::identity::IdentityNames;
use crate::gate::keys::Algorithm;
use crate::gate::limit::Quota;
use crate::gate::role::Role;
use crate::gate::rotation::Lifetimes;
use crate::gate::route::Route;
use crate::gate::secret::Secret;

#[derive(Clone, Debug)]
pub struct Settings {
    pub server: Server,
    pub store: StoreSettings,
    pub auth: Auth,
    pub passwords: Passwords,
    pub limits: Limits,
    pub cookies: Cookies,
    pub headers: Headers,
    pub browser: Browser,
    pub log: Log,
    /// In the order of their names; [`crate::gate::route::Target::Upstream`] is a place in this list.
    pub upstreams: Vec<Upstream>,
    /// In the order of the file.
    pub routes: Vec<Route>,
    /// Where each of `routes` begins.
    pub route_positions: Vec<Position>,
    pub expectations: Vec<Expectation>,
    /// What works, but is likely not meant.
    pub warnings: Problems,
}

#[derive(Clone, Debug)]
pub struct Server {
    /// At least one.
    pub listen: Vec<SocketAddr>,
    pub admin_listen: SocketAddr,
    /// At least one.
    pub threads: usize,
    pub trusted_proxies: Vec<IpNet>,
    /// In bytes.
    pub max_request_body: u64,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub max_connections: usize,
    /// Zero: running requests are cut off.
    pub drain_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct StoreSettings {
    pub url: StoreUrl,
    pub cache_capacity: u64,
    pub cache_ttl: Duration,
    /// Zero: 503 as soon as the store is known to be away.
    pub max_stale: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    Sqlite(PathBuf),
}

#[derive(Clone, Debug)]
pub struct Auth {
    /// A plain path without a final slash.
    pub prefix: String,
    pub issuer: String,
    pub audience: String,
    pub algorithm: Algorithm,
    pub access_ttl: Duration,
    pub lifetimes: Lifetimes,
    /// There if and only if the algorithm is HS256.
    pub secrets: Option<HmacSecrets>,
}

/// Two different secrets of at least 32 bytes each (RFC 7518 section 3.2).
#[derive(Clone, Debug)]
pub struct HmacSecrets {
    pub access: Secret,
    pub refresh: Secret,
}

#[derive(Clone, Debug)]
pub struct Passwords {
    /// In characters.
    pub min_length: usize,
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    /// At least one.
    pub max_concurrent: usize,
}

#[derive(Clone, Debug)]
pub struct Limits {
    pub per_ip: Quota,
    pub login_per_ip: Quota,
    pub login_per_account: Quota,
    pub ipv6_prefix: u8,
}

#[derive(Clone, Debug)]
pub struct Cookies {
    pub secure: bool,
    pub same_site: SameSite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    Strict,
    Lax,
}

#[derive(Clone, Debug)]
pub struct Headers {
    pub names: IdentityNames,
    pub forward_token: bool,
}

#[derive(Clone, Debug)]
pub struct Browser {
    /// `https://host` or `https://host:port`, in lower case, without a default port: as browsers send them.
    pub trusted_origins: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    pub level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug)]
pub struct Upstream {
    pub name: String,
    /// At least one.
    pub servers: Vec<ServerAddress>,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// An IPv6 address stands without brackets.
    Tcp {
        host: String,
        port: u16,
        tls: bool,
    },
    Unix(PathBuf),
}

/// One `[[expect]]`: what `portcullis check` holds the routes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    pub line: usize,
    pub method: Method,
    /// As a client would send it, escapes and query included.
    pub path: String,
    /// In lower case, without port.
    pub host: Option<String>,
    /// `None`: an anonymous caller. Empty: signed in, without any role.
    pub roles: Option<Vec<Role>>,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    Unauthenticated,
    Forbidden,
    NotFound,
    Refused,
}
