//! Where lines go and in which form. Writing happens on a thread of its own: a slow terminal does not slow a request.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::hostile::spelled_out;
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

/// One line as it is made: `kind name=value name="a value"`, or the same members in JSON, in the order they are put.
pub struct Line<'a> {
    lines: &'a Lines,
    bytes: Vec<u8>,
}

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
        let (out, guard) = tracing_appender::non_blocking(Gathered(BufWriter::with_capacity(GATHERED, io::stderr())));
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

    /// How many have found no room.
    pub fn lost(&self) -> ErrorCounter {
        self.out.error_counter()
    }

    pub fn line(&self, kind: &str) -> Line<'_> {
        let mut bytes = Vec::with_capacity(512);
        let (before, after): (&[u8], &[u8]) = match self.format {
            Format::Json => (b"{\"log\":\"", b"\""),
            Format::Text => (b"", b""),
        };
        for piece in [before, kind.as_bytes(), after] {
            bytes.extend_from_slice(piece);
        }
        Line { lines: self, bytes }
    }
}

impl Line<'_> {
    /// A value of any form: quotes, and whatever is [`super::hostile`], are escaped as in JSON.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        if is_plain(value) {
            return self.plain(name, value);
        }
        self.name(name);
        // A text can always be written as JSON.
        let json = serde_json::to_string(value).unwrap_or_default();
        self.bytes.extend_from_slice(spelled_out(&json).as_bytes());
        self
    }

    /// A value whose form needs no escapes: an id, an address, a time.
    pub fn word(mut self, name: &str, value: impl Display) -> Self {
        let quote = self.quote();
        self.name(name);
        // Writing to memory does not fail, here and below.
        let _ = write!(self.bytes, "{quote}{value}{quote}");
        self
    }

    pub fn number(mut self, name: &str, value: impl Display) -> Self {
        self.name(name);
        let _ = write!(self.bytes, "{value}");
        self
    }

    pub fn write(mut self) {
        self.bytes.extend_from_slice(if self.lines.format == Format::Json { b"}\n" } else { b"\n" });
        // Where there is no room, the line is lost (and counted), and nothing else.
        let _ = self.lines.out.clone().write_all(&self.bytes);
    }

    fn plain(mut self, name: &str, value: &str) -> Self {
        let quote = self.quote();
        self.name(name);
        for piece in [quote, value, quote] {
            self.bytes.extend_from_slice(piece.as_bytes());
        }
        self
    }

    fn name(&mut self, name: &str) {
        let (before, after) = match self.lines.format {
            Format::Json => (",\"", "\":"),
            Format::Text => (" ", "="),
        };
        for piece in [before, name, after] {
            self.bytes.extend_from_slice(piece.as_bytes());
        }
    }

    fn quote(&self) -> &'static str {
        if self.lines.format == Format::Json { "\"" } else { "" }
    }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\=".contains(&b))
}

/// Lines gather here for as long as nobody minds, and go out in one piece: a system call and a wake-up for each would cost
/// more than making it.
struct Gathered<W: Write>(BufWriter<W>);

const GATHERED: usize = 64 * 1024;
const GATHERING: Duration = Duration::from_millis(20);

impl<W: Write> Write for Gathered<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line)
    }

    /// Called when no line is left. Those that come meanwhile wait, and wake nobody.
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(GATHERING);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format) -> String {
        let lines = Lines { format, out: tracing_appender::non_blocking(io::sink()).0 };
        let line = lines.line("access").text("path", "/a\nfake line \"x\"").text("empty", "").number("status", 200);
        String::from_utf8(line.word("user", 7).text("route", "/*").bytes).unwrap()
    }

    #[test]
    fn what_a_terminal_obeys_or_a_reader_takes_for_a_new_line_is_spelled_out() {
        let lines = Lines { format: Format::Json, out: tracing_appender::non_blocking(io::sink()).0 };
        let value = "/\u{9b}31m\u{85}\u{2028}\u{202e}\u{61c}é\\";
        let line = String::from_utf8(lines.line("access").text("path", value).bytes).unwrap();
        assert_eq!(line, r#"{"log":"access","path":"/\u009b31m\u0085\u2028\u202e\u061cé\\""#);
        let read: serde_json::Value = serde_json::from_str(&(line + "}")).unwrap();
        assert_eq!(read["path"], value, "and reads back as the same");
    }

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let text = r#"access path="/a\nfake line \"x\"" empty="" status=200 user=7 route=/*"#;
        assert_eq!(line(Format::Text), text);
        let json = r#"{"log":"access","path":"/a\nfake line \"x\"","empty":"","status":200,"user":"7","route":"/*""#;
        assert_eq!(line(Format::Json), json);
    }
}
