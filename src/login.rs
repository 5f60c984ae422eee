//! Signing in: an email and a password become a session, or one answer that is the same, in the same time, for an unknown
//! email, a wrong password and a disabled user.
//!
//! A login takes its place in the quotas of failed logins before its password is hashed, and gives it back on success: a
//! burst cannot overrun them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::gate::denial::{Denial, Exceeded, Limit};
use crate::gate::email::{self, Email};
use crate::gate::limit::{Quota, Standing};
use crate::gate::secret::Secret;
use crate::gate::time::Moment;
use crate::passwords::{self, Passwords, Verdict};
use crate::sessions::{Sessions, trouble};
use crate::store::{Client, CounterKey, Session, Store, User, UserChange};
use crate::tokens::Minted;

/// From `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginQuotas {
    pub per_ip: Quota,
    pub per_account: Quota,
}

pub struct Login {
    store: Arc<dyn Store>,
    passwords: Arc<Passwords>,
    sessions: Arc<Sessions>,
    quotas: LoginQuotas,
}

/// Who wants in, as received.
pub struct Attempt<'a> {
    pub email: &'a str,
    pub password: Secret,
    /// The limiter's key of the client's address.
    pub from: IpAddr,
    pub client: Client,
}

/// How long to wait when every place to hash a password is taken.
const BUSY: Denial = Denial::Unavailable(Duration::from_secs(2));

impl Login {
    pub fn new(store: Arc<dyn Store>, passwords: Arc<Passwords>, sessions: Arc<Sessions>, quotas: LoginQuotas) -> Self {
        Self { store, passwords, sessions, quotas }
    }

    pub async fn sign_in(&self, attempt: Attempt<'_>, now: Moment) -> Result<(User, Session, Minted), Denial> {
        let watch = Stopwatch::start();
        if attempt.email.len() > email::MAX_BYTES || attempt.password.len() > passwords::MAX_BYTES {
            return Err(Denial::InvalidRequest("The email or the password is too long."));
        }
        // What is no email belongs to nobody, and is refused as an unknown one is.
        let email = Email::parse(attempt.email).ok();
        let places = self.places(attempt.from, email.as_ref());
        self.take(&places, now).await?;
        let outcome = self.check(email.as_ref(), attempt, now).await;
        match &outcome {
            Ok(_) | Err(Denial::Unavailable(_)) => {
                // The place of an attempt that did not fail. If it cannot be returned, time returns it.
                let _ = self.store.give_back(&places, now.wall).await;
            }
            Err(_) => {
                let due = self.passwords.slowest().saturating_sub(watch.elapsed());
                tokio::time::sleep(due).await;
            }
        }
        outcome
    }

    /// Check a signed-in user's own password again, under the quota of their account.
    pub async fn confirm(&self, user: &User, password: &Secret, from: IpAddr, now: Moment) -> Result<(), Denial> {
        let places = self.places(from, Some(&user.email));
        self.take(&places, now).await?;
        let verdict = self.passwords.verify(password, Some(&user.password_hash)).await;
        match verdict {
            Ok(Verdict::Match { .. }) | Err(passwords::Busy) => {
                let _ = self.store.give_back(&places, now.wall).await;
                verdict.map(drop).map_err(|passwords::Busy| BUSY)
            }
            Ok(Verdict::Corrupt) => Err(unreadable(user)),
            Ok(Verdict::Mismatch) => Err(Denial::InvalidCredentials),
        }
    }

    async fn check(
        &self,
        email: Option<&Email>,
        attempt: Attempt<'_>,
        now: Moment,
    ) -> Result<(User, Session, Minted), Denial> {
        let user = match email {
            Some(email) => self.store.user_by_email(email).await.map_err(trouble)?,
            None => None,
        };
        let stored = user.as_ref().map(|user| &user.password_hash);
        let verdict = self.passwords.verify(&attempt.password, stored).await.map_err(|passwords::Busy| BUSY)?;
        let (user, outdated) = match (user, verdict) {
            (Some(user), Verdict::Match { outdated }) if user.enabled => (user, outdated),
            (Some(user), Verdict::Corrupt) => return Err(unreadable(&user)),
            _ => return Err(Denial::InvalidCredentials),
        };
        if outdated {
            self.renew_hash(&user, &attempt.password, now).await;
        }
        let opened = self.sessions.open(&user, attempt.client, now).await?;
        let (session, minted) = opened.ok_or(Denial::InvalidCredentials)?;
        Ok((user, session, minted))
    }

    /// An imported or weaker hash becomes a present one. If that fails now, the next login does it.
    async fn renew_hash(&self, user: &User, password: &Secret, now: Moment) {
        let Ok(new) = self.passwords.hash(password).await else { return };
        let change = UserChange::Rehash { old: user.password_hash.clone(), new };
        if let Err(error) = self.store.change_user(user.id, change, now.wall).await {
            tracing::warn!(user = %user.id, %error, "an outdated hash could not be replaced");
        }
    }

    fn places(&self, from: IpAddr, email: Option<&Email>) -> Vec<(CounterKey, Quota)> {
        let by_ip = CounterKey { kind: Limit::LoginPerIp.name(), value: from.to_string() };
        let by_account = email.map(|email| {
            let key = CounterKey { kind: Limit::LoginPerAccount.name(), value: email.to_string() };
            (key, self.quotas.per_account)
        });
        std::iter::once((by_ip, self.quotas.per_ip)).chain(by_account).collect()
    }

    async fn take(&self, places: &[(CounterKey, Quota)], now: Moment) -> Result<(), Denial> {
        let standings = self.store.take(places, now.wall).await.map_err(trouble)?;
        let limits = [Limit::LoginPerIp, Limit::LoginPerAccount];
        for ((standing, (_, quota)), limit) in standings.into_iter().zip(places).zip(limits) {
            if let Standing::Full { retry_after } = standing {
                return Err(Denial::RateLimited(Exceeded { limit, quota: *quota, retry_after }));
            }
        }
        Ok(())
    }
}

/// To the client a wrong password like any other; to the operator something to mend.
fn unreadable(user: &User) -> Denial {
    tracing::error!(user = %user.id, "the stored password hash cannot be read; set a new password");
    Denial::InvalidCredentials
}
