//! Ordinary paths pass: what browsers, apps and tools send every day is never refused as ambiguous.

use http::Method;
use portcullis::gate::access::Access;
use portcullis::gate::route::{PathPattern, Route, Target};
use portcullis::gate::route_table::{Miss, RouteTable};

const ROUTES: [&str; 10] = [
    "/",
    "/*",
    "/api/*",
    "/api/admin/*",
    "/public/*",
    "/admin/*",
    "/health",
    "/files/*",
    "/wiki/日本/*",
    "/.well-known/security.txt",
];

/// What is sent, and the route that takes it.
const ORDINARY: [(&str, &str); 91] = [
    ("/", "/"),
    ("/health", "/health"),
    ("/favicon.ico", "/*"),
    ("/robots.txt", "/*"),
    ("/index.html", "/*"),
    ("/about/", "/*"),
    ("/About/Team", "/*"),
    ("/login", "/*"),
    ("/healthy", "/*"),
    ("/.well-known/security.txt", "/.well-known/security.txt"),
    ("/.well-known/acme-challenge/AbC-_123", "/*"),
    ("/@vite/client", "/*"),
    ("/~alice/", "/*"),
    ("/node_modules/.vite/deps/react.js", "/*"),
    ("/@fs/src/App.tsx", "/*"),
    ("/static/js/main.3f2a1c9b.chunk.js", "/*"),
    ("/static/css/app.min.css.map", "/*"),
    ("/assets/img/logo@2x.png", "/*"),
    ("/assets/fonts/Inter-Regular.woff2", "/*"),
    ("/2024/05/17/hello-world", "/*"),
    ("/2024-05-17T10:30:00Z", "/*"),
    ("/2024-05-17T10%3A30%3A00%2B02%3A00", "/*"),
    ("/en-US/docs/Web/HTTP", "/*"),
    ("/a,b,c", "/*"),
    ("/(group)/page", "/*"),
    ("/it's", "/*"),
    ("/q=1&r=2", "/*"),
    ("/$metadata", "/*"),
    ("/price/1*2", "/*"),
    ("/Caf%C3%A9", "/*"),
    ("/%E2%9C%93", "/*"),
    ("/blog/10%25-off", "/*"),
    ("/search/c%2B%2B", "/*"),
    ("/search/a+b", "/*"),
    ("/public", "/public/*"),
    ("/public/", "/public/*"),
    ("/public/Logo.PNG", "/public/*"),
    ("/public/a%20file%20with%20spaces.pdf", "/public/*"),
    ("/public/100%25%20sure.txt", "/public/*"),
    ("/public/..hidden", "/public/*"),
    ("/public/v1..v2", "/public/*"),
    ("/public/a...b", "/public/*"),
    ("/public/app;v=1.2/style.css", "/public/*"),
    ("/public/%E6%97%A5%E6%9C%AC%E8%AA%9E.html", "/public/*"),
    ("/public/na%C3%AFve-r%C3%A9sum%C3%A9.doc", "/public/*"),
    ("/public/%F0%9F%98%80.png", "/public/*"),
    ("/public/image(1).jpg", "/public/*"),
    ("/public/image%20%281%29.jpg", "/public/*"),
    ("/public/%5Bdraft%5D%20plan.md", "/public/*"),
    ("/publications/2023", "/*"),
    ("/api", "/api/*"),
    ("/api/", "/api/*"),
    ("/api/v1.0/users", "/api/*"),
    ("/api/users/42", "/api/*"),
    ("/api/users/0190a5f2-7c3e-7b1a-9d54-0242ac120002", "/api/*"),
    ("/api/users/0190A5F2-7C3E-7B1A-9D54-0242AC120002", "/api/*"),
    ("/api/users/john.doe@example.com", "/api/*"),
    ("/api/users/john.doe%40example.com", "/api/*"),
    ("/api/Orders('ALFKI')/Items", "/api/*"),
    ("/api/items/id:42/name:x", "/api/*"),
    ("/api/items;color=red;size=L/7", "/api/*"),
    ("/api/items/%7Bid%7D", "/api/*"),
    ("/api/items/a%7Cb", "/api/*"),
    ("/api/tags/rock%20%26%20roll", "/api/*"),
    ("/api/tags/rock%20%27n%27%20roll", "/api/*"),
    ("/api/tags/%23rust", "/api/*"),
    ("/api/answers/why%3F", "/api/*"),
    ("/api/projects/group%2Fproject/merge_requests", "/api/*"),
    ("/api/packages/@scope%2Fname", "/api/*"),
    ("/api/query/SELECT%20*%20FROM%20t", "/api/*"),
    ("/api/proxy/https%3A%2F%2Fexample.com%2Fa%20b%3Fc%3D100%2525%26d%3De", "/api/*"),
    ("/api/tokens/eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln", "/api/*"),
    ("/api/base64/aGVsbG8_d29ybGQ-==", "/api/*"),
    ("/api/base64/aGVsbG8%3D", "/api/*"),
    ("/api/geo/52.5200,13.4050", "/api/*"),
    ("/api/versions/1.2.3-rc.1+build.5", "/api/*"),
    ("/api/admin", "/api/admin/*"),
    ("/api/admin/", "/api/admin/*"),
    ("/api/admin/users/%C3%89milie", "/api/admin/*"),
    ("/api/administrators", "/api/*"),
    ("/admin/users", "/admin/*"),
    ("/admin/users/Alice%20Smith", "/admin/*"),
    ("/admin/reports/Q1%202024%20(final).xlsx", "/admin/*"),
    ("/administration", "/*"),
    ("/files/C%3A/Users", "/files/*"),
    ("/files/50%25%20off%20%26%20more.txt", "/files/*"),
    ("/files/a%3Bb.txt", "/files/*"),
    ("/files/report.final.v2.docx", "/files/*"),
    ("/files/archive.tar.gz", "/files/*"),
    ("/wiki/%E6%97%A5%E6%9C%AC/%E6%9D%B1%E4%BA%AC", "/wiki/日本/*"),
    ("/wiki/%e6%97%a5%e6%9c%ac", "/wiki/日本/*"),
];

fn table(paths: &[&str]) -> RouteTable {
    let route = |path: &&str| Route {
        name: (*path).into(),
        path: PathPattern::parse(path).expect("a plain path"),
        methods: Vec::new(),
        hosts: Vec::new(),
        target: Target::Upstream(0),
        access: Access::User,
        rate_limit: None,
    };
    RouteTable::build("/auth", paths.iter().map(route).collect()).expect("no two alike")
}

#[test]
fn ordinary_paths_have_the_route_that_one_expects() {
    let table = table(&ROUTES);
    let found = |path: &str| table.find(None, &Method::GET, path).map(|(_, route)| route.name.to_string());
    let wrong: Vec<_> = ORDINARY.iter().filter(|(path, name)| found(path).as_deref() != Ok(*name)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn without_a_route_for_all_the_rest_they_have_the_same_route_or_none() {
    let table = table(&ROUTES[2..]);
    for (path, name) in ORDINARY.iter().filter(|(path, _)| *path != "/") {
        let found = table.find(None, &Method::GET, path).map(|(_, route)| &*route.name);
        assert_eq!(found, if *name == "/*" { Err(Miss::NoRoute) } else { Ok(*name) }, "{path}");
    }
}
