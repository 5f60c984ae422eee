//! One line an event that someone may ask about later: who signed in or failed to, what was revoked, what looked like theft.

use std::net::IpAddr;

use super::access_log::iso;
use super::logging::Lines;
use crate::gate::time::Timestamp;
use crate::gate::user::{SessionId, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    Login,
    LoginFailed,
    /// A refresh token was used again: the session has been ended.
    RotationReuse,
    SessionEnded,
    AllSessionsEnded,
    PasswordChanged,
    /// The present password was not given, or tried too often.
    PasswordChangeFailed,
}

impl AuditEvent {
    fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginFailed => "login_failed",
            Self::RotationReuse => "rotation_reuse",
            Self::SessionEnded => "session_ended",
            Self::AllSessionsEnded => "all_sessions_ended",
            Self::PasswordChanged => "password_changed",
            Self::PasswordChangeFailed => "password_change_failed",
        }
    }
}

/// Who and where. What is not known is left out.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    pub user: Option<UserId>,
    pub email: Option<&'a str>,
    pub session: Option<SessionId>,
    pub ip: Option<IpAddr>,
    pub request_id: &'a str,
}

pub fn write(lines: &Lines, event: AuditEvent, subject: &Subject<'_>, at: Timestamp) {
    let mut line = lines.line("audit").word("at", iso(at)).text("event", event.name());
    if let Some(user) = subject.user {
        line = line.word("user", user);
    }
    if let Some(email) = subject.email {
        line = line.text("email", email);
    }
    if let Some(session) = subject.session {
        line = line.word("session", session);
    }
    if let Some(ip) = subject.ip {
        line = line.word("ip", ip);
    }
    line.text("requestId", subject.request_id).write();
}
