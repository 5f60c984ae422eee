//! Portcullis, an authentication gateway.
//!
//! # The walk of a request
//!
//! 1. [`proxy::listener`] accepts the connection under its cap and [`proxy::guard`] holds it to its deadlines; Pingora
//!    parses; [`proxy::framing`] refuses forms that could be read in two ways.
//! 2. [`gateway::Gateway::admit`] decides: client address, quota, route under every reading of the path, credential, live
//!    user, access. Its answer is an `Admission` that holds a [`gate::access::Permit`], or a [`gate::denial::Denial`].
//! 3. [`proxy`] obeys: one reply, one of our own endpoints ([`api`]), or an upstream, the headers edited last.
//! 4. One access line and one metric event go out ([`telemetry`]).
//!
//! # Where this differs from a Pingora server as it comes
//!
//! The accept loop is ours ([`proxy::listener`]), and so are the runtime and the way down: a taken port is an error at once,
//! a full house makes connections wait unaccepted, and a stop ends as soon as the last request has. Instead of `Floor`
//! entries, [`live`] detaches look-ups that a newer word overtakes: the cache can then evict nothing that safety needs.

pub mod accounts;
pub mod admin;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod gate;
pub mod gateway;
pub mod limiter;
pub mod live;
pub mod login;
pub mod passwords;
pub mod proxy;
pub mod server;
pub mod sessions;
pub mod signing;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod tokens;
