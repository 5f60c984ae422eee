//! Coming and going: login, refresh, logout.

use serde_json::json;

use super::body::Body;
use super::reply::Reply;
use super::{Api, Call};
use crate::gate::denial::Denial;
use crate::gate::email::Email;
use crate::gate::secret::Secret;
use crate::gate::token::Claims;
use crate::login::Attempt;
use crate::sessions::RefreshDenied;
use crate::store::Client;
use crate::telemetry::audit_log::{AuditEvent, Subject};
use crate::telemetry::metrics::{LoginOutcome, RefreshOutcome, RevocationScope};
use crate::tokens::Minted;

/// How the refresh token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// In a cookie that no script can read.
    Web,
    /// In the body.
    Mobile,
}

/// The most of a `User-Agent` that is kept.
const USER_AGENT_BYTES: usize = 256;

impl Api {
    pub(super) async fn login(&self, call: &Call<'_>) -> Result<Reply, Denial> {
        let body = Body::read(call.headers, call.body, true)?;
        let transport = match body.text("client")? {
            None | Some("web") => Transport::Web,
            Some("mobile") => Transport::Mobile,
            Some(_) => return Err(Denial::InvalidRequest("client is \"web\" or \"mobile\".")),
        };
        let email = body.required("email")?;
        let password = Secret::new(body.required("password")?);
        let from = self.clients.limiter_key(call.ip);
        let attempt = Attempt { email, password, from, client: client(call) };
        match self.login.sign_in(attempt, call.now).await {
            Ok((user, session, minted)) => {
                self.metrics.login(LoginOutcome::Succeeded);
                let subject = Subject { user: Some(user.id), session: Some(session.id), ..Subject::default() };
                self.audit(call, AuditEvent::Login, Subject { email: Some(user.email.as_str()), ..subject });
                Ok(self.tokens_reply(&minted, transport))
            }
            Err(denial) => {
                self.metrics.login(LoginOutcome::Denied(denial.code()));
                if matches!(denial, Denial::InvalidCredentials | Denial::RateLimited(_)) {
                    // In the one form that an account has. What is no email may be a password in the wrong field.
                    let email = Email::parse(email).ok();
                    let email = email.as_ref().map(Email::as_str);
                    self.audit(call, AuditEvent::LoginFailed, Subject { email, ..Subject::default() });
                }
                Err(denial)
            }
        }
    }

    pub(super) async fn refresh(&self, call: &Call<'_>) -> Result<Reply, Denial> {
        let (token, transport) = self.refresh_token(call)?;
        let Some(token) = token else {
            self.metrics.refresh(RefreshOutcome::Denied(Denial::MissingToken.code()));
            return Err(Denial::MissingToken);
        };
        match self.sessions.refresh(&token, call.now).await {
            Ok(refreshed) => {
                let repeated = refreshed.repeated;
                self.metrics.refresh(if repeated { RefreshOutcome::Repeated } else { RefreshOutcome::Rotated });
                Ok(self.tokens_reply(&refreshed.minted, transport))
            }
            Err(RefreshDenied { denial, claims }) => {
                if denial == Denial::TokenReused {
                    self.metrics.refresh(RefreshOutcome::Reused);
                    self.metrics.revoked(RevocationScope::Reuse);
                    self.audit(call, AuditEvent::RotationReuse, subject(claims.as_ref()));
                } else {
                    self.metrics.refresh(RefreshOutcome::Denied(denial.code()));
                }
                let reply = Reply::denial(&denial, call.request_id);
                // A cookie that can never work again is taken away; one that our own trouble kept from working is not.
                let dead = transport == Transport::Web && !matches!(denial, Denial::Unavailable(_));
                Ok(if dead { reply.cookie(&self.cookies.clear_refresh()) } else { reply })
            }
        }
    }

    /// Always the same answer, and always the end of the session that a good token names; only the store's trouble is told,
    /// because then the session has not ended.
    pub(super) async fn logout(&self, call: &Call<'_>) -> Result<Reply, Denial> {
        let (token, _) = self.refresh_token(call)?;
        let refresh = token.and_then(|token| self.tokens.open_refresh(&token, call.now.wall).ok());
        let (user, session) = match refresh {
            Some(claims) => (Some(claims.user), Some(claims.session)),
            None => match self.leaver(call.headers, call.now).await {
                Ok(leaver) => (Some(leaver.state.id), Some(leaver.session)),
                Err(trouble @ (Denial::Unavailable(_) | Denial::BadRequest(_))) => return Err(trouble),
                Err(_) => (None, None),
            },
        };
        if let Some((user_id, session_id)) = user.zip(session) {
            let ended = self.sessions.end(user_id, session_id, call.now).await?;
            self.ended(call, ended, Subject { user, session, ..Subject::default() });
        }
        Ok(Reply::json(&json!({ "message": "Logged out successfully" })).cookie(&self.cookies.clear_refresh()))
    }

    pub(super) fn ended(&self, call: &Call<'_>, ended: bool, subject: Subject<'_>) {
        if ended {
            self.metrics.revoked(RevocationScope::Session);
            self.audit(call, AuditEvent::SessionEnded, subject);
        }
    }

    pub(super) fn tokens_reply(&self, minted: &Minted, transport: Transport) -> Reply {
        let mut body = json!({
            "accessToken": minted.access,
            "tokenType": "Bearer",
            "expiresIn": minted.access_expires_in.as_secs(),
        });
        match transport {
            Transport::Web => {
                let cookie = self.cookies.set_refresh(&minted.refresh, minted.refresh_expires_in);
                Reply::json(&body).cookie(&cookie)
            }
            Transport::Mobile => {
                body["refreshToken"] = minted.refresh.clone().into();
                body["refreshExpiresIn"] = minted.refresh_expires_in.as_secs().into();
                Reply::json(&body)
            }
        }
    }

    /// From the body if it names one, else from the cookie.
    fn refresh_token(&self, call: &Call<'_>) -> Result<(Option<String>, Transport), Denial> {
        let cookie = self.cookies.refresh_token(call.headers)?;
        let body = Body::read(call.headers, call.body, false)?;
        if let Some(token) = body.text("refreshToken")? {
            return Ok((Some(token.to_owned()), Transport::Mobile));
        }
        Ok((cookie.map(str::to_owned), Transport::Web))
    }
}

fn subject(claims: Option<&Claims>) -> Subject<'static> {
    let (user, session) = (claims.map(|claims| claims.user), claims.map(|claims| claims.session));
    Subject { user, session, ..Subject::default() }
}

fn client(call: &Call<'_>) -> Client {
    let agent = call.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let user_agent = agent[..agent.floor_char_boundary(USER_AGENT_BYTES)].to_owned();
    Client { ip: call.ip.to_string(), user_agent }
}
