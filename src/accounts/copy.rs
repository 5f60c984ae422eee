//! Moving house: users, open sessions and signing keys from one store to another, so that nobody is signed out.
//!
//! Who is there already, under the same id, is passed over: a copy that was cut short can be made again. Nothing is ever
//! overwritten, and no session is given to a user who has been somebody's concern over there: it may have been ended.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::gate::email::Email;
use crate::gate::time::Timestamp;
use crate::store::{KeyPurpose, NewUser, Session, SessionId, Store, StoreError, StoredKey, User};

/// How many users are read and written in one step.
const PAGE: usize = 500;
/// How many calls are under way at a time: writes of that many callers share a commit.
const AT_ONCE: usize = 256;

/// What has been done so far.
#[derive(Debug, Default)]
pub struct Report {
    pub users: Tally,
    pub sessions: Tally,
    pub keys: Tally,
    /// In the order of the emails.
    pub conflicts: Vec<(Email, Conflict)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub copied: u64,
    pub already_there: u64,
    pub left_out: u64,
}

impl Tally {
    pub fn seen(self) -> u64 {
        self.copied + self.already_there + self.left_out
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("another user has this email there")]
    EmailTaken,
    #[error("this user is there already, and not the same: password, roles, being enabled or token version differ")]
    Differs,
}

/// Which of the two stores failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("{0}")]
    From(StoreError),
    #[error("{0}")]
    To(StoreError),
}

type Result<T> = std::result::Result<T, CopyError>;

/// `progress` is told after every step. When this fails, `report` says how far it came.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    now: Timestamp,
    report: &mut Report,
    mut progress: impl FnMut(&Report),
) -> Result<()> {
    // Before the sessions whose tokens they have signed.
    copy_keys(from, to, now, &mut report.keys).await?;
    let mut after = None;
    loop {
        let page = from.users(after.as_ref(), PAGE).await.map_err(CopyError::From)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.email.clone());
        let settled = copy_users(to, page, report).await?;
        copy_sessions(from, to, settled, &mut report.sessions).await?;
        progress(report);
    }
}

async fn copy_keys(from: &dyn Store, to: &dyn Store, now: Timestamp, tally: &mut Tally) -> Result<()> {
    let keys = from.keys().await.map_err(CopyError::From)?;
    let there = to.keys().await.map_err(CopyError::To)?;
    let is_there = |key: &StoredKey| there.iter().any(|other| other.kid == key.kid);
    let (old, new): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_there);
    tally.already_there += old.len() as u64;
    // A gateway has made keys there: ours would have been replaced by them long ago, and what they have signed refused.
    let replaced = there.iter().any(|key| key.purpose == KeyPurpose::Access && !old.iter().any(|o| o.kid == key.kid));
    for key in if replaced { renewed(new, now) } else { new } {
        let added = to.add_key(key, false).await.map_err(CopyError::To)?;
        *if added { &mut tally.copied } else { &mut tally.already_there } += 1;
    }
    Ok(())
}

/// As keys that begin to sign only now, in their order: the newest signs, and the others verify what they have signed.
fn renewed(mut keys: Vec<StoredKey>, now: Timestamp) -> Vec<StoredKey> {
    keys.sort_by_key(|key| key.signs_from);
    let signed = keys.iter().filter(|key| key.purpose == KeyPurpose::Access && key.signs_from <= now).count() as u64;
    let access = keys.iter_mut().filter(|key| key.purpose == KeyPurpose::Access && key.signs_from <= now);
    for (place, key) in (1..).zip(access) {
        key.signs_from = Timestamp::from_millis(now.millis().saturating_sub(signed - place));
    }
    keys
}

/// A user who is there now, and the sessions that are.
struct Settled {
    user: User,
    there: HashSet<SessionId>,
    /// Nothing but sessions that were opened has happened there.
    untouched: bool,
}

