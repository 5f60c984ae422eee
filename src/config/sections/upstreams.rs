//! `[upstreams.NAME]`: the applications behind the gateway. None of them is the gateway itself.

use std::net::{IpAddr, SocketAddr};

use super::{SOME, server::same_socket};
use crate::config::address;
use crate::config::reader::{Placed, Section};
use crate::config::settings::{Server, ServerAddress, Upstream};

/// In the order of their names.
pub fn upstreams(root: &mut Section<'_>, server: &Server) -> Vec<Placed<Upstream>> {
    root.named_tables("upstreams", |name, at, s| {
        s.not_available("health_check");
        if !is_name(name) {
            let hint = Some("letters, digits, - and _".to_owned());
            s.source.problem(at, "an upstream's name is a label of metrics", hint);
        }
        let parse = |text: &str| address::server(text, &s.source.path(""));
        let servers = s.list("servers", parse);
        let servers = s.required("servers", servers, "servers = [\"127.0.0.1:3000\"]").unwrap_or_default();
        for Placed { at, it } in &servers {
            if is_at(it, server.admin_listen) {
                s.wrong("servers", *at, "this is server.admin_listen, which is never public", None);
            } else if server.listen.iter().any(|listen| is_at(it, *listen)) {
                s.wrong("servers", *at, "this is the gateway itself: a request would go in circles", None);
            }
        }
        s.rule(&["servers"], !servers.is_empty() || !s.has("servers"), "at least one server");
        let upstream = Upstream {
            name: name.to_owned(),
            servers: servers.into_iter().map(|server| server.it).collect(),
            connect_timeout: s.duration("connect_timeout", "2s", SOME),
            read_timeout: s.duration("read_timeout", "60s", SOME),
        };
        Some(Placed { at, it: upstream })
    })
}

/// As far as it shows in the text; a name is not resolved.
fn is_at(server: &ServerAddress, listen: SocketAddr) -> bool {
    let ServerAddress::Tcp { host, port, .. } = server else { return false };
    let ip = if host == "localhost" { Ok(IpAddr::from([127, 0, 0, 1])) } else { host.parse() };
    ip.is_ok_and(|ip: IpAddr| {
        // 0.0.0.0 listens on this machine's addresses: only the loopback is known to be one of them.
        let ours = !listen.ip().is_unspecified() || ip.is_loopback() || ip.is_unspecified();
        ours && same_socket(SocketAddr::new(ip, *port), listen)
    })
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
