//! A real WSGI server: what `environ` really holds.

use serde_json::Value;

use crate::apps::{APPS, sees};
use crate::support::app::App;
use crate::support::gateway::{Gateway, House, usual};
use crate::support::identity::IDENTITY;
use crate::support::wire::Wire;
use crate::{Caller, support};

const NAMES: [&str; 4] = ["x-user-id", "x-user-email", "x-user-roles", "x-session-id"];

fn key(name: &str) -> String {
    format!("HTTP_{}", name.replace('-', "_").to_uppercase())
}

fn guard(app: &App, email: &str) -> (Gateway, Caller) {
    let house = House::new(&usual(app.address, "", ""));
    house.add_user(email, &["admin", "billing:read"]);
    let gateway = house.run();
    let caller = Caller::sign_in(&gateway, email, &NAMES);
    (gateway, caller)
}

fn environment(to: std::net::SocketAddr, path: &str, fields: &[(&str, &str)]) -> Value {
    let answer = Wire::to(to).ask("GET", path, fields).answer().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[test]
fn the_simulated_wsgi_is_like_the_real_one() {
    let app = App::wsgi();
    let sent = [("X-User-Id", "7"), ("x_user_id", "evil"), ("X_USER-ID", "worse"), ("x.user.id", "dot"), ("X-A", "b")];
    let fields: Vec<(String, String)> = sent.map(|(name, value)| (name.to_lowercase(), value.to_owned())).to_vec();
    let real = environment(app.address, "/", &sent);
    let wsgi = APPS.iter().find(|app| app.name == "WSGI").unwrap();
    for name in ["X-User-Id", "X-User-Email", "X-A"] {
        assert_eq!(real[key(name)].as_str().map(str::to_owned), sees(wsgi, &fields, name), "{name}: {real}");
    }
    assert_eq!(real["HTTP_X_USER_ID"], "7,evil,worse", "without a gateway it is misled");
}

#[test]
fn a_wsgi_app_finds_what_the_gateway_states_or_nothing() {
    let app = App::wsgi();
    let (gateway, ann) = guard(&app, "ann@example.com");
    let spellings: [fn(&str) -> String; 4] =
        [str::to_owned, |name| name.replace('-', "_"), |name| name.replacen('-', "_", 1), |name| name.to_uppercase()];
    let claims: Vec<String> = IDENTITY.iter().flat_map(|name| spellings.map(|spell| spell(name))).collect();
    let mut fields: Vec<(&str, &str)> = claims.iter().map(|name| (name.as_str(), "evil")).collect();
    for caller in [None, Some(&ann)] {
        let path = if caller.is_some() { "/admin/x" } else { "/public/x" };
        fields.extend(caller.map(|caller| ("authorization", caller.authorization.as_str())));
        let found = environment(gateway.listen, path, &fields);
        let stated = caller.map_or(&[][..], |caller| &caller.stated);
        for name in IDENTITY {
            let told = stated.iter().find(|(stated, _)| stated == name).map(|(_, value)| value.as_str());
            assert_eq!(found[key(name)].as_str(), told, "{name}: {found}");
        }
        assert!(!found.to_string().contains("evil"), "{found}");
    }
}

/// A WSGI app is given each byte as a character of its own, and the server strips what looks like a space among them: of
/// these two, the last bytes are such.
#[test]
fn emails_that_are_no_ascii_stay_two_and_readable() {
    let mut found = Vec::new();
    for email in ["ann@x\u{285}", "ann@x\u{2a0}"] {
        let app = App::wsgi();
        let (gateway, ann) = guard(&app, email);
        let environment = environment(gateway.listen, "/x", &[("authorization", &ann.authorization)]);
        let told = environment["HTTP_X_USER_EMAIL"].as_str().unwrap().to_owned();
        assert_eq!(support::percent_decoded(&told), email);
        found.push(told);
    }
    assert_eq!(found, ["ann@x%CA%85", "ann@x%CA%A0"]);
}
