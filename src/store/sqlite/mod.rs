//! The embedded store: one SQLite file, WAL, `synchronous=FULL`. One thread writes and commits whatever is queued as one
//! transaction; a few read beside it. The CLI opens the same file from its own process. Not for network file systems.

mod feed;
mod keys;
mod lanes;
mod rows;
mod schema;
mod sessions;
mod users;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use self::lanes::Lanes;
use super::{
    Changes, CounterKey, FeedPosition, NewUser, Observer, Result, Session, SessionId, Standing, Store, StoreError,
    StoredKey, User, UserChange, UserId,
};
use crate::gate::email::Email;
use crate::gate::limit::Quota;
use crate::gate::time::Timestamp;

pub struct SqliteStore {
    lanes: Lanes,
}

impl SqliteStore {
    /// Open the file, making it (readable by its owner only) and its tables where they are missing.
    pub fn open(path: &Path, observer: Observer) -> Result<Self> {
        Ok(Self { lanes: Lanes::open(path, observer)? })
    }

    /// How many transactions have been committed: fewer than writes, when many write at once.
    pub fn commits(&self) -> u64 {
        self.lanes.commits()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn user(&self, id: UserId) -> Result<Option<User>> {
        self.lanes.read("user", move |db| users::by_id(db, id)).await
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<User>> {
        let email = email.clone();
        self.lanes.read("user_by_email", move |db| users::by_email(db, &email)).await
    }

    async fn users(&self, after: Option<&Email>, limit: usize) -> Result<Vec<User>> {
        let after = after.map(|email| email.as_str().to_owned()).unwrap_or_default();
        self.lanes.read("users", move |db| users::page(db, &after, limit)).await
    }

    async fn add_user(&self, user: NewUser) -> Result<User> {
        let added = self
            .lanes
            .write("add_user", move |db| if users::insert(db, &user)? { users::by_id(db, user.id) } else { Ok(None) });
        added.await?.ok_or(StoreError::EmailTaken)
    }

    async fn add_users(&self, added: Vec<NewUser>) -> Result<Vec<Email>> {
        let write = self.lanes.write("add_users", move |db| {
            let mut taken = Vec::new();
            for user in &added {
                if !users::insert(db, user)? {
                    taken.push(user.email.clone());
                }
            }
            Ok(taken)
        });
        write.await
    }

    async fn change_user(&self, id: UserId, change: UserChange, now: Timestamp) -> Result<Option<User>> {
        self.lanes.write("change_user", move |db| users::change(db, id, &change, now)).await
    }

    async fn remove_user(&self, id: UserId, now: Timestamp) -> Result<bool> {
        self.lanes.write("remove_user", move |db| users::remove(db, id, now)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<(Session, User)>> {
        let read = self.lanes.read("session", move |db| {
            let Some(session) = sessions::by_id(db, id)? else { return Ok(None) };
            Ok(users::by_id(db, session.user)?.map(|user| (session, user)))
        });
        read.await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        self.lanes.read("sessions", move |db| sessions::of(db, user)).await
    }

    async fn open_session(&self, session: Session, token_version: u64, at_most: usize) -> Result<Option<User>> {
        self.lanes.write("open_session", move |db| sessions::open(db, &session, token_version, at_most)).await
    }

    async fn advance_session(&self, id: SessionId, generation: u64, now: Timestamp) -> Result<Option<Session>> {
        self.lanes.write("advance_session", move |db| sessions::advance(db, id, generation, now)).await
    }

    async fn end_session(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<Option<User>> {
        self.lanes.write("end_session", move |db| sessions::end(db, user, id, now)).await
    }

    async fn sweep(&self, idle_before: Timestamp, opened_before: Timestamp, now: Timestamp) -> Result<u64> {
        let write = self.lanes.write("sweep", move |db| {
            keys::sweep_counters(db, now)?;
            feed::trim(db, now)?;
            sessions::sweep(db, idle_before, opened_before)
        });
        write.await
    }

    async fn keys(&self) -> Result<Vec<StoredKey>> {
        self.lanes.read("keys", keys::all).await
    }

    async fn add_key(&self, key: StoredKey, only_if_none: bool) -> Result<bool> {
        self.lanes.write("add_key", move |db| keys::add(db, &key, only_if_none)).await
    }

    async fn remove_key(&self, kid: &str, now: Timestamp) -> Result<bool> {
        let kid = kid.to_owned();
        self.lanes.write("remove_key", move |db| keys::remove(db, &kid, now)).await
    }

    async fn take(&self, places: &[(CounterKey, Quota)], now: Timestamp) -> Result<Vec<Standing>> {
        let places = places.to_vec();
        self.lanes.write("take", move |db| keys::take(db, &places, now)).await
    }

    async fn give_back(&self, places: &[(CounterKey, Quota)], now: Timestamp) -> Result<()> {
        let places = places.to_vec();
        self.lanes.write("give_back", move |db| keys::give_back(db, &places, now)).await
    }

    async fn feed_end(&self) -> Result<FeedPosition> {
        self.lanes.watch("feed_end", feed::end).await
    }

    async fn changes(&self, position: FeedPosition, wait: Duration) -> Result<Changes> {
        feed::wait(&self.lanes, position, wait).await
    }
}
