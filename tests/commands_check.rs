//! `portcullis check` and `portcullis explain`, from outside: what they show, and that the gateway then does so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;

use serde_json::json;
use support::commands::{Said, say_in};
use support::gateway::{Gateway, House, usual};
use support::origin::Origin;
use support::{bearer, send};

const RULES: &str = r#"
[upstreams.app]
servers = ["127.0.0.1:3000"]
[[routes]]
path = "/public/*"
upstream = "app"
access = "public"
[[routes]]
path = "/admin/*"
hosts = ["app.example.com", "b.example.com"]
methods = ["GET", "POST"]
upstream = "app"
roles = ["admin", "boss"]
rate_limit = "60/1m"
"#;

const HELD: &str = r#"
[[expect]]
request = "GET /public/x?y"
outcome = "allowed"
[[expect]]
request = "GET https://App.Example.com:8443/admin/x"
outcome = "unauthenticated"
[[expect]]
request = "GET http://b.example.com/admin/x"
roles = []
outcome = "forbidden"
[[expect]]
request = "GET /admin/x"
roles = ["admin"]
outcome = "not_found"
[[expect]]
request = "GET https://app.example.com/public/..%2fadmin/x"
outcome = "refused"
[[expect]]
request = "POST https://app.example.com/admin/x"
roles = ["user", "boss"]
outcome = "allowed"
"#;

fn check(gateway_toml: &str, words: &[&str]) -> Said {
    House::new(gateway_toml).tried(&[&["check"], words].concat(), "")
}

#[test]
fn a_good_file_shows_its_routes_in_columns_and_holds_its_expectations() {
    let shown = check(&format!("{RULES}{HELD}"), &[]).worked();
    let mut lines = shown.lines();
    let headings = lines.next().unwrap();
    let columns = ["ROUTE", "METHODS", "HOSTS", "ACCESS", "LEADS TO", "LIMIT"].map(|h| headings.find(h).unwrap());
    let rows: Vec<[&str; 6]> =
        lines.by_ref().take_while(|line| !line.is_empty()).map(|row| cells(row, columns)).collect();
    assert_eq!(rows[0], ["/public/*", "all", "all", "public", "app", "-"]);
    let admin = ["/admin/*", "GET POST", "app.example.com b.example.com", "role admin or boss", "app", "60/1m"];
    assert_eq!(rows[1], admin);
    let own = rows.iter().find(|row| row[0] == "/auth/login").unwrap();
    assert_eq!(own[1..], ["POST", "all", "public", "the gateway", "-"]);
    assert_eq!(lines.collect::<Vec<_>>(), ["6 expectations held, 0 failed"]);
}

/// What stands from one column to the next; nothing stands across.
fn cells(row: &str, columns: [usize; 6]) -> [&str; 6] {
    std::array::from_fn(|i| {
        let end = columns.get(i + 1).map_or(row.len(), |next| next - 2);
        if let Some(next) = columns.get(i + 1) {
            assert_eq!(&row[end..*next], "  ", "{row}");
        }
        row[columns[i]..end].trim_end()
    })
}

