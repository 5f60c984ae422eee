//! How tables lie in tables: `[server]`, `[[routes]]`, `[upstreams.NAME]`.

use toml::de::{DeTable, DeValue};

use super::reader::{Placed, Section};

impl<'a> Section<'a> {
    /// `[key]`. A table that is not there is read as an empty one: all defaults.
    pub fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        match self.value(key) {
            Some(Placed { at, it: DeValue::Table(table) }) => {
                Section::read(self.source, self.full_name(key), at, table, read)
            }
            other => {
                if let Some(Placed { at, it }) = other {
                    self.wrong_type(key, at, it, &format!("a table, [{key}]"));
                }
                Section::read(self.source, self.full_name(key), self.at, &DeTable::new(), read)
            }
        }
    }

    /// `[[key]]`, in the order of the file.
    pub fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'_>) -> Option<T>) -> Vec<T> {
        let form = format!("tables, [[{key}]]");
        let Some(Placed { at, it }) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = it else {
            self.wrong_type(key, at, it, &form);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::Table(table) => found.extend(Section::read(self.source, key.to_owned(), at, table, &mut read)),
                other => self.wrong_type(key, at, other, &form),
            }
        }
        found
    }

    /// `[key.NAME]`, in the order of the names.
    pub fn named_tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str, usize, &mut Section<'_>) -> Option<T>,
    ) -> Vec<T> {
        let form = format!("a table with a name, [{key}.NAME]");
        let Some(Placed { at, it }) = self.value(key) else { return Vec::new() };
        let DeValue::Table(tables) = it else {
            self.wrong_type(key, at, it, &form);
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, value) in tables {
            let (named_at, at, full) = (name.span().start, value.span().start, format!("{key}.{}", name.get_ref()));
            match value.get_ref() {
                DeValue::Table(table) => {
                    found.extend(Section::read(self.source, full, at, table, |s| read(name.get_ref(), named_at, s)));
                }
                other => self.wrong_type(key, at, other, &form),
            }
        }
        found
    }
}
