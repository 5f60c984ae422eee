//! What a route demands of its caller, and the proof that it was met.

use std::sync::Arc;

use super::denial::Denial;
use super::role::Role;
use super::user::{SessionId, UserState};

/// A route's demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone. A valid token still tells the upstream who is calling.
    Public,
    /// Anyone who is signed in.
    User,
    /// Anyone who is signed in and has one of these.
    AnyRole(Box<[Role]>),
}

/// A caller whose token, user and session were found good.
#[derive(Clone, Debug)]
pub struct Caller {
    pub state: Arc<UserState>,
    pub session: SessionId,
}

/// Proof that a route's demand was met. Nothing is forwarded without one, and only [`Access::permit`] makes them.
#[derive(Clone, Debug)]
pub struct Permit {
    caller: Option<Caller>,
}

impl Permit {
    /// Who is calling; nobody, on a public route without a valid token.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }
}

impl Access {
    /// `caller` is the outcome of looking at the credential: someone, or the reason why not.
    pub fn permit(&self, caller: Result<Caller, Denial>) -> Result<Permit, Denial> {
        match (self, caller) {
            // Our own trouble is never turned into "anonymous": the upstream would act on a wrong answer.
            (_, Err(trouble @ (Denial::Unavailable(_) | Denial::Internal | Denial::BadRequest(_)))) => Err(trouble),
            (Self::Public, caller) => Ok(Permit { caller: caller.ok() }),
            (_, Err(denial)) => Err(denial),
            (Self::AnyRole(roles), Ok(caller)) if !caller.state.roles.iter().any(|role| roles.contains(role)) => {
                Err(Denial::Forbidden)
            }
            (_, Ok(caller)) => Ok(Permit { caller: Some(caller) }),
        }
    }
}