#[test]
fn a_failed_expectation_says_its_line_and_what_came_instead() {
    let failing = r#"
[[expect]]
request = "GET /nowhere"
outcome = "allowed"
[[expect]]
request = "GET https://app.example.com/admin/x"
roles = ["user", "guest"]
outcome = "allowed"
[[expect]]
request = "GET /public/..%2fadmin/x"
outcome = "not_found"
[[expect]]
request = "GET https://b.example.com/public/..%2fadmin/x"
roles = []
outcome = "allowed"
[[expect]]
request = "GET /auth/login"
outcome = "unauthenticated"
"#;
    let house = House::new(&format!("{RULES}{HELD}{failing}"));
    let said = house.tried(&["check"], "");
    assert_eq!(said.code, 1);
    assert!(said.out.ends_with("\n6 expectations held, 5 failed\n"), "{}", said.out);
    let first = format!("{RULES}{HELD}").lines().count() + 2;
    let wanted = [
        (0, "GET /nowhere by an anonymous caller is not_found, not allowed (no route)"),
        (
            3,
            "GET app.example.com/admin/x by a signed-in caller with the roles user, guest is forbidden, not allowed (route /admin/*)",
        ),
        (7, "GET /public/..%2fadmin/x by an anonymous caller is refused, not not_found (ambiguous_path)"),
        (
            10,
            "GET b.example.com/public/..%2fadmin/x by a signed-in caller with no roles is refused, not allowed (ambiguous_path)",
        ),
        (
            14,
            "GET /auth/login by an anonymous caller is refused, not unauthenticated (route /auth/login, method_not_allowed)",
        ),
    ];
    let mut lines = said.err.lines();
    for (after, what) in wanted {
        assert_eq!(lines.next().unwrap(), format!("{}:{}: {what}", house.file().display(), first + after));
    }
    let last = "portcullis: 5 expectations failed; `portcullis explain` shows how a request is read";
    assert_eq!(lines.collect::<Vec<_>>(), [last]);
}

#[test]
fn json_says_the_same_as_the_table() {
    let report = check(&format!("{RULES}{HELD}"), &["--json"]).json();
    let admin = json!({
        "path": "/admin/*",
        "methods": ["GET", "POST"],
        "hosts": ["app.example.com", "b.example.com"],
        "access": "role admin or boss",
        "leadsTo": "app",
        "rateLimit": "60/1m",
    });
    assert_eq!(report["routes"][1], admin);
    assert_eq!((&report["expectations"], &report["failed"]), (&json!(6), &json!([])));

    let failing = format!("{RULES}\n[[expect]]\nrequest = \"GET /x\"\noutcome = \"allowed\"\n");
    let said = check(&failing, &["--json"]);
    assert_eq!(said.code, 1);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert!(report["failed"][0].as_str().unwrap().contains("is not_found, not allowed"), "{report}");
}

#[test]
fn what_is_likely_not_meant_is_a_warning_and_no_failure() {
    let said = check(
        "[cookies]\nsecure = false\n[passwords]\nmemory = \"64KiB\"\n[upstreams.app]\nservers = [\"127.0.0.1:3000\"]\n",
        &[],
    );
    assert_eq!(said.code, 0, "{said:?}");
    for warning in
        [":2:1: cookies.secure: ", ":4:1: passwords: ", ":5:12: upstreams.app: no route", ": there are no [[routes]]"]
    {
        assert!(said.err.lines().any(|line| line.starts_with("warning: ") && line.contains(warning)), "{}", said.err);
    }
}

#[test]
fn the_sample_is_sound_and_looking_at_a_file_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.toml");
    std::fs::copy(sample, folder.path().join("gateway.toml")).unwrap();
    let shown = say_in(folder.path(), &["check"]).worked();
    assert!(shown.ends_with("\n3 expectations held, 0 failed\n"), "{shown}");
    say_in(folder.path(), &["explain", "GET", "/"]).worked();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["gateway.toml"]);
}

