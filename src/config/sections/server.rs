//! `[server]`: where the gateway listens, and how much it takes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use super::{SECOND, SOME, ZERO, or_one_per_core};
use crate::config::address;
use crate::config::reader::{Placed, Section};
use crate::config::secrets::required_file;
use crate::config::settings::Server;
use crate::gate::methods::Methods;
use crate::tls::{Tls, TlsError};

const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// `None` where something else is written.
pub fn admin_listen(s: &mut Section<'_>) -> Option<SocketAddr> {
    let found = s.text("admin_listen", address::listen);
    if s.has("admin_listen") { found } else { Some(ADMIN_LISTEN) }
}

/// What `[server]` says, and what of it is not the listeners' business alone.
pub struct Read {
    pub server: Server,
    pub trusted_proxies: Vec<IpNet>,
    pub methods: Methods,
    pub tls: Option<Tls>,
}

pub fn server(s: &mut Section<'_>) -> Read {
    let listen = listen(s);
    let admin_listen = admin_listen(s).unwrap_or(ADMIN_LISTEN);
    let apart = listen.iter().all(|address| !same_socket(*address, admin_listen));
    s.rule(&["admin_listen", "listen"], apart, "the admin address is never public: it needs one of its own");
    let trusted_proxies = trusted_proxies(s);
    let proxy_protocol = s.boolean("proxy_protocol", false);
    let known = !proxy_protocol || !trusted_proxies.is_empty();
    s.rule(&["proxy_protocol", "trusted_proxies"], known, "trusted_proxies must name the balancers");
    let server = Server {
        listen,
        admin_listen,
        threads: or_one_per_core(s.integer("threads", 0, 0..=1024)),
        max_request_body: s.size("max_request_body", 100 << 20),
        header_timeout: s.duration("header_timeout", "10s", SOME),
        // Pingora counts it in whole seconds.
        idle_timeout: s.duration("idle_timeout", "60s", SECOND),
        max_connections: usize::try_from(s.integer("max_connections", 20_000, 1..=1_000_000)).unwrap_or(usize::MAX),
        max_connections_per_ip: usize::try_from(s.integer("max_connections_per_ip", 1000, 1..=1_000_000))
            .unwrap_or(usize::MAX),
        proxy_protocol,
        drain_timeout: s.duration("drain_timeout", "30s", ZERO),
    };
    Read { server, trusted_proxies, methods: methods(s), tls: tls(s) }
}

fn methods(s: &mut Section<'_>) -> Methods {
    let Some(listed) = s.list("methods", Methods::parse) else { return Methods::default() };
    s.rule(&["methods"], !listed.is_empty(), "at least one method");
    Methods::new(listed.into_iter().map(|method| method.it).collect())
}

/// Read here and now, so that a certificate that cannot be used is found before a listener starts or a reload takes effect.
fn tls(s: &mut Section<'_>) -> Option<Tls> {
    let there = s.has("tls");
    s.table("tls", |s| {
        if !there {
            return None;
        }
        let chain = required_file(s, "certificate_file", "certificate_file = \"fullchain.pem\"");
        let key = required_file(s, "private_key_file", "private_key_file = \"key.pem\"");
        let (chain, key) = chain.zip(key)?;
        Tls::from_pem(chain.expose(), key.expose())
            .map_err(|error| {
                let at = if matches!(error, TlsError::NoKey) { "private_key_file" } else { "certificate_file" };
                s.wrong(at, s.place(at), error, None);
            })
            .ok()
    })
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
        if matches!(block.addr(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some()) {
            return Err("write a block of IPv4 as one, like \"10.0.0.0/8\"");
        }
        if block == block.trunc() { Ok(block) } else { Err("this block has bits set beyond its prefix") }
    };
    let blocks = s.list("trusted_proxies", parse).unwrap_or_default();
    for Placed { at, .. } in blocks.iter().filter(|block| block.it.prefix_len() == 0) {
        s.source.warning(*at, "server.trusted_proxies: this block is everyone, who may then claim to be any address");
    }
    blocks.into_iter().map(|block| block.it).collect()
}
