//! Real servers behind the gateway, and how they read nasty paths. Each is asked twice: directly, which shows what it really
//! serves for a path, and through the gateway, where nobody may get a page under another rule than the one he passed by.
//! How a server says that it reads a path is held against the simulation of that name, too.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::net::SocketAddr;

use support::gateway::{Gateway, usual};
use support::nasty::{climbs, some_nasty_paths};
use support::rules::{BUILT, Eye, passed};
use support::servers::{self, shown};
use support::upstreams::{UPSTREAMS, decode, rewritten};
use support::{bearer, gateway::House};

/// Where a server listens, the host that it is asked for, and the simulation that reads as it does there.
type Site<'a> = (SocketAddr, &'a str, Option<&'a str>);

#[test]
fn nginx_serves_nothing_under_another_rule() {
    let nginx = servers::nginx();
    judge(&[(nginx.address, "files", Some("nginx")), (nginx.address, "reading", Some("nginx"))]);
}

#[test]
fn apache_serves_nothing_under_another_rule() {
    let apache = servers::apache();
    let sites = [("files", "Apache, CGI"), ("reading", "Apache, CGI"), ("keeping", "Apache, CGI, slashes kept")];
    judge(&sites.map(|(host, simulation)| (apache.address, host, Some(simulation))));
}

#[test]
fn lighttpd_serves_nothing_under_another_rule() {
    let lighttpd = servers::lighttpd();
    // A file that has more path behind it is served as that file.
    judge(&[(lighttpd.address, "files", None), (lighttpd.address, "reading", Some("lighttpd"))]);
}

#[test]
fn tomcat_serves_nothing_under_another_rule() {
    let tomcat = servers::tomcat();
    let sites = [(tomcat.address, "Tomcat"), (tomcat.lenient, "Tomcat, lenient")];
    let sites = sites.map(|(at, simulation)| ["files", "reading"].map(|host| (at, host, Some(simulation))));
    judge(&sites.concat());
}

#[test]
fn pythons_server_serves_nothing_under_another_rule() {
    let python = servers::python();
    judge(&["files", "reading"].map(|host| (python.address, host, Some("Python's http.server"))));
}

#[test]
fn node_serves_nothing_under_another_rule() {
    let node = servers::node();
    let sites = [
        ("files", None),
        ("url", Some("Node with new URL()")),
        ("decoded", Some("Node with new URL(), decoded")),
        ("parse", Some("Node with url.parse()")),
    ];
    judge(&sites.map(|(host, simulation)| (node.address, host, simulation)));
}

#[test]
fn express_serves_nothing_under_another_rule() {
    let Some(express) = servers::express() else { return skipped("Express", "node-express") };
    judge(&["files", "reading"].map(|host| (express.address, host, None)));
}

#[test]
fn phps_server_serves_nothing_under_another_rule() {
    let Some([files, script]) = servers::php() else { return skipped("PHP", "php-cli") };
    judge(&[(files.address, "files", None), (script.address, "reading", Some("PHP"))]);
}

#[allow(clippy::print_stderr, reason = "who reads the output must know that something was not looked at")]
fn skipped(name: &str, package: &str) {
    eprintln!("SKIPPED: {name} is not here; install {package} to look at it, too");
}

/// For so many paths at least a server alone serves what lies under another rule than the path seems to; and so many pass.
const ASTRAY: usize = 150;
const PASSING: usize = 50;

fn judge(sites: &[Site<'_>]) {
    let paths = [climbs(), some_nasty_paths(200)].concat();
    let (mut wrong, mut astray, mut passing) = (Vec::new(), 0, 0);
    let mut gateways: Vec<(SocketAddr, Gateway, String)> = Vec::new();
    for (at, host, simulation) in sites {
        if !gateways.iter().any(|(before, ..)| before == at) {
            let gateway = in_front_of(*at);
            let bob = format!("Authorization: {}\r\n", bearer(&gateway.login("bob@example.com")));
            gateways.push((*at, gateway, bob));
        }
        let (_, gateway, bob) = gateways.iter().find(|(before, ..)| before == at).unwrap();
        for target in &paths {
            let Some(served) = shown(*at, host, target, "").1 else { continue };
            let path = target.split('?').next().unwrap();
            astray += usize::from(rule(&served) != rule(path));
            passing += usize::from(passed(&BUILT[0].1, path).is_ok());
            // What is no reading of the path, but for example a page that stands for it, says nothing of other tables.
            let tables = if simulation.is_some() { BUILT.len() } else { 1 };
            let readings =
                [under_another_rule(tables, path, &served), simulation.and_then(|it| differs(it, path, &served))];
            wrong.extend(readings.into_iter().flatten().map(|how| format!("{host}: {how}")));
            for (who, fields, may_see) in [("anyone", "", &[PUBLIC][..]), ("bob", bob, &[PUBLIC, ALL_ELSE])] {
                let seen = shown(gateway.listen, host, target, fields).1;
                if seen.as_deref().is_some_and(|seen| !rule(seen).is_some_and(|rule| may_see.contains(&rule))) {
                    wrong.push(format!("{host}: {who} was shown {seen:?} for {target}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), paths.len(), wrong.join("\n"));
    assert!(astray >= ASTRAY && passing >= PASSING, "{astray} astray, {passing} passing of {}: too few", paths.len());
}

/// By their places among the usual rules, which are those of the first table.
const PUBLIC: usize = 0;
const ALL_ELSE: usize = 2;

fn rule(path: &str) -> Option<usize> {
    Eye::default().route(BUILT[0].0, path)
}

fn in_front_of(server: SocketAddr) -> Gateway {
    let house = House::new(&usual(server, "", "[limits]\nper_ip = \"1000000/1m\""));
    house.add_user("bob@example.com", &[]);
    house.run()
}

/// Whether one of the first tables lets the path pass by another rule than that of what the server made of it. The gateway's own
/// endpoints are not for the server to serve.
fn under_another_rule(tables: usize, path: &str, served: &str) -> Option<String> {
    BUILT.iter().take(tables).find_map(|(patterns, table)| {
        let ours = passed(table, path).ok().filter(|ours| ours.is_none_or(|at| at < patterns.len()))?;
        let theirs = Eye::default().route(patterns, served);
        (ours != theirs).then(|| format!("{path} is {served}: rule {theirs:?}, passed by {ours:?} of {patterns:?}"))
    })
}

/// Whether the simulation reads the path otherwise than the server did. A folder's page is the folder.
fn differs(simulation: &str, path: &str, served: &str) -> Option<String> {
    let (_, ops) = UPSTREAMS.iter().find(|(name, _)| *name == simulation).unwrap();
    // A page is shown on one line: a path with a line break in it cannot be told.
    let read = rewritten(ops, path).filter(|read| !read.contains(|c: char| c.is_ascii_control()))?;
    let plain = |text: &str| decode(text, |byte| byte > 0x7f).unwrap_or_else(|| text.to_owned());
    let folder = served.strip_suffix("index.html").filter(|_| read.ends_with('/'));
    (plain(&read) != plain(folder.unwrap_or(served)))
        .then(|| format!("{path} is {served}, and {read} for the simulation of {simulation}"))
}
