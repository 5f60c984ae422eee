//! Routes: host, method and path lead to the one rule that a request falls under.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::Method;

use super::access::Access;
use super::denial::Denial;
use super::limit::Quota;

/// One rule of the gateway.
#[derive(Clone, Debug)]
pub struct Route {
    /// The `path` as configured: names the route in metrics and messages.
    pub name: Arc<str>,
    pub path: PathPattern,
    /// Empty: all.
    pub methods: Vec<Method>,
    /// Lower case, without port or trailing dot. Empty: all.
    pub hosts: Vec<String>,
    pub target: Target,
    pub access: Access,
    pub rate_limit: Option<Quota>,
}

impl Route {
    /// What a quota is counted for: the requests that it takes, whichever place it has in a file that may be read again.
    pub fn identity(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        (&self.path, BTreeSet::from_iter(&self.hosts)).hash(&mut hash);
        BTreeSet::from_iter(self.methods.iter().map(Method::as_str)).hash(&mut hash);
        hash.finish()
    }
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An upstream, by its place in the list of upstreams.
    Upstream(usize),
    /// One of the gateway's own endpoints.
    Own(Endpoint),
}

/// Where anyone looks for the keys of a server (RFC 8615), wherever the other endpoints are.
pub const WELL_KNOWN_JWKS: &str = "/.well-known/jwks.json";

/// The gateway's own endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Login,
    Refresh,
    Logout,
    LogoutAll,
    Me,
    Sessions,
    /// `DELETE /auth/sessions/{id}`.
    Session,
    Password,
    Jwks,
    /// Anything else below the prefix: 404.
    Unknown,
}

impl Endpoint {
    /// The methods it has an answer for, as an `Allow` field lists them (RFC 9110 section 10.2.1); empty: none.
    pub fn methods(self) -> &'static str {
        match self {
            Self::Login | Self::Refresh | Self::Logout | Self::LogoutAll | Self::Password => "POST",
            Self::Me | Self::Sessions | Self::Jwks => "GET, HEAD",
            Self::Session => "DELETE",
            Self::Unknown => "",
        }
    }

    pub fn allows(self, method: &Method) -> Result<(), Denial> {
        match self.methods() {
            "" => Err(Denial::NoRoute),
            list if list.split(", ").any(|allowed| allowed == method.as_str()) => Ok(()),
            list => Err(Denial::MethodNotAllowed(list.into())),
        }
    }

    /// Whether it has an answer only for somebody who is signed in.
    pub fn asks_who(self) -> bool {
        match self {
            Self::LogoutAll | Self::Me | Self::Sessions | Self::Session | Self::Password => true,
            Self::Login | Self::Refresh | Self::Logout | Self::Jwks | Self::Unknown => false,
        }
    }
}

/// A path as a route names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// `/a/b`: that path alone.
    Exact(String),
    /// `/a/*`, kept as `/a`: that path, that path with a slash, and all below. `/*` is kept as the empty string.
    Prefix(String),
}

/// Why a text is no path pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a path starts with /")]
    NoSlash,
    #[error("* stands only at the end, after a slash: /a/*")]
    Star,
    #[error("a path has no // in it")]
    EmptySegment,
    #[error("a path has no segment . or .. in it")]
    DotSegment,
    #[error("a segment does not end with a dot: some servers drop it")]
    TrailingDot,
    #[error("{0:?} cannot stand in a path; write the path as it is meant, without escapes, parameters or a query")]
    Reserved(char),
}

impl PathPattern {
    /// `/a/b`, `/a/b/`, `/a/*` or `/*`, in plain text: what a client escapes is written here as it is meant.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::NoSlash);
        }
        if text.contains("//") {
            return Err(PatternError::EmptySegment);
        }
        let (path, below) = text.strip_suffix("/*").map_or((text, false), |above| (above, true));
        if path.contains('*') {
            return Err(PatternError::Star);
        }
        if let Some(reserved) = path.chars().find(|c| is_reserved(*c)) {
            return Err(PatternError::Reserved(reserved));
        }
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(PatternError::DotSegment);
        }
        if path.split('/').any(|segment| segment.ends_with('.')) {
            return Err(PatternError::TrailingDot);
        }
        Ok(if below { Self::Prefix(path.to_owned()) } else { Self::Exact(path.to_owned()) })
    }

    /// Letter by letter: no escape, no case, no other reading.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == path,
            Self::Prefix(above) => {
                path.strip_prefix(above.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }

    /// Without the star.
    pub fn path(&self) -> &str {
        match self {
            Self::Exact(path) | Self::Prefix(path) => path,
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(above) => write!(f, "{above}/*"),
        }
    }
}

/// What no path holds as it stands (RFC 3986 section 3.3), or what upstreams give a meaning. Letters beyond ASCII pass.
fn is_reserved(c: char) -> bool {
    c.is_control() || c.is_whitespace() || "%\\;?#\"<>^`{|}\u{feff}\u{fffd}".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_exact_or_all_below() {
        for (text, pattern) in [
            ("/", PathPattern::Exact("/".into())),
            ("/a/b.c", PathPattern::Exact("/a/b.c".into())),
            ("/a/", PathPattern::Exact("/a/".into())),
            ("/.well-known/é~@:", PathPattern::Exact("/.well-known/é~@:".into())),
            ("/a/*", PathPattern::Prefix("/a".into())),
            ("/*", PathPattern::Prefix(String::new())),
        ] {
            assert_eq!(PathPattern::parse(text).as_ref(), Ok(&pattern));
            assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_plain_path_is_no_pattern() {
        for (text, error) in [
            ("", PatternError::NoSlash),
            ("a", PatternError::NoSlash),
            ("*", PatternError::NoSlash),
            ("/a*", PatternError::Star),
            ("/*/a", PatternError::Star),
            ("/*/*", PatternError::Star),
            ("/a//b", PatternError::EmptySegment),
            ("/a//*", PatternError::EmptySegment),
            ("/a/./b", PatternError::DotSegment),
            ("/a/..", PatternError::DotSegment),
            ("/../*", PatternError::DotSegment),
            ("/a./b", PatternError::TrailingDot),
            ("/a%20b", PatternError::Reserved('%')),
            ("/a\\b", PatternError::Reserved('\\')),
            ("/a;b", PatternError::Reserved(';')),
            ("/a?b", PatternError::Reserved('?')),
            ("/a#b", PatternError::Reserved('#')),
            ("/a b", PatternError::Reserved(' ')),
            ("/{id}", PatternError::Reserved('{')),
            ("/a\0", PatternError::Reserved('\0')),
            ("/a\u{a0}", PatternError::Reserved('\u{a0}')),
        ] {
            assert_eq!(PathPattern::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_prefix_takes_whole_segments() {
        let public = PathPattern::parse("/public/*").unwrap();
        assert!(["/public", "/public/", "/public/a/b"].iter().all(|path| public.matches(path)));
        assert!(["/publicx", "/Public", "/", "/a/public"].iter().all(|path| !public.matches(path)));
        assert!(PathPattern::parse("/*").unwrap().matches("/"));
    }
}
