//! One line a request.

use std::net::IpAddr;
use std::time::Duration;

use http::Method;
use jiff::fmt::temporal::DateTimePrinter;

use super::logging::Lines;
use crate::gate::methods::USUAL;
use crate::gate::time::Timestamp;
use crate::gate::user::UserId;

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
    pub user: Option<UserId>,
    pub took: Duration,
    pub sent_bytes: usize,
}

/// The most of a path that a line repeats.
const PATH_BYTES: usize = 512;

impl AccessLine<'_> {
    pub fn write(self, lines: &Lines) {
        let mut line = lines.line("access").word("at", iso(self.at)).text("requestId", self.request_id);
        if let Some(ip) = self.ip {
            line = line.word("ip", ip);
        }
        line = line.text("method", self.method);
        line = line.text("path", &self.path[..self.path.floor_char_boundary(PATH_BYTES)]).text("route", self.route);
        line = line.number("status", self.status).text("outcome", self.outcome);
        if let Some(user) = self.user {
            line = line.word("user", user);
        }
        let micros = self.took.as_micros();
        line = line.number("ms", format_args!("{}.{:03}", micros / 1000, micros % 1000));
        line.number("bytes", self.sent_bytes).write();
    }
}

/// A label and a log value from a fixed set, whatever the client calls its method.
pub fn known(method: &Method) -> &'static str {
    USUAL.iter().find(|usual| *usual == method).map_or("other", Method::as_str)
}

/// A time as RFC 3339 writes it, UTC.
pub fn iso(at: Timestamp) -> String {
    let time = i64::try_from(at.millis()).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    // What no calendar reaches reads as its end.
    MILLISECONDS.timestamp_to_string(&time.unwrap_or(jiff::Timestamp::MAX))
}

static MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
