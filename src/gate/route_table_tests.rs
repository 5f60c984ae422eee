//! Facts about the route table.

use super::*;
use crate::gate::access::Access;
use crate::gate::route::{Endpoint, Target};

fn route(path: &str) -> Route {
    Route {
        name: path.into(),
        path: PathPattern::parse(path).unwrap(),
        methods: Vec::new(),
        hosts: Vec::new(),
        target: Target::Upstream(0),
        access: Access::User,
        rate_limit: None,
    }
}

fn on(host: &str, path: &str) -> Route {
    Route { name: format!("{host} {path}").into(), hosts: vec![host.to_owned()], ..route(path) }
}

fn by(methods: &[Method], path: &str) -> Route {
    Route { name: format!("{} {path}", methods[0]).into(), methods: methods.to_vec(), ..route(path) }
}

fn table(routes: impl IntoIterator<Item = Route>) -> RouteTable {
    RouteTable::build("/auth", routes.into_iter().collect()).unwrap()
}

fn paths(paths: &[&str]) -> RouteTable {
    table(paths.iter().map(|path| route(path)))
}

fn conflicts(routes: impl IntoIterator<Item = Route>) -> Vec<(usize, usize)> {
    let found = RouteTable::build("/auth", routes.into_iter().collect()).unwrap_err();
    found
        .into_iter()
        .map(|conflict| match conflict {
            RouteConflict::Tie { first, second, .. } => (first, second),
            RouteConflict::Own { route, .. } => (route, route),
        })
        .collect()
}

fn find<'a>(table: &'a RouteTable, path: &str) -> Result<&'a str, Miss> {
    table.find(None, &Method::GET, path).map(|(_, route)| &*route.name)
}

#[test]
fn the_most_specific_route_wins() {
    let table = table([
        route("/*"),
        route("/a/*"),
        route("/a/b"),
        by(&[Method::POST], "/a/b"),
        by(&[Method::GET], "/a/*"),
        on("App.Example.com.", "/*"),
        on("[::1]", "/a/*"),
    ]);
    let found =
        |host, method: &Method, path| table.find(host, method, path).map(|(id, route)| (id.index(), &*route.name));
    for (host, method, path, id) in [
        (None, Method::GET, "/x", 0),
        (None, Method::PUT, "/a", 1),
        (None, Method::GET, "/a", 4),
        (None, Method::GET, "/a/c", 4),
        (None, Method::GET, "/a/b", 2),
        (None, Method::POST, "/a/b", 3),
        (Some("app.example.com:8080"), Method::POST, "/a/b", 5),
        (Some("APP.EXAMPLE.COM"), Method::GET, "/", 5),
        (Some("[::1]:80"), Method::GET, "/a/b", 6),
        (Some("[::1]:80"), Method::GET, "/b", 0),
        (Some("other"), Method::POST, "/a/b", 3),
    ] {
        assert_eq!(found(host, &method, path).unwrap().0, id, "{host:?} {method} {path}");
    }
}

#[test]
fn a_prefix_takes_itself_and_all_below() {
    let table = paths(&["/public/*"]);
    for path in ["/public", "/public/", "/public/a/b/c/d"] {
        assert_eq!(find(&table, path), Ok("/public/*"));
    }
    for path in ["/publicx", "/", "/x/public"] {
        assert_eq!(find(&table, path), Err(Miss::NoRoute));
    }
}

#[test]
fn own_endpoints_come_before_all_routes() {
    let table = table([route("/*"), on("a.b", "/*"), route("/.well-known/*")]);
    for (path, endpoint) in [
        ("/auth/login", Endpoint::Login),
        ("/auth/logout-all", Endpoint::LogoutAll),
        ("/auth/sessions", Endpoint::Sessions),
        ("/auth/sessions/0190-ab", Endpoint::Session),
        ("/auth/jwks.json", Endpoint::Jwks),
        ("/.well-known/jwks.json", Endpoint::Jwks),
        ("/auth", Endpoint::Unknown),
        ("/auth/", Endpoint::Unknown),
        ("/auth/login/x", Endpoint::Unknown),
    ] {
        let (id, found) = table.find(Some("a.b"), &Method::DELETE, path).unwrap();
        assert_eq!(found.target, Target::Own(endpoint), "{path}");
        assert_eq!(table.route(id).path, found.path);
    }
    assert_eq!(find(&table, "/authx"), Ok("/*"));
    assert_eq!(find(&table, "/.well-known/other"), Ok("/.well-known/*"));
    for odd in ["/AUTH/login", "/auth/login/", "/x/../auth/login", "/auth%2flogin"] {
        assert_eq!(find(&table, odd), Err(Miss::Ambiguous), "{odd}");
    }
}

