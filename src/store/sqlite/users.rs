//! The SQL of users.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, USER, integer, unavailable};
use super::{feed, sessions};
use crate::gate::email::Email;
use crate::gate::time::Timestamp;
use crate::store::{NewUser, Result, Subject, User, UserChange, UserId};

pub(super) fn by_id(db: &Connection, id: UserId) -> Result<Option<User>> {
    one(db, &format!("SELECT {USER} FROM users WHERE id = ?1"), id.0.as_bytes())
}

pub(super) fn by_email(db: &Connection, email: &Email) -> Result<Option<User>> {
    one(db, &format!("SELECT {USER} FROM users WHERE email = ?1"), email.as_str())
}

pub(super) fn page(db: &Connection, after: &str, limit: usize) -> Result<Vec<User>> {
    let sql = format!("SELECT {USER} FROM users WHERE email > ?1 ORDER BY email LIMIT ?2");
    let mut statement = db.prepare_cached(&sql).map_err(unavailable)?;
    let mut found = statement.query(params![after, integer(limit as u64)]).map_err(unavailable)?;
    let mut users = Vec::new();
    while let Some(row) = found.next().map_err(unavailable)? {
        let mut user = rows::user(row)?;
        user.sessions = sessions::open_of(db, user.id)?;
        users.push(user);
    }
    Ok(users)
}

/// Whether it was added: the email may be taken.
pub(super) fn insert(db: &Connection, user: &NewUser) -> Result<bool> {
    let sql =
        format!("INSERT INTO users ({USER}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7) ON CONFLICT (email) DO NOTHING");
    let mut statement = db.prepare_cached(&sql).map_err(unavailable)?;
    let values = params![
        user.id.0.as_bytes(),
        user.email.as_str(),
        user.password_hash.expose(),
        rows::join(&user.roles),
        user.enabled,
        integer(user.token_version),
        integer(user.created_at.millis()),
    ];
    let added = statement.execute(values).map_err(unavailable)? == 1;
    if added {
        feed::append_user(db, user.id, user.created_at)?;
    }
    Ok(added)
}

pub(super) fn change(db: &Connection, id: UserId, change: &UserChange, now: Timestamp) -> Result<Option<User>> {
    let key = id.0.as_bytes();
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Result<bool> {
        let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
        Ok(statement.execute(values).map_err(unavailable)? == 1)
    };
    const VERSION: &str = "token_version = token_version + 1";
    let there = match change {
        UserChange::Rehash { old, new } => {
            let sql = "UPDATE users SET password_hash = ?2 WHERE id = ?1 AND password_hash = ?3";
            let replaced = run(sql, &[key, &new.expose(), &old.expose()])?;
            return if replaced { by_id(db, id) } else { Ok(None) };
        }
        UserChange::Password { keep: Some(kept), .. } if !sessions::is_open(db, id, *kept)? => return Ok(None),
        UserChange::Password { hash, keep } => {
            let sql = format!("UPDATE users SET password_hash = ?2, {VERSION} WHERE id = ?1");
            let there = run(&sql, &[key, &hash.expose()])?;
            sessions::end_all(db, id, *keep)?;
            if let Some(kept) = keep {
                sessions::renew(db, *kept, now)?;
            }
            there
        }
        UserChange::Roles(roles) => run("UPDATE users SET roles = ?2 WHERE id = ?1", &[key, &rows::join(roles)])?,
        UserChange::Enabled(true) => run("UPDATE users SET enabled = 1 WHERE id = ?1", &[key])?,
        UserChange::Enabled(false) => {
            sessions::end_all(db, id, None)?;
            run(&format!("UPDATE users SET enabled = 0, {VERSION} WHERE id = ?1"), &[key])?
        }
        UserChange::EndSessions => {
            sessions::end_all(db, id, None)?;
            run(&format!("UPDATE users SET {VERSION} WHERE id = ?1"), &[key])?
        }
    };
    if there { touch(db, id, now) } else { Ok(None) }
}

/// Raise the epoch, tell the feed, and return the user as it now stands.
pub(super) fn touch(db: &Connection, id: UserId, now: Timestamp) -> Result<Option<User>> {
    let mut raise = db.prepare_cached("UPDATE users SET epoch = epoch + 1 WHERE id = ?1").map_err(unavailable)?;
    raise.execute([id.0.as_bytes()]).map_err(unavailable)?;
    feed::append_user(db, id, now)?;
    by_id(db, id)
}

pub(super) fn remove(db: &Connection, id: UserId, now: Timestamp) -> Result<bool> {
    let mut statement = db.prepare_cached("DELETE FROM users WHERE id = ?1").map_err(unavailable)?;
    let removed = statement.execute([id.0.as_bytes()]).map_err(unavailable)? == 1;
    if removed {
        feed::append(db, Subject::Removed(id), now)?;
    }
    Ok(removed)
}

fn one(db: &Connection, sql: &str, key: impl rusqlite::ToSql) -> Result<Option<User>> {
    let mut statement = db.prepare_cached(sql).map_err(unavailable)?;
    let found = statement.query_row([key], |row| Ok(rows::user(row))).optional().map_err(unavailable)?;
    let Some(mut user) = found.transpose()? else { return Ok(None) };
    user.sessions = sessions::open_of(db, user.id)?;
    Ok(Some(user))
}
