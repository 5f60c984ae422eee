//! The gateway's own endpoints: a request in, a [`Reply`] out. No sockets and no Pingora here, and no decision that the
//! gate has not made.

mod account;
mod body;
mod entry;
pub mod reply;

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;

use self::reply::Reply;
use crate::gate::access::Caller;
use crate::gate::client::ClientRules;
use crate::gate::cookies::CookieRules;
use crate::gate::credential::{self, Credential};
use crate::gate::denial::Denial;
use crate::gate::origin::TrustedOrigins;
use crate::gate::route::{Endpoint, WELL_KNOWN_JWKS};
use crate::gate::time::Moment;
use crate::gate::token::{Claims, TokenError};
use crate::live::LiveUsers;
use crate::login::Login;
use crate::passwords::Passwords;
use crate::sessions::Sessions;
use crate::signing::{JWKS_MAX_AGE, Signing};
use crate::store::Store;
use crate::telemetry::audit_log::{self, AuditEvent, Subject};
use crate::telemetry::logging::Lines;
use crate::telemetry::metrics::Metrics;
use crate::tokens::Tokens;

/// The most bytes a body may have here.
pub const MAX_BODY: usize = 16 * 1024;

pub struct Api {
    pub store: Arc<dyn Store>,
    pub live: Arc<LiveUsers>,
    pub tokens: Arc<Tokens>,
    pub signing: Arc<Signing>,
    pub sessions: Arc<Sessions>,
    pub login: Arc<Login>,
    pub passwords: Arc<Passwords>,
    pub cookies: CookieRules,
    pub origins: TrustedOrigins,
    pub clients: ClientRules,
    pub metrics: Arc<Metrics>,
    pub lines: Lines,
}

/// A call on one of the endpoints, its body read.
pub struct Call<'a> {
    pub endpoint: Endpoint,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub path: &'a str,
    pub body: &'a [u8],
    pub ip: IpAddr,
    pub request_id: &'a str,
    pub now: Moment,
}

impl Api {
    /// What can be refused before the body is read.
    pub fn screen(&self, endpoint: Endpoint, head: &Parts, over_tls: bool) -> Result<(), Denial> {
        endpoint.allows(&head.method)?;
        if head.method == Method::POST && !self.origins.allow_change(&head.headers, over_tls) {
            return Err(Denial::CrossSite);
        }
        Ok(())
    }

    pub async fn answer(&self, call: &Call<'_>) -> Reply {
        let answered = match call.endpoint {
            Endpoint::Login => self.login(call).await,
            Endpoint::Refresh => self.refresh(call).await,
            Endpoint::Logout => self.logout(call).await,
            Endpoint::LogoutAll => self.logout_all(call).await,
            Endpoint::Me => self.me(call).await,
            Endpoint::Sessions => self.list_sessions(call).await,
            Endpoint::Session => self.end_session(call).await,
            Endpoint::Password => self.change_password(call).await,
            Endpoint::Jwks => Ok(self.jwks(call)),
            Endpoint::Unknown => Err(Denial::NoRoute),
        };
        answered.unwrap_or_else(|denial| {
            if let Denial::RateLimited(exceeded) = &denial {
                self.metrics.rate_limited(exceeded.limit);
            }
            Reply::denial(&denial, call.request_id)
        })
    }

    /// Who is calling, by Bearer token.
    pub async fn caller(&self, headers: &HeaderMap, now: Moment) -> Result<Caller, Denial> {
        let claims = self.tokens.open_access(bearer(headers)?, now.wall);
        self.recognised(claims, now).await
    }

    /// Who wants to leave: a token that has expired still says which session is to end.
    async fn leaver(&self, headers: &HeaderMap, now: Moment) -> Result<Caller, Denial> {
        let claims = self.tokens.open_access_of_any_age(bearer(headers)?, now.wall);
        self.recognised(claims, now).await
    }

    async fn recognised(&self, claims: Result<Arc<Claims>, TokenError>, now: Moment) -> Result<Caller, Denial> {
        let claims = claims.map_err(token_denial)?;
        let state = self.live.recognise(&claims, now).await?;
        Ok(Caller { state, session: claims.session })
    }

    /// Below the prefix nothing is cached; at its well-known address the set may be kept for a while.
    fn jwks(&self, call: &Call<'_>) -> Reply {
        let keys = self.signing.keys().access.published(call.now.wall);
        let body = serde_json::to_value(&keys).unwrap_or(Value::Null);
        let reply = Reply::json(&body).with("content-type", "application/jwk-set+json");
        if call.path != WELL_KNOWN_JWKS {
            return reply;
        }
        reply.with("cache-control", &format!("public, max-age={}", JWKS_MAX_AGE.as_secs()))
    }

    fn audit(&self, call: &Call<'_>, event: AuditEvent, subject: Subject<'_>) {
        let subject = Subject { ip: Some(call.ip), request_id: call.request_id, ..subject };
        audit_log::write(&self.lines, event, &subject, call.now.wall);
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Denial> {
    match credential::read(headers)? {
        Credential::Absent => Err(Denial::MissingToken),
        Credential::Malformed => Err(Denial::InvalidToken),
        Credential::Bearer(token) => Ok(token),
    }
}

pub fn token_denial(error: TokenError) -> Denial {
    match error {
        TokenError::Invalid => Denial::InvalidToken,
        TokenError::Expired => Denial::TokenExpired,
    }
}
