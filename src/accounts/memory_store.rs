//! A store for tests of what is built on one: users and sessions in memory, and nothing else. A test can make it fail, and
//! can hold a call between what it does and its answer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::gate::email::Email;
use crate::gate::limit::{Quota, Standing};
use crate::gate::time::Timestamp;
use crate::store::{
    ChangeEvent, Changes, CounterKey, Epoch, FeedPosition, NewUser, OpenSession, Result, Session, SessionId, Store,
    StoreError, StoredKey, Subject, User, UserChange, UserId,
};

#[derive(Default)]
pub struct MemoryStore {
    users: Mutex<Vec<User>>,
    sessions: Mutex<Vec<Session>>,
    /// How often [`Store::user`] was called.
    pub asked: AtomicUsize,
    /// While it is set, [`Store::user`] fails.
    pub failing: AtomicBool,
    /// What has changed, from the first change on.
    pub feed: Mutex<Vec<ChangeEvent>>,
    /// What every call awaits before it answers.
    pub pause: Mutex<Option<Arc<Pause>>>,
}

pub type State = (Vec<User>, Vec<Session>, Vec<ChangeEvent>);

pub type Pause = dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

impl MemoryStore {
    async fn paused(&self) {
        let pause = self.pause.lock().unwrap().clone();
        if let Some(pause) = pause {
            pause().await;
        }
    }

    fn tell(&self, subject: Subject, at: Timestamp) {
        self.feed.lock().unwrap().push(ChangeEvent { subject, at });
    }

    /// What there is now, to be brought back by [`Self::go_back`].
    pub fn state(&self) -> State {
        let (users, sessions) = (self.users.lock().unwrap().clone(), self.sessions.lock().unwrap().clone());
        (users, sessions, self.feed.lock().unwrap().clone())
    }

    /// Become an older store, as a replica is that has not been told everything.
    pub fn go_back(&self, (users, sessions, feed): State) {
        *self.users.lock().unwrap() = users;
        *self.sessions.lock().unwrap() = sessions;
        *self.feed.lock().unwrap() = feed;
    }

    /// The place behind this event, which is another in another feed.
    fn position(feed: &[ChangeEvent], length: usize) -> FeedPosition {
        let mut hasher = DefaultHasher::new();
        feed[..length].hash(&mut hasher);
        FeedPosition(u128::from(hasher.finish()) << 64 | length as u128)
    }

    /// Raise the user's epoch, as every change but a rehash does.
    fn touch(&self, id: UserId, at: Timestamp) -> Option<User> {
        {
            let mut users = self.users.lock().unwrap();
            let user = users.iter_mut().find(|user| user.id == id)?;
            user.epoch.0 += 1;
            self.tell(Subject::User(id, user.epoch), at);
        }
        self.user_where(|user| user.id == id)
    }

    fn user_where(&self, wanted: impl Fn(&User) -> bool) -> Option<User> {
        self.users.lock().unwrap().iter().find(|user| wanted(user)).cloned().map(|user| self.with_sessions(user))
    }

