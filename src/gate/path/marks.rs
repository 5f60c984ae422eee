//! What stands in a text that some [`Step`] looks for, found in one pass: most steps have nothing to do, and looking for each of
//! them anew is what reading a path costs.

use super::step::{MEANINGFUL, Step, escaped};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks(u32);

// The escapes of `MEANINGFUL` have the first bits, in its order.
const ESCAPED_TEXT: u32 = 1 << 8;
const BACKSLASH: u32 = 1 << 9;
const TWO_SLASHES: u32 = 1 << 10;
const SLASH_DOT: u32 = 1 << 11;
const SEMICOLON: u32 = 1 << 12;
/// A dot or a space at the end of a segment.
const TAIL: u32 = 1 << 13;
const QUESTION: u32 = 1 << 14;
const HASH: u32 = 1 << 15;
const PERCENT: u32 = 1 << 16;

impl Marks {
    pub fn of(text: &str) -> Self {
        let (bytes, mut marks, mut before) = (text.as_bytes(), 0, 0);
        for (at, &byte) in bytes.iter().enumerate() {
            marks |= match byte {
                b'/' if before == b'/' => TWO_SLASHES,
                b'/' if matches!(before, b'.' | b' ') => TAIL,
                b'.' if before == b'/' => SLASH_DOT,
                b'\\' => BACKSLASH,
                b';' => SEMICOLON,
                b'?' => QUESTION,
                b'#' => HASH,
                b'%' => PERCENT | escaped(bytes, at).map_or(0, escape),
                _ => 0,
            };
            before = byte;
        }
        Self(marks | if matches!(before, b'.' | b' ') { TAIL } else { 0 })
    }

    /// Whether the step may change the text. If not, it does not.
    pub fn call_for(self, step: Step) -> bool {
        let mark = match step {
            Step::Decode(byte) => escape(byte),
            Step::DecodeText => ESCAPED_TEXT,
            Step::BackslashToSlash => BACKSLASH,
            Step::MergeSlashes | Step::DropAuthority => TWO_SLASHES,
            Step::ResolveDots => SLASH_DOT,
            Step::DropParameters => SEMICOLON,
            Step::DropTails | Step::DropTailsWhole | Step::DropTailsButDots | Step::DropLastTail => TAIL,
            Step::CutAtQuestion => QUESTION,
            Step::CutAtHash => HASH,
            Step::FoldCase => PERCENT,
            Step::DropFinalSlash => return true,
        };
        self.0 & mark != 0
    }
}

fn escape(byte: u8) -> u32 {
    MEANINGFUL.iter().position(|meaningful| *meaningful == byte).map_or(ESCAPED_TEXT, |place| 1 << place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_text_calls_for_is_what_stands_in_it() {
        let steps = |text| Step::ALL.into_iter().filter(|step| Marks::of(text).call_for(*step)).collect::<Vec<_>>();
        assert_eq!(steps("/a/b.c/d e"), []);
        assert_eq!(steps("/caf\u{e9}%20au"), [Step::Decode(b' '), Step::FoldCase]);
        assert_eq!(steps("/a%2fb;c"), [Step::Decode(b'/'), Step::DropParameters, Step::FoldCase]);
        assert_eq!(steps("/%41"), [Step::DecodeText, Step::FoldCase]);
    }

    proptest! {
        #[test]
        fn a_step_that_is_not_called_for_changes_nothing(
            pieces in prop::collection::vec("[a.éﬀ/ ]|%2[eEfF0]|%5c|%3[bBfF]|%2[35]|%[46]1|%|\\\\|;|\\?|#|//|/\\.", 0..12),
        ) {
            let text = format!("/{}", pieces.concat());
            let marks = Marks::of(&text);
            for step in Step::ALL.into_iter().filter(|step| !marks.call_for(*step)) {
                prop_assert_eq!(step.apply(&text), Ok(None), "{}", step);
            }
        }
    }
}
