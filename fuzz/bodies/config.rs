//! The configuration file: any text is read or refused, and nothing that is said about it tells what the environment holds.

use std::path::Path;

use portcullis::config;

/// What every variable holds whose name starts with S; those that start with P hold a number, the others are not set.
const CANARY: &str = "canary-4f1d0b7a96e24cf3-that-is-long-enough-for-a-secret";

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // A text that holds it already would be its own finding.
    if text.contains("canary-4f1d") {
        return;
    }
    let environment = |name: &str| match name.as_bytes().first() {
        Some(b'S') => Some(CANARY.to_owned()),
        Some(b'P') => Some("8080".to_owned()),
        _ => None,
    };
    let said = match config::from_text(text, "gateway.toml", Path::new("/nowhere"), &environment) {
        Ok(settings) => format!("{} {:?} {:?}", settings.warnings, settings.warnings, settings.auth.secrets),
        Err(problems) => {
            assert!(!problems.is_empty());
            format!("{problems} {problems:?}")
        }
    };
    assert!(!said.contains("canary-4f1d"), "{said}");
}
