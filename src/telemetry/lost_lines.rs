//! Lines that found no room: where whoever takes the log does not keep up, requests go on, and what is lost is counted.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Opts};
use tracing_appender::non_blocking::ErrorCounter;

/// The log's own count, asked for at each scrape.
pub(super) struct LostLines {
    lost: ErrorCounter,
    form: IntCounter,
    opts: Opts,
}

impl LostLines {
    pub(super) fn new(lost: ErrorCounter, opts: Opts) -> prometheus::Result<Self> {
        Ok(Self { lost, form: IntCounter::with_opts(opts.clone())?, opts })
    }
}

impl Collector for LostLines {
    fn desc(&self) -> Vec<&Desc> {
        self.form.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // A new one each time: two who scrape at once must not count the same lines twice.
        let Ok(counter) = IntCounter::with_opts(self.opts.clone()) else { return Vec::new() };
        counter.inc_by(self.lost.dropped_lines() as u64);
        counter.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, channel};

    use tracing_appender::non_blocking::NonBlockingBuilder;

    use crate::telemetry::metrics::Metrics;

    /// Takes nothing until it is told to.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_finds_no_room_is_counted() {
        let (go_on, told) = channel();
        let (mut out, _guard) = NonBlockingBuilder::default().buffered_lines_limit(1).finish(Stuck(told));
        let metrics = Metrics::new().unwrap();
        metrics.watch_log(out.error_counter()).unwrap();
        for _ in 0..10 {
            out.write_all(b"line\n").unwrap();
        }
        // One has room, and one may have been taken out to be written.
        let lost = out.error_counter().dropped_lines();
        assert!((8..=9).contains(&lost), "{lost}");
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains(&format!("\nportcullis_log_lines_lost_total {lost}\n")), "{text}");
        drop(go_on);
    }
}
