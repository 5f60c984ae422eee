//! Portcullis, an authentication gateway.
pub mod api;
pub mod clock;
pub mod gate;
pub mod gateway;
pub mod limiter;
pub mod live;
pub mod login;
pub mod passwords;
pub mod proxy;
pub mod server;
pub mod sessions;
pub mod signing;
pub mod store;
pub mod telemetry;
pub mod tokens;
