//! Ordinary URLs pass, byte for byte: a corpus of them through the running gateway, under two route tables. What is refused
//! is in the corpus, too, with the reason.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::net::SocketAddr;

use support::gateway::{Gateway, House};
use support::origin::Origin;
use support::wire::Wire;

const CORPUS: &str = include_str!("ordinary_urls.txt");

/// The lines of one section.
fn section(name: &str) -> Vec<&'static str> {
    let (_, after) = CORPUS.split_once(&format!("\n[{name}]\n")).unwrap();
    let lines = after.lines().take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// A gateway with these public rules, each before an origin of its own.
struct Rules {
    gateway: Gateway,
    origins: Vec<(&'static str, Origin)>,
}

impl Rules {
    fn new(paths: &[&'static str]) -> Self {
        let origins: Vec<_> = paths.iter().map(|path| (*path, Origin::start())).collect();
        let listen = "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n";
        let limits = "[limits]\nper_ip = \"100000/1m\"\n";
        let rule = |(at, (path, origin)): (usize, &(&str, Origin))| {
            let SocketAddr::V4(server) = origin.address else { unreachable!() };
            format!(
                "[upstreams.u{at}]\nservers = [\"{server}\"]\n\
                 [[routes]]\npath = \"{path}\"\nupstream = \"u{at}\"\naccess = \"public\"\n"
            )
        };
        let rules: String = origins.iter().enumerate().map(rule).collect();
        Self { gateway: House::new(&format!("{listen}{limits}{rules}")).run(), origins }
    }

    /// What becomes of each target: the rule whose origin was asked for that target, byte for byte, or the status and code.
    fn verdicts(&self, targets: &[&str]) -> Vec<String> {
        let mut wire = Wire::to(self.gateway.listen);
        targets.iter().map(|target| self.verdict(&mut wire, target)).collect()
    }

    fn verdict(&self, wire: &mut Wire, target: &str) -> String {
        let asked = || self.origins.iter().map(|(_, origin)| origin.seen().len()).collect::<Vec<_>>();
        let before = asked();
        let request = format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n\r\n");
        let answer = wire.send(&request).answer().or_else(|| {
            *wire = Wire::to(self.gateway.listen);
            wire.send(&request).answer()
        });
        let answer = answer.expect("an answer");
        if answer.field("connection") == "close" {
            *wire = Wire::to(self.gateway.listen);
        }
        let changed: Vec<usize> = (0..before.len()).filter(|at| asked()[*at] != before[*at]).collect();
        match changed[..] {
            [] => format!(
                "{} {}",
                answer.status,
                if answer.body.starts_with('{') { answer.code() } else { String::new() }
            ),
            [at] if self.origins[at].1.last().line == format!("GET {target} HTTP/1.1") => self.origins[at].0.to_owned(),
            _ => format!(
                "changed on its way: {:?}",
                changed.iter().map(|at| self.origins[*at].1.last().line).collect::<Vec<_>>()
            ),
        }
    }
}

/// The rule for a path whose first segment is written plainly.
fn plain_rule(target: &str) -> &'static str {
    match target.split(['/', '?']).nth(1) {
        Some("public") => "/public/*",
        Some("admin") => "/admin/*",
        _ => "/*",
    }
}

#[track_caller]
fn all(rules: &Rules, targets: &[&str], expected: impl Fn(&str) -> String) {
    let verdicts = rules.verdicts(targets);
    let wrong: Vec<_> =
        targets.iter().zip(&verdicts).filter(|(target, verdict)| expected(target) != **verdict).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), targets.len());
}

#[test]
fn the_corpus_is_large() {
    assert!(section("passes").len() >= 300, "{}", section("passes").len());
}

#[test]
fn ordinary_urls_pass_one_rule_byte_for_byte() {
    let rules = Rules::new(&["/*"]);
    all(&rules, &section("passes"), |_| "/*".to_owned());
    all(&rules, &section("passes with one rule"), |_| "/*".to_owned());
}

#[test]
fn ordinary_urls_pass_three_rules_byte_for_byte_each_by_its_own() {
    let rules = Rules::new(&["/public/*", "/admin/*", "/*"]);
    all(&rules, &section("passes"), |target| plain_rule(target).to_owned());
    all(&rules, &section("passes with one rule"), |_| "400 ambiguous_path".to_owned());
}

#[test]
fn what_cannot_be_read_in_one_way_is_refused_under_any_rules() {
    let rules = Rules::new(&["/*"]);
    all(&rules, &section("refused"), |_| "400 ambiguous_path".to_owned());
}

#[test]
fn what_is_no_target_is_refused() {
    let rules = Rules::new(&["/*"]);
    all(&rules, &section("no target"), |_| "400 bad_request".to_owned());
}
