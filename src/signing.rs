//! The signing keys in use: made at first start, kept in the store, followed through its feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use uuid::Uuid;

use crate::gate::keys::{Algorithm, Key, KeyError, KeyRing};
use crate::gate::secret::Secret;
use crate::gate::time::Timestamp;
use crate::gate::token::LEEWAY;
use crate::store::{KeyPurpose, Store, StoreError, StoredKey};

/// How long clients may keep the published keys (`Cache-Control: max-age` of the JWKS).
pub const JWKS_MAX_AGE: Duration = Duration::from_secs(300);

/// How long a new key is published before it signs: twice the time for which anyone may hold an older list.
pub const PUBLISH_AHEAD: Duration = Duration::from_secs(600);

/// The two secrets of HS256, from the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacSecrets {
    pub access: Secret,
    pub refresh: Secret,
}

/// The keys of both purposes, replaced as a whole.
#[derive(Debug, Default)]
pub struct Keys {
    pub access: KeyRing,
    pub refresh: KeyRing,
}

pub struct Signing {
    store: Arc<dyn Store>,
    /// Of access tokens' keys.
    algorithm: Algorithm,
    secrets: Option<HmacSecrets>,
    /// In milliseconds.
    access_ttl: AtomicU64,
    keys: ArcSwap<Keys>,
}

#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Signing {
    /// Load the keys, making those that are not there yet.
    pub async fn start(
        store: Arc<dyn Store>,
        algorithm: Algorithm,
        secrets: Option<HmacSecrets>,
        access_ttl: Duration,
        now: Timestamp,
    ) -> Result<Self, SigningError> {
        let (access_ttl, keys) = (AtomicU64::new(millis(access_ttl)), ArcSwap::default());
        let signing = Self { store, algorithm, secrets, access_ttl, keys };
        if signing.secrets.is_none() {
            for (purpose, algorithm) in signing.purposes() {
                signing.store.add_key(new_key(purpose, algorithm, now, now)?, true).await?;
            }
        }
        signing.reload(now).await?;
        // After a change of `auth.algorithm` an older key may still be the newest of its kind.
        let signer = signing.keys().access.signer(now).map(|key| key.algorithm);
        if signing.secrets.is_none() && signer != Some(algorithm) {
            signing.store.add_key(new_key(KeyPurpose::Access, algorithm, now, now)?, false).await?;
            signing.reload(now).await?;
        }
        Ok(signing)
    }

    pub fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.keys.load()
    }

    /// Tokens live for so long from now on, and so does a key that was replaced.
    pub async fn live_for(&self, access_ttl: Duration, now: Timestamp) -> Result<(), SigningError> {
        self.access_ttl.store(millis(access_ttl), Ordering::Relaxed);
        self.reload(now).await
    }

    /// Read the keys again, and take those out of the store that no living token can name.
    pub async fn reload(&self, now: Timestamp) -> Result<(), SigningError> {
        let keys = match &self.secrets {
            Some(secrets) => self.configured(secrets)?,
            None => self.stored(now).await?,
        };
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    fn configured(&self, secrets: &HmacSecrets) -> Result<Keys, SigningError> {
        let key = |kid: &str, secret| Key::new(kid.into(), Algorithm::Hs256, secret, Timestamp::default());
        let ring = |key| KeyRing::new(vec![key], self.overlap());
        Ok(Keys { access: ring(key("access", &secrets.access)?), refresh: ring(key("refresh", &secrets.refresh)?) })
    }

    fn purposes(&self) -> [(KeyPurpose, Algorithm); 2] {
        [(KeyPurpose::Access, self.algorithm), (KeyPurpose::Refresh, Algorithm::Hs256)]
    }

    async fn stored(&self, now: Timestamp) -> Result<Keys, SigningError> {
        let (mut access, mut refresh) = (Vec::new(), Vec::new());
        let mut found = self.store.keys().await?;
        for (purpose, algorithm) in self.purposes() {
            // The store was emptied under us. What was signed is worth nothing any more; life goes on with other keys.
            if !found.iter().any(|key| key.purpose == purpose) {
                self.store.add_key(new_key(purpose, algorithm, now, now)?, true).await?;
                found = self.store.keys().await?;
            }
        }
        for stored in found {
            let Some(algorithm) = Algorithm::from_name(&stored.algorithm) else { continue };
            let key = Key::new(stored.kid, algorithm, &stored.private, stored.signs_from)?;
            match stored.purpose {
                KeyPurpose::Access => access.push(key),
                KeyPurpose::Refresh => refresh.push(key),
            }
        }
        let access = KeyRing::new(access, self.overlap());
        for kid in access.expired(now) {
            // The next reload will do, if the store cannot write now: what can be read is what counts.
            if let Err(error) = self.store.remove_key(kid, now).await {
                tracing::warn!(kid, %error, "a key that is over could not be taken out");
            }
        }
        Ok(Keys { access, refresh: KeyRing::new(refresh, Duration::MAX) })
    }

    fn overlap(&self) -> Duration {
        overlap(Duration::from_millis(self.access_ttl.load(Ordering::Relaxed)))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// How long a replaced key still verifies: its last token may live for so long.
pub fn overlap(access_ttl: Duration) -> Duration {
    access_ttl + LEEWAY
}

/// A key that nobody has had before.
pub fn new_key(
    purpose: KeyPurpose,
    algorithm: Algorithm,
    now: Timestamp,
    signs_from: Timestamp,
) -> Result<StoredKey, KeyError> {
    let private = algorithm.generate()?;
    let kid = Uuid::new_v4().simple().to_string();
    Ok(StoredKey { kid, purpose, algorithm: algorithm.name().into(), private, created_at: now, signs_from })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn a_replaced_key_verifies_for_as_long_as_tokens_live_now() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("p.db"), Arc::new(|_, _, _| ())).unwrap());
        let (at, mut ttl) = (Timestamp::from_secs, Duration::from_secs(60));
        let signing = Signing::start(Arc::clone(&store) as _, Algorithm::EdDsa, None, ttl, at(0)).await.unwrap();
        let old = signing.keys().access.signer(at(0)).unwrap().kid.clone();
        store.add_key(new_key(KeyPurpose::Access, Algorithm::EdDsa, at(0), at(100)).unwrap(), false).await.unwrap();
        signing.reload(at(0)).await.unwrap();
        assert!(signing.keys().access.verifier(&old, at(164)).is_some());
        assert!(signing.keys().access.verifier(&old, at(165)).is_none());
        ttl *= 10;
        signing.live_for(ttl, at(100)).await.unwrap();
        assert!(signing.keys().access.verifier(&old, at(704)).is_some());
        signing.reload(at(705)).await.unwrap();
        let left: Vec<_> = store.keys().await.unwrap().into_iter().map(|key| key.kid).collect();
        assert!(!left.contains(&old), "a key that is over is taken out");
    }
}
