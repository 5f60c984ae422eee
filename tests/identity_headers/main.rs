//! Who is calling, as apps come to see it after they have read the fields in their own way: exactly what the gateway states,
//! once, or nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod apps;
mod fields;
mod http2;
mod real;
mod spellings;
#[path = "../support/mod.rs"]
mod support;
mod trailers;
mod values;
mod wsgi;

use apps::{APPS, Environment};
use fields::CLAIMED;
use proptest::test_runner::Config;
use serde_json::Value;
use support::bearer;
use support::gateway::Gateway;
use support::identity::IDENTITY;
use support::origin::Seen;

/// `PROPTEST_CASES` asks for more.
pub fn cases(usual: u32) -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: cases.unwrap_or(usual), failure_persistence: None, ..Config::default() }
}

/// A caller, and what the gateway states of it under which name.
pub struct Caller {
    pub authorization: String,
    pub stated: Vec<(String, String)>,
}

impl Caller {
    /// `names`: of the id, the email, the roles and, where there is one, the session.
    pub fn sign_in(gateway: &Gateway, email: &str, names: &[&str]) -> Self {
        let authorization = bearer(&gateway.login(email));
        let me = gateway.get("/auth/me", &[("authorization", &authorization)]).json();
        Self::described(authorization, &me, names)
    }

    /// By the answer of `/auth/me`.
    pub fn described(authorization: String, me: &Value, names: &[&str]) -> Self {
        let text = |member: &str| me[member].as_str().unwrap().to_owned();
        let roles: Vec<&str> = me["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap()).collect();
        let values = [text("userId"), text("email"), roles.join(","), text("sessionId")];
        let stated = names.iter().map(|name| name.to_ascii_lowercase()).zip(values).collect();
        Self { authorization, stated }
    }
}

/// Why an app would be misled; nothing if none would.
pub fn misled(seen: &Seen, caller: Option<&Caller>) -> Option<String> {
    let stated = caller.map_or(&[][..], |caller| &caller.stated);
    for app in &APPS {
        let environment = Environment::of(app, &seen.fields);
        for name in IDENTITY.iter().chain(&CLAIMED).copied().chain(stated.iter().map(|(name, _)| name.as_str())) {
            let told = stated.iter().find(|(stated, _)| stated == name).map(|(_, value)| value.clone());
            let found = environment.find(name);
            if found != told {
                return Some(format!("{} sees {found:?} under {name}, not {told:?}: {:?}", app.name, seen.fields));
            }
        }
    }
    None
}
