//! Wrong usage, `--help` and `--version`: what clap says of a command line. An argument may have come from a stranger (an
//! email that a script hands on), so none of them can steer the terminal either.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;

use clap::Parser;

use super::Arguments;
use super::output::printable;

/// The command line, or the exit code: 2 for wrong usage, 0 where help or the version was asked for.
pub fn parse(arguments: Vec<OsString>) -> Result<Arguments, u8> {
    let hostile = arguments.iter().any(|argument| {
        let text = argument.to_string_lossy();
        printable(&text) != text
    });
    Arguments::try_parse_from(arguments).map_err(|said| {
        // Where nobody can be told, the exit code tells.
        let _ = if hostile { say_plainly(&said) } else { said.print() };
        u8::try_from(said.exit_code()).unwrap_or(2)
    })
}

pub fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "an address is IP:PORT, like 127.0.0.1:9090 or [::1]:9090")
}

fn say_plainly(said: &clap::Error) -> io::Result<()> {
    let mut err = io::stderr();
    said.render().to_string().lines().try_for_each(|line| writeln!(err, "{}", printable(line)))
}
