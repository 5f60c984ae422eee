//! What every refusal looks like, whoever makes it.

use super::Answer;

impl Answer {
    /// That it is a problem of this status and code, with every member and field of one.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.body);
        let (problem, reason) = (self.json(), http::StatusCode::from_u16(status).unwrap().canonical_reason());
        assert_eq!(self.field("content-type"), "application/problem+json");
        assert_eq!(self.field("cache-control"), "no-store");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["title"].as_str(), reason);
        assert!(!problem["message"].as_str().unwrap().is_empty());
        let id = problem["requestId"].as_str().unwrap();
        assert!(!id.is_empty());
        assert_eq!(id, self.field("x-request-id"));

        let challenge = self.field("www-authenticate");
        match (status, code) {
            // RFC 6750 section 3.1: no error where no token came.
            (401, "missing_token" | "invalid_credentials") => assert_eq!(challenge, "Bearer realm=\"portcullis\""),
            (401, _) => assert_eq!(challenge, "Bearer realm=\"portcullis\", error=\"invalid_token\""),
            (403, "forbidden") => {
                assert_eq!(challenge, "Bearer realm=\"portcullis\", error=\"insufficient_scope\"");
            }
            _ => assert_eq!(challenge, ""),
        }
        assert_eq!(self.headers.contains_key("retry-after"), [429, 503].contains(&status));
        for field in ["ratelimit", "ratelimit-policy"] {
            assert_eq!(self.headers.contains_key(field), status == 429, "{field}");
        }
        assert_eq!(self.headers.contains_key("allow"), status == 405);
    }
}
