//! The gateway's own cookies (RFC 6265, and the `__Host-` prefix of its successor, section 4.1.3): read byte for byte,
//! refused when doubled, set, cleared, and taken off what the upstream sees.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::denial::Denial;

#[derive(Clone, Debug)]
pub struct CookieRules {
    secure: bool,
    same_site: SameSite,
    refresh: &'static str,
    access: &'static str,
}

impl CookieRules {
    /// Without `secure` (plain-http development) there is no prefix either: browsers would refuse it.
    pub fn new(secure: bool, same_site: SameSite) -> Self {
        let [refresh, access] =
            if secure { ["__Host-refreshToken", "__Host-accessToken"] } else { ["refreshToken", "accessToken"] };
        Self { secure, same_site, refresh, access }
    }

    /// The refresh token that came along. A name that comes twice was planted by somebody: refused, not picked from.
    pub fn refresh_token<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Denial> {
        one(headers, self.access)?;
        one(headers, self.refresh)
    }

    pub fn set_refresh(&self, token: &str, lives: Duration) -> String {
        self.cookie(token).max_age(cookie::time::Duration::seconds(lives.as_secs().cast_signed())).build().to_string()
    }

    pub fn clear_refresh(&self) -> String {
        self.cookie("").max_age(cookie::time::Duration::ZERO).build().to_string()
    }

    /// Whether this cookie is one that only the gateway may set or see.
    pub fn is_ours(&self, name: &str) -> bool {
        name == self.refresh || name == self.access
    }

    /// Whether the `Cookie` field may go to the upstream as it is: one field, with none of ours in it.
    pub fn may_pass(&self, headers: &HeaderMap) -> bool {
        let in_pieces = headers.get_all(COOKIE).iter().nth(1).is_some();
        !in_pieces && !crumbs(headers).any(|crumb| self.is_ours_bytes(crumb))
    }

    /// The `Cookie` field as the upstream may see it: our own taken out, the rest joined into one (RFC 9113 section
    /// 8.2.3). `None` if nothing is left. Called only where a `Cookie` field is.
    pub fn without_ours(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut left = Vec::new();
        for crumb in crumbs(headers).filter(|crumb| !self.is_ours_bytes(crumb)) {
            if !left.is_empty() {
                left.extend_from_slice(b"; ");
            }
            left.extend_from_slice(crumb);
        }
        if left.is_empty() { None } else { HeaderValue::from_bytes(&left).ok() }
    }

    fn is_ours_bytes(&self, crumb: &[u8]) -> bool {
        let name = crumb.split(|b| *b == b'=').next().unwrap_or_default();
        std::str::from_utf8(name.trim_ascii()).is_ok_and(|name| self.is_ours(name))
    }

    fn cookie<'c>(&self, value: &'c str) -> cookie::CookieBuilder<'c> {
        Cookie::build((self.refresh, value)).path("/").http_only(true).secure(self.secure).same_site(self.same_site)
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Denial> {
    let mut found = None;
    for crumb in crumbs(headers) {
        let Some((crumb_name, value)) = split(crumb) else { continue };
        if crumb_name != name.as_bytes() {
            continue;
        }
        if found.is_some() {
            return Err(Denial::BadRequest("A cookie of this gateway came twice."));
        }
        found = Some(std::str::from_utf8(value).unwrap_or_default());
    }
    Ok(found)
}

/// `name=value` pairs of every `Cookie` field: HTTP/2 sends them in pieces.
fn crumbs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let fields = headers.get_all(COOKIE).iter();
    fields.flat_map(|field| field.as_bytes().split(|b| *b == b';')).map(<[u8]>::trim_ascii).filter(|c| !c.is_empty())
}

fn split(crumb: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = crumb.iter().position(|b| *b == b'=')?;
    Some((&crumb[..at], &crumb[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, field.parse().unwrap());
        }
        headers
    }

    fn rules() -> CookieRules {
        CookieRules::new(true, SameSite::Strict)
    }

    #[test]
    fn the_cookie_is_locked_down() {
        let set = rules().set_refresh("t", Duration::from_secs(60));
        for part in ["__Host-refreshToken=t", "HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=60"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("Domain"));
        assert!(rules().clear_refresh().contains("Max-Age=0"));
        let plain = CookieRules::new(false, SameSite::Lax).set_refresh("t", Duration::ZERO);
        assert!(plain.starts_with("refreshToken=t") && !plain.contains("Secure"), "{plain}");
    }

    #[test]
    fn a_doubled_cookie_of_ours_is_refused_wherever_the_two_stand() {
        let twice = "__Host-refreshToken=a; x=1; __Host-refreshToken=b";
        assert!(matches!(rules().refresh_token(&headers(&[twice])), Err(Denial::BadRequest(_))));
        let split = ["__Host-accessToken=a", "__Host-accessToken=a"];
        assert!(matches!(rules().refresh_token(&headers(&split)), Err(Denial::BadRequest(_))));
        assert_eq!(rules().refresh_token(&headers(&["x=1;__Host-refreshToken=a=b"])), Ok(Some("a=b")));
        assert_eq!(rules().refresh_token(&headers(&["__host-refreshToken=a; refreshToken=b"])), Ok(None));
    }

    #[test]
    fn the_upstream_sees_the_other_cookies_as_one_field() {
        let sent = headers(&["a=1; __Host-refreshToken=x", "__Host-accessToken=y", "b=2"]);
        assert_eq!(rules().without_ours(&sent).unwrap(), "a=1; b=2");
        assert_eq!(rules().without_ours(&headers(&["__Host-refreshToken=x"])), None);
        assert!(!rules().may_pass(&sent));
        assert!(!rules().may_pass(&headers(&["a=1", "b=2"])));
        assert!(!rules().may_pass(&headers(&["a=1; __Host-accessToken =y"])));
        assert!(rules().may_pass(&headers(&["a=1;b=2"])) && rules().may_pass(&headers(&[])));
    }
}