/// Those whose sessions may follow.
async fn copy_users(to: &dyn Store, page: Vec<User>, report: &mut Report) -> Result<Vec<Settled>> {
    let ids: Vec<_> = page.iter().map(|user| user.id).collect();
    let look_up = stream::iter(ids).map(|id| to.user(id)).buffered(AT_ONCE);
    let there: Vec<Option<User>> = look_up.try_collect().await.map_err(CopyError::To)?;
    let absent = page.iter().zip(&there).filter(|(_, there)| there.is_none());
    let new: Vec<NewUser> = absent.map(|(user, _)| as_new(user)).collect();
    let taken: HashSet<Email> = match new.is_empty() {
        true => HashSet::new(),
        false => to.add_users(new).await.map_err(CopyError::To)?.into_iter().collect(),
    };
    let mut settled = Vec::with_capacity(page.len());
    for (user, there) in page.into_iter().zip(there) {
        let conflict = match &there {
            None if taken.contains(&user.email) => Some(Conflict::EmailTaken),
            Some(there) if !is_same(&user, there) => Some(Conflict::Differs),
            _ => None,
        };
        if let Some(conflict) = conflict {
            report.users.left_out += 1;
            report.sessions.left_out += user.sessions.len() as u64;
            report.conflicts.push((user.email, conflict));
            continue;
        }
        *if there.is_some() { &mut report.users.already_there } else { &mut report.users.copied } += 1;
        let open = there.as_ref().map(|there| there.sessions.iter().map(|session| session.id).collect());
        // A user who is added stands at 1, and every change counts one more.
        let untouched = there.is_none_or(|there| there.epoch.0 == 1 + there.sessions.len() as u64);
        settled.push(Settled { user, there: open.unwrap_or_default(), untouched });
    }
    Ok(settled)
}

async fn copy_sessions(from: &dyn Store, to: &dyn Store, settled: Vec<Settled>, tally: &mut Tally) -> Result<()> {
    let with_sessions = settled.into_iter().filter(|settled| !settled.user.sessions.is_empty());
    let one = async |Settled { user, there, untouched }: Settled| {
        let mut tally = Tally::default();
        let missing = user.sessions.iter().filter(|session| !there.contains(&session.id)).count() as u64;
        tally.already_there = user.sessions.len() as u64 - missing;
        if missing == 0 {
            return Ok(tally);
        }
        if !untouched {
            tally.left_out = missing;
            return Ok(tally);
        }
        for session in from.sessions(user.id).await.map_err(CopyError::From)? {
            if !there.contains(&session.id) {
                let opened = open(to, session, user.token_version).await?;
                *if opened { &mut tally.copied } else { &mut tally.left_out } += 1;
            }
        }
        Ok::<_, CopyError>(tally)
    };
    let mut tallies = stream::iter(with_sessions.map(one)).buffer_unordered(AT_ONCE);
    while let Some(done) = tallies.try_next().await? {
        tally.copied += done.copied;
        tally.already_there += done.already_there;
        tally.left_out += done.left_out;
    }
    Ok(())
}

/// As it stands, with its place in its chain. Not if the user has changed there a moment ago.
async fn open(to: &dyn Store, session: Session, token_version: u64) -> Result<bool> {
    Ok(to.open_session(session, token_version, usize::MAX).await.map_err(CopyError::To)?.is_some())
}

fn as_new(user: &User) -> NewUser {
    let User { id, email, password_hash, roles, enabled, token_version, created_at, .. } = user.clone();
    NewUser { id, email, password_hash, roles, enabled, token_version, created_at }
}

fn is_same(a: &User, b: &User) -> bool {
    let said = |user: &User| (user.email.clone(), user.roles.clone(), user.enabled, user.token_version);
    said(a) == said(b) && a.password_hash == b.password_hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::secret::Secret;

    #[test]
    fn keys_that_come_late_keep_their_order_and_end_at_the_present() {
        let key = |kid: &str, from| StoredKey {
            kid: kid.into(),
            purpose: KeyPurpose::Access,
            algorithm: "EdDSA".into(),
            private: Secret::new("k"),
            created_at: Timestamp::default(),
            signs_from: Timestamp::from_millis(from),
        };
        let renewed = renewed(vec![key("new", 70), key("old", 50), key("next", 2000)], Timestamp::from_millis(1000));
        let found: Vec<_> = renewed.iter().map(|key| (key.kid.as_str(), key.signs_from.millis())).collect();
        assert_eq!(found, [("old", 999), ("new", 1000), ("next", 2000)]);
    }
}
