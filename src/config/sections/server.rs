//! `[server]`: where the gateway listens, and how much it takes.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::{SECOND, SOME, ZERO, or_one_per_core};
use crate::config::address;
use crate::config::reader::{Placed, Section};
use crate::config::settings::Server;

/// The settings, and `trusted_proxies`.
pub fn server(s: &mut Section<'_>) -> (Server, Vec<IpNet>) {
    let listen = listen(s);
    let admin_listen = s.text("admin_listen", address::listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9090)));
    let apart = listen.iter().all(|address| !same_socket(*address, admin_listen));
    s.rule(&["admin_listen", "listen"], apart, "the admin address is never public: it needs one of its own");
    s.not_available("tls");
    let trusted_proxies = trusted_proxies(s);
    let server = Server {
        listen,
        admin_listen,
        threads: or_one_per_core(s.integer("threads", 0, 0..=1024)),
        max_request_body: s.size("max_request_body", 100 << 20),
        header_timeout: s.duration("header_timeout", "10s", SOME),
        // Pingora counts it in whole seconds.
        idle_timeout: s.duration("idle_timeout", "60s", SECOND),
        max_connections: usize::try_from(s.integer("max_connections", 20_000, 1..=1_000_000)).unwrap_or(usize::MAX),
        drain_timeout: s.duration("drain_timeout", "30s", ZERO),
    };
    (server, trusted_proxies)
}

/// Whether both cannot be listened on, or one would answer for the other. Port 0 is any free one.
pub fn same_socket(a: SocketAddr, b: SocketAddr) -> bool {
    let same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && same_ip
}

fn listen(s: &mut Section<'_>) -> Vec<SocketAddr> {
    let default = vec![SocketAddr::from(([127, 0, 0, 1], 8080))];
    let Some(found) = s.one_or_more("listen", address::listen) else { return default };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for Placed { at, it } in found {
        if addresses.iter().any(|other| same_socket(*other, it)) {
            s.wrong("listen", at, "this address is taken by another one of the list", None);
        } else {
            addresses.push(it);
        }
    }
    // An item that was wrong has been reported; the list may then be empty here.
    s.rule(&["listen"], !addresses.is_empty(), "at least one address");
    if addresses.is_empty() { default } else { addresses }
}

fn trusted_proxies(s: &mut Section<'_>) -> Vec<IpNet> {
    let parse = |text: &str| {
        let block: IpNet = text.parse().map_err(|_| "a CIDR block is ADDRESS/BITS, like \"10.0.0.0/8\"")?;
        if block == block.trunc() { Ok(block) } else { Err("this block has bits set beyond its prefix") }
    };
    let blocks = s.list("trusted_proxies", parse).unwrap_or_default();
    for Placed { at, .. } in blocks.iter().filter(|block| block.it.prefix_len() == 0) {
        s.source.warning(*at, "server.trusted_proxies: this block is everyone, who may then claim to be any address");
    }
    blocks.into_iter().map(|block| block.it).collect()
}
