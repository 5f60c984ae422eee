//! Between rows and records.

use rusqlite::Row;
use uuid::Uuid;

use crate::gate::email::Email;
use crate::gate::role::Role;
use crate::gate::rotation::Chain;
use crate::gate::secret::Secret;
use crate::gate::time::Timestamp;
use crate::store::{Client, Epoch, Result, Session, SessionId, StoreError, User, UserId};

/// Busy, read-only, full, broken: to a caller it is all the same, and nothing was changed.
pub(super) fn unavailable(error: rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
            StoreError::Corrupt(error.to_string())
        }
        // Its own text holds the whole statement.
        rusqlite::Error::SqlInputError { msg, .. } => StoreError::Unavailable(msg),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

pub(super) const USER: &str = "id, email, password_hash, roles, enabled, token_version, epoch, created_at";
pub(super) const SESSION: &str = "id, user, generation, rotated_at, opened_at, ip, user_agent";

/// Without its sessions.
pub(super) fn user(row: &Row<'_>) -> Result<User> {
    let id = UserId(uuid(row, 0)?);
    let email: String = row.get(1).map_err(unavailable)?;
    let roles: String = row.get(3).map_err(unavailable)?;
    let corrupt = |what: &str| StoreError::Corrupt(format!("user {id}: {what}"));
    Ok(User {
        id,
        email: Email::parse(&email).map_err(|_| corrupt("email"))?,
        password_hash: Secret::new(row.get::<_, Vec<u8>>(2).map_err(unavailable)?),
        roles: split(&roles).ok_or_else(|| corrupt("roles"))?,
        enabled: row.get(4).map_err(unavailable)?,
        token_version: number(row, 5)?,
        epoch: Epoch(number(row, 6)?),
        created_at: Timestamp::from_millis(number(row, 7)?),
        sessions: Vec::new(),
    })
}

pub(super) fn session(row: &Row<'_>) -> Result<Session> {
    let chain = Chain {
        generation: number(row, 2)?,
        rotated_at: Timestamp::from_millis(number(row, 3)?),
        opened_at: Timestamp::from_millis(number(row, 4)?),
    };
    let client = Client { ip: row.get(5).map_err(unavailable)?, user_agent: row.get(6).map_err(unavailable)? };
    Ok(Session { id: SessionId(uuid(row, 0)?), user: UserId(uuid(row, 1)?), chain, client })
}

pub(super) fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid> {
    Ok(Uuid::from_bytes(row.get(column).map_err(unavailable)?))
}

/// SQLite's integers are signed; none of ours is negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    let value: i64 = row.get(column).map_err(unavailable)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt("a negative number".into()))
}

pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn join(roles: &[Role]) -> String {
    roles.iter().map(Role::as_str).collect::<Vec<_>>().join(",")
}

fn split(roles: &str) -> Option<Vec<Role>> {
    roles.split(',').filter(|role| !role.is_empty()).map(|role| Role::parse(role).ok()).collect()
}
