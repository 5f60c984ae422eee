//! The names of upstreams' servers become addresses.

use std::net::SocketAddr;

use super::ServeError;
use crate::config::settings::{self, ServerAddress};
use crate::proxy::upstream::{Server, Upstream};

/// All of the IPv4 ones, or of the IPv6 ones where there are no others. A reload asks again.
pub(super) async fn resolve(upstreams: &[settings::Upstream]) -> Result<Vec<Upstream>, ServeError> {
    let mut resolved = Vec::new();
    for settings::Upstream { name, servers: configured, connect_timeout, read_timeout } in upstreams {
        let mut servers = Vec::new();
        for server in configured {
            match server {
                ServerAddress::Unix(path) => servers.push(Server::Unix(path.clone())),
                ServerAddress::Tcp { host, port, tls } => {
                    let failed = |error| ServeError::Resolve { upstream: name.clone(), error };
                    let found: Vec<SocketAddr> =
                        tokio::net::lookup_host((host.as_str(), *port)).await.map_err(failed)?.collect();
                    let any_v4 = found.iter().any(SocketAddr::is_ipv4);
                    let usable = found.into_iter().filter(|address| address.is_ipv4() == any_v4);
                    servers.extend(usable.map(|address| Server::Tcp { address, tls: tls.then(|| host.clone()) }));
                }
            }
        }
        resolved.push(Upstream::new(name.clone(), servers, *connect_timeout, *read_timeout));
    }
    Ok(resolved)
}
