//! What `gateway.toml` means: plain values, checked against each other, defaults filled in. The one in this repository says what
//! each is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use tracing::Level;

use super::problem::Problems;
use crate::gate::client::ClientRules;
use crate::gate::cookies::CookieRules;
use crate::gate::identity::IdentityNames;
use crate::gate::keys::Algorithm;
use crate::gate::limit::Quota;
use crate::gate::methods::Methods;
use crate::gate::origin::TrustedOrigins;
use crate::gate::role::Role;
use crate::gate::rotation::Lifetimes;
use crate::gate::route_table::RouteTable;
use crate::gate::token::Issuer;
use crate::live::Trust;
use crate::login::LoginQuotas;
use crate::passwords::Policy;
use crate::signing::HmacSecrets;
use crate::store::redis::address::Address;
use crate::telemetry::logging::Format;
use crate::tls::Tls;

#[derive(Debug)]
pub struct Settings {
    pub server: Server,
    pub tls: Option<Tls>,
    pub methods: Methods,
    pub store: StoreSettings,
    pub auth: Auth,
    pub passwords: Policy,
    pub limits: Limits,
    pub clients: ClientRules,
    pub cookies: CookieRules,
    pub headers: Headers,
    /// `https://host` or `https://host:port`, in lower case, without a default port: as browsers send them.
    pub origins: TrustedOrigins,
    pub log: Log,
    /// In the order of their names; [`crate::gate::route::Target::Upstream`] is a place in this list.
    pub upstreams: Vec<Upstream>,
    pub routes: RouteTable,
    pub expectations: Vec<Expectation>,
    /// What works, but is likely not meant.
    pub warnings: Problems,
}

/// Compared by a reload: what stands here holds until the next start, but for the size of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// At least one.
    pub listen: Vec<SocketAddr>,
    pub admin_listen: SocketAddr,
    /// At least one.
    pub threads: usize,
    /// In bytes.
    pub max_request_body: u64,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub max_connections: usize,
    pub max_connections_per_ip: usize,
    /// Only with trusted proxies.
    pub proxy_protocol: bool,
    /// Zero: running requests are cut off.
    pub drain_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    pub url: StoreUrl,
    pub trust: Trust,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    Sqlite(PathBuf),
    Redis(Address),
}

#[derive(Clone, Debug)]
pub struct Auth {
    pub issuer: Issuer,
    pub algorithm: Algorithm,
    pub access_ttl: Duration,
    pub lifetimes: Lifetimes,
    /// There if and only if the algorithm is HS256; two different ones of at least 32 bytes each (RFC 7518 section 3.2).
    pub secrets: Option<HmacSecrets>,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub per_ip: Quota,
    pub login: LoginQuotas,
}

#[derive(Clone, Debug)]
pub struct Headers {
    pub names: IdentityNames,
    pub forward_token: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: Format,
    pub level: Level,
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

impl Outcome {
    pub const ALL: [Self; 5] = [Self::Allowed, Self::Unauthenticated, Self::Forbidden, Self::NotFound, Self::Refused];

    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
        }
    }
}
