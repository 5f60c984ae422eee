//! The lines of a text: from an offset to its line and column, at the same cost in a long file as in a short one.

use super::problem::Position;

pub struct Lines<'t> {
    text: &'t str,
    /// Where each line begins; at least one.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub fn of(text: &'t str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Counts from 1.
    pub fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    pub fn position(&self, offset: usize) -> Position {
        let line = self.line_at(offset);
        let before = self.text.get(self.start(line)..offset).unwrap_or_else(|| self.text(line));
        Position { line, column: before.trim_start_matches('\u{feff}').chars().count() + 1 }
    }

    /// A line, with its end.
    pub fn text(&self, line: usize) -> &'t str {
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        self.text.get(self.start(line)..end).unwrap_or_default()
    }

    fn start(&self, line: usize) -> usize {
        self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_columns_count_characters() {
        let text = "\u{feff}a = 1\r\n\né = 2\nlast";
        let lines = Lines::of(text);
        for (wanted, line, column) in [("a =", 1, 1), ("= 1", 1, 3), ("\né", 2, 1), ("= 2", 3, 3), ("last", 4, 1)] {
            let offset = text.find(wanted).unwrap();
            assert_eq!(lines.position(offset), Position { line, column }, "{wanted:?}");
        }
        assert_eq!(lines.position(text.len()), Position { line: 4, column: 5 });
        assert_eq!(lines.position(0), Position { line: 1, column: 1 });
    }

    #[test]
    fn what_is_no_place_in_the_text_is_its_line_s_end() {
        let lines = Lines::of("é");
        assert_eq!(lines.position(1), Position { line: 1, column: 2 }, "inside a character");
        assert_eq!(lines.position(99), Position { line: 1, column: 2 });
        assert_eq!((lines.text(1), lines.text(2)), ("é", ""));
    }
}
