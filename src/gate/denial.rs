//! Every way to say no: status, code, message, and the header fields that go with it. The one place with status codes.
//!
//! What is said to a client is ours and its code stable, for clients act on it; why it was said is for the log and travels apart.
//! Form: RFC 9457. Bearer challenges: RFC 6750 section 3. Quotas: the IETF draft `ratelimit-headers`.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::limit::Quota;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    MissingToken,
    InvalidToken,
    TokenExpired,
    SessionRevoked,
    TokenReused,
    InvalidCredentials,
    Forbidden,
    CrossSite,
    NoRoute,
    /// No such thing under the caller's own: a session that is not theirs.
    NotFound,
    /// Holds the methods that are allowed, as the `Allow` field says them.
    MethodNotAllowed(Arc<str>),
    AmbiguousPath,
    /// The request's form is refused; the text says which part.
    BadRequest(&'static str),
    /// The body of a call to the auth API is not of the expected shape.
    InvalidRequest(&'static str),
    /// An `Expect` other than `100-continue`.
    ExpectationFailed,
    RequestTimeout,
    PayloadTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    HeadersTooLarge,
    RateLimited(Exceeded),
    UpstreamUnreachable,
    UpstreamTimeout,
    /// Our own trouble, and how long to wait before asking again. It signs nobody out.
    Unavailable(Duration),
    Internal,
}

/// A quota that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The name in the `RateLimit` fields.
    pub limit: Limit,
    pub quota: Quota,
    pub retry_after: Duration,
}

/// The quotas there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    PerIp,
    Route,
    LoginPerIp,
    LoginPerAccount,
}

impl Limit {
    pub const ALL: [Self; 4] = [Self::PerIp, Self::Route, Self::LoginPerIp, Self::LoginPerAccount];

    pub fn name(self) -> &'static str {
        match self {
            Self::PerIp => "per_ip",
            Self::Route => "route",
            Self::LoginPerIp => "login_per_ip",
            Self::LoginPerAccount => "login_per_account",
        }
    }
}

impl Denial {
    /// Trouble that is ours and likely short.
    pub const UNAVAILABLE: Self = Self::Unavailable(Duration::from_secs(1));

    pub fn status(&self) -> StatusCode {
        self.parts().0
    }

    /// Stable: clients and metrics rely on it.
    pub fn code(&self) -> &'static str {
        self.parts().1
    }

    /// For people; may change.
    pub fn message(&self) -> &'static str {
        self.parts().2
    }

    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::MissingToken => (S::UNAUTHORIZED, "missing_token", "Sign in first."),
            Self::InvalidToken => (S::UNAUTHORIZED, "invalid_token", "This token is not valid here."),
            Self::TokenExpired => (S::UNAUTHORIZED, "token_expired", "This token has expired."),
            Self::SessionRevoked => (S::UNAUTHORIZED, "session_revoked", "This session has ended. Sign in again."),
            Self::TokenReused => {
                (S::UNAUTHORIZED, "token_reused", "This token was used before. The session has ended; sign in again.")
            }
            Self::InvalidCredentials => (S::UNAUTHORIZED, "invalid_credentials", "Email or password is wrong."),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "You may not do this."),
            Self::CrossSite => (S::FORBIDDEN, "cross_site", "This request must come from the same origin."),
            Self::NoRoute => (S::NOT_FOUND, "no_route", "Nothing is served here."),
            Self::NotFound => (S::NOT_FOUND, "not_found", "There is no such thing."),
            Self::MethodNotAllowed(_) => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "This method is not allowed here.")
            }
            Self::AmbiguousPath => {
                (S::BAD_REQUEST, "ambiguous_path", "This path can be read in more than one way. Write it plainly.")
            }
            Self::BadRequest(what) => (S::BAD_REQUEST, "bad_request", what),
            Self::InvalidRequest(what) => (S::BAD_REQUEST, "invalid_request", what),
            Self::ExpectationFailed => {
                (S::EXPECTATION_FAILED, "expectation_failed", "Expect nothing but 100-continue.")
            }
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive."),
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is too large."),
            Self::UriTooLong => (S::URI_TOO_LONG, "uri_too_long", "The address is too long."),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send application/json.")
            }
            Self::HeadersTooLarge => {
                (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The header fields are too large.")
            }
            Self::RateLimited(_) => (S::TOO_MANY_REQUESTS, "rate_limited", "Too many requests. Wait, then try again."),
            Self::UpstreamUnreachable => {
                (S::BAD_GATEWAY, "upstream_unreachable", "The application behind this gateway cannot be reached.")
            }
            Self::UpstreamTimeout => {
                (S::GATEWAY_TIMEOUT, "upstream_timeout", "The application behind this gateway took too long.")
            }
            Self::Unavailable(_) => (S::SERVICE_UNAVAILABLE, "unavailable", "Not available now. Wait, then try again."),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here."),
        }
    }

    /// The header fields this denial brings along.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            // RFC 9110 section 15.5.2: each 401 has a challenge; RFC 6750 section 3.1: no error where no token came.
            Self::MissingToken | Self::InvalidCredentials => {
                vec![("www-authenticate", "Bearer realm=\"portcullis\"".into())]
            }
            Self::InvalidToken | Self::TokenExpired | Self::SessionRevoked | Self::TokenReused => {
                vec![("www-authenticate", "Bearer realm=\"portcullis\", error=\"invalid_token\"".into())]
            }
            Self::Forbidden => {
                vec![("www-authenticate", "Bearer realm=\"portcullis\", error=\"insufficient_scope\"".into())]
            }
            Self::MethodNotAllowed(allow) => vec![("allow", allow.to_string())],
            Self::Unavailable(wait) => vec![("retry-after", ceil_secs(*wait).to_string())],
            Self::RateLimited(exceeded) => exceeded.fields(),
            _ => Vec::new(),
        }
    }
}

