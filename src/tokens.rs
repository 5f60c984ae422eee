//! Tokens of this gateway: minted from a session, verified with a cache in front.
//!
//! The cache saves the check of a signature and nothing else: time, version, session and user are judged on every use.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::cache::{self, Cache, Newcomers};
use crate::gate::rotation::Lifetimes;
use crate::gate::time::Timestamp;
use crate::gate::token::{self, Claims, Issuer, Kind, TokenError};
use crate::signing::Signing;
use crate::store::{Session, User};

pub struct Tokens {
    signing: Arc<Signing>,
    issuer: Issuer,
    access_ttl: Duration,
    lifetimes: Lifetimes,
    /// Whole tokens, so that two never share a place. A token is here only after its signature was found good.
    verified: Cache<Box<str>, Arc<Claims>>,
}

/// What a client gets for a login or a refresh.
pub struct Minted {
    pub access: String,
    pub access_expires_in: Duration,
    pub refresh: String,
    pub refresh_expires_in: Duration,
}

/// There is no key to sign with.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("there is no signing key")]
pub struct NoKey;

impl Tokens {
    pub fn new(signing: Arc<Signing>, issuer: Issuer, access_ttl: Duration, lifetimes: Lifetimes, cached: u64) -> Self {
        Self { signing, issuer, access_ttl, lifetimes, verified: cache::bounded(cached, Newcomers::FEW) }
    }

    pub fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    pub fn open_access(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, TokenError> {
        let claims = self.open_access_of_any_age(token, now)?;
        claims.check_time(now)?;
        // Given before `access_ttl` was lowered: whoever holds it is to get a new one, not to sign in.
        if claims.life() > self.access_ttl {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    /// Time is not judged: enough to end the session that the token names, and for nothing else.
    pub fn open_access_of_any_age(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, TokenError> {
        if let Some(claims) = self.verified.get(token) {
            return Ok(claims);
        }
        let keys = self.signing.keys();
        let claims = Arc::new(token::open(token, Kind::Access, &keys.access, &self.issuer, now)?);
        self.verified.insert(token.into(), Arc::clone(&claims));
        // If the keys have changed meanwhile, this may have come after everything was forgotten.
        if !Arc::ptr_eq(&keys, &self.signing.keys()) {
            self.verified.remove(token);
        }
        Ok(claims)
    }

    pub fn open_refresh(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = token::open(token, Kind::Refresh, &self.signing.keys().refresh, &self.issuer, now)?;
        // How long the session may live is judged on the session, by the limits that are in force now.
        claims.check_time(now)?;
        Ok(claims)
    }

    /// Keys have changed: what was verified with one that is gone must not outlive it.
    pub fn forget_verified(&self) {
        self.verified.clear();
    }

    /// Both tokens of a session. The refresh token is a pure function of the session and the user's version; the access
    /// token is new each time, and never outlives the session.
    pub fn mint(&self, session: &Session, user: &User, now: Timestamp) -> Result<Minted, NoKey> {
        let keys = self.signing.keys();
        let ends_at = self.lifetimes.expiry(session.chain);
        let refresh = Claims {
            user: user.id,
            session: session.id,
            token_version: user.token_version,
            generation: session.chain.generation,
            issued_at: session.chain.rotated_at.secs(),
            expires_at: ends_at.secs(),
        };
        let expires_at = now.plus(self.access_ttl).secs().min(ends_at.secs()).max(now.secs());
        let access = Claims { generation: 0, issued_at: now.secs(), expires_at, ..refresh.clone() };
        let refresh_key = keys.refresh.signer(now).ok_or(NoKey)?;
        let access_key = keys.access.signer(now).ok_or(NoKey)?;
        Ok(Minted {
            access: token::access(&access, &user.roles, Uuid::new_v4(), access_key, &self.issuer).ok_or(NoKey)?,
            access_expires_in: Duration::from_secs(expires_at - now.secs()),
            refresh: token::refresh(&refresh, refresh_key, &self.issuer).ok_or(NoKey)?,
            refresh_expires_in: ends_at.since(now),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::memory_store::MemoryStore;
    use crate::gate::keys::Algorithm;
    use crate::gate::rotation::Chain;
    use crate::gate::secret::Secret;
    use crate::gate::user::{Epoch, SessionId, UserId};
    use crate::signing::HmacSecrets;
    use crate::store::Client;

    #[tokio::test]
    async fn no_clock_and_no_row_makes_a_token_that_outlives_its_session() {
        let secrets = HmacSecrets { access: Secret::new([1; 32]), refresh: Secret::new([2; 32]) };
        let ttl = Duration::from_secs(900);
        let store = Arc::new(MemoryStore::default());
        let signing = Signing::start(store, Algorithm::Hs256, Some(secrets), ttl, Timestamp::default()).await.unwrap();
        let [idle, absolute, grace] = [1000, 5000, 30].map(Duration::from_secs);
        let issuer = Issuer { issuer: "i".into(), audience: "a".into() };
        let tokens = Tokens::new(Arc::new(signing), issuer, ttl, Lifetimes { idle, absolute, grace }, 9);
        let user = User {
            id: UserId(Uuid::nil()),
            email: crate::gate::email::Email::parse("a@b").unwrap(),
            password_hash: Secret::new(""),
            roles: Vec::new(),
            enabled: true,
            token_version: u64::MAX,
            epoch: Epoch(u64::MAX),
            created_at: Timestamp::default(),
            sessions: Vec::new(),
        };
        let times = [0, 1, 999, 2_000_000_000_000, u64::MAX - 1, u64::MAX].map(Timestamp::from_millis);
        for (now, rotated_at, opened_at) in times
            .into_iter()
            .flat_map(|a| times.into_iter().flat_map(move |b| times.into_iter().map(move |c| (a, b, c))))
        {
            let chain = Chain { generation: u64::MAX, rotated_at, opened_at };
            let session = Session { id: SessionId(Uuid::nil()), user: user.id, chain, client: Client::default() };
            let minted = tokens.mint(&session, &user, now).unwrap();
            assert!(minted.access_expires_in <= ttl);
            let ends_at = tokens.lifetimes().expiry(chain);
            assert!(now.plus(minted.access_expires_in).secs() <= ends_at.secs().max(now.secs()));
            let again = tokens.mint(&session, &user, now).unwrap();
            assert_eq!(minted.refresh, again.refresh, "the same row gives the same bytes");
        }
    }
}
