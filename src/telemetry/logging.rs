//! Where lines go and in which form. Writing happens on a thread of its own: a slow terminal does not slow a request.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::metrics::Metrics;

/// `[log] format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// Writes the lines that are facts: access and audit.
#[derive(Clone)]
pub struct Lines {
    format: Format,
    out: NonBlocking,
}

/// One line's members, in order.
pub type Members = Map<String, Value>;

/// A panic is counted and its place is logged. What it says may hold what no line may hold, and is left out.
pub fn report_panics(metrics: &Arc<Metrics>) {
    let metrics = Arc::clone(metrics);
    std::panic::set_hook(Box::new(move |panic| {
        metrics.panicked();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic: please report it as a bug");
    }));
}

impl Lines {
    /// Start the writing thread, and send `tracing` and Pingora's own log there too. What is in the buffer is written when
    /// the guard is dropped.
    pub fn start(format: Format, level: Level) -> (Self, WorkerGuard) {
        let (out, guard) = tracing_appender::non_blocking(std::io::stderr());
        // Below info, Pingora prints header fields and bodies; its own reports of failed requests carry raw paths.
        let filter = EnvFilter::new(format!("{level},pingora=off,pingora_core=off,pingora_proxy=off,h2=off"));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(BoxMakeWriter::new(out.clone()));
        // A second start, as in tests, keeps the first one's log: lines still go where they should.
        let _ = match format {
            Format::Text => log.with_ansi(false).try_init(),
            Format::Json => log.json().flatten_event(true).try_init(),
        };
        (Self { format, out }, guard)
    }

    pub fn write(&self, kind: &str, members: Members) {
        let mut line = match self.format {
            Format::Json => {
                let mut whole = Members::new();
                whole.insert("log".into(), kind.into());
                whole.extend(members);
                Value::Object(whole).to_string()
            }
            Format::Text => text(kind, &members),
        };
        line.push('\n');
        // The buffer being full loses the line and nothing else.
        let _ = self.out.clone().write_all(line.as_bytes());
    }
}

/// `kind name=value name="a value"`; control characters and quotes are escaped as in JSON.
fn text(kind: &str, members: &Members) -> String {
    let mut line = kind.to_owned();
    for (name, value) in members {
        let _ = match value {
            Value::String(plain) if is_plain(plain) => write!(line, " {name}={plain}"),
            other => write!(line, " {name}={other}"),
        };
    }
    line
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\=".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let mut members = Members::new();
        members.insert("path".into(), "/a\nfake line \"x\"".into());
        members.insert("status".into(), 200.into());
        members.insert("user".into(), "bob".into());
        assert_eq!(text("access", &members), "access path=\"/a\\nfake line \\\"x\\\"\" status=200 user=bob");
    }
}
