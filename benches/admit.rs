//! What a whole decision costs: `Gateway::admit` from a request's head to a permit or a denial, as the proxy asks it. The
//! user is in memory in all of these; what differs is the token, and whether it was seen before.

#[allow(dead_code, reason = "each program asks for a part of it")]
mod desk;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use desk::Desk;
use http::request::Parts;

/// The allocator of the program itself.
#[global_allocator]
static ALLOCATOR: portcullis::allocator::Allocator = portcullis::allocator::Allocator;

fn admit(c: &mut Criterion) {
    let mut group = c.benchmark_group("admit");
    for algorithm in ["HS256", "EdDSA"] {
        let desk = Desk::open(algorithm);
        let good = desk.token();
        // The signature of another token of the same session: well-formed, and wrong.
        let (head, other) = (good.rsplit_once('.').expect("a token").0, desk.token());
        let bad = format!("{head}.{}", other.rsplit_once('.').expect("a token").1);
        let mut case = |name: &str, path: &str, token: Option<&str>, outcome: &str| {
            let head = Desk::request(path, token);
            assert_eq!(desk.ask(&head), outcome, "{name}");
            group.bench_function(format!("{algorithm}/{name}"), |b| b.iter(|| desk.ask(black_box(&head))));
        };
        case("allowed", "/orders/17", Some(&good), "allowed");
        case("bad signature", "/orders/17", Some(&bad), "invalid_token");
        if algorithm == "EdDSA" {
            case("role missing", "/admin/users", Some(&good), "forbidden");
            case("session ended", "/orders/17", Some(desk.ended_token()), "session_revoked");
            case("junk token", "/orders/17", Some("junk"), "invalid_token");
            case("no token", "/orders/17", None, "missing_token");
            case("public", "/public/logo.svg", None, "allowed");
            case("public, signed in", "/public/logo.svg", Some(&good), "allowed");
            case("ambiguous path", "/public/..%2fadmin/users", None, "ambiguous_path");
        }
        group.bench_function(format!("{algorithm}/allowed, token not seen before"), |b| {
            let new = || -> Parts { Desk::request("/orders/17", Some(&desk.token())) };
            b.iter_batched_ref(new, |head| desk.ask(head), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(decisions, admit);
criterion_main!(decisions);
