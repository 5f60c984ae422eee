//! Portcullis, an authentication gateway.
pub mod clock;
pub mod gate;
pub mod passwords;
pub mod store;
