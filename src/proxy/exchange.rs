//! One request and its answer, as far as it has come.

use std::sync::Arc;

use uuid::Uuid;

use super::Configuration;
use crate::clock::Stopwatch;
use crate::gate::access::Permit;
use crate::gateway::Arrival;

/// What Pingora carries from hook to hook.
pub struct Exchange {
    /// The configuration this request began with.
    pub configuration: Arc<Configuration>,
    pub watch: Stopwatch,
    pub request_id: String,
    pub arrival: Option<Arrival>,
    /// The error's code, or `allowed`: for the access line.
    pub outcome: &'static str,
    pub stage: Stage,
}

pub enum Stage {
    /// Nothing has been decided.
    Arrived,
    /// We have answered, or shall.
    Answered,
    /// It goes on to an upstream. Only a permit brings a request here.
    Admitted { upstream: usize, permit: Permit, tunnel: bool, body_bytes: u64 },
}

impl Exchange {
    pub fn begin(configuration: Arc<Configuration>) -> Self {
        let request_id = Uuid::new_v4().simple().to_string();
        let (watch, stage) = (Stopwatch::start(), Stage::Arrived);
        Self { configuration, watch, request_id, arrival: None, outcome: "", stage }
    }
}
