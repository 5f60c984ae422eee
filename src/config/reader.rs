//! Reads one table of the file: each key is asked for by name and type, with its default. A mistake is noted and the
//! default taken, so that reading goes on; at the end every key that nobody asked for is a mistake too.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::source::Source;
use super::suggest::{did_you_mean, one_of};
use super::units;
use crate::gate::limit::Quota;

/// A value that was read, and where it stands in the text.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    pub at: usize,
    pub it: T,
}

pub struct Section<'a> {
    pub source: &'a Source<'a>,
    /// For messages: `server`, `upstreams.app`; empty for the file itself.
    name: String,
    /// Where the table begins.
    pub at: usize,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
    wrong: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Lends the table to `read`, then reports the keys that it did not ask for.
    pub fn read<T>(
        source: &'a Source<'a>,
        name: String,
        at: usize,
        table: &'a DeTable<'a>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut section = Self { source, name, at, table, known: Vec::new(), wrong: Vec::new() };
        let result = read(&mut section);
        section.report_unknown();
        result
    }

    /// What stands at `key`, unless a syntax error makes it a guess. From here on the key is known.
    pub fn value(&mut self, key: &'static str) -> Option<Placed<&'a DeValue<'a>>> {
        self.known.push(key);
        let spanned = self.table.get(key)?;
        let at = spanned.span().start;
        if self.source.is_guess(at) {
            self.wrong.push(key);
            return None;
        }
        Some(Placed { at, it: spanned.get_ref() })
    }

    /// Whether `key` is written, rightly or wrongly.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where `key` is written, or else where the table begins.
    pub fn place(&self, key: &str) -> usize {
        self.table.get_key_value(key).map_or(self.at, |(key, _)| key.span().start)
    }

    /// `server.listen`, as messages name a key.
    pub fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Notes a mistake in the value of `key`.
    pub fn wrong(&mut self, key: &'static str, at: usize, message: impl Display, hint: Option<String>) {
        self.wrong.push(key);
        self.source.problem(at, format!("{}: {message}", self.full_name(key)), hint);
    }

    pub fn wrong_type(&mut self, key: &'static str, at: usize, found: &DeValue<'_>, expected: &str) {
        self.wrong(key, at, format!("this is a value of type {}", found.type_str()), Some(format!("write {expected}")));
    }

    /// A rule between keys, reported at the first of them that is written, and only where each of them was right.
    pub fn rule(&mut self, keys: &[&'static str], holds: bool, message: &str) {
        if !holds && !keys.iter().any(|key| self.wrong.contains(key)) {
            let key = keys.iter().find(|key| self.has(key)).copied().unwrap_or(keys[0]);
            self.wrong(key, self.place(key), message, None);
        }
    }

    /// A key that must be there.
    pub fn required<T>(&mut self, key: &'static str, found: Option<T>, example: &str) -> Option<T> {
        if found.is_none() && !self.has(key) && !self.source.is_damaged() {
            self.source.problem(
                self.at,
                format!("{} is missing", self.full_name(key)),
                Some(format!("write {example}")),
            );
        }
        found
    }

    /// A key whose feature comes later.
    pub fn not_available(&mut self, key: &'static str) {
        self.known.push(key);
        if self.has(key) {
            self.wrong(key, self.place(key), NOT_AVAILABLE, None);
        }
    }

    pub fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        match self.value(key) {
            Some(Placed { it: DeValue::Boolean(value), .. }) => *value,
            Some(Placed { at, it }) => {
                self.wrong_type(key, at, it, "true or false, without quotes");
                default
            }
            None => default,
        }
    }

    pub fn integer(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(Placed { at, it }) = self.value(key) else { return default };
        let DeValue::Integer(digits) = it else {
            self.wrong_type(key, at, it, "a whole number, without quotes");
            return default;
        };
        match u64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.wrong(key, at, format!("a whole number from {} to {}", range.start(), range.end()), None);
                default
            }
        }
    }

    pub fn duration(&mut self, key: &'static str, default: &str, shortest: Duration) -> Duration {
        let parse = |text: &str| match units::duration(text).map_err(str::to_owned)? {
            span if span < shortest => Err(format!("this is too short, the shortest is \"{shortest:?}\"")),
            span => Ok(span),
        };
        // The defaults are constants that the tests read.
        self.text(key, parse).unwrap_or_else(|| units::duration(default).unwrap_or_default())
    }

    pub fn size(&mut self, key: &'static str, default: u64) -> u64 {
        let parse = |text: &str| {
            units::size(text).and_then(|size| if size > 0 { Ok(size) } else { Err("a size of 0 lets nothing through") })
        };
        self.text(key, parse).unwrap_or(default)
    }

    pub fn quota(&mut self, key: &'static str) -> Option<Quota> {
        self.text(key, units::quota)
    }

    /// One of a few words.
    pub fn choice<T: Clone>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let Placed { at, it } = self.placed_text(key, |text| Ok::<_, String>(text.to_owned()))?;
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == it) {
            return Some(choice.clone());
        }
        let hint = one_of(&it, words.iter().map(|(word, _)| *word));
        self.wrong(key, at, "there is no such choice", Some(hint));
        None
    }

    /// A string with its variables filled in, as `parse` understands it.
    pub fn text<T, E: Display>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        self.placed_text(key, parse).map(|placed| placed.it)
    }

    pub fn placed_text<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Placed<T>> {
        let value = self.value(key)?;
        self.understand(key, value, &parse)
    }

    /// A list of strings; what is wrong in it is left out. `None` if the key is not there, or holds no list.
    pub fn list<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Placed<T>>> {
        let Placed { at, it } = self.value(key)?;
        let DeValue::Array(items) = it else {
            self.wrong_type(key, at, it, "a list of strings, like [\"…\"]");
            return None;
        };
        let placed = items.iter().map(|item| Placed { at: item.span().start, it: item.get_ref() });
        Some(placed.filter_map(|item| self.understand(key, item, &parse)).collect())
    }

    /// A string or a list of strings.
    pub fn one_or_more<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Placed<T>>> {
        match self.value(key)? {
            Placed { it: DeValue::Array(_), .. } => self.list(key, parse),
            value => self.understand(key, value, &parse).map(|placed| vec![placed]),
        }
    }

    fn understand<T, E: Display>(
        &mut self,
        key: &'static str,
        Placed { at, it }: Placed<&DeValue<'_>>,
        parse: &impl Fn(&str) -> Result<T, E>,
    ) -> Option<Placed<T>> {
        let DeValue::String(raw) = it else {
            self.wrong_type(key, at, it, "a string, in quotes");
            return None;
        };
        let filled = match self.source.variables.fill(raw) {
            Ok(filled) => filled,
            Err(e) => {
                self.wrong(key, at, e, None);
                return None;
            }
        };
        match parse(&filled) {
            Ok(it) => Some(Placed { at, it }),
            Err(e) => {
                let hint = raw.contains("${").then(|| "its variables were filled in before it was read".to_owned());
                self.wrong(key, at, e, hint);
                None
            }
        }
    }

    fn report_unknown(&self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())) {
            let hint = did_you_mean(key.get_ref(), self.known.iter().copied());
            self.source.problem(key.span().start, format!("unknown key {:?}", self.full_name(key.get_ref())), hint);
        }
    }
}

/// Said of every key whose feature comes later.
pub const NOT_AVAILABLE: &str = "not available in this version";
