//! The text of the file while it is read: turns offsets into places and gathers problems. After a syntax error the rest
//! is still read, as far as it can be trusted.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, Error};

use super::environment::Variables;
use super::lines::Lines;
use super::problem::{Position, Problem};

const UNREAD: &str = "only the file's syntax was checked: correct this first";

/// How the parser's messages about a key without `=` begin. It leaves out all that follows.
const STOPS: [&str; 2] = ["key with no value", "missing value for key"];

pub struct Source<'t> {
    lines: Lines<'t>,
    folder: &'t Path,
    pub variables: &'t Variables<'t>,
    /// Lines with a syntax error: what the parser made of them is a guess.
    broken: HashSet<usize>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

/// The text with those lines blanked at which the parser would stop, and the errors in them. Everything stays in its place.
pub fn readable(text: &str) -> (Cow<'_, str>, Vec<Error>) {
    let (_, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    let is_stop = |error: &&Error| STOPS.iter().any(|stop| error.message().starts_with(stop));
    let stops: HashSet<usize> = errors.iter().filter(is_stop).map(|error| line_of(error, &lines)).collect();
    if stops.is_empty() {
        return (Cow::Borrowed(text), Vec::new());
    }
    let errors = errors.into_iter().filter(|error| stops.contains(&line_of(error, &lines))).collect();
    let blanked = text.split_inclusive('\n').enumerate().map(|(place, line)| match line.strip_suffix('\n') {
        Some(rest) if stops.contains(&(place + 1)) => Cow::Owned(" ".repeat(rest.len()) + "\n"),
        None if stops.contains(&(place + 1)) => Cow::Owned(" ".repeat(line.len())),
        _ => Cow::Borrowed(line),
    });
    (Cow::Owned(blanked.collect()), errors)
}

fn line_of(error: &Error, lines: &Lines<'_>) -> usize {
    lines.line_at(error.span().map_or(0, |span| span.start))
}

impl<'t> Source<'t> {
    /// `None` for the tree if it cannot be trusted at all: a broken table header moves what follows into another table.
    pub fn parse(
        text: &'t str,
        (readable, mut errors): (&'t str, Vec<Error>),
        folder: &'t Path,
        variables: &'t Variables<'t>,
    ) -> (Self, Option<Spanned<DeTable<'t>>>) {
        let (tree, more) = DeTable::parse_recoverable(readable);
        errors.extend(more);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        let (problems, warnings) = (RefCell::default(), RefCell::default());
        let mut source = Self { lines: Lines::of(text), folder, variables, broken: HashSet::new(), problems, warnings };
        let (mut header, last) = (false, text.trim_end().len());
        for error in errors {
            let position = source.position(error.span().map_or(0, |span| span.start).min(last));
            // One mistake makes several errors; the first of a line says most.
            if source.broken.insert(position.line) {
                let line = source.lines.text(position.line).trim_start();
                let misplaces = line.starts_with('[') && error.message() != "duplicate key";
                header |= misplaces;
                let hint = if misplaces { Some(UNREAD) } else { advice(line, error.message()) };
                // The parser's message holds no text of the file (its `Display` does).
                let problem = Problem { hint: hint.map(str::to_owned), ..Problem::at(position, error.message()) };
                source.problems.get_mut().push(problem);
            }
        }
        (source, (!header).then_some(tree))
    }

    /// Whether syntax errors may have swallowed keys: then nothing is said to be missing.
    pub fn is_damaged(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Whether what stands at this offset is the parser's guess.
    pub fn is_guess(&self, offset: usize) -> bool {
        self.is_damaged() && self.broken.contains(&self.lines.line_at(offset))
    }

    pub fn problem(&self, offset: usize, message: impl Into<String>, hint: Option<String>) {
        if !self.is_guess(offset) {
            let problem = Problem { hint, ..Problem::at(self.position(offset), message) };
            self.problems.borrow_mut().push(problem);
        }
    }

    pub fn warning(&self, offset: usize, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem::at(self.position(offset), message));
    }

    pub fn warning_of_file(&self, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem::of_file(message));
    }

    /// A path of the file, relative to the folder it is in.
    pub fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    pub fn position(&self, offset: usize) -> Position {
        self.lines.position(offset)
    }

    /// Problems and warnings.
    pub fn into_findings(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

/// What is likely meant by a line that the parser refuses.
fn advice(line: &str, message: &str) -> Option<&'static str> {
    if ["missing comma between", "missing key for inline table"].iter().any(|said| message.starts_with(said)) {
        return Some("or is a [ or { further up not closed?");
    }
    let Some((key, value)) = line.split_once('=') else {
        let no_value = STOPS.iter().chain(&["invalid unquoted key"]).any(|said| message.starts_with(said));
        return no_value.then_some("write KEY = VALUE");
    };
    let bare = !value.trim_start().starts_with(['"', '\'', '[', '{']);
    (bare && !key.trim().is_empty() && message != "duplicate key").then_some("text goes in double quotes")
}
