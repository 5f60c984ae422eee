//! Portcullis, an authentication gateway.
pub mod clock;
pub mod gate;
pub mod live;
pub mod store;
pub mod telemetry;
