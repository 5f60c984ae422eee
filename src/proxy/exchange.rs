//! One request and its answer, as far as it has come.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::Configuration;
use super::loops::UnderWay;
use super::upstream::Turn;
use crate::clock::Stopwatch;
use crate::gate::access::Permit;
use crate::gateway::Arrival;
use crate::telemetry::metrics::UpstreamError;

/// What Pingora carries from hook to hook.
pub struct Exchange {
    /// The configuration this request began with.
    pub configuration: Arc<Configuration>,
    pub watch: Stopwatch,
    /// Ours, or the one that a trusted proxy gave it.
    pub request_id: String,
    pub over_tls: bool,
    pub arrival: Option<Arrival>,
    /// The error's code, `allowed` or [`CLIENT_GONE`]: for the access line.
    pub outcome: &'static str,
    pub stage: Stage,
    _under_way: UnderWay,
}

pub enum Stage {
    /// Nothing has been decided.
    Arrived,
    /// We have answered, or shall.
    Answered,
    /// It goes on to an upstream. Only a permit brings a request here.
    Admitted { upstream: usize, turn: Turn, permit: Permit, tunnel: bool, body: Body },
}

/// The outcome of an exchange whose client did not stay to its end.
pub const CLIENT_GONE: &str = "client_gone";

/// The body of a proxied request, as far as it has come.
#[derive(Default)]
pub struct Body {
    pub bytes: u64,
    /// With its first piece: a client may have been told to wait for `100 Continue`.
    began: Option<Stopwatch>,
}

/// The slowest that a body may come in the long run, in bytes a second, and how long it may be slower at first. A client that
/// drips holds a connection here and one at the upstream.
const SLOWEST: u64 = 240;
const PATIENCE: Duration = Duration::from_secs(10);

impl Body {
    /// A piece has come, which may hold nothing but framing.
    pub fn take(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.began.get_or_insert_with(Stopwatch::start);
    }

    pub fn drips(&self) -> bool {
        self.began.as_ref().is_some_and(|began| drips(self.bytes, began.elapsed()))
    }
}

/// An app that is slow to read is no drip: before it holds anything up, buffers on the way have taken more than this.
fn drips(bytes: u64, took: Duration) -> bool {
    took > PATIENCE && bytes < SLOWEST * took.as_secs()
}

impl Exchange {
    pub fn begin(configuration: Arc<Configuration>) -> Self {
        let request_id = Uuid::new_v4().simple().to_string();
        let (watch, stage, _under_way) = (Stopwatch::start(), Stage::Arrived, UnderWay::begin());
        Self { configuration, watch, request_id, over_tls: false, arrival: None, outcome: "", stage, _under_way }
    }

    /// Whether another server can be asked instead of one that could not be connected to.
    pub fn pass_over(&mut self) -> bool {
        let Stage::Admitted { upstream, turn, .. } = &mut self.stage else { return false };
        self.configuration.upstreams.get(*upstream).is_some_and(|upstream| upstream.pass_over(turn))
    }

    /// Counted under the upstream's name, and logged.
    pub fn upstream_failed(&self, kind: UpstreamError) {
        if let Stage::Admitted { upstream, .. } = &self.stage
            && let Some(upstream) = self.configuration.upstreams.get(*upstream)
        {
            self.configuration.gateway.api.metrics.upstream_failed(&upstream.name, kind);
            tracing::warn!(upstream = upstream.name, ?kind, "an upstream failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_begin_slowly_and_not_go_on_so() {
        let seconds = Duration::from_secs;
        assert!(!drips(0, seconds(10)));
        assert!(drips(1, seconds(11)));
        assert!(!drips(240 * 60, seconds(60)));
        assert!(drips(240 * 60 - 1, seconds(60)));
    }
}
