//! Portcullis, an authentication gateway.
pub mod accounts;
pub mod cli;
pub mod clock;
pub mod gate;
pub mod passwords;
pub mod store;
