//! One line a request.

use std::net::IpAddr;
use std::time::Duration;

use super::logging::{Lines, Members};
use crate::gate::time::Timestamp;

/// What is known of a request when it is over. The query is left out: apps put secrets there.
#[derive(Debug)]
pub struct AccessLine<'a> {
    pub at: Timestamp,
    pub request_id: &'a str,
    pub ip: Option<IpAddr>,
    pub method: &'a str,
    pub path: &'a str,
    pub route: &'a str,
    pub status: u16,
    /// `allowed`, `client_gone`, or the error's code.
    pub outcome: &'a str,
    pub user: Option<String>,
    pub took: Duration,
    pub sent_bytes: usize,
}

/// The most of a path that a line repeats.
const PATH_BYTES: usize = 512;

impl AccessLine<'_> {
    pub fn write(self, lines: &Lines) {
        let mut members = Members::new();
        members.insert("at".into(), iso(self.at).into());
        members.insert("requestId".into(), self.request_id.into());
        if let Some(ip) = self.ip {
            members.insert("ip".into(), ip.to_string().into());
        }
        members.insert("method".into(), self.method.into());
        members.insert("path".into(), self.path[..self.path.floor_char_boundary(PATH_BYTES)].into());
        members.insert("route".into(), self.route.into());
        members.insert("status".into(), self.status.into());
        members.insert("outcome".into(), self.outcome.into());
        if let Some(user) = self.user {
            members.insert("user".into(), user.into());
        }
        members.insert("ms".into(), (self.took.as_micros() as f64 / 1000.0).into());
        members.insert("bytes".into(), self.sent_bytes.into());
        lines.write("access", members);
    }
}

/// A time as RFC 3339 writes it, UTC.
pub fn iso(at: Timestamp) -> String {
    i64::try_from(at.millis())
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map_or_else(|| at.millis().to_string(), |time| format!("{time:.3}"))
}
