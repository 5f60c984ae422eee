//! `${NAME}` and `${NAME:-default}`: values from the environment and from a `.env` file beside `gateway.toml`, which never
//! overrides the real environment. Nothing is written to the process's environment, and no value appears in a message.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::problem::Problem;

/// The environment as it is given to us: a name's value, if it is set.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Where variables are looked up.
pub struct Variables<'e> {
    real: Environment<'e>,
    file: HashMap<String, String>,
}

impl<'e> Variables<'e> {
    /// The environment, and below it the `.env` file in `folder`, if there is one.
    pub fn read(folder: &Path, real: Environment<'e>) -> (Self, Vec<Problem>) {
        match fs::read(folder.join(".env")) {
            Ok(bytes) => {
                let (file, problems) = entries(&bytes);
                (Self { real, file }, problems)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => (Self::only(real), Vec::new()),
            Err(e) => {
                let problem = Problem::of_file(format!("the .env file beside it cannot be read: {e}"));
                (Self::only(real), vec![problem])
            }
        }
    }

    /// The environment alone.
    pub fn only(real: Environment<'e>) -> Self {
        Self { real, file: HashMap::new() }
    }

    /// The text with its variables filled in. The error says which variable, never its value.
    pub fn fill(&self, raw: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, after) = after.split_once('}').ok_or("a ${ is not closed by }")?;
            filled.push_str(before);
            filled.push_str(&self.reference(inside)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// A variable's value: set and not empty.
    pub fn value(&self, name: &str) -> Result<String, String> {
        match (self.real)(name).or_else(|| self.file.get(name).cloned()) {
            Some(value) if !value.is_empty() => Ok(value),
            Some(_) => Err(format!("the environment variable {name} is empty")),
            None => Err(format!("the environment variable {name} is not set")),
        }
    }

    fn reference(&self, inside: &str) -> Result<String, String> {
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, d)| (name, Some(d)));
        if !is_name(name) {
            return Err("a variable is written ${NAME} or ${NAME:-default}".into());
        }
        self.value(name).or_else(|unset| {
            let advice = "set it, or write a default: ${NAME:-default}";
            default.map(str::to_owned).ok_or_else(|| format!("{unset}; {advice}"))
        })
    }
}

/// The name, if the text is `${NAME}` and nothing else.
pub fn whole_variable(raw: &str) -> Option<&str> {
    raw.strip_prefix("${")?.strip_suffix('}').filter(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The first of two entries with one name counts, as everywhere with such files.
fn entries(bytes: &[u8]) -> (HashMap<String, String>, Vec<Problem>) {
    let (mut map, mut problems) = (HashMap::new(), Vec::new());
    let mut place = "its first entry".to_owned();
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for entry in dotenvy::from_read_iter(text) {
        if let Ok((name, value)) = entry {
            place = format!("the entry after {name}");
            map.entry(name).or_insert(value);
        } else {
            // The library's own message quotes the line.
            let message = format!("the .env file beside it: {place} is not NAME=value");
            problems.push(Problem::of_file(message).hint("a value with spaces or a $ goes in single quotes"));
        }
    }
    (map, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(name: &str) -> Option<String> {
        [("PORT", "8080"), ("EMPTY", "")].iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn variables_are_filled_in_anywhere_in_a_text() {
        let variables = Variables::only(&real);
        assert_eq!(variables.fill("127.0.0.1:${PORT}").unwrap(), "127.0.0.1:8080");
        assert_eq!(variables.fill("${NONE:-a}${EMPTY:-b}${PORT:-c}${NONE:-}").unwrap(), "ab8080");
        assert_eq!(variables.fill("$PORT costs $5").unwrap(), "$PORT costs $5");
    }

    #[test]
    fn a_missing_or_empty_variable_is_named() {
        let variables = Variables::only(&real);
        for (name, what) in [("NONE", "is not set"), ("EMPTY", "is empty")] {
            let said = variables.fill(&format!("${{{name}}}")).unwrap_err();
            assert!(said.starts_with(&format!("the environment variable {name} {what}; set it, or ")), "{said}");
        }
        for bad in ["${PORT", "${}", "${A B}", "${PORT:?no}", "${${PORT}}"] {
            assert!(variables.fill(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_env_file_never_overrides_the_environment() {
        let (file, problems) = entries(b"PORT=1\nEMPTY=full\nexport HOST='a$b'\n# no\nHOST=second\n");
        let variables = Variables { real: &real, file };
        assert!(problems.is_empty());
        assert_eq!(variables.value("PORT").unwrap(), "8080");
        assert!(variables.value("EMPTY").is_err());
        assert_eq!(variables.value("HOST").unwrap(), "a$b");
    }

    #[test]
    fn a_broken_env_file_is_not_quoted() {
        let (_, problems) = entries(b"A=1\nB=can ary\nC=2\n!canary\n");
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("the entry after A") && said[1].contains("the entry after C"), "{said:?}");
        assert!(!said.concat().contains("canary") && !said.concat().contains("ary\""), "{said:?}");
    }

    #[test]
    fn only_a_whole_text_is_a_whole_variable() {
        assert_eq!(whole_variable("${A_1}"), Some("A_1"));
        for other in ["${A}x", "x${A}", "${A:-b}", "$A", "A", "${}", "${A}${B}"] {
            assert_eq!(whole_variable(other), None, "{other}");
        }
    }
}
