//! What a request and its answer are on their way through the gateway: the real binary, with an app behind it that answers
//! by itself ([`support::origin`]) or is played by the test ([`support::played`]). One subject a file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod cookies;
mod cors;
mod departures;
mod forwarding;
mod framing_of_answers;
mod identity;
mod keep_alive;
mod pipelining;
mod request_id;
mod retries;
mod servers;
mod streaming;
#[path = "../support/mod.rs"]
mod support;
mod target;
mod trouble;
mod uploads;
mod websockets;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use support::gateway::{CHEAP_PASSWORDS, Gateway, House};

/// Where nobody listens. A port that was free a moment ago may be another test's by now; this address is nobody's.
const DEAD: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9)), 9);

/// One public route in front of `servers`, without users; `upstream` adds keys of that table, `server` of that one.
fn public(servers: &[String], upstream: &str, server: &str) -> Gateway {
    House::new(&public_toml(servers, upstream, server)).run()
}

fn public_toml(servers: &[String], upstream: &str, server: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
{server}
[upstreams.app]
servers = {servers:?}
{upstream}
[[routes]]
path = "/*"
upstream = "app"
access = "public"
{CHEAP_PASSWORDS}
"#
    )
}

/// The same in front of one app.
fn public_app(app: SocketAddr, upstream: &str, server: &str) -> Gateway {
    public(&[app.to_string()], upstream, server)
}

/// The most memory that a process has had at once, in bytes.
fn peak_memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
