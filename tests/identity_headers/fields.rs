//! Fields that clients make up: identity headers and their like in every spelling, and innocent ones between them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::identity::IDENTITY;

/// What else says who is calling, which address was asked for, or which way the request came.
pub const CLAIMED: [&str; 22] = [
    "remote-name",
    "x-remote-user",
    "x-forwarded-preferred-username",
    "x-auth-request-preferred-username",
    "x-auth-request-access-token",
    "x-forwarded-access-token",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-forwarded-method",
];

/// What the gateway states itself on every request.
const STATED: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"];

/// Every byte that is neither letter nor digit and legal in a field name (RFC 9110 section 5.6.2).
pub const STAND_INS: &[u8] = b"-__..!#$%&'*+^`|~";

#[derive(Clone, Debug)]
pub struct Made {
    pub claims: Vec<(String, String)>,
    /// Their names begin with `z`, and no two are the same.
    pub innocent: Vec<(String, String)>,
    pub nominated: Vec<String>,
}

impl Made {
    /// Claims and innocent fields in turn.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let (mut claims, mut innocent) = (self.claims.iter(), self.innocent.iter());
        let mut fields = Vec::new();
        loop {
            let pair = [claims.next(), innocent.next()];
            if pair == [None, None] {
                return fields;
            }
            fields.extend(pair.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())));
        }
    }
}

/// `own`: names of the configuration.
pub fn made(own: &[&str]) -> impl Strategy<Value = Made> {
    let identity: Vec<String> = IDENTITY.iter().chain(own).map(|name| (*name).to_owned()).collect();
    let every = identity.iter().map(String::as_str).chain(CLAIMED).chain(STATED).map(str::to_owned).collect();
    let value = select(vec!["evil", "evil, evil", "evil,admin", "EVIL", "evil%0d%0a", "evil;q=1", "evil@example.com"]);
    let claim = (prop_oneof![spelling(identity.clone()), spelling(every)], value.prop_map(str::to_owned));
    let innocent = vec("z[a-z0-9-]{0,12}", 0..4).prop_map(|names| {
        let distinct: std::collections::BTreeSet<String> = names.into_iter().collect();
        distinct.into_iter().enumerate().map(|(at, name)| (name, format!("kept {at}"))).collect()
    });
    (vec(claim, 0..12), innocent, vec(spelling(identity), 0..3)).prop_map(|(claims, innocent, nominated)| Made {
        claims,
        innocent,
        nominated,
    })
}

/// One of `names`, any byte in place of each `-`, in any case.
pub fn spelling(names: Vec<String>) -> impl Strategy<Value = String> {
    (select(names), vec(select(STAND_INS), 8), any::<u32>()).prop_map(|(name, stand_ins, case)| {
        let mut stand_ins = stand_ins.into_iter().cycle();
        name.chars()
            .enumerate()
            .map(|(at, c)| match c {
                '-' => char::from(stand_ins.next().unwrap()),
                letter if case >> (at % 32) & 1 == 1 => letter.to_ascii_uppercase(),
                letter => letter,
            })
            .collect()
    })
}
