//! One line an event that someone may ask about later: who signed in or failed to, what was revoked, what looked like theft.

use std::net::IpAddr;

use super::access_log::iso;
use super::logging::{Lines, Members};
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
    let mut members = Members::new();
    members.insert("at".into(), iso(at).into());
    members.insert("event".into(), event.name().into());
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            members.insert(name.into(), value.into());
        }
    };
    put("user", subject.user.map(|id| id.to_string()));
    put("email", subject.email.map(str::to_owned));
    put("session", subject.session.map(|id| id.to_string()));
    put("ip", subject.ip.map(|ip| ip.to_string()));
    put("requestId", Some(subject.request_id.to_owned()));
    lines.write("audit", members);
}
