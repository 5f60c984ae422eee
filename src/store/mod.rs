//! Durable truth: users, sessions, signing keys, shared counters, and the feed that tells every gateway what changed.
//!
//! A store never interprets: it knows no HTTP, no tokens and no policy. Each method is one atomic, durable step; when it
//! returns `Ok`, the change survives a kill -9. When it returns an error, nothing has changed.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::gate::email::Email;
use crate::gate::limit::{Quota, Standing};
use crate::gate::role::Role;
use crate::gate::rotation::Chain;
use crate::gate::secret::Secret;
use crate::gate::time::Timestamp;
pub use crate::gate::user::{Epoch, OpenSession, SessionId, UserId};

pub mod redis;
pub mod sqlite;

/// A user as stored, with the sessions that are open.
#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    /// A PHC string, or a bcrypt hash that came with an import. Input like any other: it may be corrupt.
    pub password_hash: Secret,
    pub roles: Vec<Role>,
    pub enabled: bool,
    pub token_version: u64,
    pub epoch: Epoch,
    pub created_at: Timestamp,
    /// Oldest first.
    pub sessions: Vec<OpenSession>,
}

/// What it takes to add a user. The store sets the epoch.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub id: UserId,
    pub email: Email,
    pub password_hash: Secret,
    pub roles: Vec<Role>,
    pub enabled: bool,
    pub token_version: u64,
    pub created_at: Timestamp,
}

/// One change to a user. All but `Rehash` raise the user's epoch and tell the feed.
#[derive(Clone, Debug)]
pub enum UserChange {
    /// Set the hash, raise the token version, end every session but `keep`; that one moves to its next generation. If it
    /// has ended by now, nothing is done: whoever ended it may have changed the password a moment ago.
    Password {
        hash: Secret,
        keep: Option<SessionId>,
    },
    /// Replace `old` by `new`, only if `old` still stands. Nothing else changes.
    Rehash {
        old: Secret,
        new: Secret,
    },
    Roles(Vec<Role>),
    /// Disabling raises the token version and ends every session, so that enabling again revives nothing.
    Enabled(bool),
    /// Raise the token version and end every session.
    EndSessions,
}

/// One login and the refresh chain that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub chain: Chain,
    pub client: Client,
}

/// Where a session was opened from, for the list that its user sees.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Client {
    pub ip: String,
    pub user_agent: String,
}

/// What a key is for. One key never serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    Access,
    Refresh,
}

/// A signing key at rest.
#[derive(Clone, Debug)]
pub struct StoredKey {
    pub kid: String,
    pub purpose: KeyPurpose,
    /// The JOSE name: `EdDSA`, `ES256`, `RS256` or `HS256`.
    pub algorithm: String,
    /// PKCS#8 DER, or the bytes of an HMAC secret.
    pub private: Secret,
    pub created_at: Timestamp,
    /// From when it signs; it verifies as soon as it is here.
    pub signs_from: Timestamp,
}

/// Names a shared counter. The two parts stay apart, so that no value can spell another counter's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CounterKey {
    pub kind: &'static str,
    pub value: String,
}

/// A place in the change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FeedPosition(pub u128);

/// What changed after a position in the feed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Where to ask from next time.
    pub position: FeedPosition,
    pub events: Vec<ChangeEvent>,
    /// The feed no longer reaches back to the position asked for: anything may have changed.
    pub gap: bool,
    /// There is more to be had at once.
    pub more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChangeEvent {
    pub subject: Subject,
    /// When the write was made, on the writer's clock.
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// This user now stands at this epoch, or beyond.
    User(UserId, Epoch),
    /// This user is gone, for good.
    Removed(UserId),
    /// The signing keys.
    Keys,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot answer now. Nothing was changed. The text is for the log, never for a client.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It is there and does not let us do what is needed. Nothing was changed.
    #[error("the store turns us away: {0}")]
    Refused(String),
    /// What is there was made by another program. Nothing was changed.
    #[error("the store cannot be used: {0}")]
    Foreign(String),
    /// What is stored cannot be read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// A later release has been here.
    #[error("the store cannot be used: {0}")]
    Newer(String),
    #[error("there is a user with this email already")]
    EmailTaken,
}

