//! The commands, one file each. What they have in common is here: the command line, and how a command fails.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Parser, Subcommand};

use self::output::Console;
use crate::accounts::{AccountError, Accounts};
use crate::config;
use crate::config::problem::Problems;
use crate::config::settings::Settings;
use crate::passwords::Passwords;
use crate::server::{self, ServeError};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

pub mod check;
pub mod demo;
mod descriptors;
pub mod explain;
pub mod health;
pub mod key;
pub mod new_password;
pub mod output;
mod question;
pub mod serve;
pub mod session;
pub mod store;
pub mod usage;
pub mod user;
mod user_file;

#[cfg(test)]
mod tests;

/// An authentication gateway in front of apps that have none.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// The configuration
    #[arg(short, long, global = true, value_name = "FILE", default_value = "gateway.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve
    Run,
    /// Try the real gateway in front of a small sample app, with two users; needs no file
    Demo(demo::Args),
    /// Report every mistake in the configuration, show its routes, run its [[expect]] rows
    Check(check::Args),
    /// Show which route would take a request, under which readings of its path, and whether it would pass
    Explain(explain::Args),
    /// Administer users, while gateways run
    #[command(subcommand)]
    User(user::Command),
    /// See who is signed in from where, and end sessions
    #[command(subcommand)]
    Session(session::Command),
    /// See and rotate the signing keys
    #[command(subcommand)]
    Key(key::Command),
    /// Move to another store
    #[command(subcommand)]
    Store(store::Command),
    /// Succeed if the running gateway is ready, for a container's health check
    Health(health::Args),
}

pub fn run(Arguments { config, command }: Arguments) -> Result<(), CliError> {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let watched = err.is_terminal();
    let mut console = Console { out: &mut out, err: &mut err, watched };
    match command {
        Command::Run => serve::run(&config),
        Command::Demo(args) => demo::run(&args, &mut console),
        Command::Check(args) => check::run(&args, &config, &mut console),
        Command::Explain(args) => explain::run(&args, &load(&config)?, &mut console),
        Command::Health(args) => health::run(&args, &config, &mut console),
        Command::User(command) => {
            let settings = load(&config)?;
            let passwords = Passwords::start(settings.passwords, Arc::new(())).map_err(ServeError::from)?;
            wait_for(async {
                let accounts = Accounts::new(open_store(&settings).await?, Arc::new(passwords));
                user::run(command, &accounts, &mut console).await
            })
        }
        Command::Session(command) => {
            let settings = load(&config)?;
            wait_for(async { session::run(command, &*open_store(&settings).await?, &mut console).await })
        }
        Command::Store(store::Command::Copy(args)) => wait_for(store::copy(args, &config, &mut console)),
        Command::Key(command) => {
            let settings = load(&config)?;
            wait_for(async { key::run(command, &settings.auth, &*open_store(&settings).await?, &mut console).await })
        }
    }
}

fn load(config: &Path) -> Result<Settings, CliError> {
    Ok(config::load(config, &environment)?)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, CliError> {
    Ok(server::open_store(&settings.store.url, &metrics()?).await?)
}

fn metrics() -> Result<Arc<Metrics>, CliError> {
    Ok(Arc::new(Metrics::new().map_err(|error| CliError::new(error.to_string()))?))
}

/// No command needs more than this thread: the requests that `run` serves have threads of their own.
fn wait_for<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// It did not work: one line that says why and what to do. The exit code is 1 (wrong usage, 2, is clap's).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CliError(String);

impl CliError {
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl From<AccountError> for CliError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NoSuchUser(email) => {
                let email = output::printable(email.as_str());
                Self(format!("there is no user {email}; `portcullis user list` shows everyone"))
            }
            AccountError::Taken(email) => {
                let email = output::printable(email.as_str());
                Self(format!("there is a user {email} already; `portcullis user passwd {email}` sets a new password"))
            }
            AccountError::Password(error) => Self(format!("{error}; choose another")),
            AccountError::Busy(error) => Self(format!("{error}; try again")),
            AccountError::Store(error) => error.into(),
            AccountError::File(error) => error.into(),
        }
    }
}

/// Each on a line of its own, as `FILE:LINE:COLUMN: message`, where editors find it.
impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        if problems.list().iter().all(|problem| problem.at.is_none()) {
            return Self(problems.to_string());
        }
        let count = output::counted(problems.list().len(), "mistake");
        Self(format!("{} holds {count}; correct what follows and try again\n{problems}", problems.file()))
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Store(error) => error.into(),
            other => Self(other.to_string()),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let advice = match error {
            StoreError::Unavailable(_) => "; check `url` under [store] in the configuration, and that it is reachable",
            StoreError::Refused(_) => "",
            StoreError::Foreign(_) => "; name another place as `url` under [store], or run the program that made it",
            StoreError::Corrupt(_) => "; restore it from a backup",
            StoreError::Newer(_) => "; run the release of portcullis that wrote it, or a later one",
            StoreError::EmailTaken => "",
        };
        Self(format!("{error}{advice}"))
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self("nobody reads the output any more; it was cut short".into()),
            _ => Self(format!("reading or writing failed: {error}")),
        }
    }
}
