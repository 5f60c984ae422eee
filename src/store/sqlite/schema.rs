//! The tables, and the steps from one version of them to the next. Forward only.

use std::time::Duration;

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
pub(super) fn recognise(db: &Connection) -> Result<()> {
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

/// The first thing on every connection: whatever comes after may find another process writing.
pub(super) fn wait_in_turn(db: &mut Connection) -> Result<()> {
    db.busy_handler(Some(wait_for_a_turn)).map_err(unavailable)
}

/// Another process writes: its turn is over within milliseconds, and the next begins right after it. Whoever looks rarely,
/// as SQLite's own handler soon does, may never find the gap; so look often, at uneven times, for about two seconds.
fn wait_for_a_turn(looks: i32) -> bool {
    let nap = Duration::from_micros(400 + 150 * u64::from(looks.unsigned_abs() % 8));
    std::thread::sleep(nap);
    looks < 2000
}

pub(super) fn migrate(db: &mut Connection) -> Result<()> {
    // A command that only reads must not wait for a turn to write.
    if missing(db)?.is_empty() {
        return Ok(());
    }
    let step = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(unavailable)?;
    for sql in missing(&step)? {
        step.execute_batch(sql).map_err(unavailable)?;
    }
    step.pragma_update(None, "user_version", STEPS.len() as u32).map_err(unavailable)?;
    step.commit().map_err(unavailable)
}

/// The steps that this database has not made.
fn missing(db: &Connection) -> Result<&'static [&'static str]> {
    let version: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unavailable)?;
    // A newer version has been recognised before this.
    Ok(STEPS.get(version as usize..).unwrap_or_default())
}
