//! One line of a file of users: what a line of JSON means, and how a user is written as one. Errors say what is wrong in
//! our own words, because a library's would quote the hash.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;

use super::administration::distinct;
use crate::gate::email::{Email, EmailError};
use crate::gate::role::{Role, RoleError};
use crate::gate::secret::Secret;
use crate::passwords::{HashError, StoredHash};
use crate::store::User;

/// The largest integer that every reader of JSON keeps exact.
const MAX_TOKEN_VERSION: u64 = (1 << 53) - 1;

#[derive(Debug)]
pub struct ImportedUser {
    pub email: Email,
    pub password_hash: Secret,
    pub roles: Vec<Role>,
    pub token_version: u64,
    pub enabled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("it is not valid JSON, from column {0} on")]
    Syntax(usize),
    #[error("it ends before its JSON does: what is read is one object a line")]
    CutShort,
    #[error("it is not UTF-8; save the file as UTF-8")]
    NotUtf8,
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    #[error("it begins a JSON array, but what is read is one object a line (mongoexport without --jsonArray)")]
    Array,
    #[error("it is not a JSON object, or one that names a member twice")]
    Shape,
    #[error("`{0}` is missing or not a string")]
    NotText(&'static str),
    #[error("email: {0}")]
    Email(#[from] EmailError),
    #[error("passwordHash: {0}")]
    Hash(#[from] HashError),
    #[error("`roles` is not a list of strings")]
    Roles,
    #[error("roles: {0}")]
    Role(#[from] RoleError),
    #[error("`tokenVersion` is not a whole number from 0 to 2^53-1")]
    TokenVersion,
    #[error("`enabled` is not true or false")]
    Enabled,
}

/// Members that are not listed are ignored (a MongoDB document has `_id`, `createdAt` and more).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    #[serde(default)]
    email: Value,
    #[serde(default)]
    password_hash: Value,
    #[serde(default)]
    roles: Value,
    #[serde(default)]
    token_version: Value,
    #[serde(default)]
    enabled: Value,
}

impl ImportedUser {
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        if line.trim_ascii_start().starts_with(b"[") {
            return Err(LineError::Array);
        }
        let line = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?;
        let members: Members = serde_json::from_str(line).map_err(|error| match error.classify() {
            Category::Data => LineError::Shape,
            Category::Eof => LineError::CutShort,
            Category::Syntax | Category::Io => LineError::Syntax(error.column()),
        })?;
        let email = Email::parse(members.email.as_str().ok_or(LineError::NotText("email"))?)?;
        let hash = members.password_hash.as_str().ok_or(LineError::NotText("passwordHash"))?;
        let password_hash = Secret::new(hash);
        StoredHash::parse(&password_hash)?;
        Ok(Self {
            email,
            password_hash,
            roles: roles(&members.roles)?,
            token_version: token_version(&members.token_version)?,
            enabled: match members.enabled {
                Value::Null => true,
                Value::Bool(enabled) => enabled,
                _ => return Err(LineError::Enabled),
            },
        })
    }
}

fn roles(value: &Value) -> Result<Vec<Role>, LineError> {
    let names = match value {
        Value::Null => &[],
        Value::String(_) => std::slice::from_ref(value),
        Value::Array(names) => names.as_slice(),
        _ => return Err(LineError::Roles),
    };
    let role = |name: &Value| Ok(Role::parse(name.as_str().ok_or(LineError::Roles)?)?);
    names.iter().map(role).collect::<Result<_, _>>().map(distinct)
}

/// MongoDB writes a number as `3`, `3.0` or `{"$numberInt": "3"}`.
fn token_version(value: &Value) -> Result<u64, LineError> {
    let number = match value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
        Value::Object(typed) if typed.len() == 1 => ["$numberInt", "$numberLong", "$numberDouble"]
            .iter()
            .find_map(|kind| typed.get(*kind)?.as_str())
            .and_then(|text| text.parse().ok().or_else(|| text.parse().ok().and_then(whole))),
        _ => None,
    };
    number.filter(|number| *number <= MAX_TOKEN_VERSION).ok_or(LineError::TokenVersion)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within the range of exact ones")]
fn whole(number: f64) -> Option<u64> {
    let exact = number.fract() == 0.0 && (0.0..=MAX_TOKEN_VERSION as f64).contains(&number);
    exact.then_some(number as u64)
}

/// What is written reads back as the same user. `enabled` is written only where it is false: an import must not revive
/// whom someone disabled.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedUser<'a> {
    email: &'a str,
    password_hash: &'a str,
    roles: Vec<&'a str>,
    token_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

impl<'a> ExportedUser<'a> {
    /// `None` if the stored hash is not even text.
    pub fn of(user: &'a User) -> Option<Self> {
        Some(Self {
            email: user.email.as_str(),
            password_hash: user.password_hash.expose_str()?,
            roles: user.roles.iter().map(Role::as_str).collect(),
            token_version: user.token_version,
            enabled: (!user.enabled).then_some(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::gate::time::Timestamp;
    use crate::store::{Epoch, UserId};

    const HASH: &str = "$2b$05$abcdefghijklmnopqrstuudWPcgfJKcFKSk8S5CdH/BEaQTncxPxS";

    fn parse(rest: &str) -> Result<ImportedUser, LineError> {
        let line = format!(r#"{{"email": "Ann@Example.com", "passwordHash": "{HASH}"{rest}}}"#);
        ImportedUser::parse(line.as_bytes())
    }

    #[test]
    fn what_may_be_missing_has_its_default_and_the_rest_is_ignored() {
        let user = parse(r#", "_id": {"$oid": "5f"}, "__v": 0"#).unwrap();
        assert_eq!(user.email.as_str(), "ann@example.com");
        assert_eq!(user.password_hash, Secret::new(HASH));
        assert!(user.roles.is_empty() && user.token_version == 0 && user.enabled);
    }

    #[test]
    fn roles_are_a_list_or_one() {
        let names = |rest| -> Vec<String> { parse(rest).unwrap().roles.iter().map(Role::to_string).collect() };
        assert_eq!(names(r#", "roles": ["user", "admin", "user"]"#), ["user", "admin"]);
        assert_eq!(names(r#", "roles": "admin""#), ["admin"]);
        assert!(names(r#", "roles": null"#).is_empty());
        assert_eq!(parse(r#", "roles": ["a,b"]"#).unwrap_err(), LineError::Role(RoleError));
        assert_eq!(parse(r#", "roles": [1]"#).unwrap_err(), LineError::Roles);
        assert_eq!(parse(r#", "roles": {"a": 1}"#).unwrap_err(), LineError::Roles);
    }

    #[test]
    fn token_versions_come_in_the_ways_mongo_writes_numbers() {
        for three in ["3", "3.0", r#"{"$numberInt": "3"}"#, r#"{"$numberLong": "3"}"#, r#"{"$numberDouble": "3.0"}"#] {
            assert_eq!(parse(&format!(r#", "tokenVersion": {three}"#)).unwrap().token_version, 3, "{three}");
        }
        let most = parse(r#", "tokenVersion": 9007199254740991"#).unwrap();
        assert_eq!(most.token_version, MAX_TOKEN_VERSION);
        for bad in ["-1", "1.5", "9007199254740992", "1e300", "\"3\"", "true", "{}", r#"{"$date": "3"}"#] {
            assert_eq!(parse(&format!(r#", "tokenVersion": {bad}"#)).unwrap_err(), LineError::TokenVersion, "{bad}");
        }
    }

    #[test]
    fn a_bad_line_says_why_and_never_quotes_the_hash() {
        for (line, wrong) in [
            ("", LineError::CutShort),
            ("{", LineError::CutShort),
            (r#"{"email": "a@b"} {"#, LineError::Syntax(18)),
            ("email,passwordHash", LineError::Syntax(1)),
            ("[", LineError::Array),
            ("\"$2b$05$\"", LineError::Shape),
            (r#"{"email": "a@b", "email": "c@d"}"#, LineError::Shape),
            (r#"{"passwordHash": "x"}"#, LineError::NotText("email")),
            (r#"{"email": "a@b"}"#, LineError::NotText("passwordHash")),
            (r#"{"email": "a", "passwordHash": "x"}"#, LineError::Email(EmailError::Malformed)),
            (r#"{"email": "a@b", "passwordHash": "s3cret"}"#, LineError::Hash(HashError::Unknown)),
            (r#"{"email": "a@b", "passwordHash": "$2b$05$s3cret"}"#, LineError::Hash(HashError::Malformed)),
        ] {
            let error = ImportedUser::parse(line.as_bytes()).unwrap_err();
            assert_eq!(error, wrong, "{line}");
            assert!(!error.to_string().contains("s3cret"));
        }
        assert_eq!(parse(r#", "enabled": 1"#).unwrap_err(), LineError::Enabled);
        assert_eq!(ImportedUser::parse(b"{\"email\": \"\xff@b\"}").unwrap_err(), LineError::NotUtf8);
    }

    #[test]
    fn what_is_exported_is_imported_the_same() {
        for enabled in [true, false] {
            let user = User {
                id: UserId(Uuid::nil()),
                email: Email::parse("jos\u{e9}@x").unwrap(),
                password_hash: Secret::new(HASH),
                roles: vec![Role::parse("b").unwrap(), Role::parse("a").unwrap()],
                enabled,
                token_version: 7,
                epoch: Epoch(9),
                created_at: Timestamp::default(),
                sessions: Vec::new(),
            };
            let line = serde_json::to_string(&ExportedUser::of(&user).unwrap()).unwrap();
            assert_eq!(line.contains("enabled"), !enabled);
            let read = ImportedUser::parse(line.as_bytes()).unwrap();
            assert_eq!((read.email, read.password_hash), (user.email, user.password_hash));
            assert_eq!((read.roles, read.token_version, read.enabled), (user.roles, 7, enabled));
        }
    }
}
