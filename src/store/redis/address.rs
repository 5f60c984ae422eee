//! Where Redis is and how to get in: what `[store]` says of it.

use std::fmt;

use crate::gate::secret::Secret;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub place: Place,
    pub database: u32,
    pub tls: Option<Tls>,
    pub username: Option<String>,
    pub password: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Server(Host),
    /// The sentinels know which server is the master of this name.
    Sentinels {
        sentinels: Vec<Host>,
        master: String,
    },
}

/// An IPv6 address stands without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates in PEM that are trusted; without it, those that the system trusts.
    pub ca: Option<Vec<u8>>,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

/// For messages: nothing here is secret.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Server(host) => write!(f, "Redis at {host}"),
            Place::Sentinels { sentinels, master } => {
                let sentinels: Vec<String> = sentinels.iter().map(ToString::to_string).collect();
                write!(f, "Redis {master} of the sentinels {}", sentinels.join(", "))
            }
        }
    }
}
