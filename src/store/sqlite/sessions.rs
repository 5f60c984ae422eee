//! The SQL of sessions. A session that has ended is a row that is gone: nothing is kept that could be revived.

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::rows::{self, SESSION, integer, unavailable};
use super::users;
use crate::gate::time::Timestamp;
use crate::store::{OpenSession, Result, Session, SessionId, User, UserId};

pub(super) fn by_id(db: &Connection, id: SessionId) -> Result<Option<Session>> {
    let sql = format!("SELECT {SESSION} FROM sessions WHERE id = ?1");
    let mut statement = db.prepare_cached(&sql).map_err(unavailable)?;
    let found = statement.query_row([id.0.as_bytes()], |row| Ok(rows::session(row))).optional();
    found.map_err(unavailable)?.transpose()
}

pub(super) fn of(db: &Connection, user: UserId) -> Result<Vec<Session>> {
    let sql = format!("SELECT {SESSION} FROM sessions WHERE user = ?1 ORDER BY opened_at, id");
    let mut statement = db.prepare_cached(&sql).map_err(unavailable)?;
    let found = statement.query_map([user.0.as_bytes()], |row| Ok(rows::session(row))).map_err(unavailable)?;
    found.map(|row| row.map_err(unavailable)?).collect()
}

pub(super) fn open_of(db: &Connection, user: UserId) -> Result<Vec<OpenSession>> {
    let sql = "SELECT id, opened_at FROM sessions WHERE user = ?1 ORDER BY opened_at, id";
    let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
    let open = |row: &rusqlite::Row<'_>| -> Result<OpenSession> {
        let opened_at = Timestamp::from_millis(rows::number(row, 1)?);
        Ok(OpenSession { id: SessionId(rows::uuid(row, 0)?), opened_at })
    };
    let found = statement.query_map([user.0.as_bytes()], |row| Ok(open(row))).map_err(unavailable)?;
    found.map(|row| row.map_err(unavailable)?).collect()
}

pub(super) fn is_open(db: &Connection, user: UserId, id: SessionId) -> Result<bool> {
    let sql = "SELECT 1 FROM sessions WHERE id = ?1 AND user = ?2";
    let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
    statement.exists(params![id.0.as_bytes(), user.0.as_bytes()]).map_err(unavailable)
}

pub(super) fn open(db: &Connection, session: &Session, version: u64, at_most: usize) -> Result<Option<User>> {
    let user = session.user.0.as_bytes();
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND enabled = 1 AND token_version = ?2";
    let mut check = db.prepare_cached(sql).map_err(unavailable)?;
    if !check.exists(params![user, integer(version)]).map_err(unavailable)? {
        return Ok(None);
    }
    let sql = format!("INSERT INTO sessions ({SESSION}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    let (chain, client) = (session.chain, &session.client);
    let values = params![
        session.id.0.as_bytes(),
        user,
        integer(chain.generation),
        integer(chain.rotated_at.millis()),
        integer(chain.opened_at.millis()),
        client.ip,
        client.user_agent,
    ];
    execute(db, &sql, values)?;
    // The new one stays, even if a clock that was set back makes it the oldest.
    let oldest = "DELETE FROM sessions WHERE user = ?1 AND id IN (SELECT id FROM sessions
        WHERE user = ?1 AND id <> ?3 ORDER BY opened_at DESC, id DESC LIMIT -1 OFFSET ?2)";
    execute(db, oldest, params![user, integer(at_most.saturating_sub(1) as u64), session.id.0.as_bytes()])?;
    users::touch(db, session.user, chain.opened_at)
}

pub(super) fn advance(db: &Connection, id: SessionId, generation: u64, now: Timestamp) -> Result<Option<Session>> {
    let sql = "UPDATE sessions SET generation = generation + 1, rotated_at = ?3 WHERE id = ?1 AND generation = ?2";
    let values = params![id.0.as_bytes(), integer(generation), integer(now.millis())];
    if execute(db, sql, values)? == 1 { by_id(db, id) } else { Ok(None) }
}

/// The next generation, whichever the present one is.
pub(super) fn renew(db: &Connection, id: SessionId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE sessions SET generation = generation + 1, rotated_at = ?2 WHERE id = ?1";
    execute(db, sql, params![id.0.as_bytes(), integer(now.millis())]).map(drop)
}

pub(super) fn end(db: &Connection, user: UserId, id: SessionId, now: Timestamp) -> Result<Option<User>> {
    let sql = "DELETE FROM sessions WHERE id = ?1 AND user = ?2";
    let ended = execute(db, sql, params![id.0.as_bytes(), user.0.as_bytes()])? == 1;
    if ended { users::touch(db, user, now) } else { Ok(None) }
}

pub(super) fn end_all(db: &Connection, user: UserId, but: Option<SessionId>) -> Result<()> {
    let but = but.map(|id| id.0.as_bytes().to_vec()).unwrap_or_default();
    execute(db, "DELETE FROM sessions WHERE user = ?1 AND id <> ?2", params![user.0.as_bytes(), but]).map(drop)
}

/// The access tokens of a session that is past its limits are past theirs, so no copy of its user needs to hear of it.
pub(super) fn sweep(db: &Connection, idle_before: Timestamp, opened_before: Timestamp) -> Result<u64> {
    let sql = "DELETE FROM sessions WHERE rotated_at < ?1 OR opened_at < ?2";
    let swept = execute(db, sql, params![integer(idle_before.millis()), integer(opened_before.millis())])?;
    Ok(swept as u64)
}

fn execute(db: &Connection, sql: &str, values: impl Params) -> Result<usize> {
    db.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(unavailable)
}
