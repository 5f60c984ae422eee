//! What sessions mean, over the store: open one, rotate it, end it. Every change is in the live cache before the answer
//! leaves.

use std::sync::Arc;

use crate::gate::denial::Denial;
use crate::gate::rotation::{self, Chain, Rotation};
use crate::gate::time::Moment;
use crate::gate::token::{Claims, TokenError};
use crate::gate::user::{SessionId, UserId};
use crate::ids;
use crate::live::LiveUsers;
use crate::store::{Client, Session, Store, StoreError, User};
use crate::tokens::{Minted, NoKey, Tokens};

/// A user has at most this many sessions; the next login ends the oldest.
pub const AT_MOST: usize = 100;

pub struct Sessions {
    store: Arc<dyn Store>,
    live: Arc<LiveUsers>,
    tokens: Arc<Tokens>,
}

/// What came of a refresh.
pub struct Refreshed {
    pub minted: Minted,
    pub repeated: bool,
}

/// A refresh that was refused, with whom it would have been for, where that is known.
pub struct RefreshDenied {
    pub denial: Denial,
    pub claims: Option<Claims>,
}

impl Sessions {
    pub fn new(store: Arc<dyn Store>, live: Arc<LiveUsers>, tokens: Arc<Tokens>) -> Self {
        Self { store, live, tokens }
    }

    /// Sign in: `None` if the user changed since the password was checked. While the store may be an older one, nobody does:
    /// what it says of the user may be the past.
    pub async fn open(&self, user: &User, client: Client, now: Moment) -> Result<Option<(Session, Minted)>, Denial> {
        let chain = Chain { generation: 0, rotated_at: now.wall, opened_at: now.wall };
        let session = Session { id: SessionId(ids::new(now.wall)), user: user.id, chain, client };
        self.live.believe_store()?;
        let open = self.store.open_session(session.clone(), user.token_version, AT_MOST);
        let Some(user) = self.live.write(user.id, now, open).await.map_err(trouble)? else { return Ok(None) };
        let minted = self.tokens.mint(&session, &user, now.wall).map_err(no_key)?;
        Ok(Some((session, minted)))
    }

    pub async fn refresh(&self, token: &str, now: Moment) -> Result<Refreshed, RefreshDenied> {
        let claims = self.tokens.open_refresh(token, now.wall).map_err(|error| {
            let denial = if error == TokenError::Expired { Denial::TokenExpired } else { Denial::InvalidToken };
            RefreshDenied { denial, claims: None }
        })?;
        self.rotate(&claims, now).await.map_err(|denial| RefreshDenied { denial, claims: Some(claims) })
    }

    /// Decide, then compare and swap. Losing the race means that another request has rotated: the next turn then finds
    /// this token to be the predecessor, and repeats. Each turn is lost only to progress, so a few are enough.
    async fn rotate(&self, claims: &Claims, now: Moment) -> Result<Refreshed, Denial> {
        for _ in 0..4 {
            let least = self.live.least(claims.user);
            let found = self.store.session(claims.session).await.map_err(trouble)?;
            self.live.believe(found.as_ref().map(|(_, user)| user), least)?;
            let Some((session, user)) = found.filter(|(session, user)| {
                session.user == claims.user && user.enabled && user.token_version == claims.token_version
            }) else {
                return Err(Denial::SessionRevoked);
            };
            let (session, repeated) =
                match rotation::judge(session.chain, claims.generation, now.wall, self.tokens.lifetimes()) {
                    Rotation::Expired => return Err(Denial::TokenExpired),
                    Rotation::Reuse => {
                        self.end(session.user, session.id, now).await?;
                        return Err(Denial::TokenReused);
                    }
                    Rotation::Repeat => (session, true),
                    Rotation::Rotate => {
                        let advanced = self.store.advance_session(session.id, claims.generation, now.wall).await;
                        let Some(session) = advanced.map_err(trouble)? else { continue };
                        (session, false)
                    }
                };
            let minted = self.tokens.mint(&session, &user, now.wall).map_err(no_key)?;
            return Ok(Refreshed { minted, repeated });
        }
        Err(Denial::UNAVAILABLE)
    }

    /// Whether there was such a session of this user.
    pub async fn end(&self, user: UserId, session: SessionId, now: Moment) -> Result<bool, Denial> {
        let end = self.store.end_session(user, session, now.wall);
        Ok(self.live.write(user, now, end).await.map_err(trouble)?.is_some())
    }

    /// A user's sessions that still live, oldest first.
    pub async fn list(&self, user: UserId, now: Moment) -> Result<Vec<Session>, Denial> {
        let mut sessions = self.store.sessions(user).await.map_err(trouble)?;
        sessions.retain(|session| self.tokens.lifetimes().expiry(session.chain) > now.wall);
        Ok(sessions)
    }
}

/// The store's trouble is ours, and never a 401.
pub fn trouble(error: StoreError) -> Denial {
    tracing::error!(%error, "the store failed");
    Denial::UNAVAILABLE
}

fn no_key(error: NoKey) -> Denial {
    tracing::error!(%error, "no token can be made");
    Denial::UNAVAILABLE
}