impl Exceeded {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let name = self.limit.name();
        let (count, window) = (self.quota.count(), ceil_secs(self.quota.period()));
        vec![
            ("retry-after", ceil_secs(self.retry_after).max(1).to_string()),
            ("ratelimit", format!("\"{name}\";r=0;t={}", ceil_secs(self.retry_after).max(1))),
            ("ratelimit-policy", format!("\"{name}\";q={count};w={window}")),
        ]
    }
}

fn ceil_secs(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_never_claims_success() {
        for denial in [Denial::MissingToken, Denial::NoRoute, Denial::UNAVAILABLE, Denial::Internal] {
            assert!(denial.status().is_client_error() || denial.status().is_server_error());
        }
    }

    #[test]
    fn every_401_has_a_challenge() {
        for (denial, error) in [
            (Denial::MissingToken, false),
            (Denial::InvalidCredentials, false),
            (Denial::InvalidToken, true),
            (Denial::TokenExpired, true),
            (Denial::SessionRevoked, true),
            (Denial::TokenReused, true),
        ] {
            let fields = denial.fields();
            assert_eq!((denial.status(), fields[0].0), (StatusCode::UNAUTHORIZED, "www-authenticate"));
            assert_eq!(fields[0].1.contains("error=\"invalid_token\""), error, "{denial:?}");
        }
    }

    #[test]
    fn an_exceeded_quota_says_when_to_come_back() {
        let quota = Quota::new(20, Duration::from_secs(60)).unwrap();
        let retry_after = Duration::from_millis(2100);
        let denial = Denial::RateLimited(Exceeded { limit: Limit::LoginPerIp, quota, retry_after });
        let fields = denial.fields();
        assert!(fields.contains(&("retry-after", "3".into())));
        assert!(fields.contains(&("ratelimit", "\"login_per_ip\";r=0;t=3".into())));
        assert!(fields.contains(&("ratelimit-policy", "\"login_per_ip\";q=20;w=60".into())));
    }

    #[test]
    fn a_wait_is_said_in_whole_seconds_and_never_too_short() {
        let said = [0, 1, 999, 1000, 1001].map(|millis| ceil_secs(Duration::from_millis(millis)));
        assert_eq!((said, ceil_secs(Duration::MAX)), ([0, 1, 1, 1, 2], u64::MAX));
    }
}
