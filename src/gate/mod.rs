//! The gate decides: pure code, no waiting, no clock, no lock, no I/O, no Pingora. A request's head, the keys, the rules
//! and *now* go in; a [`access::Permit`] or a [`denial::Denial`] comes out.

pub mod access;
pub mod client;
pub mod cookies;
pub mod credential;
pub mod denial;
pub mod email;
pub mod fold;
pub mod host;
pub mod identity;
pub mod json;
pub mod keys;
pub mod limit;
pub mod methods;
pub mod origin;
pub mod path;
pub mod role;
pub mod rotation;
pub mod route;
mod route_index;
mod route_own;
pub mod route_table;
pub mod secret;
pub mod time;
pub mod token;
pub mod user;
