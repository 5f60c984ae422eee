//! A role's name. Roles travel to the upstream in one comma-separated header, so a name can hold neither a comma nor
//! anything else that could split or fake a field.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(Box<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is 1 to 64 letters, digits or any of - _ . : /")]
pub struct RoleError;

impl Role {
    pub fn parse(name: &str) -> Result<Self, RoleError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
        if (1..=64).contains(&name.len()) && name.bytes().all(legal) { Ok(Self(name.into())) } else { Err(RoleError) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_cannot_split_a_header() {
        assert!(Role::parse("billing:read").is_ok());
        for bad in ["", "a,b", "a b", "a\r\nX: y", "é", &"r".repeat(65)] {
            assert_eq!(Role::parse(bad), Err(RoleError), "{bad:?}");
        }
    }
}
