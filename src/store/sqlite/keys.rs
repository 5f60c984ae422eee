//! The SQL of signing keys and of shared counters.

use rusqlite::{Connection, OptionalExtension, params};

use super::feed;
use super::rows::{self, integer, unavailable};
use crate::gate::limit::{self, Quota, Standing};
use crate::gate::secret::Secret;
use crate::gate::time::Timestamp;
use crate::store::{CounterKey, KeyPurpose, Result, StoreError, StoredKey, Subject};

pub(super) fn all(db: &Connection) -> Result<Vec<StoredKey>> {
    let sql = "SELECT kid, purpose, algorithm, private, created_at, signs_from FROM keys ORDER BY signs_from, kid";
    let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
    let mut found = statement.query([]).map_err(unavailable)?;
    let mut keys = Vec::new();
    while let Some(row) = found.next().map_err(unavailable)? {
        let purpose: String = row.get(1).map_err(unavailable)?;
        keys.push(StoredKey {
            kid: row.get(0).map_err(unavailable)?,
            purpose: purpose_named(&purpose).ok_or_else(|| StoreError::Corrupt("a key's purpose".into()))?,
            algorithm: row.get(2).map_err(unavailable)?,
            private: Secret::new(row.get::<_, Vec<u8>>(3).map_err(unavailable)?),
            created_at: Timestamp::from_millis(rows::number(row, 4)?),
            signs_from: Timestamp::from_millis(rows::number(row, 5)?),
        });
    }
    Ok(keys)
}

pub(super) fn add(db: &Connection, key: &StoredKey, only_if_none: bool) -> Result<bool> {
    let sql = "INSERT INTO keys (kid, purpose, algorithm, private, created_at, signs_from)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6
        WHERE NOT ?7 OR NOT EXISTS (SELECT 1 FROM keys WHERE purpose = ?2 AND algorithm = ?3)";
    let values = params![
        key.kid,
        purpose_name(key.purpose),
        key.algorithm,
        key.private.expose(),
        integer(key.created_at.millis()),
        integer(key.signs_from.millis()),
        only_if_none,
    ];
    let added = db.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(unavailable)? == 1;
    if added {
        feed::append(db, Subject::Keys, key.created_at)?;
    }
    Ok(added)
}

pub(super) fn remove(db: &Connection, kid: &str, now: Timestamp) -> Result<bool> {
    let removed = db.execute("DELETE FROM keys WHERE kid = ?1", [kid]).map_err(unavailable)? == 1;
    if removed {
        feed::append(db, Subject::Keys, now)?;
    }
    Ok(removed)
}

pub(super) fn take(db: &Connection, places: &[(CounterKey, Quota)], now: Timestamp) -> Result<Vec<Standing>> {
    let mut standings = Vec::with_capacity(places.len());
    for (key, quota) in places {
        standings.push(limit::take(tat(db, key)?, micros(now), *quota));
    }
    if standings.iter().any(|standing| matches!(standing, Standing::Full { .. })) {
        return Ok(standings);
    }
    for ((key, _), standing) in places.iter().zip(&standings) {
        if let Standing::Taken { tat } = standing {
            keep(db, key, *tat)?;
        }
    }
    Ok(standings)
}

pub(super) fn give_back(db: &Connection, places: &[(CounterKey, Quota)], now: Timestamp) -> Result<()> {
    for (key, quota) in places {
        keep(db, key, limit::give_back(tat(db, key)?, micros(now), *quota))?;
    }
    Ok(())
}

/// A counter whose time has passed says what no counter says.
pub(super) fn sweep_counters(db: &Connection, now: Timestamp) -> Result<()> {
    db.execute("DELETE FROM counters WHERE tat_us <= ?1", [integer(micros(now))]).map(drop).map_err(unavailable)
}

fn tat(db: &Connection, key: &CounterKey) -> Result<u64> {
    let sql = "SELECT tat_us FROM counters WHERE kind = ?1 AND value = ?2";
    let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
    let found = statement.query_row(params![key.kind, key.value], |row| Ok(rows::number(row, 0))).optional();
    found.map_err(unavailable)?.unwrap_or(Ok(0))
}

fn keep(db: &Connection, key: &CounterKey, tat: u64) -> Result<()> {
    let sql = "INSERT INTO counters (kind, value, tat_us) VALUES (?1, ?2, ?3)
        ON CONFLICT (kind, value) DO UPDATE SET tat_us = ?3";
    let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
    statement.execute(params![key.kind, key.value, integer(tat)]).map(drop).map_err(unavailable)
}

fn micros(now: Timestamp) -> u64 {
    now.millis().saturating_mul(1000)
}

fn purpose_name(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Access => "access",
        KeyPurpose::Refresh => "refresh",
    }
}

fn purpose_named(name: &str) -> Option<KeyPurpose> {
    [KeyPurpose::Access, KeyPurpose::Refresh].into_iter().find(|purpose| purpose_name(*purpose) == name)
}