    fn with_sessions(&self, mut user: User) -> User {
        let sessions = self.sessions.lock().unwrap();
        let open = |s: &Session| OpenSession { id: s.id, opened_at: s.chain.opened_at };
        user.sessions = sessions.iter().filter(|s| s.user == user.id).map(open).collect();
        user
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn user(&self, id: UserId) -> Result<Option<User>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let failing = self.failing.load(Ordering::Relaxed);
        let found = self.user_where(|user| user.id == id);
        self.paused().await;
        if failing { Err(StoreError::Unavailable("as the test wants it".into())) } else { Ok(found) }
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<User>> {
        Ok(self.user_where(|user| user.email == *email))
    }

    async fn users(&self, after: Option<&Email>, limit: usize) -> Result<Vec<User>> {
        let mut users = self.users.lock().unwrap().clone();
        users.sort_by(|a, b| a.email.cmp(&b.email));
        let later = users.into_iter().filter(|user| after.is_none_or(|after| user.email > *after));
        Ok(later.take(limit).map(|user| self.with_sessions(user)).collect())
    }

    async fn add_user(&self, user: NewUser) -> Result<User> {
        let mut users = self.users.lock().unwrap();
        if users.iter().any(|there| there.email == user.email) {
            return Err(StoreError::EmailTaken);
        }
        let NewUser { id, email, password_hash, roles, enabled, token_version, created_at } = user;
        let (epoch, sessions) = (Epoch(1), Vec::new());
        users.push(User { id, email, password_hash, roles, enabled, token_version, epoch, created_at, sessions });
        Ok(users[users.len() - 1].clone())
    }

    async fn add_users(&self, users: Vec<NewUser>) -> Result<Vec<Email>> {
        let mut taken = Vec::new();
        for user in users {
            let email = user.email.clone();
            if self.add_user(user).await.is_err() {
                taken.push(email);
            }
        }
        Ok(taken)
    }

    async fn change_user(&self, id: UserId, change: UserChange, now: Timestamp) -> Result<Option<User>> {
        let end_sessions = |user: &mut User| {
            user.token_version += 1;
            self.sessions.lock().unwrap().retain(|session| session.user != id);
        };
        let news = !matches!(change, UserChange::Rehash { .. });
        {
            let mut users = self.users.lock().unwrap();
            let Some(user) = users.iter_mut().find(|user| user.id == id) else { return Ok(None) };
            match change {
                UserChange::Password { hash, .. } => {
                    user.password_hash = hash;
                    end_sessions(user);
                }
                UserChange::Rehash { new, .. } => user.password_hash = new,
                UserChange::Roles(roles) => user.roles = roles,
                UserChange::Enabled(enabled) => {
                    user.enabled = enabled;
                    end_sessions(user);
                }
                UserChange::EndSessions => end_sessions(user),
            }
        }
        let changed = if news { self.touch(id, now) } else { self.user_where(|user| user.id == id) };
        self.paused().await;
        Ok(changed)
    }

    async fn remove_user(&self, id: UserId, now: Timestamp) -> Result<bool> {
        let removed = {
            let mut users = self.users.lock().unwrap();
            let before = users.len();
            users.retain(|user| user.id != id);
            users.len() < before
        };
        if removed {
            self.tell(Subject::Removed(id), now);
        }
        self.paused().await;
        Ok(removed)
    }

    async fn session(&self, id: SessionId) -> Result<Option<(Session, User)>> {
        let session = self.sessions.lock().unwrap().iter().find(|session| session.id == id).cloned();
        Ok(session.and_then(|session| Some((session.clone(), self.user_where(|user| user.id == session.user)?))))
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        Ok(self.sessions.lock().unwrap().iter().filter(|session| session.user == user).cloned().collect())
    }

    async fn open_session(&self, session: Session, token_version: u64, _: usize) -> Result<Option<User>> {
        let id = session.user;
        let open = |user: &User| user.id == id && user.enabled && user.token_version == token_version;
        let opened = self.user_where(open).and_then(|_| {
            let at = session.chain.opened_at;
            self.sessions.lock().unwrap().push(session);
            self.touch(id, at)
        });
        self.paused().await;
        Ok(opened)
    }

    async fn end_session(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<Option<User>> {
        let ended = {
            let mut sessions = self.sessions.lock().unwrap();
            let before = sessions.len();
            sessions.retain(|session| session.id != id || session.user != user);
            sessions.len() < before
        };
        let after = if ended { self.touch(user, now) } else { None };
        self.paused().await;
        Ok(after)
    }

    async fn advance_session(&self, _: SessionId, _: u64, _: Timestamp) -> Result<Option<Session>> {
        unreachable!("not part of these tests")
    }
    async fn sweep(&self, _: Timestamp, _: Timestamp, _: Timestamp) -> Result<u64> {
        unreachable!("not part of these tests")
    }
    async fn keys(&self) -> Result<Vec<StoredKey>> {
        unreachable!("not part of these tests")
    }
    async fn add_key(&self, _: StoredKey, _: bool) -> Result<bool> {
        unreachable!("not part of these tests")
    }
    async fn remove_key(&self, _: &str, _: Timestamp) -> Result<bool> {
        unreachable!("not part of these tests")
    }
    async fn take(&self, _: &[(CounterKey, Quota)], _: Timestamp) -> Result<Vec<Standing>> {
        unreachable!("not part of these tests")
    }
    async fn give_back(&self, _: &[(CounterKey, Quota)], _: Timestamp) -> Result<()> {
        unreachable!("not part of these tests")
    }
    async fn feed_end(&self) -> Result<FeedPosition> {
        let feed = self.feed.lock().unwrap();
        Ok(Self::position(&feed, feed.len()))
    }
    async fn changes(&self, from: FeedPosition, _: Duration) -> Result<Changes> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("as the test wants it".into()));
        }
        let feed = self.feed.lock().unwrap();
        let position = Self::position(&feed, feed.len());
        let length = from.0 as u64 as usize;
        Ok(match feed.get(length..) {
            Some(events) if Self::position(&feed, length) == from => {
                Changes { position, events: events.to_vec(), ..Changes::default() }
            }
            _ => Changes { position, gap: true, ..Changes::default() },
        })
    }
}
