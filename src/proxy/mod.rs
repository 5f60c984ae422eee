//! Pingora's side. It obeys: nothing in here decides whether a request may pass.

pub mod framing;
pub mod guard;
pub mod listener;
