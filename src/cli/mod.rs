//! The commands, one file each. What they have in common is here: how one fails.

use std::io;

use crate::accounts::AccountError;
use crate::store::StoreError;

pub mod demo;
pub mod new_password;
pub mod output;
pub mod session;
pub mod user;
mod user_file;

#[cfg(test)]
mod tests;

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

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let advice = match error {
            StoreError::Unavailable(_) => "; check `url` under [store] in the configuration, and that it is reachable",
            StoreError::Corrupt(_) => "; restore it from a backup",
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
