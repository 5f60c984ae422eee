//! Whatever a client sends under any spelling of any such name, over HTTP/1 on a connection that is kept: no app is misled,
//! and nothing innocent is lost.

use std::cell::RefCell;

use http::HeaderName;
use portcullis::gate::identity::{IdentityHeaders, IdentityNames};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::fields::{Made, made, spelling};
use crate::support::gateway::{Gateway, House, usual};
use crate::support::identity::IDENTITY;
use crate::support::origin::Origin;
use crate::support::wire::Wire;
use crate::{Caller, cases, misled};

/// How `[headers]` names them, and the names of the id, the email, the roles and the session.
const NAMINGS: [(&str, &[&str]); 5] = [
    ("", &["x-user-id", "x-user-email", "x-user-roles", "x-session-id"]),
    ("preset = \"remote-user\"", &["remote-user", "remote-email", "remote-groups"]),
    ("preset = \"x-forwarded\"", &["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"]),
    ("preset = \"x-auth-request\"", &["x-auth-request-user", "x-auth-request-email", "x-auth-request-groups"]),
    (OWN, &["X-Who-Is-It", "Mail", "X-My-Groups-2", "A--B-"]),
];
const OWN: &str = "user_id = \"X-Who-Is-It\"\nemail = \"Mail\"\nroles = \"X-My-Groups-2\"\nsession_id = \"A--B-\"";

pub fn start(app: &Origin, server: &str, naming: &str) -> Gateway {
    let more = format!("[limits]\nper_ip = \"1000000/1m\"\n[headers]\n{naming}");
    let house = House::new(&usual(app.address, server, &more));
    house.add_user("ann@example.com", &["admin", "billing:read"]);
    house.run()
}

#[test]
fn no_client_misleads_any_app_under_any_naming() {
    std::thread::scope(|scope| {
        for (naming, names) in NAMINGS {
            scope.spawn(move || holds(naming, names));
        }
    });
}

fn holds(naming: &str, names: &[&str]) {
    let app = Origin::start();
    let gateway = start(&app, "", naming);
    let ann = Caller::sign_in(&gateway, "ann@example.com", names);
    let callers = [("/public/x", None), ("/public/x", Some(&ann)), ("/admin/x", Some(&ann))];
    let wire = RefCell::new(Wire::to(gateway.listen));
    TestRunner::new(cases(60))
        .run(&(made(names), 0..callers.len()), |(made, at)| {
            let (path, caller) = callers[at];
            asked(&mut wire.borrow_mut(), path, caller, &made);
            let seen = app.last();
            let why = misled(&seen, caller);
            prop_assert!(why.is_none(), "{}", why.unwrap());
            prop_assert!(!format!("{seen:?}").to_lowercase().contains("evil"), "{:?}", seen.fields);
            prop_assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
            prop_assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
            prop_assert_eq!(seen.all("x-forwarded-host"), ["gw.example"]);
            prop_assert_eq!(seen.all("x-request-id").len(), 1);
            for (name, value) in &made.innocent {
                prop_assert_eq!(seen.all(name), [value.as_str()], "{}", name);
            }
            Ok(())
        })
        .unwrap_or_else(|why| panic!("{naming}: {why}"));
}

fn asked(wire: &mut Wire, path: &str, caller: Option<&Caller>, made: &Made) {
    let nominated = made.nominated.join(", ");
    let mut fields = made.fields();
    // Nominated before, between and after what it nominates.
    fields.insert(fields.len() / 2, ("connection", &nominated));
    if let Some(caller) = caller {
        fields.push(("authorization", &caller.authorization));
    }
    let answer = wire.ask("GET", path, &fields).answer().expect("an answer, and the connection kept");
    assert_eq!(answer.status, 200, "{made:?}: {}", answer.body);
}

/// A WebSocket's handshake keeps its fields about the connection: no claim comes along with them.
#[test]
fn a_handshake_misleads_no_app_either() {
    let app = Origin::start();
    let gateway = start(&app, "", "");
    let ann = Caller::sign_in(&gateway, "ann@example.com", NAMINGS[0].1);
    for upgrade in ["Upgrade", "x-user-id, Upgrade, X_User_Email", "upgrade, x.user.roles"] {
        let claims: String = IDENTITY.iter().map(|name| format!("{}: evil\r\n", name.replace('-', "_"))).collect();
        let request = format!(
            "GET /admin/ws HTTP/1.1\r\nHost: gw\r\n{claims}x-user-id: evil\r\nauthorization: {}\r\nConnection: {upgrade}\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            ann.authorization
        );
        assert!(Wire::to(gateway.listen).send(request).answer().is_some());
        let seen = app.last();
        assert_eq!(seen.all("connection"), ["Upgrade"], "it is a handshake: {seen:?}");
        assert_eq!(misled(&seen, Some(&ann)), None);
        assert!(!format!("{seen:?}").contains("evil"), "{seen:?}");
    }
}

proptest! {
    /// The rule by itself: what folds to a claimed name is claimed, and nothing of another length or other letters is.
    #[test]
    fn a_name_is_claimed_where_it_folds_to_one_and_nowhere_else(
        spelled in spelling(IDENTITY.map(str::to_owned).to_vec()), at in any::<prop::sample::Index>(), other in "[0-9z]",
    ) {
        let identity = IdentityHeaders::new(IdentityNames::default());
        let claimed = |name: &str| identity.is_claimed(&HeaderName::from_bytes(name.as_bytes()).unwrap());
        prop_assert!(claimed(&spelled));
        let (before, after) = spelled.split_at(at.index(spelled.len()));
        let (longer, shorter) = ([before, &other, after].concat(), [before, &after[1..]].concat());
        let changed = [before, &other, &after[1..]].concat();
        for name in [longer, shorter, changed] {
            prop_assert!(!claimed(&name), "{}", name);
        }
    }
}
