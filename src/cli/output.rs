//! How commands speak: aligned tables for people, JSON for scripts. What strangers chose (emails, user agents) cannot
//! move the cursor or colour the terminal.

use std::io::{self, Write};

use serde::Serialize;

use crate::gate::role::Role;
use crate::gate::time::Timestamp;
use crate::telemetry::hostile::{is_hostile, spelled_out};

/// Where a command writes. Tests pass buffers.
pub struct Console<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
    /// Whether a person watches `err`.
    pub watched: bool,
}

impl Console<'_> {
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    pub fn note(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.err, "{line}")
    }

    /// JSON lets much stand in a text that a terminal would obey.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        writeln!(self.out, "{}", spelled_out(&serde_json::to_string_pretty(value)?))
    }

    /// Columns as wide as their widest cell, two spaces apart, nothing at the end of a line.
    pub fn table<const N: usize>(&mut self, headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
        let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
        let headings = headings.map(str::to_owned);
        let mut widths = headings.each_ref().map(|heading| heading.chars().count());
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in std::iter::once(&headings).chain(&rows) {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(self.out, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Control characters, line separators and marks that reorder or hide text, spelled out.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if is_hostile(c) {
            shown.extend(c.escape_unicode())
        } else {
            shown.push(c)
        }
        shown
    })
}

/// UTC, ISO 8601, to the second.
pub fn time(at: Timestamp) -> String {
    let seconds = i64::try_from(at.secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// "no roles", "the role a", "the roles a, b".
pub fn role_words(roles: &[Role]) -> String {
    let names = roles.iter().map(Role::as_str).collect::<Vec<_>>().join(", ");
    match roles.len() {
        0 => "no roles".into(),
        1 => format!("the role {names}"),
        _ => format!("the roles {names}"),
    }
}

/// "1 session", "2 sessions".
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Console<'_>)) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        write(&mut Console { out: &mut out, err: &mut err, watched: false });
        assert!(err.is_empty());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [["josé@x".into(), "a".into()], ["b@y".into(), String::new()]];
        assert_eq!(
            written(|console| console.table(["EMAIL", "ROLES"], &rows).unwrap()),
            "EMAIL   ROLES\njosé@x  a\nb@y\n"
        );
    }

    #[test]
    fn an_empty_table_has_its_headings() {
        assert_eq!(written(|console| console.table(["ID", "IP"], &[]).unwrap()), "ID  IP\n");
    }

    #[test]
    fn a_stranger_cannot_steer_the_terminal() {
        assert_eq!(printable("\x1b[2Jcurl\r\n\u{202e}é"), "\\u{1b}[2Jcurl\\u{d}\\u{a}\\u{202e}é");
        let row = [["\x07".to_owned(), "x".to_owned()]];
        assert_eq!(written(|console| console.table(["A", "B"], &row).unwrap()), "A      B\n\\u{7}  x\n");
    }

    #[test]
    fn json_steers_no_terminal_either_and_reads_back_the_same() {
        let text = "\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\r\n\"\\é";
        let json = written(|console| console.json(&[text]).unwrap());
        assert!(!json.trim_end().replace('\n', "").contains(is_hostile), "{json:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [text]);
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(Timestamp::from_millis(1_767_225_600_999)), "2026-01-01T00:00:00Z");
        assert_eq!(time(Timestamp::from_millis(u64::MAX)), jiff::Timestamp::MAX.to_string());
    }

    #[test]
    fn counts_read_well() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "session")), ["0 sessions", "1 session", "2 sessions"]);
    }
}
