//! The change feed: a table that every change appends to in its own transaction, and a watcher that hears of it through
//! `PRAGMA data_version`, which moves when any other connection, in any process, has committed.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::lanes::Lanes;
use super::rows::{self, integer, unavailable};
use crate::gate::time::Timestamp;
use crate::store::{ChangeEvent, Changes, Epoch, FeedPosition, Result, StoreError, Subject, UserId};

/// How often the watcher looks. Revocations by another process are heard within this.
const POLL: Duration = Duration::from_millis(20);

/// Entries older than this, and beyond this many, are trimmed.
const KEEP_FOR: Duration = Duration::from_secs(3600);
const KEEP_ENTRIES: i64 = 100_000;

/// The most entries taken at once.
const PAGE: i64 = 10_000;

pub(super) fn append_user(db: &Connection, id: UserId, at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO feed (kind, user, epoch, at) SELECT 'user', id, epoch, ?2 FROM users WHERE id = ?1";
    let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
    statement.execute(params![id.0.as_bytes(), integer(at.millis())]).map(drop).map_err(unavailable)
}

pub(super) fn append(db: &Connection, subject: Subject, at: Timestamp) -> Result<()> {
    let (kind, user, epoch) = match subject {
        Subject::User(id, epoch) => ("user", Some(id), epoch.0),
        Subject::Removed(id) => ("removed", Some(id), 0),
        Subject::Keys => ("keys", None, 0),
    };
    let user = user.map(|id| id.0.as_bytes().to_vec());
    let sql = "INSERT INTO feed (kind, user, epoch, at) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
    statement.execute(params![kind, user, integer(epoch), integer(at.millis())]).map(drop).map_err(unavailable)
}

pub(super) fn end(db: &Connection) -> Result<FeedPosition> {
    Ok(FeedPosition(last(db)?.into()))
}

pub(super) fn trim(db: &Connection, now: Timestamp) -> Result<()> {
    let sql = "DELETE FROM feed WHERE at < ?1 AND seq <= (SELECT max(seq) FROM feed) - ?2";
    db.execute(sql, params![integer(now.minus(KEEP_FOR).millis()), KEEP_ENTRIES]).map(drop).map_err(unavailable)
}

pub(super) async fn wait(lanes: &Lanes, position: FeedPosition, wait: Duration) -> Result<Changes> {
    let after =
        u64::try_from(position.0).map_err(|_| StoreError::Corrupt("a feed position of another store".into()))?;
    let naps = wait.as_millis() / POLL.as_millis();
    let mut seen = None;
    // The last thing is a look: to say that nothing has happened must be true when it is said.
    for nap in 0..=naps {
        if nap > 0 {
            tokio::time::sleep(POLL).await;
        }
        let version = lanes.watch("feed_poll", data_version).await?;
        if seen != Some(version) {
            seen = Some(version);
            let changes = lanes.watch("changes", move |db| read(db, after)).await?;
            if changes.gap || !changes.events.is_empty() {
                return Ok(changes);
            }
        }
    }
    Ok(Changes { position, ..Changes::default() })
}

fn data_version(db: &Connection) -> Result<i64> {
    db.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(unavailable)
}

/// The highest number ever given, trimmed entries included.
fn last(db: &Connection) -> Result<u64> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'feed'), 0)";
    db.query_row(sql, [], |row| Ok(rows::number(row, 0))).map_err(unavailable)?
}

fn read(db: &Connection, after: u64) -> Result<Changes> {
    // One snapshot, so that the end and the entries belong together.
    let snapshot = db.unchecked_transaction().map_err(unavailable)?;
    let last = last(&snapshot)?;
    let sql = "SELECT seq, kind, user, epoch, at FROM feed WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut statement = snapshot.prepare_cached(sql).map_err(unavailable)?;
    let mut found = statement.query(params![integer(after), PAGE]).map_err(unavailable)?;
    let (mut events, mut position) = (Vec::new(), after);
    let mut first = None;
    while let Some(row) = found.next().map_err(unavailable)? {
        position = rows::number(row, 0)?;
        first.get_or_insert(position);
        events.push(event(row)?);
    }
    // Numbers are given one by one, so a hole is a trimmed entry; a last number below ours is another database.
    let reaches_back = first.map_or(last == after, |first| first == after + 1);
    if !reaches_back {
        return Ok(Changes { position: FeedPosition(last.into()), gap: true, ..Changes::default() });
    }
    Ok(Changes { position: FeedPosition(position.into()), events, gap: false, more: position < last })
}

fn event(row: &rusqlite::Row<'_>) -> Result<ChangeEvent> {
    let kind: String = row.get(1).map_err(unavailable)?;
    let subject = match kind.as_str() {
        "user" => Subject::User(UserId(rows::uuid(row, 2)?), Epoch(rows::number(row, 3)?)),
        "removed" => Subject::Removed(UserId(rows::uuid(row, 2)?)),
        "keys" => Subject::Keys,
        _ => return Err(StoreError::Corrupt("a feed entry of an unknown kind".into())),
    };
    Ok(ChangeEvent { subject, at: Timestamp::from_millis(rows::number(row, 4)?) })
}
