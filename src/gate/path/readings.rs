//! All that upstreams may make of one path: what its [`Step`]s lead to, in any order and any number, found breadth first.
//! A path with more readings than anyone needs is not read to its end: it is [`Unreadable`].

use std::collections::HashSet;
use std::rc::Rc;

use super::Unreadable;
use super::marks::Marks;
use super::step::{Step, received};

/// An ordinary path has a handful; a whole URL, escaped, as one segment has some sixty.
const MAX_READINGS: usize = 256;
/// Of all readings together: a path of 8 KiB may have sixteen.
const MAX_BYTES: usize = 128 * 1024;

pub struct Readings {
    found: Vec<Reading>,
    /// Texts, and whether their case was folded: such a one is judged by other rules.
    seen: HashSet<(Rc<str>, bool), ahash::RandomState>,
    handed_out: usize,
    bytes: usize,
}

pub struct Reading {
    pub text: Rc<str>,
    pub folded: bool,
    /// The reading that this one was made of, and how.
    origin: Option<(usize, Step)>,
}

impl Readings {
    /// The first reading is the path as it came.
    pub fn of(path: &str) -> Result<Self, Unreadable> {
        let mut readings = Self { found: Vec::new(), seen: HashSet::default(), handed_out: 0, bytes: 0 };
        readings.keep(Reading { text: received(path)?.into(), folded: false, origin: None })?;
        Ok(readings)
    }

    /// One reading after the other. A reading is put through the steps only after its caller has seen it, so that whoever
    /// stops early has saved the rest.
    pub fn advance(&mut self) -> Result<Option<&Reading>, Unreadable> {
        if let Some(last) = self.handed_out.checked_sub(1) {
            self.expand(last)?;
        }
        let next = self.found.get(self.handed_out);
        self.handed_out += usize::from(next.is_some());
        Ok(next)
    }

    /// The steps that led to the reading handed out last.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut reading = self.handed_out.checked_sub(1).and_then(|last| self.found.get(last));
        while let Some((origin, step)) = reading.and_then(|reading| reading.origin) {
            steps.push(step);
            reading = self.found.get(origin);
        }
        steps.reverse();
        steps
    }

    fn expand(&mut self, origin: usize) -> Result<(), Unreadable> {
        let Reading { text, folded, .. } = &self.found[origin];
        let (text, folded) = (Rc::clone(text), *folded);
        let marks = Marks::of(&text);
        for step in Step::ALL.into_iter().filter(|step| marks.call_for(*step)) {
            if let Some(made) = step.apply(&text)? {
                let folded = folded || step == Step::FoldCase;
                self.keep(Reading { text: made.into(), folded, origin: Some((origin, step)) })?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, reading: Reading) -> Result<(), Unreadable> {
        if !self.seen.insert((Rc::clone(&reading.text), reading.folded)) {
            return Ok(());
        }
        self.bytes += reading.text.len();
        self.found.push(reading);
        if self.found.len() > MAX_READINGS || self.bytes > MAX_BYTES { Err(Unreadable::TooMany) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(path: &str) -> Result<Vec<String>, Unreadable> {
        let mut readings = Readings::of(path)?;
        let mut texts = Vec::new();
        while let Some(reading) = readings.advance()? {
            texts.push(reading.text.to_string());
        }
        Ok(texts)
    }

    #[test]
    fn a_plain_path_has_one_reading() {
        assert_eq!(all("/a/b.c").unwrap(), ["/a/b.c"]);
        assert_eq!(all("/%E2%82%AC/%c3%a9").unwrap(), ["/€/é"]);
    }

    #[test]
    fn every_order_of_the_steps_is_tried() {
        for (path, reading) in [
            ("/a/..%2fb", "/b"),
            ("/a/%252e%252e/b", "/b"),
            ("/a/..;x/b", "/b"),
            ("/a%5c..%5cb", "/b"),
            ("/a/%2e%2e%20/b", "/b"),
            ("/a/.../b", "/b"),
            ("/x/../a%3f/../b", "/a"),
            ("/public/a%2fb/..%5c../admin", "/admin"),
            ("/\\host/b", "/b"),
            ("/%252\u{fb00}", "//f"),
            ("/a/x/.. /...", "/a/"),
            ("/x/../a/b/..", "/a/b/"),
        ] {
            assert!(all(path).unwrap().iter().any(|text| text == reading), "{path}");
        }
    }

    #[test]
    fn steps_tell_how_a_reading_came_about() {
        let mut readings = Readings::of("/a%3Bb/c").unwrap();
        while let Some(reading) = readings.advance().unwrap() {
            if &*reading.text == "/a/c" {
                break;
            }
        }
        assert_eq!(readings.steps(), [Step::Decode(b';'), Step::DropParameters]);
    }

    #[test]
    fn a_path_is_not_read_in_more_ways_than_anyone_needs() {
        let long = format!("/%{}", "25".repeat(300));
        let heavy = format!("/a%20;b%2f//c.%3f{}", "x".repeat(8000));
        for path in [&*long, &*heavy, "/a%2f/%2e./..%5c;%3b/%3f%23x%20/%25%61/b"] {
            assert_eq!(all(path), Err(Unreadable::TooMany), "{path}");
        }
    }

    #[test]
    fn unreadable_below_the_first_decoding_is_unreadable() {
        assert_eq!(all("/%2500"), Err(Unreadable::Control));
        assert_eq!(all("/%25ff"), Err(Unreadable::NotUtf8));
        assert!(all("/100%25%20sure").is_ok());
    }
}
