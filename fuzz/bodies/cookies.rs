//! Cookies: a first byte that says whether they are `Secure`, then a `Cookie` field a line. Ours are read once or not at
//! all, and never reach the upstream; the others do, as they came.

use cookie::SameSite;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use portcullis::gate::cookies::CookieRules;

pub fn check(input: &[u8]) {
    let Some((first, lines)) = input.split_first() else { return };
    let secure = *first != b'p';
    let mut headers = HeaderMap::new();
    for field in lines.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(COOKIE, field);
    }
    let rules = CookieRules::new(secure, SameSite::Strict);
    let [refresh, access] =
        if secure { ["__Host-refreshToken", "__Host-accessToken"] } else { ["refreshToken", "accessToken"] };
    let sent = crumbs(headers.get_all(COOKIE).iter());

    let values_of = |name: &str| sent.iter().filter_map(|crumb| value(crumb, name)).collect::<Vec<_>>();
    let (refreshes, accesses) = (values_of(refresh), values_of(access));
    match rules.refresh_token(&headers) {
        Ok(found) => {
            assert!(refreshes.len() <= 1 && accesses.len() <= 1, "one of two was picked");
            let only = refreshes.first().map(|value| std::str::from_utf8(value).unwrap_or_default());
            assert_eq!(found, only);
        }
        Err(_) => assert!(refreshes.len() > 1 || accesses.len() > 1, "nothing came twice"),
    }

    let left = rules.without_ours(&headers);
    let passed_on = crumbs(left.iter());
    let is_ours = |crumb: &[u8]| {
        let name = crumb.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        name == refresh.as_bytes() || name == access.as_bytes()
    };
    assert!(!passed_on.iter().any(|crumb| is_ours(crumb)), "the upstream sees one of ours: {left:?}");
    let others: Vec<&Vec<u8>> = sent.iter().filter(|crumb| !is_ours(crumb)).collect();
    assert_eq!(passed_on.iter().collect::<Vec<_>>(), others, "the upstream sees other cookies than were sent");
}

/// By hand, byte after byte: what stands between semicolons, without the blanks around it.
fn crumbs<'a>(fields: impl Iterator<Item = &'a HeaderValue>) -> Vec<Vec<u8>> {
    let mut crumbs = vec![Vec::new()];
    for field in fields {
        for byte in field.as_bytes() {
            match byte {
                b';' => crumbs.push(Vec::new()),
                _ => crumbs.last_mut().unwrap().push(*byte),
            }
        }
        crumbs.push(Vec::new());
    }
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    for crumb in &mut crumbs {
        while crumb.last().is_some_and(blank) {
            crumb.pop();
        }
        while crumb.first().is_some_and(blank) {
            crumb.remove(0);
        }
    }
    crumbs.retain(|crumb| !crumb.is_empty());
    crumbs
}

fn value<'a>(crumb: &'a [u8], name: &str) -> Option<&'a [u8]> {
    crumb.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}