impl StoreError {
    /// The same, saying which file it is about.
    pub(crate) fn at(self, path: &Path) -> Self {
        let named = |why: String| format!("{}: {why}", path.display());
        match self {
            Self::Unavailable(why) => Self::Unavailable(named(why)),
            Self::Refused(why) => Self::Refused(named(why)),
            Self::Foreign(why) => Self::Foreign(named(why)),
            Self::Corrupt(why) => Self::Corrupt(named(why)),
            Self::Newer(why) => Self::Newer(named(why)),
            Self::EmailTaken => Self::EmailTaken,
        }
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
pub trait Store: Send + Sync + 'static {
    async fn user(&self, id: UserId) -> Result<Option<User>>;
    async fn user_by_email(&self, email: &Email) -> Result<Option<User>>;
    /// Up to `limit` users in the order of their emails, from the first after `after`.
    async fn users(&self, after: Option<&Email>, limit: usize) -> Result<Vec<User>>;
    /// [`StoreError::EmailTaken`] if the email is in use, also under races.
    async fn add_user(&self, user: NewUser) -> Result<User>;
    /// All of them or none, in one step; the emails that are taken are left out and returned.
    async fn add_users(&self, users: Vec<NewUser>) -> Result<Vec<Email>>;
    /// The user as it then stands; `None` if there is no such user (or, for `Rehash`, if `old` no longer stands; for
    /// `Password`, if `keep` has ended).
    async fn change_user(&self, id: UserId, change: UserChange, now: Timestamp) -> Result<Option<User>>;
    async fn remove_user(&self, id: UserId, now: Timestamp) -> Result<bool>;

    /// A session with its user.
    async fn session(&self, id: SessionId) -> Result<Option<(Session, User)>>;
    /// A user's sessions, oldest first.
    async fn sessions(&self, user: UserId) -> Result<Vec<Session>>;
    /// Open a session, ending the oldest ones beyond `at_most`. `None`, and nothing done, unless the user is there,
    /// enabled and still at `token_version`: the password that was checked a moment ago may have been changed since.
    async fn open_session(&self, session: Session, token_version: u64, at_most: usize) -> Result<Option<User>>;
    /// Compare and swap: from `generation` to the next, rotated at `now`. `None` if the session is gone or not there.
    async fn advance_session(&self, id: SessionId, generation: u64, now: Timestamp) -> Result<Option<Session>>;
    /// `None` if this user has no such session.
    async fn end_session(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<Option<User>>;
    /// Forget sessions last rotated before `idle_before` or opened before `opened_before`, and counters and feed entries
    /// that no longer matter. Returns how many sessions went.
    async fn sweep(&self, idle_before: Timestamp, opened_before: Timestamp, now: Timestamp) -> Result<u64>;

    async fn keys(&self) -> Result<Vec<StoredKey>>;
    /// Add a key. With `only_if_none`, only while there is no key of the same purpose and algorithm: gateways that start
    /// at the same moment agree on one. Returns whether it was added.
    async fn add_key(&self, key: StoredKey, only_if_none: bool) -> Result<bool>;
    async fn remove_key(&self, kid: &str, now: Timestamp) -> Result<bool>;

    /// Take a place in every quota, or in none: the standings are in the order asked, and if any is `Full`, nothing
    /// was taken.
    async fn take(&self, places: &[(CounterKey, Quota)], now: Timestamp) -> Result<Vec<Standing>>;
    async fn give_back(&self, places: &[(CounterKey, Quota)], now: Timestamp) -> Result<()>;

    /// The present end of the feed.
    async fn feed_end(&self) -> Result<FeedPosition>;
    /// What came after `position`. Waits up to `wait` for something; returns empty changes (word that the store is
    /// there and nothing happened) when nothing comes.
    async fn changes(&self, position: FeedPosition, wait: Duration) -> Result<Changes>;
}

/// Told of every call on a store: the operation's name, how long it took, whether it worked.
pub type Observer = std::sync::Arc<dyn Fn(&'static str, Duration, bool) + Send + Sync>;
