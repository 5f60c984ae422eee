//! What is wrong with a file, and where: one line each, sorted by place. Never holds a value of the file, nor a source
//! line, so that no secret can show.

use std::fmt;

/// A place in the file. Both count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// `None`: the file as a whole.
    pub at: Option<Position>,
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

/// Everything that is wrong with one file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    file: String,
    list: Vec<Problem>,
}

impl Problem {
    pub fn at(position: Position, message: impl Into<String>) -> Self {
        Self { at: Some(position), message: message.into(), hint: None }
    }

    pub fn of_file(message: impl Into<String>) -> Self {
        Self { at: None, message: message.into(), hint: None }
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Problems {
    /// `file` is the name that people know the file by.
    pub fn new(file: impl Into<String>, mut list: Vec<Problem>) -> Self {
        list.sort();
        list.dedup();
        Self { file: file.into(), list }
    }

    pub fn file(&self) -> &str {
        &self.file
    }

    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// `message; hint`, without the place.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            match problem.at {
                Some(Position { line, column }) => write!(f, "{}:{line}:{column}: {problem}", self.file)?,
                None => write!(f, "{}: {problem}", self.file)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_printed_one_a_line_in_the_order_of_the_file() {
        let late =
            Problem::at(Position { line: 12, column: 5 }, "unknown key \"liste\"").hint("did you mean \"listen\"?");
        let early = Problem::at(Position { line: 2, column: 1 }, "late");
        let problems = Problems::new("gateway.toml", vec![late, early, Problem::of_file("empty")]);
        assert_eq!(
            problems.to_string(),
            "gateway.toml: empty\ngateway.toml:2:1: late\n\
             gateway.toml:12:5: unknown key \"liste\"; did you mean \"listen\"?"
        );
    }
}
