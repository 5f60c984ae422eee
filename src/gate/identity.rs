//! Identity headers: forget what clients claim, state what we vouch for.

use http::HeaderName;

/// The names under which the upstream learns who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityNames {
    pub user_id: HeaderName,
    pub email: HeaderName,
    pub roles: HeaderName,
    /// The presets have no name for it.
    pub session_id: Option<HeaderName>,
}

/// Names that other gateways have made common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    RemoteUser,
    XForwarded,
    XAuthRequest,
}

impl Preset {
    pub const ALL: [Self; 3] = [Self::RemoteUser, Self::XForwarded, Self::XAuthRequest];

    pub fn name(self) -> &'static str {
        match self {
            Self::RemoteUser => "remote-user",
            Self::XForwarded => "x-forwarded",
            Self::XAuthRequest => "x-auth-request",
        }
    }

    pub fn names(self) -> IdentityNames {
        let [user_id, email, roles] = match self {
            Self::RemoteUser => ["remote-user", "remote-email", "remote-groups"],
            Self::XForwarded => ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"],
            Self::XAuthRequest => ["x-auth-request-user", "x-auth-request-email", "x-auth-request-groups"],
        }
        .map(HeaderName::from_static);
        IdentityNames { user_id, email, roles, session_id: None }
    }
}

impl Default for IdentityNames {
    fn default() -> Self {
        Self {
            user_id: HeaderName::from_static("x-user-id"),
            email: HeaderName::from_static("x-user-email"),
            roles: HeaderName::from_static("x-user-roles"),
            session_id: Some(HeaderName::from_static("x-session-id")),
        }
    }
}
