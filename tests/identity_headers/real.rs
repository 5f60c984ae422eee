//! Apps of real servers, held against the simulations and put behind the gateway: CGI scripts of lighttpd and Apache, and
//! Node.

use std::net::SocketAddr;

use crate::Caller;
use crate::apps::{APPS, sees};
use crate::fields::STAND_INS;
use crate::support::gateway::{House, usual};
use crate::support::identity::IDENTITY;
use crate::support::servers::{Server, apache, lighttpd, node};
use crate::support::wire::Wire;

const NAMES: [&str; 4] = ["x-user-id", "x-user-email", "x-user-roles", "x-session-id"];

/// A server, the host whose app says what it finds, and under which name it finds a field.
struct Real {
    server: Server,
    host: &'static str,
    key: fn(&str) -> String,
}

fn cgi(name: &str) -> String {
    format!("HTTP_{}", name.replace('-', "_").to_uppercase())
}

fn reals() -> [(&'static str, Real); 3] {
    [
        ("lighttpd", Real { server: lighttpd(), host: "reading", key: cgi }),
        ("Apache", Real { server: apache(), host: "reading", key: cgi }),
        ("Node", Real { server: node(), host: "told", key: str::to_lowercase }),
    ]
}

/// What the app found, in lines.
fn found(to: SocketAddr, host: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n");
    let answer = String::from_utf8(Wire::to(to).send(request).rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer
}

impl Real {
    fn value(&self, found: &str, name: &str) -> Option<String> {
        let key = (self.key)(name);
        found.lines().find_map(|line| line.strip_prefix(&key)?.strip_prefix('=')).map(str::to_owned)
    }
}

#[test]
fn the_simulations_are_like_the_real_ones() {
    let sent = [("X-User-Id", "7"), ("x_user_id", "evil"), ("X-A", "b"), ("x-a", "c"), ("x.b", "d")];
    let fields = sent.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    for (name, real) in reals() {
        let found = found(real.server.address, real.host, "/x", &sent);
        let app = APPS.iter().find(|app| app.name.starts_with(name)).unwrap();
        for name in ["X-User-Id", "X-A", "X-B", "X-C"] {
            assert_eq!(real.value(&found, name), sees(app, &fields, name), "{}, {name}: {found}", app.name);
        }
    }
}

#[test]
fn a_real_app_finds_what_the_gateway_states_or_nothing() {
    for (server, real) in reals() {
        let house = House::new(&usual(real.server.address, "", ""));
        house.add_user("ann@example.com", &["admin", "billing:read"]);
        let gateway = house.run();
        let ann = Caller::sign_in(&gateway, "ann@example.com", &NAMES);
        for stand_in in STAND_INS.iter().map(|byte| char::from(*byte).to_string()) {
            let claims = IDENTITY.map(|name| name.replace('-', &stand_in));
            for caller in [None, Some(&ann)] {
                let mut fields: Vec<(&str, &str)> = claims.iter().map(|name| (name.as_str(), "evil")).collect();
                fields.extend(caller.map(|caller| ("authorization", caller.authorization.as_str())));
                fields.extend(claims.iter().map(|name| (name.as_str(), "evil")));
                let path = if caller.is_some() { "/admin/x" } else { "/public/x" };
                let found = found(gateway.listen, real.host, path, &fields);
                let stated = caller.map_or(&[][..], |caller| &caller.stated);
                for name in IDENTITY {
                    let told = stated.iter().find(|(stated, _)| stated == name).map(|(_, value)| value.clone());
                    assert_eq!(real.value(&found, name), told, "{server}, {stand_in}, {name}: {found}");
                }
                assert!(!found.contains("evil"), "{server}, {stand_in}: {found}");
            }
        }
    }
}
