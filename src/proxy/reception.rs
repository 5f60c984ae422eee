//! Answers for requests that no hook sees, because they could not be parsed: counted and logged like any other.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::guard::Reception;
use super::reply;
use crate::api::reply::Reply;
use crate::clock::Clock;
use crate::gate::denial::Denial;
use crate::telemetry::access_log::AccessLine;
use crate::telemetry::logging::Lines;
use crate::telemetry::metrics::{ConnectionEnd, Metrics};

pub struct Unparsed {
    pub metrics: Arc<Metrics>,
    pub lines: Lines,
    pub clock: Clock,
}

impl Reception for Unparsed {
    fn refuse(&self, client: IpAddr, denial: &Denial) -> Vec<u8> {
        let request_id = Uuid::new_v4().simple().to_string();
        self.metrics.refused_unparsed(denial);
        let line = AccessLine {
            at: self.clock.now().wall,
            request_id: &request_id,
            ip: Some(client),
            method: "other",
            path: "",
            route: "",
            status: denial.status().as_u16(),
            outcome: denial.code(),
            user: None,
            took: Duration::ZERO,
            sent_bytes: 0,
        };
        line.write(&self.lines);
        reply::whole(&Reply::denial(denial, &request_id), &request_id)
    }

    fn cut_off(&self) {
        self.metrics.connection_ended(ConnectionEnd::HeaderTimeout);
    }
}
