//! Whether a request comes from a page that may make it: Fetch Metadata first, then `Origin` against `Host`, and the
//! origins that the configuration trusts. SameSite cookies are only a second line: a sibling subdomain is same-site.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};

/// Origins as the configuration writes them: `https://app.example.com`, lower case.
#[derive(Clone, Debug, Default)]
pub struct TrustedOrigins(pub Vec<String>);

impl TrustedOrigins {
    /// The request's `Origin`, if it is one of these: what CORS answers may name.
    pub fn of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = single(headers, "origin")?;
        self.0.iter().any(|trusted| trusted.as_bytes() == origin.as_bytes()).then_some(origin)
    }

    /// Whether something may be changed for this request. A client that is no browser sends neither field, and no cookie
    /// that it was not told to send. `over_tls`: the request came to us so. Where it did not, a proxy before us may have ended
    /// TLS, and a page of either scheme may be ours.
    pub fn allow_change(&self, headers: &HeaderMap, over_tls: bool) -> bool {
        if self.of(headers).is_some() {
            return true;
        }
        if headers.contains_key("sec-fetch-site") {
            let site = single(headers, "sec-fetch-site").map(HeaderValue::as_bytes);
            return matches!(site, Some(b"same-origin" | b"none"));
        }
        if headers.contains_key(ORIGIN) {
            let host = single(headers, HOST.as_str()).map(HeaderValue::as_bytes);
            let origin = single(headers, "origin").map(HeaderValue::as_bytes);
            return match (origin.and_then(|origin| authority(origin, over_tls)), host) {
                (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
                _ => false,
            };
        }
        true
    }
}

fn authority(origin: &[u8], over_tls: bool) -> Option<&[u8]> {
    origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://").filter(|_| !over_tls))
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(fields: &[(&'static str, &str)]) -> bool {
        allowed_by(fields, false)
    }

    fn allowed_by(fields: &[(&'static str, &str)], over_tls: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "gw.example".parse().unwrap());
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        TrustedOrigins(vec!["https://app.example".into()]).allow_change(&headers, over_tls)
    }

    #[test]
    fn browsers_are_held_to_the_same_origin() {
        assert!(allowed(&[("sec-fetch-site", "same-origin")]));
        assert!(allowed(&[("sec-fetch-site", "none")]));
        assert!(!allowed(&[("sec-fetch-site", "same-site"), ("origin", "https://gw.example")]));
        assert!(!allowed(&[("sec-fetch-site", "cross-site")]));
        assert!(!allowed(&[("sec-fetch-site", "none"), ("sec-fetch-site", "none")]));
        assert!(allowed(&[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")]));
    }

    #[test]
    fn without_fetch_metadata_the_origin_must_be_the_host() {
        assert!(allowed(&[("origin", "https://GW.example")]));
        assert!(allowed(&[("origin", "http://gw.example")]));
        for bad in ["null", "https://evil.example", "https://gw.example.evil", "https://gw.example:8443", "gw.example"]
        {
            assert!(!allowed(&[("origin", bad)]), "{bad}");
        }
        assert!(!allowed(&[("origin", "https://gw.example"), ("origin", "https://evil.example")]));
    }

    #[test]
    fn over_tls_a_page_that_came_in_the_clear_is_not_ours() {
        assert!(allowed_by(&[("origin", "https://gw.example")], true));
        assert!(!allowed_by(&[("origin", "http://gw.example")], true));
    }

    #[test]
    fn a_client_that_is_no_browser_may() {
        assert!(allowed(&[]));
    }
}
