//! What goes wrong with Redis, in words that say what to do. Never a word of what was sent.

use std::sync::Arc;

use redis::{ErrorKind, RedisError};

use crate::store::StoreError;

#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// Nobody was asked: there is no connection now.
    Away(Arc<str>),
    Answer(RedisError),
}

impl Failure {
    /// What an error answer begins with.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Answer(error) => error.code(),
            Self::Away(_) => None,
        }
    }

    /// The connection is of no use any more, or may be: a call that took too long tells a slow server from a dead line only
    /// if it is tried on a new one.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Answer(error) => {
                matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse) || error.is_unrecoverable_error()
            }
            Self::Away(_) => false,
        }
    }

    /// This server cannot write, but perhaps another has taken its place.
    pub(super) fn wants_a_master(&self) -> bool {
        matches!(self.code(), Some("READONLY" | "MASTERDOWN"))
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Answer(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Away(why) => Self::Unavailable(why.to_string()),
            Failure::Answer(error) => {
                let said = said(&error);
                match error.code() {
                    Some("FOREIGN") => Self::Foreign(format!("Redis: {said}")),
                    Some("NEWER") => Self::Newer(format!("Redis: {said}")),
                    Some("CORRUPT") => Self::Corrupt(said),
                    Some("UNFIT") => Self::Refused(said),
                    Some("WRONGPASS" | "NOAUTH" | "NOPERM") => Self::Refused(explain(&error)),
                    _ if error.kind() == ErrorKind::AuthenticationFailed => Self::Refused(explain(&error)),
                    _ => Self::Unavailable(explain(&error)),
                }
            }
        }
    }
}

/// A line for the log.
pub(super) fn explain(error: &RedisError) -> String {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return REFUSED.into();
    }
    match error.code() {
        Some("WRONGPASS" | "NOAUTH") => REFUSED.into(),
        Some("NOPERM") => format!(
            "Redis lets this user not do what is needed: {}; its ACL needs ~{{portcullis}}:* +@all -@dangerous +role",
            said(error)
        ),
        Some("LOADING") => "Redis is still reading its data from disk".into(),
        Some("READONLY") => "this Redis is a read-only replica; name the master, or its sentinels".into(),
        Some("MASTERDOWN") => "this Redis is a replica that has lost its master".into(),
        Some("OOM") => "Redis has no memory left for writing; raise its maxmemory".into(),
        Some("MISCONF") => "Redis cannot write to its disk and refuses to change anything; see its log".into(),
        Some("NOREPLICAS") => "Redis has fewer replicas than min-replicas-to-write asks for".into(),
        Some("BUSY") => "Redis is busy with a script of somebody else's".into(),
        Some("STALE") => "the store was emptied or replaced a moment ago".into(),
        Some(code) => format!("Redis answers {code}: {}", said(error)),
        None if error.is_timeout() => "Redis does not answer in time".into(),
        None if error.is_io_error() => format!("the connection to Redis: {error}"),
        None => format!("Redis: {} {}", error.category(), said(error)),
    }
}

const REFUSED: &str = "Redis refuses the user or the password; check store.username and store.password";

/// The server's own words, without those that might be ours.
fn said(error: &RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    let end = [" script: ", ", with args", " with args beginning"].iter().filter_map(|from| detail.find(from)).min();
    let words = &detail[..end.unwrap_or(detail.len())];
    words.chars().take(200).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use redis::{ErrorKind, make_extension_error};

    use super::*;

    fn answer(code: &str, detail: &str) -> String {
        StoreError::from(Failure::Answer(make_extension_error(code.into(), Some(detail.into())))).to_string()
    }

    #[test]
    fn what_was_sent_is_not_said() {
        let said = answer("ERR", "unknown command 'EVALSHA', with args beginning with: 'canary' ");
        assert!(said.contains("unknown command 'EVALSHA'") && !said.contains("canary"), "{said}");
        let said = answer("ERR", "it broke script: canary, on @user_script:1.");
        assert!(said.ends_with("it broke"), "{said}");
    }

    #[test]
    fn answers_say_what_to_do() {
        assert!(answer("WRONGPASS", "invalid").contains("store.password"));
        assert!(answer("OOM", "command not allowed").contains("maxmemory"));
        assert!(answer("NEWER", "the store is of version 9").contains("version 9"));
        let refused = RedisError::from((ErrorKind::AuthenticationFailed, "Password authentication failed"));
        assert!(explain(&refused).contains("store.password"));
    }
}