#[test]
fn explain_shows_which_reading_leads_where() {
    let house = House::new(RULES);
    let explained = |words: &[&str]| house.tried(&[&["explain"], words].concat(), "").worked();
    let shown = explained(&["GET", "https://app.example.com/public/..%2fadmin?x=/", "--anonymous"]);
    let row = |reading: &str| {
        let row =
            shown.lines().find(|line| line.split("  ").next() == Some(reading)).unwrap_or_else(|| panic!("{shown}"));
        row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("/public/..%2fadmin"), ["as it came", "/public/*"]);
    assert_eq!(row("/admin"), ["decode %2F, resolve dots", "/admin/*"]);
    assert!(shown.ends_with("\n\nan anonymous caller would get 400 ambiguous_path: This path can be read in more than one way. Write it plainly.\n"), "{shown}");

    let unreadable = explained(&["GET", "/%zz"]);
    assert!(
        unreadable.contains("/%zz cannot be read: it has a % that two hexadecimal digits do not follow"),
        "{unreadable}"
    );
    for (words, verdict) in [
        (
            &["GET", "/public/x", "--anonymous"][..],
            "an anonymous caller would pass (route /public/* is for anyone, and leads to app)",
        ),
        (
            &["GET", "http://b.example.com/admin/x", "--role", "user"],
            "a signed-in caller with the role user would get 403 forbidden: You may not do this. (route /admin/* is for role admin or boss, and leads to app)",
        ),
        (
            &["GET", "http://b.example.com/admin/x", "--role", "user", "--role", "boss"],
            "a signed-in caller with the roles user, boss would pass (route /admin/* is for role admin or boss, and leads to app)",
        ),
        (&["GET", "/admin/x"], "a signed-in caller with no roles would get 404 no_route: Nothing is served here."),
        (
            &["GET", "/auth/me", "--anonymous"],
            "an anonymous caller would get 401 missing_token: Sign in first. (route /auth/me is for anyone who is signed in, and leads to the gateway)",
        ),
        (
            &["GET", "/auth/nothing"],
            "a signed-in caller with no roles would get 404 no_route: Nothing is served here. (what is under /auth/* is the gateway's own, and it has no such endpoint)",
        ),
    ] {
        let shown = explained(words);
        assert_eq!(shown.lines().last(), Some(verdict), "{words:?}");
    }
}

#[test]
fn what_explain_says_is_what_the_gateway_does() {
    let app = Origin::start();
    let house = House::new(&usual(app.address, "", ""));
    let users = [("ann@example.com", &["admin"][..]), ("bob@example.com", &[])];
    users.iter().for_each(|(email, roles)| house.add_user(email, roles));
    let gateway = house.run();
    let tokens = users.map(|(email, _)| bearer(&gateway.login(email)));
    for method in ["GET", "HEAD", "POST", "DELETE", "PROPFIND"] {
        for path in [
            "/public/x",
            "/public",
            "/PUBLIC/x",
            "/publicx",
            "/admin/x",
            "/Admin/x",
            "/admin",
            "/",
            "/x?/admin/",
            "/public/..%2fadmin",
            "/public/%2e%2e/x",
            "//admin/x",
            "/a//b",
            "/admin;x/y",
            "/%zz",
            "/%00",
            "/a%5cb",
            "/auth/me",
            "/auth/nothing",
            "/auth/jwks.json",
            "/.well-known/jwks.json",
        ] {
            let mut callers = vec![(None, vec!["--anonymous"])];
            callers.extend(
                tokens
                    .iter()
                    .zip(users)
                    .map(|(token, (_, roles))| (Some(token), roles.iter().flat_map(|role| ["--role", role]).collect())),
            );
            for (token, words) in callers {
                let told = house.tried(&[&["explain", method, path], words.as_slice()].concat(), "").worked();
                assert_eq!(
                    told_status(&told),
                    done_status(&gateway, method, path, token),
                    "{method} {path} {words:?}: {told}"
                );
            }
        }
    }
}

/// 200 for what would pass.
fn told_status(told: &str) -> u16 {
    let verdict = told.lines().last().unwrap();
    let refused = verdict.split_once(" would get ").map(|(_, rest)| rest.split(' ').next().unwrap().parse().unwrap());
    refused.unwrap_or_else(|| {
        assert!(verdict.contains(" would pass"), "{told}");
        200
    })
}

fn done_status(gateway: &Gateway, method: &str, path: &str, token: Option<&String>) -> u16 {
    let fields: Vec<_> = token.map(|token| ("authorization", token.as_str())).into_iter().collect();
    let body = (method == "POST").then_some(&b"{}"[..]);
    send(gateway.listen, method, path, &fields, body).status
}
