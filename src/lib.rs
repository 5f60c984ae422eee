//! Portcullis, an authentication gateway.
//!
//! # The walk of a request
//!
//! 1. [`proxy::listener`] lets a connection in: a place for it, who is at the other end, TLS. [`proxy::guard`] holds it to its
//!    deadlines and looks at each head while it is still bytes; Pingora parses; [`proxy::framing`] refuses forms that could
//!    be read in two ways.
//! 2. [`gateway::Gateway::admit`] decides: client address, quota, route under every reading of the path, credential, live
//!    user, access. Its answer is a [`gate::denial::Denial`], or an `Admission`: to an upstream with a [`gate::access::Permit`].
//! 3. [`proxy`] obeys: one reply, one of our own endpoints ([`api`]), or an upstream, the headers edited last.
//! 4. One access line and one metric event go out ([`telemetry`]).
//!
//! # In reading order
//!
//! [`gate`] is the pure core: start with `route.rs`, `path.rs`, `token.rs`, `access.rs`. [`store`] keeps what must last and
//! [`live`] the copy that requests are judged by. [`tokens`], [`sessions`], [`login`], [`passwords`] and [`accounts`] give the
//! two a meaning. [`config`] turns the file into settings, [`server`] the settings into a process, [`cli`] words into calls.
//! Who may name whom, and what may stand where, is data in `tests/architecture.rs`.
//!
//! # Where this differs from a Pingora server as it comes
//!
//! The accept loop is ours ([`proxy::listener`]), and so are the threads and the way down. A thread is an event loop, and a
//! connection stays with one ([`proxy::loops`]): nothing is stolen, and what is ready is written together. A taken port is an
//! error at once, a full house makes connections wait unaccepted, and a stop ends as soon as the last request has. Handshakes
//! of TLS are made there too, so that a certificate can be replaced while connections go on.
//!
//! # Why the copy in memory is not the past
//!
//! Each change raises a user's epoch. [`live`] may evict any copy at any time: beside them, the newest epoch heard of is kept for
//! as long as a look-up or a write of that user is under way, which is as long as anything could bring an older one. A store
//! that has itself gone back, as after a failover, is known by the entries of its feed that are missing, and nothing it says is
//! believed until what it lost has been made good (`live/reconcile.rs`, docs/FAILOVER.md).

pub mod accounts;
pub mod admin;
pub mod allocator;
pub mod api;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod gate;
pub mod gateway;
pub mod ids;
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
