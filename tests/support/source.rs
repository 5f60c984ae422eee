//! Rust source, read as far as the rules of the house need it: its words and the paths it names, without comments, texts and
//! test code.

use std::collections::HashMap;

/// One file of ours.
pub struct Source {
    /// `proxy::guard` of `src/proxy/guard.rs`; empty for the crate's own root.
    pub module: String,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Sign(char),
}

impl Source {
    pub fn read(module: &str, text: &str) -> Self {
        Self { module: module.to_owned(), tokens: without_tests(tokens(text)) }
    }

    /// The part of the crate that the file belongs to.
    pub fn part(&self) -> &str {
        self.module.split("::").next().unwrap()
    }

    /// Whether these words and signs stand in it one after the other, as in `.unwrap()`.
    pub fn says(&self, words: &str) -> bool {
        let wanted = tokens(words);
        self.tokens.windows(wanted.len()).any(|window| window == wanted)
    }

    /// Every path it names, in full: `crate::…` for ours, whichever way it was spelled, also by way of an import.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let (mut paths, mut at) = (Vec::new(), 0);
        while at < self.tokens.len() {
            match &self.tokens[at] {
                Token::Word(_) if self.begins(at) => at = self.tree(at, &[], &mut paths),
                _ => at += 1,
            }
        }
        let paths: Vec<_> = paths.into_iter().map(|path| self.resolved(path)).collect();
        let long = || paths.iter().filter(|path| path.len() > 1);
        let imports: HashMap<_, _> = long().map(|path| (path.last(), path)).collect();
        let through = |path: &Vec<String>| Some([imports.get(&path.first())?, &path[1..]].concat());
        let imported: Vec<_> = long().filter(|path| path[0] != "crate").filter_map(through).collect();
        [paths, imported].concat()
    }

    /// Whether a path begins here: not after a dot, nor within a path.
    fn begins(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map(|place| &self.tokens[place]);
        match before(1) {
            Some(Token::Sign('.')) => before(2) == Some(&Token::Sign('.')),
            // A module is declared here, and may be called as a crate is.
            Some(Token::Word(word)) if word == "mod" => false,
            Some(Token::Path) => !matches!(before(2), Some(Token::Word(_) | Token::Sign('>'))),
            _ => true,
        }
    }

    /// A path, or a tree of them in braces, after `root`. Returns where it ends.
    fn tree(&self, mut at: usize, root: &[String], paths: &mut Vec<Vec<String>>) -> usize {
        let mut path = root.to_vec();
        while let Some(Token::Word(word)) = self.tokens.get(at) {
            path.push(word.clone());
            at += 1;
            if self.tokens.get(at) != Some(&Token::Path) {
                break;
            }
            at += 1;
            if self.tokens.get(at) == Some(&Token::Sign('{')) {
                at += 1;
                while let Some(token) = self.tokens.get(at).filter(|token| **token != Token::Sign('}')) {
                    at = if matches!(token, Token::Word(_)) { self.tree(at, &path, paths) } else { at + 1 };
                }
                return at + 1;
            }
        }
        paths.push(path);
        at
    }

    /// `self` and `super` become what they mean here.
    fn resolved(&self, path: Vec<String>) -> Vec<String> {
        let mut base: Vec<String> =
            self.module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mut path = path;
        if path.len() > 1 {
            path.pop_if(|last| last == "self");
        }
        let relative = path.iter().take_while(|name| matches!(name.as_str(), "self" | "super")).count();
        if relative == 0 {
            return path;
        }
        let up = path[..relative].iter().filter(|name| *name == "super").count();
        base.truncate(base.len().saturating_sub(up));
        std::iter::once("crate".to_owned()).chain(base).chain(path[relative..].iter().cloned()).collect()
    }
}

/// The names of the modules that are there for tests alone: `#[cfg(test)]`, then `mod name;`.
pub fn test_modules(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let marked = lines.iter().enumerate().filter(|(_, line)| **line == "#[cfg(test)]");
    let declared = marked.filter_map(|(at, _)| lines[at + 1..].iter().find(|line| !line.starts_with("#[")));
    declared.filter_map(|line| Some(line.split_once("mod ")?.1.strip_suffix(';')?.to_owned())).collect()
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&c) = chars.get(at) {
        let rest = &chars[at..];
        if rest.starts_with(&['/', '/']) {
            at += rest.iter().take_while(|c| **c != '\n').count();
        } else if rest.starts_with(&['/', '*']) {
            at += rest.windows(2).position(|pair| pair == ['*', '/']).map_or(rest.len(), |end| end + 2);
        } else if let Some(length) = text_length(rest) {
            tokens.push(Token::Sign('"'));
            at += length;
        } else if c.is_alphanumeric() || c == '_' {
            let word: String = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
            at += word.chars().count();
            tokens.push(Token::Word(word));
        } else if rest.starts_with(&[':', ':']) {
            tokens.push(Token::Path);
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Sign(c));
            }
            at += 1;
        }
    }
    tokens
}

/// How long the literal is that begins here: a text, raw or not, or a character.
fn text_length(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().take_while(|c| matches!(c, 'b' | 'r' | 'c')).count();
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let raw = rest[..prefix].contains(&'r');
    let quote = prefix + hashes;
    match rest.get(quote)? {
        '"' if raw && prefix <= 2 => {
            let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let length = rest[quote + 1..].windows(end.len()).position(|window| window == end)?;
            Some(quote + 1 + length + end.len())
        }
        '"' if hashes == 0 && prefix <= 1 => closed(rest, quote, '"'),
        // A lifetime has no closing quote: 'a, where a character would have 'a'.
        '\'' if quote == 0 && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) => closed(rest, 0, '\''),
        _ => None,
    }
}

fn closed(rest: &[char], open: usize, quote: char) -> Option<usize> {
    let mut at = open + 1;
    while *rest.get(at)? != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    Some(at + 1)
}

/// Leaves out whatever `#[cfg(test)]` stands before: to its closing brace, or to its semicolon.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let marker = self::tokens("#[cfg(test)]");
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !tokens[at..].starts_with(&marker) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += marker.len();
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') => depth -= 1,
                Token::Sign(';') if depth == 0 => break,
                _ => continue,
            }
            if depth == 0 {
                break;
            }
        }
    }
    kept
}
