//! What an administrator does to one user. Every change is in force on every gateway within a second: the store's
//! feed carries it.

use std::collections::HashSet;

use super::{AccountError, Accounts};
use crate::gate::email::Email;
use crate::gate::role::Role;
use crate::gate::time::Timestamp;
use crate::ids;
use crate::store::{NewUser, StoreError, User, UserChange, UserId};

/// A user after a change, and what the change ended.
#[derive(Debug)]
pub struct Changed {
    pub user: User,
    pub sessions_ended: usize,
}

impl Accounts {
    pub async fn add(
        &self,
        email: &Email,
        password: &str,
        roles: Vec<Role>,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        let password = self.passwords.accept(password)?;
        let user = NewUser {
            id: UserId(ids::new(now)),
            email: email.clone(),
            password_hash: self.passwords.hash(&password).await?,
            roles: distinct(roles),
            enabled: true,
            token_version: 0,
            created_at: now,
        };
        self.store.add_user(user).await.map_err(|error| match error {
            StoreError::EmailTaken => AccountError::Taken(email.clone()),
            other => other.into(),
        })
    }

    /// Up to `limit` users in the order of their emails, from the first after `after`.
    pub async fn page(&self, after: Option<&Email>, limit: usize) -> Result<Vec<User>, AccountError> {
        Ok(self.store.users(after, limit).await?)
    }

    pub async fn find(&self, email: &Email) -> Result<User, AccountError> {
        self.store.user_by_email(email).await?.ok_or_else(|| AccountError::NoSuchUser(email.clone()))
    }

    /// Ends all of the user's sessions.
    pub async fn set_password(&self, email: &Email, password: &str, now: Timestamp) -> Result<Changed, AccountError> {
        let password = self.passwords.accept(password)?;
        let hash = self.passwords.hash(&password).await?;
        self.change(email, UserChange::Password { hash, keep: None }, now).await
    }

    pub async fn set_roles(&self, email: &Email, roles: Vec<Role>, now: Timestamp) -> Result<Changed, AccountError> {
        self.change(email, UserChange::Roles(distinct(roles)), now).await
    }

    /// Disabling ends all of the user's sessions, and enabling again revives none of them.
    pub async fn set_enabled(&self, email: &Email, enabled: bool, now: Timestamp) -> Result<Changed, AccountError> {
        self.change(email, UserChange::Enabled(enabled), now).await
    }

    pub async fn end_sessions(&self, email: &Email, now: Timestamp) -> Result<Changed, AccountError> {
        self.change(email, UserChange::EndSessions, now).await
    }

    /// The user as it was. Its id is never used again.
    pub async fn remove(&self, email: &Email, now: Timestamp) -> Result<User, AccountError> {
        let user = self.find(email).await?;
        if self.store.remove_user(user.id, now).await? {
            Ok(user)
        } else {
            Err(AccountError::NoSuchUser(email.clone()))
        }
    }

    async fn change(&self, email: &Email, change: UserChange, now: Timestamp) -> Result<Changed, AccountError> {
        let before = self.find(email).await?;
        let changed = self.store.change_user(before.id, change, now).await?;
        let user = changed.ok_or_else(|| AccountError::NoSuchUser(email.clone()))?;
        let sessions_ended = before.sessions.len().saturating_sub(user.sessions.len());
        Ok(Changed { user, sessions_ended })
    }
}

/// Each role once, in the order given.
pub(super) fn distinct(mut roles: Vec<Role>) -> Vec<Role> {
    let mut seen = HashSet::new();
    roles.retain(|role| seen.insert(role.clone()));
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_given_twice_counts_once() {
        let roles = ["b", "a", "b"].map(|role| Role::parse(role).unwrap());
        assert_eq!(distinct(roles.to_vec()), [Role::parse("b").unwrap(), Role::parse("a").unwrap()]);
    }
}
