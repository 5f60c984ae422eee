//! Portcullis, an authentication gateway.
pub mod clock;
pub mod gate;
pub mod store;
