//! `portcullis key …`: the keys that sign access tokens. The key of refresh tokens never leaves the store and is not rotated:
//! repeating a rotation must give the very same bytes.

use clap::Subcommand;
use serde::Serialize;

use super::CliError;
use super::output::{Console, time};
use crate::clock;
use crate::config::settings::Auth;
use crate::gate::keys::{Algorithm, Key, KeyRing};
use crate::gate::time::Timestamp;
use crate::signing::{self, PUBLISH_AHEAD, SigningError};
use crate::store::{KeyPurpose, Store, StoredKey};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the keys that sign access tokens, oldest first
    List {
        #[arg(long)]
        json: bool,
    },
    /// Make a new key: it is published at once and signs in ten minutes; the old one verifies until its last token is over
    Rotate,
}

pub async fn run(command: Command, auth: &Auth, store: &dyn Store, console: &mut Console<'_>) -> Result<(), CliError> {
    if auth.secrets.is_some() {
        let advice = "set other secrets and start the gateways again, which signs everyone out";
        return Err(CliError::new(format!("HS256 takes its secrets from the configuration: {advice}")));
    }
    match command {
        Command::List { json } => list(auth, store, console, json).await,
        Command::Rotate => rotate(auth.algorithm, store, console).await,
    }
}

async fn list(auth: &Auth, store: &dyn Store, console: &mut Console<'_>, json: bool) -> Result<(), CliError> {
    let now = clock::wall();
    let stored = access_keys(store).await?;
    let ring = ring(&stored, auth)?;
    let keys: Vec<KeyView> = stored.iter().map(|key| KeyView::of(key, &ring, now)).collect();
    if json {
        return Ok(console.json(&keys)?);
    }
    let rows: Vec<_> = keys
        .into_iter()
        .map(|key| [key.kid, key.algorithm, key.created_at, key.signs_from, key.state.into()])
        .collect();
    Ok(console.table(["KEY", "ALGORITHM", "CREATED", "SIGNS FROM", "STATE"], &rows)?)
}

async fn rotate(algorithm: Algorithm, store: &dyn Store, console: &mut Console<'_>) -> Result<(), CliError> {
    let now = clock::wall();
    // The first key of all has nothing to be published beside.
    let signs_from = if access_keys(store).await?.is_empty() { now } else { now.plus(PUBLISH_AHEAD) };
    let key = signing::new_key(KeyPurpose::Access, algorithm, now, signs_from).map_err(unusable)?;
    let kid = key.kid.clone();
    store.add_key(key, false).await?;
    Ok(console.say(&format!("key {kid} is published, and signs from {}", time(signs_from)))?)
}

async fn access_keys(store: &dyn Store) -> Result<Vec<StoredKey>, CliError> {
    let mut keys = store.keys().await?;
    keys.retain(|key| key.purpose == KeyPurpose::Access);
    Ok(keys)
}

fn ring(stored: &[StoredKey], auth: &Auth) -> Result<KeyRing, CliError> {
    let mut keys = Vec::new();
    for key in stored {
        if let Some(algorithm) = Algorithm::from_name(&key.algorithm) {
            keys.push(Key::new(key.kid.clone(), algorithm, &key.private, key.signs_from).map_err(unusable)?);
        }
    }
    Ok(KeyRing::new(keys, signing::overlap(auth.access_ttl)))
}

fn unusable(error: crate::gate::keys::KeyError) -> CliError {
    CliError::new(SigningError::from(error).to_string())
}

/// What is shown of a key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    kid: String,
    algorithm: String,
    created_at: String,
    signs_from: String,
    state: &'static str,
}

impl KeyView {
    fn of(key: &StoredKey, ring: &KeyRing, now: Timestamp) -> Self {
        let state = if ring.signer(now).is_some_and(|signer| signer.kid == key.kid) {
            "signs"
        } else if key.signs_from > now {
            "published"
        } else if ring.verifier(&key.kid, now).is_some() {
            "verifies"
        } else {
            "over"
        };
        Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            created_at: time(key.created_at),
            signs_from: time(key.signs_from),
            state,
        }
    }
}
