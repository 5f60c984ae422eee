//! A user as the gate sees one: what a token must agree with, and what the upstream is told.

use std::fmt::{self, Write};
use std::time::Duration;

use http::HeaderValue;
use uuid::Uuid;

use super::email::Email;
use super::role::Role;
use super::time::{Moment, Timestamp};
use super::token::{Claims, LEEWAY};

/// A user's id, the `sub` of tokens: a UUIDv7, never used twice (RFC 9068 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub Uuid);

/// A session's id, the `sid` of tokens: a UUIDv7, so that ids sort by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub Uuid);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the changes to one user that a gateway's copy must follow: every write but a rotation or a rehash raises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSession {
    pub id: SessionId,
    pub opened_at: Timestamp,
}

/// A copy of a user, with the moment at which the store was asked for it.
#[derive(Debug)]
pub struct UserState {
    pub id: UserId,
    pub epoch: Epoch,
    pub token_version: u64,
    pub enabled: bool,
    pub email: Email,
    pub roles: Vec<Role>,
    pub sessions: Vec<OpenSession>,
    pub loaded_at: Moment,
    pub stated: Stated,
}

/// The user's header values, made once when the copy is made.
#[derive(Clone, Debug)]
pub struct Stated {
    pub user_id: HeaderValue,
    pub email: HeaderValue,
    pub roles: HeaderValue,
}

impl Stated {
    /// `None` if a value could not stand in a header: then there is no such state, and the caller is refused.
    pub fn new(id: UserId, email: &Email, roles: &[Role]) -> Option<Self> {
        let list = roles.iter().map(Role::as_str).collect::<Vec<_>>().join(",");
        Some(Self {
            user_id: HeaderValue::from_str(&id.to_string()).ok()?,
            email: HeaderValue::from_str(&visible(email)).ok()?,
            roles: HeaderValue::from_str(&list).ok()?,
        })
    }
}

/// Visible ASCII as it stands; all else, and `%` itself, percent-encoded. Apps read other bytes of a field each in their own
/// way (RFC 9110 section 5.5), some strip what looks like a space among them, and one email must never read as another.
fn visible(email: &Email) -> String {
    email.as_str().bytes().fold(String::new(), |mut value, byte| {
        if byte.is_ascii_graphic() && byte != b'%' {
            value.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(value, "%{byte:02X}");
        }
        value
    })
}

/// Whether a copy vouches for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    Recognised,
    /// The token is over: a younger copy would say the same.
    Revoked,
    /// The token may be younger than the copy: ask the store once more.
    Unknown,
}

impl UserState {
    pub fn recognise(&self, claims: &Claims) -> Recognition {
        if claims.user != self.id || !self.enabled || claims.token_version < self.token_version {
            return Recognition::Revoked;
        }
        let open = self.sessions.iter().any(|session| session.id == claims.session);
        if open && claims.token_version == self.token_version {
            return Recognition::Recognised;
        }
        // Other gateways' clocks may be behind or ahead of ours by the leeway, and `iat` is in whole seconds.
        let settled = Timestamp::from_secs(claims.issued_at).plus(LEEWAY + Duration::from_secs(1));
        if self.loaded_at.wall > settled { Recognition::Revoked } else { Recognition::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(loaded_at: u64) -> UserState {
        let (id, email) = (UserId(Uuid::from_u128(1)), Email::parse("a@b").unwrap());
        let session = OpenSession { id: SessionId(Uuid::from_u128(2)), opened_at: Timestamp::default() };
        UserState {
            stated: Stated::new(id, &email, &[]).unwrap(),
            id,
            epoch: Epoch(1),
            token_version: 5,
            enabled: true,
            email,
            roles: Vec::new(),
            sessions: vec![session],
            loaded_at: Moment::at_secs(loaded_at),
        }
    }

    fn claims(session: u128, token_version: u64) -> Claims {
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(session)));
        Claims { user, session, token_version, generation: 0, issued_at: 100, expires_at: 1000 }
    }

    #[test]
    fn an_email_is_stated_in_visible_ascii_that_is_no_other_emails() {
        for (email, value) in [
            ("ann+x@example.com", "ann+x@example.com"),
            ("josé@example.com", "jos%C3%A9@example.com"),
            ("jos%c3%a9@example.com", "jos%25c3%25a9@example.com"),
        ] {
            let email = Email::parse(email).unwrap();
            assert_eq!(Stated::new(UserId(Uuid::nil()), &email, &[]).unwrap().email, value);
        }
    }

    #[test]
    fn version_and_session_must_both_agree() {
        assert_eq!(state(50).recognise(&claims(2, 5)), Recognition::Recognised);
        assert_eq!(state(50).recognise(&claims(2, 4)), Recognition::Revoked);
        assert_eq!(UserState { enabled: false, ..state(50) }.recognise(&claims(2, 5)), Recognition::Revoked);
        let other = Claims { user: UserId(Uuid::from_u128(9)), ..claims(2, 5) };
        assert_eq!(state(50).recognise(&other), Recognition::Revoked);
    }

    #[test]
    fn a_token_younger_than_the_copy_asks_again_and_an_older_one_does_not() {
        for (session, version) in [(3, 5), (2, 6)] {
            assert_eq!(state(50).recognise(&claims(session, version)), Recognition::Unknown);
            assert_eq!(state(106).recognise(&claims(session, version)), Recognition::Unknown);
            assert_eq!(state(107).recognise(&claims(session, version)), Recognition::Revoked);
        }
    }

    #[test]
    fn no_clock_overflows() {
        for (loaded_at, issued_at) in [(0, u64::MAX), (u64::MAX, u64::MAX), (0, 0)] {
            let unknown = Claims { issued_at, ..claims(3, 5) };
            assert_eq!(state(loaded_at).recognise(&unknown), Recognition::Unknown);
        }
        let (settled, long_ago) = (state(u64::MAX), Claims { issued_at: 0, ..claims(3, 5) });
        assert_eq!(settled.recognise(&long_ago), Recognition::Revoked);
    }
}
