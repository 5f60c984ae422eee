//! `portcullis user import` and `user export`: users from and to files of JSON lines.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::Path;

use super::CliError;
use super::output::{Console, counted, printable};
use crate::accounts::Accounts;
use crate::accounts::import::Report;
use crate::clock;

/// Without a person watching, word comes every so many lines.
const LINES_BETWEEN_WORD: u64 = 10_000;

pub async fn import(accounts: &Accounts, console: &mut Console<'_>, file: &Path) -> Result<(), CliError> {
    let name = printable(&file.display().to_string());
    let lines: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let unread = |why: &dyn Display| CliError::new(format!("cannot read {name}: {why}"));
        let open = File::open(file).map_err(|error| unread(&error))?;
        if open.metadata().is_ok_and(|about| about.is_dir()) {
            return Err(unread(&"this is a folder"));
        }
        Box::new(BufReader::new(open))
    };
    let watched = console.watched;
    let mut next_word = LINES_BETWEEN_WORD;
    let progress = |report: &Report| {
        if watched || report.lines >= next_word {
            next_word = report.lines + LINES_BETWEEN_WORD;
            // An import does not fail because nobody hears of it.
            let _ = writeln!(console.err, "{name}: {} lines read, {} users added", report.lines, report.added);
        }
    };
    let report = accounts.import(lines, clock::wall(), progress).await;
    for (line, reason) in &report.skipped {
        console.note(&format!("{name}:{line}: {reason}"))?;
    }
    let added = counted(usize::try_from(report.added).unwrap_or(usize::MAX), "user");
    console.say(&format!("{added} added, {} skipped", counted(report.skipped.len(), "line")))?;
    if let Some(error) = report.stopped {
        let why = CliError::from(error);
        let again = "once that is mended, import the file again: who is there already is left alone";
        return Err(CliError::new(format!("stopped after line {}: {why}; {again}", report.lines)));
    }
    if report.skipped.is_empty() {
        return Ok(());
    }
    let skipped = counted(report.skipped.len(), "line");
    let again = "mend the file and import it again: who is there already is left alone";
    Err(CliError::new(format!("{skipped} skipped, for the reasons above; {again}")))
}

pub async fn export(accounts: &Accounts, console: &mut Console<'_>) -> Result<(), CliError> {
    let exported = accounts.export(BufWriter::new(&mut console.out)).await?;
    for email in &exported.left_out {
        console.note(&format!("{}: the stored password hash is unreadable", printable(email.as_str())))?;
    }
    if exported.left_out.is_empty() {
        return Ok(());
    }
    let left_out = counted(exported.left_out.len(), "user");
    Err(CliError::new(format!("{left_out} left out; `portcullis user passwd` gives each a new password")))
}
