//! Identity is ours to state: what the app is told of the caller, and that nobody else can say it.

use crate::support::bearer;
use crate::support::gateway::{Gateway, House, PASSWORD, usual};
use crate::support::identity::IDENTITY;
use crate::support::origin::{Origin, Seen};
use crate::support::wire::Wire;

/// What a folding app would find under `name`.
fn folded<'a>(seen: &'a Seen, name: &str) -> Vec<&'a str> {
    let fold = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    seen.fields.iter().filter(|(n, _)| fold(n) == name).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn the_app_is_told_once_who_is_calling() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    for (email, path, roles) in [("ann@example.com", "/admin/x", "admin"), ("bob@example.com", "/x", "")] {
        let token = bearer(&gateway.login(email));
        let me = gateway.get("/auth/me", &[("authorization", &token)]).json();
        assert_eq!(gateway.get(path, &[("authorization", &token)]).status, 200);
        let seen = app.last();
        assert_eq!(folded(&seen, "x-user-id"), [me["userId"].as_str().unwrap()]);
        assert_eq!(folded(&seen, "x-session-id"), [me["sessionId"].as_str().unwrap()]);
        assert_eq!(folded(&seen, "x-user-email"), [email]);
        assert_eq!(folded(&seen, "x-user-roles"), [roles]);
    }
}

#[test]
fn a_public_route_is_told_of_a_valid_token_and_of_nobody_else() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let token = bearer(&gateway.login("bob@example.com"));
    gateway.get("/public/x", &[("authorization", &token)]);
    assert_eq!(app.last().all("x-user-email"), ["bob@example.com"]);
    assert_eq!(gateway.post("/auth/logout", &[("authorization", &token)], &serde_json::json!({})).status, 200);
    for credential in [token.as_str(), "Bearer junk", "Bearer ", "Basic YTpi"] {
        assert_eq!(gateway.get("/public/x", &[("authorization", credential)]).status, 200, "{credential}");
        let seen = app.last();
        assert!(IDENTITY.iter().all(|name| folded(&seen, name).is_empty()), "{credential}: {seen:?}");
    }
}

#[test]
fn what_a_client_says_under_an_identity_name_is_gone_in_every_spelling() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let token = bearer(&gateway.login("ann@example.com"));
    let spellings: [fn(&str) -> String; 7] = [
        |name| name.to_owned(),
        |name| name.to_ascii_uppercase(),
        |name| name.replace('-', "_"),
        |name| name.replace('-', "."),
        |name| name.replacen('-', "_", 1),
        |name| name.replace('-', "~"),
        |name| name.replace('-', "!"),
    ];
    let common = ["x-remote-user", "remote-name", "x-forwarded-access-token", "x-original-url", "x-rewrite-url"];
    for spell in spellings {
        let names = IDENTITY.iter().chain(&common).map(|name| spell(name));
        // Each twice: neither the first nor the last of two may get through.
        let claims: String = names.map(|name| format!("{name}: evil\r\n{name}: evil\r\n")).collect();
        for (path, credential) in [("/public/x", None), ("/x", Some(&token)), ("/admin/x", Some(&token))] {
            let credential = credential.map(|token| format!("authorization: {token}\r\n")).unwrap_or_default();
            let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{claims}{credential}\r\n");
            let answer = Wire::to(gateway.listen).send(request).answer().unwrap();
            assert_eq!(answer.status, 200, "{path} {claims} {}", answer.body);
            let seen = app.last();
            assert!(seen.fields.iter().all(|(_, value)| value != "evil"), "{path}: {seen:?}");
            let stated = IDENTITY.iter().filter(|name| folded(&seen, name).len() == 1).count();
            let any = IDENTITY.iter().filter(|name| !folded(&seen, name).is_empty()).count();
            assert_eq!((stated, any), if path == "/public/x" { (0, 0) } else { (4, 4) }, "{path}: {seen:?}");
        }
    }
}

#[test]
fn a_field_nominated_in_connection_takes_nothing_of_ours_away() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    let token = bearer(&gateway.login("bob@example.com"));
    for nominated in ["X-User-Id, X-User-Email", "close, X_User_Id, x-user-roles", "x-session-id", "Authorization"] {
        let fields = [("connection", nominated), ("x-user-id", "evil"), ("authorization", token.as_str())];
        let answer = Wire::to(gateway.listen).ask("GET", "/x", &fields).answer().unwrap();
        assert_eq!(answer.status, 200, "{nominated}");
        let seen = app.last();
        assert_eq!(seen.all("x-user-email"), ["bob@example.com"], "{nominated}");
        for name in ["x-user-id", "x-user-roles", "x-session-id"] {
            assert_eq!(folded(&seen, name).len(), 1, "{nominated}: {seen:?}");
        }
        assert!(seen.fields.iter().all(|(_, value)| value != "evil"), "{nominated}: {seen:?}");
    }
}

