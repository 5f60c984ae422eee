//! `[cookies]` and `[browser]`: what browsers are given, and which pages may call this gateway.

use cookie::SameSite;

use crate::config::address;
use crate::config::reader::{NOT_AVAILABLE, Section};
use crate::gate::cookies::CookieRules;
use crate::gate::origin::TrustedOrigins;

pub fn cookies(s: &mut Section<'_>) -> CookieRules {
    let secure = s.boolean("secure", true);
    if !secure {
        s.source.warning(s.place("secure"), "cookies.secure: cookies travel in the clear; only for development");
    }
    if s.boolean("access_cookie", false) {
        s.wrong("access_cookie", s.place("access_cookie"), format!("true is {NOT_AVAILABLE}"), None);
    }
    let words = [("strict", Some(SameSite::Strict)), ("lax", Some(SameSite::Lax)), ("none", None)];
    let same_site = s.choice("same_site", &words).unwrap_or(Some(SameSite::Strict));
    // Only the gateway's own endpoints read the refresh cookie; a page elsewhere has no use for it that is safe.
    s.rule(&["same_site"], same_site.is_some(), "\"none\" would send the refresh cookie with every site's requests");
    CookieRules::new(secure, same_site.unwrap_or(SameSite::Strict))
}

pub fn browser(s: &mut Section<'_>) -> TrustedOrigins {
    let origins = s.list("trusted_origins", address::origin).unwrap_or_default();
    TrustedOrigins(origins.into_iter().map(|origin| origin.it).collect())
}
