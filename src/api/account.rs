//! What a signed-in user may do with their own account.

use serde_json::json;
use uuid::Uuid;

use super::body::Body;
use super::entry::Transport;
use super::reply::Reply;
use super::{Api, Call};
use crate::gate::denial::Denial;
use crate::gate::role::Role;
use crate::gate::secret::Secret;
use crate::gate::user::{SessionId, UserId};
use crate::passwords::{Busy, PasswordError};
use crate::sessions::trouble;
use crate::store::{User, UserChange};
use crate::telemetry::access_log::iso;
use crate::telemetry::audit_log::{AuditEvent, Subject};
use crate::telemetry::metrics::RevocationScope;

impl Api {
    pub(super) async fn me(&self, call: &Call<'_>) -> Result<Reply, Denial> {
        let caller = self.caller(call.headers, call.now).await?;
        let roles: Vec<_> = caller.state.roles.iter().map(Role::as_str).collect();
        Ok(Reply::json(&json!({
            "userId": caller.state.id.to_string(),
            "email": caller.state.email.as_str(),
            "roles": roles,
            "sessionId": caller.session.to_string(),
        })))
    }

    pub(super) async fn list_sessions(&self, call: &Call<'_>) -> Result<Reply, Denial> {
        let caller = self.caller(call.headers, call.now).await?;
        let sessions = self.sessions.list(caller.state.id, call.now).await?;
        let rows = sessions.iter().map(|session| {
            json!({
                "id": session.id.to_string(),
                "current": session.id == caller.session,
                "createdAt": iso(session.chain.opened_at),
                "lastUsedAt": iso(session.chain.rotated_at),
                "ip": session.client.ip,
                "userAgent": session.client.user_agent,
            })
        });
        Ok(Reply::json(&json!({ "sessions": rows.collect::<Vec<_>>() })))
    }

    pub(super) async fn end_session(&self, call: &Call<'_>) -> Result<Reply, Denial> {
        let caller = self.caller(call.headers, call.now).await?;
        let mut segments = call.path.rsplit('/');
        let (last, above) = (segments.next(), segments.next());
        let id = last.filter(|_| above == Some("sessions"));
        let named = id.and_then(|id| Uuid::try_parse(id).ok()).map(SessionId);
        let session = named.ok_or(Denial::NotFound)?;
        if !self.sessions.end(caller.state.id, session, call.now).await? {
            return Err(Denial::NotFound);
        }
        let subject = Subject { user: Some(caller.state.id), session: Some(session), ..Subject::default() };
        self.ended(call, true, subject);
        Ok(Reply::no_content())
    }

    pub(super) async fn logout_all(&self, call: &Call<'_>) -> Result<Reply, Denial> {
        let caller = self.caller(call.headers, call.now).await?;
        self.change(caller.state.id, UserChange::EndSessions, call).await?;
        self.metrics.revoked(RevocationScope::User);
        let subject = Subject { user: Some(caller.state.id), ..Subject::default() };
        self.audit(call, AuditEvent::AllSessionsEnded, subject);
        let reply = Reply::json(&json!({ "message": "Logged out everywhere" }));
        Ok(reply.cookie(&self.cookies.clear_refresh()))
    }

    pub(super) async fn change_password(&self, call: &Call<'_>) -> Result<Reply, Denial> {
        let caller = self.caller(call.headers, call.now).await?;
        let body = Body::read(call.headers, call.body, true)?;
        let current = Secret::new(body.required("currentPassword")?);
        let new = self.passwords.accept(body.required("newPassword")?).map_err(unacceptable)?;
        let user = self.store.user(caller.state.id).await.map_err(trouble)?.ok_or(Denial::SessionRevoked)?;
        let confirmed = self.login.confirm(&user, &current, self.clients.limiter_key(call.ip), call.now).await;
        if let Err(Denial::InvalidCredentials | Denial::RateLimited(_)) = confirmed {
            let subject = Subject { user: Some(user.id), session: Some(caller.session), ..Subject::default() };
            self.audit(call, AuditEvent::PasswordChangeFailed, subject);
        }
        confirmed?;
        let hash = self.passwords.hash(&new).await.map_err(|Busy| Denial::UNAVAILABLE)?;
        let change = UserChange::Password { hash, keep: Some(caller.session) };
        let user = self.change(caller.state.id, change, call).await?;
        self.metrics.revoked(RevocationScope::User);
        let subject = Subject { user: Some(user.id), session: Some(caller.session), ..Subject::default() };
        self.audit(call, AuditEvent::PasswordChanged, subject);

        let found = self.store.session(caller.session).await.map_err(trouble)?;
        let (session, user) = found.ok_or(Denial::SessionRevoked)?;
        let minted = self.tokens.mint(&session, &user, call.now.wall).map_err(|_| Denial::UNAVAILABLE)?;
        let transport = match self.cookies.refresh_token(call.headers)? {
            Some(_) => Transport::Web,
            None => Transport::Mobile,
        };
        Ok(self.tokens_reply(&minted, transport))
    }

    async fn change(&self, id: UserId, change: UserChange, call: &Call<'_>) -> Result<User, Denial> {
        let write = self.store.change_user(id, change, call.now.wall);
        self.live.write(id, call.now, write).await.map_err(trouble)?.ok_or(Denial::SessionRevoked)
    }
}

fn unacceptable(error: PasswordError) -> Denial {
    Denial::InvalidRequest(match error {
        PasswordError::TooShort(_) => "The new password is too short.",
        PasswordError::TooLong => "The new password is too long.",
        PasswordError::Commonplace => "The new password is among the first that anyone would try.",
    })
}
