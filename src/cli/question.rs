//! What would become of a request that nobody has sent: for `check` and `explain`. The gate itself answers.

use std::sync::Arc;

use http::Method;
use uuid::Uuid;

use super::CliError;
use super::output::role_words;
use crate::config::settings::Outcome;
use crate::gate::access::Caller;
use crate::gate::denial::Denial;
use crate::gate::email::Email;
use crate::gate::methods::Methods;
use crate::gate::role::Role;
use crate::gate::route::{Endpoint, Route, Target};
use crate::gate::route_table::{Miss, RouteTable};
use crate::gate::time::{Moment, Timestamp};
use crate::gate::user::{Epoch, SessionId, Stated, UserId, UserState};
use crate::proxy::framing;

pub struct Question<'a> {
    pub method: &'a Method,
    /// As a client would send it, query included.
    pub target: &'a str,
    pub host: Option<&'a str>,
    /// `None`: an anonymous caller.
    pub roles: Option<&'a [Role]>,
}

/// The route, if one was found, and the decision.
pub struct Answer<'a> {
    pub route: Option<&'a Route>,
    pub decision: Result<(), Denial>,
}

impl Question<'_> {
    /// Who asks, for people.
    pub fn caller_words(&self) -> String {
        match self.roles {
            None => "an anonymous caller".into(),
            Some(roles) => format!("a signed-in caller with {}", role_words(roles)),
        }
    }

    pub fn ask<'r>(&self, routes: &'r RouteTable, methods: &Methods) -> Result<Answer<'r>, CliError> {
        let path = match framing::path_of(self.method, self.target, self.host, methods) {
            Ok(path) => path,
            Err(denial) => return Ok(Answer { route: None, decision: Err(denial) }),
        };
        let route = match routes.find(self.host, self.method, &path) {
            Ok((_, route)) => route,
            Err(Miss::NoRoute) => return Ok(Answer { route: None, decision: Err(Denial::NoRoute) }),
            Err(Miss::Ambiguous) => return Ok(Answer { route: None, decision: Err(Denial::AmbiguousPath) }),
        };
        let decision = match route.target {
            Target::Own(endpoint) => self.own(endpoint),
            Target::Upstream(_) => route.access.permit(self.caller()?).map(drop),
        };
        Ok(Answer { route: Some(route), decision })
    }

    fn own(&self, endpoint: Endpoint) -> Result<(), Denial> {
        endpoint.allows(self.method)?;
        match self.roles {
            None if endpoint.asks_who() => Err(Denial::MissingToken),
            _ => Ok(()),
        }
    }

    /// Somebody who has these roles and nothing else that a rule could ask for.
    fn caller(&self) -> Result<Result<Caller, Denial>, CliError> {
        let Some(roles) = self.roles else { return Ok(Err(Denial::MissingToken)) };
        let refused = || CliError::new("these roles cannot stand in a header");
        let (id, email) = (UserId(Uuid::nil()), Email::parse("somebody@example.com").map_err(|_| refused())?);
        let state = UserState {
            stated: Stated::new(id, &email, roles).ok_or_else(refused)?,
            id,
            epoch: Epoch::default(),
            token_version: 0,
            enabled: true,
            email,
            roles: roles.to_vec(),
            sessions: Vec::new(),
            loaded_at: Moment { wall: Timestamp::default(), tick: std::time::Duration::ZERO },
        };
        Ok(Ok(Caller { state: Arc::new(state), session: SessionId(Uuid::nil()) }))
    }
}

impl Answer<'_> {
    pub fn outcome(&self) -> Outcome {
        match &self.decision {
            Ok(()) => Outcome::Allowed,
            Err(Denial::MissingToken) => Outcome::Unauthenticated,
            Err(Denial::Forbidden) => Outcome::Forbidden,
            Err(Denial::NoRoute) => Outcome::NotFound,
            Err(_) => Outcome::Refused,
        }
    }
}
