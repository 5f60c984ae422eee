//! The auth API from outside: the real binary, real sockets, a real store. One idea a module, each test a fact.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod algorithms;
mod bad_body;
mod bad_tokens;
mod cors;
mod endpoints;
mod limits;
mod lines;
mod login;
mod logout;
mod metrics;
mod one_credential;
mod passwords;
mod refresh;
mod request_id;
mod same_origin;
mod secrets;
mod store_trouble;

use support::gateway::Gateway;
use support::origin::Origin;

/// With the usual rules and users, before an app that answers everything; `more` adds tables to the file.
fn gateway(more: &str) -> Gateway {
    Gateway::usual(Origin::start().address, "", more)
}

/// The names of an object's members, in the order of the alphabet.
fn members(object: &serde_json::Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
