//! Several gateways on one Redis, each the real binary, on a real redis-server of the test's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod clusters;
mod crash;
mod doors;
mod emptied;
mod failover;
mod feed;
mod gateways;
mod lag;
mod relay;
mod sentinel;
mod stampede;
mod trouble;
mod under_load;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis::store::StoreError;
use portcullis::store::redis::RedisStore;
use portcullis::store::redis::address::{Address, Host, Place};
use serde_json::Value;
use support::gateway::{Gateway, House, usual};
use support::origin::Origin;
use support::redis::RedisServer;
use support::{Answer, bearer};

/// The usual rules on this store; `more` are other keys of `[store]`, and tables.
fn house_at(url: &str, more: &str) -> Arc<House> {
    House::new(&usual(Origin::start().address, "", &format!("[store]\nurl = \"{url}\"\n{more}")))
}

/// With the usual users.
fn house(server: &RedisServer, more: &str) -> Arc<House> {
    let house = house_at(&server.url(), more);
    house.add_usual_users();
    house
}

/// Said when this is dropped, so also when a test fails: whoever goes on until then must not go on for ever.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn with(gateway: &Gateway, path: &str, tokens: &Value) -> Answer {
    gateway.get(path, &[("authorization", &bearer(tokens))])
}

async fn open(server: &RedisServer) -> Result<RedisStore, StoreError> {
    let host = Host { name: "127.0.0.1".into(), port: server.port };
    let address = Address { place: Place::Server(host), database: 0, tls: None, username: None, password: None };
    RedisStore::open(address, Arc::new(|_, _, _| ())).await
}
