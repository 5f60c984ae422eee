//! Meaning over the store: users, their passwords and their roles. It never reads a clock and never talks HTTP.

use std::io;
use std::sync::Arc;

use crate::gate::email::Email;
use crate::passwords::{Busy, PasswordError, Passwords};
use crate::store::{Store, StoreError};

pub mod administration;
pub mod copy;
pub mod export;
pub mod import;
mod line;
#[cfg(test)]
pub(crate) mod memory_store;

/// The users of one store.
pub struct Accounts {
    store: Arc<dyn Store>,
    passwords: Arc<Passwords>,
}

impl Accounts {
    pub fn new(store: Arc<dyn Store>, passwords: Arc<Passwords>) -> Self {
        Self { store, passwords }
    }
}

/// Why something was not done to an account.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("there is no user {0}")]
    NoSuchUser(Email),
    #[error("there is a user {0} already")]
    Taken(Email),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of users could not be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
}
