//! `portcullis health`: what `/readyz` of the running gateway says, as an exit code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::output::{Console, printable};
use super::usage::socket_address;
use super::{CliError, environment};
use crate::config;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gateway's `admin_listen`; the configuration's, if this is left out
    #[arg(long, value_name = "ADDR", value_parser = socket_address)]
    admin: Option<SocketAddr>,
}

/// A container's health check waits for longer.
const PATIENCE: Duration = Duration::from_secs(3);
const MOST_BYTES: u64 = 4096;

pub fn run(args: &Args, file: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    let address = match args.admin {
        Some(address) => address,
        None => reachable(config::admin_listen(file, &environment)?),
    };
    let failed = |why: &dyn std::fmt::Display| {
        CliError::new(format!(
            "{address} does not answer: {why}; is the gateway running, and is this its admin_listen?"
        ))
    };
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).proxy(None);
    let agent = ureq::Agent::new_with_config(agent.build());
    let answer = agent.get(format!("http://{address}/readyz")).call();
    let mut answer = answer.map_err(|error| match error {
        ureq::Error::Io(error) => failed(&error),
        ureq::Error::Timeout(_) => failed(&format!("nothing came within {} s", PATIENCE.as_secs())),
        other => failed(&other),
    })?;
    let ready = answer.status() == http::StatusCode::OK;
    let said = answer.body_mut().with_config().limit(MOST_BYTES).read_to_string().map_err(|error| failed(&error))?;
    if ready {
        return Ok(console.say("ready")?);
    }
    Err(CliError::new(format!("the gateway is not ready: {}", printable(&said))))
}

/// An address that listens on every interface is reached on the loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}
