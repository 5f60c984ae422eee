//! The text of the file while it is read: turns offsets into places and gathers problems. After a syntax error the rest
//! is still read, as far as it can be trusted.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::environment::Variables;
use super::problem::{Position, Problem};

const UNREAD: &str = "only the file's syntax was checked: correct this first";

pub struct Source<'t> {
    text: &'t str,
    folder: &'t Path,
    pub variables: &'t Variables<'t>,
    /// Lines with a syntax error: what the parser made of them is a guess.
    broken: HashSet<usize>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'t> Source<'t> {
    /// `None` for the tree if it cannot be trusted at all: a broken table header moves what follows into another table.
    pub fn parse(
        text: &'t str,
        folder: &'t Path,
        variables: &'t Variables<'t>,
    ) -> (Self, Option<Spanned<DeTable<'t>>>) {
        let (tree, mut errors) = DeTable::parse_recoverable(text);
        let (problems, warnings) = (RefCell::default(), RefCell::default());
        let mut source = Self { text, folder, variables, broken: HashSet::new(), problems, warnings };
        let mut header = false;
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start).min(text.trim_end().len());
            let position = source.position(offset);
            // One mistake makes several errors; the first of a line says most.
            if source.broken.insert(position.line) {
                // The parser's message holds no text of the file (its `Display` does).
                let problem = Problem::at(position, error.message());
                let starts_table = source.line(position.line).trim_start().starts_with('[');
                let misplaces = starts_table && error.message() != "duplicate key";
                header |= misplaces;
                source.problems.get_mut().push(if misplaces { problem.hint(UNREAD) } else { problem });
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
        self.is_damaged() && self.broken.contains(&self.position(offset).line)
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
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        Position { line, column: before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1 }
    }

    /// Problems and warnings.
    pub fn into_findings(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }

    fn line(&self, line: usize) -> &str {
        self.text.lines().nth(line - 1).unwrap_or_default()
    }
}
