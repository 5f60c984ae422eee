//! Between records as Redis holds them and ours. The forms are those of `scripts/prelude.lua`: whole numbers with the high
//! byte first, texts after their length.

use redis::Value;
use uuid::Uuid;

use super::script::exact;
use crate::gate::email::Email;
use crate::gate::role::Role;
use crate::gate::rotation::Chain;
use crate::gate::secret::Secret;
use crate::gate::time::Timestamp;
use crate::store::{
    Client, Epoch, KeyPurpose, NewUser, OpenSession, Result, Session, SessionId, StoreError, StoredKey, User, UserId,
};

/// The epoch of a user who was just added.
pub(super) const FIRST_EPOCH: Epoch = Epoch(1);

pub(super) fn pack_user(user: &NewUser) -> Vec<u8> {
    let mut record = vec![u8::from(user.enabled)];
    for number in [user.token_version, FIRST_EPOCH.0, user.created_at.millis()] {
        put_number(&mut record, number);
    }
    for text in [user.email.as_str().as_bytes(), user.password_hash.expose(), join(&user.roles).as_bytes(), b""] {
        put_text(&mut record, text);
    }
    record
}

pub(super) fn user(id: UserId, record: &[u8]) -> Result<User> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("user {id}: {what}"));
    unpack_user(id, record).ok_or_else(|| corrupt("its record"))?.map_err(corrupt)
}

fn unpack_user(id: UserId, record: &[u8]) -> Option<std::result::Result<User, &'static str>> {
    let mut rest = Record(record);
    let enabled = rest.byte()? == 1;
    let (token_version, epoch, created_at) = (rest.number()?, Epoch(rest.number()?), rest.time()?);
    let (email, hash, roles, mut sessions) = (rest.long()?, rest.long()?, rest.long()?, Record(rest.long()?));
    let Some(email) = std::str::from_utf8(email).ok().and_then(|email| Email::parse(email).ok()) else {
        return Some(Err("its email"));
    };
    let Some(roles) = std::str::from_utf8(roles).ok().and_then(split) else { return Some(Err("its roles")) };
    let mut open = Vec::with_capacity(sessions.0.len() / 24);
    while !sessions.0.is_empty() {
        open.push(OpenSession { id: SessionId(sessions.uuid()?), opened_at: sessions.time()? });
    }
    let password_hash = Secret::new(hash);
    Some(Ok(User { id, email, password_hash, roles, enabled, token_version, epoch, created_at, sessions: open }))
}

/// User agents are cut far shorter than what fits; an address is at most 45 bytes.
pub(super) fn pack_session(session: &Session) -> Vec<u8> {
    let mut record = session.user.0.as_bytes().to_vec();
    let Chain { generation, rotated_at, opened_at } = session.chain;
    for number in [generation, rotated_at.millis(), opened_at.millis()] {
        put_number(&mut record, number);
    }
    let ip = session.client.ip.as_bytes();
    let ip = &ip[..ip.len().min(255)];
    record.push(ip.len() as u8);
    record.extend_from_slice(ip);
    put_text(&mut record, session.client.user_agent.as_bytes());
    record
}

pub(super) fn session(id: SessionId, record: &[u8]) -> Result<Session> {
    unpack_session(id, record).ok_or_else(|| StoreError::Corrupt(format!("session {id}")))
}

fn unpack_session(id: SessionId, record: &[u8]) -> Option<Session> {
    let mut rest = Record(record);
    let user = UserId(rest.uuid()?);
    let chain = Chain { generation: rest.number()?, rotated_at: rest.time()?, opened_at: rest.time()? };
    let length = rest.byte()?.into();
    let ip = String::from_utf8(rest.take(length)?.to_vec()).ok()?;
    let user_agent = String::from_utf8(rest.long()?.to_vec()).ok()?;
    Some(Session { id, user, chain, client: Client { ip, user_agent } })
}

/// Purpose and algorithm, with which a key's record begins.
pub(super) fn kind_of_key(key: &StoredKey) -> Vec<u8> {
    let mut kind = vec![match key.purpose {
        KeyPurpose::Access => b'a',
        KeyPurpose::Refresh => b'r',
    }];
    put_text(&mut kind, key.algorithm.as_bytes());
    kind
}

pub(super) fn pack_key(key: &StoredKey) -> Vec<u8> {
    let mut record = kind_of_key(key);
    put_number(&mut record, key.created_at.millis());
    put_number(&mut record, key.signs_from.millis());
    put_text(&mut record, key.private.expose());
    record
}

pub(super) fn key(kid: Vec<u8>, record: &[u8]) -> Result<StoredKey> {
    let corrupt = || StoreError::Corrupt("a signing key".into());
    let kid = String::from_utf8(kid).map_err(|_| corrupt())?;
    unpack_key(kid, record).ok_or_else(corrupt)
}

fn unpack_key(kid: String, record: &[u8]) -> Option<StoredKey> {
    let mut rest = Record(record);
    let purpose = match rest.byte()? {
        b'a' => KeyPurpose::Access,
        b'r' => KeyPurpose::Refresh,
        _ => return None,
    };
    let algorithm = String::from_utf8(rest.long()?.to_vec()).ok()?;
    let (created_at, signs_from) = (rest.time()?, rest.time()?);
    Some(StoredKey { kid, purpose, algorithm, private: Secret::new(rest.long()?), created_at, signs_from })
}

pub(super) fn join(roles: &[Role]) -> String {
    roles.iter().map(Role::as_str).collect::<Vec<_>>().join(",")
}

fn split(roles: &str) -> Option<Vec<Role>> {
    roles.split(',').filter(|role| !role.is_empty()).map(|role| Role::parse(role).ok()).collect()
}

fn put_number(record: &mut Vec<u8>, number: u64) {
    record.extend_from_slice(&exact(number).to_be_bytes());
}

fn put_text(record: &mut Vec<u8>, text: &[u8]) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(text);
}

/// What is left of a record.
struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.number().map(Timestamp::from_millis)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.take(16)?.try_into().ok().map(Uuid::from_bytes)
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.take(4)?.try_into().ok().map(u32::from_be_bytes)?;
        self.take(usize::try_from(length).ok()?)
    }
}

/// An answer that no script of ours gives.
pub(super) fn nonsense() -> StoreError {
    StoreError::Corrupt("Redis answers what no script of ours does".into())
}

pub(super) fn bytes(value: Value) -> Result<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err(nonsense()),
    }
}

pub(super) fn list(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(nonsense()),
    }
}

pub(super) fn tuple<const N: usize>(value: Value) -> Result<[Value; N]> {
    list(value)?.try_into().map_err(|_| nonsense())
}

pub(super) fn number(value: &Value) -> Result<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| nonsense()),
        _ => Err(nonsense()),
    }
}

pub(super) fn uuid(value: Value) -> Result<Uuid> {
    Uuid::from_slice(&bytes(value)?).map_err(|_| nonsense())
}

/// Nothing, where there is none.
pub(super) fn some<T>(value: Value, read: impl FnOnce(Value) -> Result<T>) -> Result<Option<T>> {
    if value == Value::Nil { Ok(None) } else { read(value).map(Some) }
}
