//! Facts go out once: one access line and one metric event a request, one audit line an event. No line and no label ever
//! holds a token, a password or a secret; labels come from enums and route names, never from what a client sent.

pub mod access_log;
pub mod audit_log;
pub mod hostile;
pub mod logging;
mod lost_lines;
pub mod metrics;
