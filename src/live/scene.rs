//! What the tests of live users play on: a store that can be held and made to fail, and users with a session.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::sync::Semaphore;
use uuid::Uuid;

use super::*;
use crate::accounts::memory_store::MemoryStore;
use crate::gate::email::Email;
use crate::gate::rotation::Chain;
use crate::gate::secret::Secret;
use crate::gate::time::Timestamp;
use crate::gate::user::SessionId;
use crate::store::{ChangeEvent, Client, NewUser, Session, UserChange};

/// A store, the live users on it, and one user with one open session.
pub struct Scene {
    pub store: Arc<MemoryStore>,
    pub live: Arc<LiveUsers>,
    pub user: UserId,
    pub session: SessionId,
}

pub fn at(secs: u64) -> Moment {
    Moment::at_secs(secs)
}

impl Scene {
    pub async fn set(trust: Trust) -> Self {
        let store = Arc::new(MemoryStore::default());
        let live = LiveUsers::new(Arc::clone(&store) as _, Arc::new(Metrics::new().unwrap()), trust);
        live.obey(&Changes::default(), at(1000));
        let user = add(&store, "ann@example.com").await;
        let session = open(&store, user).await;
        Self { store, live: Arc::new(live), user, session }
    }

    /// The same store and the same live users, for another user.
    pub async fn with(&self, email: &str) -> Self {
        let (store, live) = (Arc::clone(&self.store), Arc::clone(&self.live));
        let user = add(&store, email).await;
        let session = open(&store, user).await;
        Self { store, live, user, session }
    }

    /// Of a token that was issued at 1000.
    pub fn claims(&self) -> Claims {
        claims(self.user, self.session, 0)
    }

    pub async fn ask(&self, now: Moment) -> Result<Arc<UserState>, Denial> {
        self.live.recognise(&self.claims(), now).await
    }

    /// Another process has changed the user; it has not been heard of here yet.
    pub async fn elsewhere(&self, change: UserChange) -> Changes {
        let user = self.store.change_user(self.user, change, Timestamp::default()).await.unwrap().unwrap();
        word(Subject::User(user.id, user.epoch))
    }

    /// From now on no call on the store returns before it is let.
    pub fn hold(&self) -> Arc<Semaphore> {
        let door = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&door);
        *self.store.pause.lock().unwrap() = Some(Arc::new(move || {
            let held = Arc::clone(&held);
            Box::pin(async move { held.acquire().await.unwrap().forget() })
        }));
        door
    }

    /// Calls that begin from now on return at once.
    pub fn let_go(&self) {
        *self.store.pause.lock().unwrap() = None;
    }

    pub fn asked(&self) -> usize {
        self.store.asked.load(Ordering::Relaxed)
    }
}

/// What a future says when it is asked once.
pub async fn once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

pub async fn waits<F: Future>(future: Pin<&mut F>) -> bool {
    once(future).await.is_none()
}

pub async fn add(store: &MemoryStore, email: &str) -> UserId {
    let user = NewUser {
        id: UserId(Uuid::now_v7()),
        email: Email::parse(email).unwrap(),
        password_hash: Secret::new("$hash$"),
        roles: Vec::new(),
        enabled: true,
        token_version: 0,
        created_at: Timestamp::default(),
    };
    store.add_user(user).await.unwrap().id
}

pub fn new_session(user: UserId) -> Session {
    let opened = Timestamp::from_secs(1000);
    let chain = Chain { generation: 0, rotated_at: opened, opened_at: opened };
    Session { id: SessionId(Uuid::now_v7()), user, chain, client: Client::default() }
}

pub async fn open(store: &MemoryStore, user: UserId) -> SessionId {
    let session = new_session(user);
    let version = store.user(user).await.unwrap().unwrap().token_version;
    store.open_session(session.clone(), version, 100).await.unwrap().unwrap();
    store.asked.store(0, Ordering::Relaxed);
    session.id
}

pub fn claims(user: UserId, session: SessionId, token_version: u64) -> Claims {
    Claims { user, session, token_version, generation: 0, issued_at: 1000, expires_at: 1900 }
}

pub fn word(subject: Subject) -> Changes {
    Changes { events: vec![ChangeEvent { subject, at: Timestamp::default() }], ..Changes::default() }
}