#[test]
fn a_preset_gives_the_statements_its_own_names() {
    let presets = [
        ("remote-user", ["remote-user", "remote-email", "remote-groups"]),
        ("x-forwarded", ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"]),
        ("x-auth-request", ["x-auth-request-user", "x-auth-request-email", "x-auth-request-groups"]),
    ];
    for (preset, [id, email, roles]) in presets {
        let app = Origin::start();
        let gateway = Gateway::usual(app.address, "", &format!("[headers]\npreset = \"{preset}\""));
        let token = bearer(&gateway.login("ann@example.com"));
        let user = gateway.get("/auth/me", &[("authorization", &token)]).json()["userId"].clone();
        let claims: Vec<(&str, &str)> = IDENTITY.iter().map(|name| (*name, "evil")).collect();
        gateway.get("/x", &[&claims[..], &[("authorization", token.as_str())]].concat());
        let seen = app.last();
        let stated = [(id, user.as_str().unwrap()), (email, "ann@example.com"), (roles, "admin")];
        for name in IDENTITY {
            let values: Vec<&str> = stated.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect();
            assert_eq!(folded(&seen, name), values, "{preset}: {name}");
        }
    }
}

#[test]
fn names_of_ones_own_are_stated_and_kept_from_clients_like_the_others() {
    let app = Origin::start();
    let own = "[headers]\nuser_id = \"X-Who\"\nemail = \"Mail\"\nroles = \"X-May\"\nsession_id = \"X-Login\"";
    let gateway = Gateway::usual(app.address, "", own);
    let claims = [("x-who", "evil"), ("X_Who", "evil"), ("mail", "evil"), ("x.may", "evil"), ("x-user-id", "evil")];
    gateway.get("/public/x", &claims);
    assert!(app.last().fields.iter().all(|(_, value)| value != "evil"), "{:?}", app.last());
    let token = bearer(&gateway.login("ann@example.com"));
    gateway.get("/x", &[&claims[..], &[("authorization", token.as_str())]].concat());
    let seen = app.last();
    assert_eq!((folded(&seen, "mail"), folded(&seen, "x-may")), (vec!["ann@example.com"], vec!["admin"]));
    assert_eq!((folded(&seen, "x-who").len(), folded(&seen, "x-login").len()), (1, 1));
    assert!(folded(&seen, "x-user-id").is_empty() && seen.fields.iter().all(|(_, value)| value != "evil"));
}

#[test]
fn a_role_changed_while_signed_in_is_the_role_that_is_told() {
    let app = Origin::start();
    let house = House::new(&usual(app.address, "", ""));
    house.add_user("eve@example.com", &["editor", "admin"]);
    let gateway = house.run();
    let token = bearer(&gateway.login("eve@example.com"));
    gateway.get("/x", &[("authorization", &token)]);
    let mut roles: Vec<String> = app.last().all("x-user-roles")[0].split(',').map(str::to_owned).collect();
    roles.sort();
    assert_eq!(roles, ["admin", "editor"]);
    house.says(&["user", "roles", "eve@example.com", "editor"], "");
    crate::support::wait::until("the new role", || {
        gateway.get("/x", &[("authorization", &token)]).status == 200 && app.last().all("x-user-roles") == ["editor"]
    });
    assert_eq!(gateway.get("/admin/x", &[("authorization", &token)]).code(), "forbidden");
    assert_eq!(gateway.try_login("eve@example.com", PASSWORD).status, 200);
}

#[test]
fn the_token_stays_here_unless_it_is_to_be_forwarded() {
    for forward in [false, true] {
        let app = Origin::start();
        let gateway = Gateway::usual(app.address, "", &format!("[headers]\nforward_token = {forward}"));
        let token = bearer(&gateway.login("bob@example.com"));
        for path in ["/x", "/public/x"] {
            gateway.get(path, &[("authorization", &token)]);
            let expected = if forward { vec![token.as_str()] } else { Vec::new() };
            assert_eq!(app.last().all("authorization"), expected, "{path}");
        }
        // Another scheme is the app's own business, wherever nobody has to be signed in.
        gateway.get("/public/x", &[("authorization", "Basic YTpi")]);
        assert_eq!(app.last().all("authorization"), ["Basic YTpi"]);
    }
}
