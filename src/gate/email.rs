//! An email in its one canonical form: NFC, lower case, nothing trimmed. Look-up, uniqueness, quotas and audit all use it,
//! so that `John@x` and `john@x` are one account with one counter.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// The most bytes an email may have (RFC 5321 section 4.5.3.1.3 leaves 254 for the address).
pub const MAX_BYTES: usize = 254;

/// A canonical email. There is no other way to make one than [`Email::parse`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(Box<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("an email has at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("an email is one name, one @ and one domain, without spaces or control characters")]
    Malformed,
}

impl Email {
    pub fn parse(raw: &str) -> Result<Self, EmailError> {
        if raw.len() > MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        let canonical = canonical(raw);
        if canonical.len() > MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        if canonical.chars().any(|c| c.is_control() || c.is_whitespace() || c == ',') {
            return Err(EmailError::Malformed);
        }
        match canonical.split_once('@') {
            Some((name, domain)) if !name.is_empty() && !domain.is_empty() && !domain.contains('@') => {
                Ok(Self(canonical.into()))
            }
            _ => Err(EmailError::Malformed),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Normalising again after lowering makes the result a fixed point: lowering can leave a sequence that NFC composes.
fn canonical(raw: &str) -> String {
    let lowered: String = raw.nfc().flat_map(char::to_lowercase).collect();
    lowered.nfc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_composition_do_not_make_another_account() {
        assert_eq!(Email::parse("John.Doe@Example.COM").unwrap().as_str(), "john.doe@example.com");
        assert_eq!(Email::parse("jose\u{301}@x").unwrap(), Email::parse("JOSÉ@x").unwrap());
    }

    #[test]
    fn what_is_not_an_email_is_refused() {
        for bad in ["", "@", "a@", "@b", "a@b@c", "a b@c", " a@b", "a@b\n", "a\0@b", "a,b@c"] {
            assert_eq!(Email::parse(bad), Err(EmailError::Malformed), "{bad:?}");
        }
        let name = "a".repeat(MAX_BYTES - 2);
        assert!(Email::parse(&format!("{name}@b")).is_ok());
        assert_eq!(Email::parse(&format!("{name}a@b")), Err(EmailError::TooLong));
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_a_fixed_point(name in "\\PC{1,20}", domain in "\\PC{1,20}") {
            if let Ok(email) = Email::parse(&format!("{name}@{domain}")) {
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
        }
    }
}
