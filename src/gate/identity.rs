//! Identity headers: forget what clients claim, state what we vouch for.

use http::{HeaderName, HeaderValue};

use super::access::Caller;
use super::fold;

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

/// Decides which field names a client may not use, and what is said in their place.
#[derive(Clone, Debug)]
pub struct IdentityHeaders {
    names: IdentityNames,
    /// Every name of every preset and of the configuration, folded, in the place of its length: most fields of a request have
    /// a length that none of these has, and are asked nothing else.
    claimed: Vec<Vec<Box<[u8]>>>,
}

impl IdentityHeaders {
    pub fn new(names: IdentityNames) -> Self {
        let mut every: Vec<IdentityNames> = Preset::ALL.map(Preset::names).into();
        every.extend([IdentityNames::default(), names.clone()]);
        let every = every.iter().flat_map(IdentityNames::iter).map(fold::name);
        let mut claimed: Vec<Vec<Box<[u8]>>> = Vec::new();
        for name in every.chain(COMMON.iter().map(|name| name.as_bytes().into())) {
            if claimed.len() <= name.len() {
                claimed.resize(name.len() + 1, Vec::new());
            }
            if !claimed[name.len()].contains(&name) {
                claimed[name.len()].push(name);
            }
        }
        Self { names, claimed }
    }

    /// Whether a field of this name could be taken for one of ours by any upstream.
    pub fn is_claimed(&self, name: &HeaderName) -> bool {
        let alike = self.claimed.get(name.as_str().len());
        alike.is_some_and(|claimed| claimed.iter().any(|claimed| fold::is(name, claimed)))
    }

    /// What we vouch for. Nobody is stated by saying nothing.
    pub fn statements(&self, caller: Option<&Caller>) -> impl Iterator<Item = (&HeaderName, HeaderValue)> {
        caller.into_iter().flat_map(|caller| {
            let stated = &caller.state.stated;
            let session = self.names.session_id.as_ref().zip(HeaderValue::try_from(caller.session.to_string()).ok());
            [
                Some((&self.names.user_id, stated.user_id.clone())),
                Some((&self.names.email, stated.email.clone())),
                Some((&self.names.roles, stated.roles.clone())),
                session,
            ]
            .into_iter()
            .flatten()
        })
    }
}

/// Names outside the presets by which apps are told who is calling, or what was asked for: believing them would undo the
/// decision that was made on the real ones. `Proxy` is no field at all, but CGI makes `HTTP_PROXY` of it (CVE-2016-5385).
const COMMON: [&str; 14] = [
    "proxy",
    "remote-name",
    "x-authenticated-user",
    "x-original-method",
    "x-webauth-email",
    "x-webauth-user",
    "x-remote-user",
    "x-forwarded-preferred-username",
    "x-auth-request-preferred-username",
    "x-auth-request-access-token",
    "x-forwarded-access-token",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
];

impl IdentityNames {
    fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.user_id, &self.email, &self.roles].into_iter().chain(&self.session_id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_spelling_of_an_identity_header_gets_past(
            which in 0usize..13, stand_ins in "[-!#$%&'*+.^_`|~]{4}", case in any::<u32>(),
        ) {
            let identity = IdentityHeaders::new(IdentityNames::default());
            let names: Vec<_> = Preset::ALL.map(Preset::names).iter().chain([&IdentityNames::default()])
                .flat_map(|names| names.iter().map(|n| n.as_str().to_owned()).collect::<Vec<_>>()).collect();
            let mut stand_ins = stand_ins.bytes().cycle();
            let spelled: Vec<u8> = names[which].bytes().enumerate().map(|(at, byte)| match byte {
                b'-' => stand_ins.next().unwrap(),
                letter if case >> (at % 32) & 1 == 1 => letter.to_ascii_uppercase(),
                letter => letter,
            }).collect();
            prop_assert!(identity.is_claimed(&HeaderName::from_bytes(&spelled).unwrap()));
        }
    }

    #[test]
    fn other_headers_pass() {
        let identity = IdentityHeaders::new(IdentityNames::default());
        for name in ["accept", "x-user", "x-user-id-2", "cookie", "x-request-id", "x-forwarded-for"] {
            assert!(!identity.is_claimed(&HeaderName::from_static(name)), "{name}");
        }
    }
}
