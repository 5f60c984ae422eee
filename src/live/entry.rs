//! A copy of one user, and what it says to a token's claims.

use std::sync::Arc;

use crate::gate::time::Moment;
use crate::gate::token::Claims;
use crate::gate::user::{Epoch, Recognition, Stated, UserState};
use crate::store::User;

#[derive(Clone, Debug)]
pub enum Entry {
    State(Arc<UserState>),
    /// The user is gone. Ids are never used twice, so nothing newer can come.
    Gone(Moment),
}

/// Where a user stands who is gone.
pub const AFTER_ALL: Epoch = Epoch(u64::MAX);

impl Entry {
    /// `None` if the user's values could not stand in a header.
    pub fn of(user: &User, now: Moment) -> Option<Self> {
        Some(Self::State(Arc::new(UserState {
            stated: Stated::new(user.id, &user.email, &user.roles)?,
            id: user.id,
            epoch: user.epoch,
            token_version: user.token_version,
            enabled: user.enabled,
            email: user.email.clone(),
            roles: user.roles.clone(),
            sessions: user.sessions.clone(),
            loaded_at: now,
        })))
    }

    pub fn epoch(&self) -> Epoch {
        match self {
            Self::State(state) => state.epoch,
            Self::Gone(_) => AFTER_ALL,
        }
    }

    pub fn loaded_at(&self) -> Moment {
        match self {
            Self::State(state) => state.loaded_at,
            Self::Gone(at) => *at,
        }
    }
}

pub enum Verdict {
    Yes(Arc<UserState>),
    No,
    AskAgain,
}

pub fn judge(entry: &Entry, claims: &Claims) -> Verdict {
    match entry {
        Entry::Gone(_) => Verdict::No,
        Entry::State(state) => match state.recognise(claims) {
            Recognition::Recognised => Verdict::Yes(Arc::clone(state)),
            Recognition::Revoked => Verdict::No,
            Recognition::Unknown => Verdict::AskAgain,
        },
    }
}
