//! What deciding costs. Routing: plain and escaped paths in tables of ten to ten thousand routes; the three should cost alike.
//! Identity headers: whether a field is a claim, for each field of a request.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderName, Method};
use portcullis::gate::access::Access;
use portcullis::gate::identity::{IdentityHeaders, IdentityNames};
use portcullis::gate::route::{PathPattern, Route, Target};
use portcullis::gate::route_table::RouteTable;

const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// Half prefixes, half exact, every tenth for one host, and one rule for all the rest.
fn table(size: usize) -> RouteTable {
    let route = |text: String, host: bool| Route {
        name: text.as_str().into(),
        path: PathPattern::parse(&text).expect("a plain path"),
        methods: Vec::new(),
        hosts: if host { vec!["app.example.com".to_owned()] } else { Vec::new() },
        target: Target::Upstream(0),
        access: Access::User,
        rate_limit: None,
    };
    let mut routes = vec![route("/*".to_owned(), false)];
    routes.extend((1..size).map(|n| {
        let end = if n % 2 == 0 { "/*" } else { "" };
        route(format!("/api/v1/service-{n}/items{end}"), n % 10 == 0)
    }));
    RouteTable::build("/auth", routes).expect("no two alike")
}

fn find(c: &mut Criterion) {
    let mut group = c.benchmark_group("find");
    for size in SIZES {
        let table = table(size);
        let below = size / 2 / 2 * 2;
        for (name, path) in [
            ("plain", format!("/api/v1/service-{below}/items/0190a5f2/detail")),
            ("upper case", format!("/api/v1/service-{below}/items/0190A5F2/Detail")),
            ("no route but the last", "/assets/app.3f2a1c.js".to_owned()),
            ("escaped", format!("/api/v1/service-{below}/items/caf%C3%A9%20au%20lait")),
            ("own endpoint", "/auth/refresh".to_owned()),
        ] {
            group.bench_with_input(BenchmarkId::new(name, size), &path, |b, path| {
                b.iter(|| table.find(black_box(Some("app.example.com")), &Method::GET, black_box(path)).is_ok());
            });
        }
    }
    group.finish();
}

/// The dearest junk: as many readings as are looked at, short and long, and 8 KiB of slashes.
fn refuse(c: &mut Criterion) {
    let table = table(SIZES[1]);
    let many = "/x%2fy/%2e./z..%5c;%3b/%3f%23x%20/%25%61/b".to_owned();
    let long = format!("/q%3fz%41z%5cz%2ez%23z/a//z/{}", "y".repeat(1200));
    for (name, path) in [
        ("many readings", many),
        ("of a long path", long),
        ("slashes", "/x".repeat(4096)),
        ("escapes", "/%20".repeat(2048)),
    ] {
        c.bench_function(name, |b| b.iter(|| table.find(None, &Method::GET, black_box(&path)).is_ok()));
    }
}

/// The fields of a browser's request, none of them claimed, and a claim in another spelling.
fn claims(c: &mut Criterion) {
    let identity = IdentityHeaders::new(IdentityNames::default());
    let usual = [
        "host",
        "connection",
        "cache-control",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "user-agent",
        "accept",
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "referer",
        "accept-encoding",
        "accept-language",
        "authorization",
    ]
    .map(HeaderName::from_static);
    let forged = HeaderName::from_static("x_auth_request.groups");
    c.bench_function("claims of a browser", |b| {
        b.iter(|| usual.iter().filter(|name| identity.is_claimed(black_box(name))).count());
    });
    c.bench_function("a claim", |b| b.iter(|| identity.is_claimed(black_box(&forged))));
}

criterion_group!(gate, find, refuse, claims);
criterion_main!(gate);
