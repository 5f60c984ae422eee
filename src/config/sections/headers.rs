//! `[headers]`: the names under which the upstream learns who is calling.

use http::HeaderName;

use crate::config::reader::Section;
use crate::config::settings::Headers;
use crate::gate::identity::{IdentityNames, Preset};

/// Names that mean something else: to the connection, to the message's frame, to routing, or to who sent it.
const RESERVED: [&str; 40] = [
    "accept",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "cookie2",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];
const RESERVED_BEGINNINGS: [&str; 5] = ["access-control-", "accept-", "if-", "sec-", "x-original-"];
const KEYS: [&str; 4] = ["user_id", "email", "roles", "session_id"];

pub fn headers(s: &mut Section<'_>) -> Headers {
    let preset = preset(s);
    let default = IdentityNames::default();
    let written = IdentityNames {
        user_id: s.text("user_id", name).unwrap_or(default.user_id),
        email: s.text("email", name).unwrap_or(default.email),
        roles: s.text("roles", name).unwrap_or(default.roles),
        session_id: s.text("session_id", name).or(default.session_id),
    };
    if let Some(key) = KEYS.into_iter().find(|key| s.has("preset") && s.has(key)) {
        let message = "a preset stands instead of the four names";
        s.rule(&[key], false, message);
    }
    let names = [Some(&written.user_id), Some(&written.email), Some(&written.roles), written.session_id.as_ref()];
    for (i, key) in KEYS.into_iter().enumerate() {
        if let Some(earlier) = (0..i).find(|j| names[*j] == names[i]) {
            s.rule(&[key, KEYS[earlier]], false, "two of these names are the same");
        }
    }
    Headers { names: preset.map_or(written, Preset::names), forward_token: s.boolean("forward_token", false) }
}

fn preset(s: &mut Section<'_>) -> Option<Preset> {
    let words = Preset::ALL.map(|preset| (preset.name(), preset));
    s.choice("preset", &words)
}

/// Letters, digits and hyphens: `_` and `.` are what others take for a hyphen.
fn name(text: &str) -> Result<HeaderName, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && text.len() <= 64;
    let name = HeaderName::from_bytes(text.as_bytes()).ok().filter(|_| plain);
    let name = name.ok_or("a header's name is letters, digits and hyphens, like \"X-User-Id\"")?;
    let taken = RESERVED.contains(&name.as_str()) || RESERVED_BEGINNINGS.iter().any(|b| name.as_str().starts_with(b));
    if taken { Err("this header means something else already") } else { Ok(name) }
}