#[test]
fn routes_that_could_tie_are_all_named() {
    let listed = |methods: &[Method]| by(methods, "/m");
    let routes = [
        route("/a"),
        route("/A"),
        route("/a/"),
        on("x", "/a"),
        Route { hosts: vec!["y".into(), "X:1".into(), "x".into()], ..route("/a") },
        listed(&[Method::GET, Method::PUT]),
        listed(&[Method::PUT]),
        listed(&[Method::POST]),
        route("/a/*"),
        route("/auth/x"),
        route("/Auth/*"),
        route("/.well-known/JWKS.json"),
        route("/\u{17f}/*"),
        route("/s/*"),
    ];
    assert_eq!(conflicts(routes), [(0, 1), (0, 2), (3, 4), (5, 6), (9, 9), (10, 10), (11, 11), (12, 13)]);
}

#[test]
fn a_conflict_names_its_routes() {
    let found = RouteTable::build("/auth", vec![route("/a"), route("/A"), route("/auth/x")]).unwrap_err();
    assert!(found[0].to_string().starts_with("routes /a and /A could take the same request"), "{}", found[0]);
    assert!(found[1].to_string().starts_with("route /auth/x is where the gateway's own endpoints are"), "{}", found[1]);
}

#[test]
fn a_path_that_an_upstream_could_read_into_another_route_is_ambiguous() {
    let table = paths(&["/public/*", "/admin/*", "/*"]);
    for odd in [
        "/public/../admin/x",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/..%252fadmin",
        "/public\\..\\admin",
        "/public/..;/admin",
        "/public/.. /admin",
        "/public/.../admin",
        "/public/x%3f/../../admin",
        "//admin",
        "//x/admin",
        "/%61dmin",
        "/admin%2fx",
        "/admin;x",
        "/admin.",
        "/admin%20",
        "/admin#",
        "/ADMIN/x",
        "/public/%00",
        "/public/%",
        "/public/%c0%ae",
        "public",
        "",
    ] {
        assert_eq!(find(&table, odd), Err(Miss::Ambiguous), "{odd:?}");
    }
}

#[test]
fn case_and_a_final_slash_are_minded_where_a_route_would_be_missed() {
    let table = paths(&["/Docs/*", "/health", "/accounts/", "/*"]);
    for (path, name) in [
        ("/Docs/A", "/Docs/*"),
        ("/Docs/", "/Docs/*"),
        ("/health", "/health"),
        ("/accounts/", "/accounts/"),
        ("/Other/B/", "/*"),
        ("/healthy", "/*"),
    ] {
        assert_eq!(find(&table, path), Ok(name), "{path}");
    }
    for odd in ["/docs/a", "/health/", "/Health", "/accounts", "/health//"] {
        assert_eq!(find(&table, odd), Err(Miss::Ambiguous), "{odd}");
    }
}

#[test]
fn readings_that_agree_pass_whatever_they_look_like() {
    let table = paths(&["/a/*", "/é/*"]);
    for path in ["/a/100%25%20sure", "/a/b;v=1/c", "/a/x%2Fy", "/a/b//c", "/a/./b", "/a/..a/b..", "/a/%E2%82%AC"] {
        assert_eq!(find(&table, path), Ok("/a/*"), "{path}");
    }
    assert_eq!(find(&table, "/%c3%a9/x"), Ok("/é/*"));
    assert_eq!(find(&table, "/b%20c"), Err(Miss::NoRoute));
    assert_eq!(find(&table, "/%C3%89/x"), Err(Miss::Ambiguous));
}

#[test]
fn a_long_path_of_slashes_is_read_once() {
    let table = paths(&["/a/*"]);
    assert_eq!(find(&table, &"/x".repeat(4096)), Err(Miss::NoRoute));
    assert_eq!(find(&table, &format!("/a{}", "/x".repeat(4096))), Ok("/a/*"));
}

#[test]
fn an_explanation_shows_where_each_reading_leads() {
    let table = paths(&["/public/*", "/Admin"]);
    let explained = table.explain(None, &Method::GET, "/public/..;x/admin/");
    assert_eq!(explained.unreadable, None);
    let leads = |path: &str| {
        let reading = explained.readings.iter().find(|reading| reading.path == path).unwrap();
        (reading.route.map(|route| &*route.name), reading.how.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(leads("/public/..;x/admin/"), (Some("/public/*"), vec![]));
    assert_eq!(leads("/admin/"), (None, vec!["drop ;parameters".to_owned(), "resolve dots".to_owned()]));
    assert_eq!(leads("/admin").0, Some("/Admin"));
    assert_eq!(table.explain(None, &Method::GET, "/%").unreadable, Some(Unreadable::BadEscape));
}
