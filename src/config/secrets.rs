//! A secret comes from the environment, as `${NAME}` and nothing else, or from a file. Never from the text itself, never
//! with a default; and no message holds one.

use std::fs;

use toml::de::DeValue;

use super::environment::whole_variable;
use super::reader::{Placed, Section};
use crate::gate::secret::Secret;

/// A secret, and what to call it in messages: the variable or the key it came from.
pub struct Found {
    pub secret: Secret,
    pub origin: String,
    pub key: &'static str,
    pub at: usize,
}

/// The secret at `key`, or in the file that `file_key` names.
pub fn secret(section: &mut Section<'_>, key: &'static str, file_key: &'static str) -> Option<Found> {
    let (direct, file) = (section.value(key), section.placed_text(file_key, |path| Ok::<_, String>(path.to_owned())));
    if section.has(key) && section.has(file_key) {
        let message = format!("{key} and {file_key} are both there");
        section.wrong(key, section.place(key), message, Some("keep one of them".into()));
        return None;
    }
    match (direct, file) {
        (Some(value), _) => from_variable(section, key, &value),
        (None, Some(path)) => from_file(section, file_key, &path),
        (None, None) => None,
    }
}

fn from_variable(section: &mut Section<'_>, key: &'static str, value: &Placed<&DeValue<'_>>) -> Option<Found> {
    let name = match value.it {
        DeValue::String(raw) => whole_variable(raw),
        _ => None,
    };
    let Some(name) = name else {
        let hint = format!("write {key} = \"${{NAME}}\" and nothing else in it, or {key}_file = \"PATH\"");
        section.wrong(key, value.at, "a secret does not stand in this file, and has no default", Some(hint));
        return None;
    };
    match section.source.variables.value(name) {
        Ok(secret) => Some(Found { secret: secret.into(), origin: name.to_owned(), key, at: value.at }),
        Err(e) => {
            section.wrong(key, value.at, e, Some("set it in the environment or in .env".into()));
            None
        }
    }
}

/// What the file holds that `key` may name, and where it is named.
pub fn file(section: &mut Section<'_>, key: &'static str) -> Option<Placed<Secret>> {
    let path = section.placed_text(key, |path| Ok::<_, String>(path.to_owned()))?;
    read(section, key, &path).map(|it| Placed { at: path.at, it })
}

/// What the file holds that `key` must name.
pub fn required_file(section: &mut Section<'_>, key: &'static str, example: &str) -> Option<Secret> {
    let path = section.placed_text(key, |path| Ok::<_, String>(path.to_owned()));
    let path = section.required(key, path, example)?;
    read(section, key, &path)
}

fn read(section: &mut Section<'_>, key: &'static str, path: &Placed<String>) -> Option<Secret> {
    match fs::read(section.source.path(&path.it)) {
        Ok(bytes) => Some(Secret::new(bytes)),
        Err(e) => {
            // A path can hold a variable's value; the error's kind cannot.
            let hint = "a path is relative to the folder of the configuration".to_owned();
            section.wrong(key, path.at, format!("this file cannot be read: {}", e.kind()), Some(hint));
            None
        }
    }
}

fn from_file(section: &mut Section<'_>, key: &'static str, path: &Placed<String>) -> Option<Found> {
    let bytes = read(section, key, path)?;
    let text = bytes.expose();
    let text = text.strip_suffix(b"\n").map_or(text, |line| line.strip_suffix(b"\r").unwrap_or(line));
    if text.is_empty() {
        section.wrong(key, path.at, "this file is empty", None);
        return None;
    }
    Some(Found { secret: Secret::new(text), origin: section.full_name(key), key, at: path.at })
}
