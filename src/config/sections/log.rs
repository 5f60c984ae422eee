//! `[log]`: how much is said, and in which form.

use tracing::Level;

use crate::config::reader::Section;
use crate::config::settings::Log;
use crate::telemetry::logging::Format;

pub fn log(s: &mut Section<'_>) -> Log {
    let formats = [("text", Format::Text), ("json", Format::Json)];
    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    Log {
        format: s.choice("format", &formats).unwrap_or(Format::Text),
        level: s.choice("level", &levels).unwrap_or(Level::INFO),
    }
}
