//! Rules between the parts of a gateway.toml; and a file that breaks them starts nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::gateway::House;

const APP: &str = "[upstreams.app]\nservers = [\"127.0.0.1:3000\"]\n";

/// Each with these lines more, beginning in line 3, five lines apart.
fn routes(rules: &[&str]) -> String {
    rules.iter().fold(APP.to_owned(), |file, rule| {
        let blank = "\n".repeat(3 - rule.lines().count());
        format!("{file}[[routes]]\nupstream = \"app\"\n{rule}\n{blank}")
    })
}

#[test]
fn routes_that_could_tie_are_both_named() {
    for (first, second) in [
        ("path = \"/a/*\"", "path = \"/a/*\""),
        ("path = \"/a\"", "path = \"/A/\""),
        ("path = \"/a/*\"\nmethods = [\"GET\", \"POST\"]", "path = \"/a/*\"\nmethods = [\"POST\"]"),
        ("path = \"/a\"\nhosts = [\"x\", \"y\"]", "path = \"/a\"\nhosts = [\"Y.\"]"),
    ] {
        let [mistake] = &House::new(&routes(&[first, "path = \"/other\"", second])).mistakes()[..] else {
            panic!("{first}")
        };
        let name = |rule: &str| rule.split('"').nth(1).unwrap().to_owned();
        let both = format!("13:1: routes {} and {} could take the same request", name(first), name(second));
        assert!(mistake.starts_with(&both) && mistake.contains("the other one begins in line 3"), "{mistake}");
    }
    for (first, second) in [
        ("path = \"/a/*\"", "path = \"/a\""),
        ("path = \"/a\"", "path = \"/a\"\nmethods = [\"GET\"]"),
        ("path = \"/a\"\nmethods = [\"POST\"]", "path = \"/a\"\nmethods = [\"GET\"]"),
        ("path = \"/a\"", "path = \"/a\"\nhosts = [\"x\"]"),
    ] {
        House::new(&routes(&[first, second])).tried(&["check"], "").worked();
    }
}

#[test]
fn no_route_stands_in_the_way_of_the_gateway_s_own_endpoints() {
    let refused = |file: &str| {
        let mistakes = House::new(file).mistakes();
        mistakes.iter().all(|m| {
            m.contains("is where the gateway's own endpoints are; choose another path, or another auth.prefix")
        })
    };
    for path in ["/auth", "/auth/*", "/AUTH/login", "/auth/sessions/*", "/auth/anything/else", "/.well-known/jwks.json"]
    {
        assert!(refused(&routes(&[&format!("path = \"{path}\"")])), "{path}");
    }
    let elsewhere =
        |path: &str| format!("[auth]\nprefix = \"/api/v1/sign\"\n{}", routes(&[&format!("path = \"{path}\"")]));
    assert!(refused(&elsewhere("/api/v1/sign/in")));
    for path in ["/auth/*", "/api/v1/*", "/api/v1/signs"] {
        House::new(&elsewhere(path)).tried(&["check"], "").worked();
    }
    for path in ["/*", "/authors/*", "/.well-known/*"] {
        House::new(&routes(&[&format!("path = \"{path}\"")])).tried(&["check"], "").worked();
    }
}

#[test]
fn an_upstream_is_neither_the_gateway_nor_its_admin_listener() {
    let server = "[server]\nlisten = [\"127.0.0.1:8000\", \"[::1]:8000\", \"0.0.0.0:8001\"]\nadmin_listen = \"127.0.0.1:9000\"\n";
    let at = |address: &str| format!("{server}[upstreams.app]\nservers = [\"127.0.0.1:3000\", \"{address}\"]\n");
    for own in [
        "127.0.0.1:8000",
        "http://localhost:8000",
        "[::1]:8000",
        "127.0.0.1:8001",
        "https://LOCALHOST:8001",
        "0.0.0.0:8000",
    ] {
        let [mistake] = &House::new(&at(own)).mistakes()[..] else { panic!("{own}") };
        assert_eq!(
            mistake, "5:30: upstreams.app.servers: this is the gateway itself: a request would go in circles",
            "{own}"
        );
    }
    for admin in ["127.0.0.1:9000", "localhost:9000", "http://0.0.0.0:9000"] {
        let [mistake] = &House::new(&at(admin)).mistakes()[..] else { panic!("{admin}") };
        assert_eq!(
            mistake, "5:30: upstreams.app.servers: this is server.admin_listen, which is never public",
            "{admin}"
        );
    }
    for other in ["127.0.0.1:8002", "192.0.2.1:8001", "unix:8000", "app.internal:8000"] {
        assert_eq!(House::new(&at(other)).tried(&["check"], "").code, 0, "{other}");
    }
    let public = "[server]\nlisten = \"0.0.0.0:8000\"\nadmin_listen = \"127.0.0.1:8000\"\n";
    assert_eq!(
        House::new(public).mistakes(),
        ["3:1: server.admin_listen: the admin address is never public: it needs one of its own"]
    );
}

#[test]
fn a_file_that_is_wrong_starts_nothing() {
    let house = House::new(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nthreads = \"x\"\n[log]\nlevle = \"info\"\n",
    );
    let wrong = house.mistakes();
    assert_eq!(wrong.len(), 2);
    for words in [
        &["run"][..],
        &["user", "list"],
        &["user", "import", "-"],
        &["session", "list", "a@b"],
        &["key", "rotate"],
        &["explain", "GET", "/"],
        &["check", "--json"],
    ] {
        assert_eq!(house.mistakes_in(&house.tried(words, "")), wrong, "{words:?}");
    }
    let left: Vec<_> =
        std::fs::read_dir(house.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["gateway.toml"], "no store was made");
}
