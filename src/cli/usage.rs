//! Wrong usage, `--help` and `--version`: what clap says of a command line. An argument may have come from a stranger (an
//! email that a script hands on), so none of them can steer the terminal either; or be a password that belongs elsewhere.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Arguments;
use super::output::printable;

/// The command line, or the exit code: 2 for wrong usage, 0 where help or the version was asked for.
pub fn parse(arguments: Vec<OsString>) -> Result<Arguments, u8> {
    let hostile = arguments.iter().any(|argument| {
        let text = argument.to_string_lossy();
        printable(&text) != text
    });
    let takes = |word: &str| arguments.iter().any(|argument| argument == word);
    let (takes_password, takes_url) = (takes("add") || takes("passwd"), takes("copy"));
    Arguments::try_parse_from(arguments).map_err(|mut said| {
        if takes_password {
            withhold(&mut said);
        }
        if takes_url {
            withhold_login(&mut said);
        }
        // Where nobody can be told, the exit code tells.
        let _ = if hostile { say_plainly(&said) } else { said.print() };
        u8::try_from(said.exit_code()).unwrap_or(2)
    })
}

pub fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "an address is IP:PORT, like 127.0.0.1:9090 or [::1]:9090")
}

/// What was typed where nothing more belongs is likely the password.
fn withhold(said: &mut clap::Error) {
    if !matches!(said.kind(), ErrorKind::UnknownArgument | ErrorKind::TooManyValues) {
        return;
    }
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidValue] {
        if matches!(said.get(kind), Some(ContextValue::String(typed)) if !typed.starts_with('-')) {
            said.insert(kind, ContextValue::String("…".into()));
        }
    }
}

/// A url may hold a password, although none of ours does.
fn withhold_login(said: &mut clap::Error) {
    if matches!(said.get(ContextKind::InvalidValue), Some(ContextValue::String(typed)) if typed.contains('@')) {
        said.insert(ContextKind::InvalidValue, ContextValue::String("…".into()));
    }
}

fn say_plainly(said: &clap::Error) -> io::Result<()> {
    let mut err = io::stderr();
    said.render().to_string().lines().try_for_each(|line| writeln!(err, "{}", printable(line)))
}
