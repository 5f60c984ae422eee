//! The tables, and the steps from one version of them to the next. Forward only.

use rusqlite::Connection;

use super::rows::unavailable;
use crate::store::{Result, StoreError};

/// Step *n* brings version *n* to *n + 1*; the version is SQLite's own `user_version`.
const STEPS: [&str; 1] = ["
CREATE TABLE users (
    id             BLOB PRIMARY KEY,
    email          TEXT NOT NULL UNIQUE,
    password_hash  BLOB NOT NULL,
    roles          TEXT NOT NULL,
    enabled        INTEGER NOT NULL,
    token_version  INTEGER NOT NULL,
    epoch          INTEGER NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    id          BLOB PRIMARY KEY,
    user        BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation  INTEGER NOT NULL,
    rotated_at  INTEGER NOT NULL,
    opened_at   INTEGER NOT NULL,
    ip          TEXT NOT NULL,
    user_agent  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user, opened_at, id);
CREATE INDEX sessions_by_rotation ON sessions (rotated_at);
CREATE TABLE keys (
    kid         TEXT PRIMARY KEY,
    purpose     TEXT NOT NULL,
    algorithm   TEXT NOT NULL,
    private     BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    signs_from  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE counters (
    kind    TEXT NOT NULL,
    value   TEXT NOT NULL,
    tat_us  INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;
CREATE TABLE feed (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT NOT NULL,
    user   BLOB,
    epoch  INTEGER NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
"];

/// Before anything is changed: whether this is an empty file or a store that this program can bring up to date.
pub(super) fn recognise(db: &Connection, busy: std::time::Duration) -> Result<()> {
    db.busy_timeout(busy).map_err(unavailable)?;
    // One statement, so that another process which makes the tables at this moment is seen before or after it has.
    let found = "SELECT user_version, (SELECT count(*) FROM sqlite_schema),
        (SELECT count(*) FROM pragma_table_info('users') WHERE name IN ('id', 'password_hash', 'epoch'))
        FROM pragma_user_version";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: (u32, i64, i64) = db.query_row(found, (), row).map_err(unavailable)?;
    match found {
        (0, 0, _) => Ok(()),
        (version, ..) if version as usize > STEPS.len() => {
            Err(StoreError::Newer(format!("the database is of version {version}, newer than this program's")))
        }
        (1.., _, 3) => Ok(()),
        _ => Err(StoreError::Foreign("this is another program's database".into())),
    }
}

/// Settings of every connection. `FULL`: a commit that was answered survives a power cut.
pub(super) fn prepare(db: &Connection) -> Result<()> {
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .map_err(unavailable)
}

pub(super) fn migrate(db: &mut Connection) -> Result<()> {
    let step = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(unavailable)?;
    let version: u32 = step.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unavailable)?;
    for sql in STEPS.iter().skip(version as usize) {
        step.execute_batch(sql).map_err(unavailable)?;
    }
    step.pragma_update(None, "user_version", STEPS.len() as u32).map_err(unavailable)?;
    step.commit().map_err(unavailable)
}
