//! How long it takes until all gateways obey, with requests going on at each of them. `REVOCATION_ROUNDS` sets how often it is
//! measured (20); the figures are printed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use portcullis::clock::Stopwatch;
use serde_json::json;

use super::support::dice::number;
use super::support::redis::RedisServer;
use super::support::wait;
use super::{Over, house, with};

const UNLIMITED: &str = "[limits]\nper_ip = \"1000000/1s\"\n";

#[test]
fn a_logout_is_in_force_everywhere_within_the_promise() {
    let server = RedisServer::start();
    let house = house(&server, UNLIMITED);
    let gateways = [house.run(), house.run(), house.run()];
    let rounds = number("REVOCATION_ROUNDS").unwrap_or(20);
    let over = AtomicBool::new(false);
    let mut lags: Vec<Duration> = thread::scope(|scope| {
        let _over = Over(&over);
        for gateway in &gateways {
            scope.spawn(|| {
                let ann = gateway.login("ann@example.com");
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(with(gateway, "/x", &ann).status, 200);
                }
            });
        }
        let mut lags = Vec::new();
        for _ in 0..rounds {
            let bob = gateways[0].login("bob@example.com");
            assert!(gateways.iter().all(|gateway| with(gateway, "/x", &bob).status == 200));
            gateways[0].post("/auth/logout", &[], &json!({ "refreshToken": bob["refreshToken"] }));
            let watch = Stopwatch::start();
            for gateway in &gateways[1..] {
                wait::until("a logout is in force", || with(gateway, "/x", &bob).status == 401);
                lags.push(watch.elapsed());
            }
        }
        lags
    });
    lags.sort_unstable();
    let at = |share: f64| lags[((lags.len() - 1) as f64 * share).round() as usize];
    println!("in force elsewhere after the answer: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
    for gateway in &gateways {
        let metric = |what: &str| gateway.metric(&format!("portcullis_revocation_lag_seconds_{what}"));
        let (soon, all) = (["0.003", "0.01", "0.03"], metric("count"));
        let shares =
            soon.map(|secs| format!("{:.3} within {secs} s", metric(&format!("bucket{{le=\"{secs}\"}}")) / all));
        println!("from the write to obeying, as it counts itself: {}", shares.join(", "));
        // Two words a round, the login's and the logout's, whichever gateway they came from.
        assert!(all >= rounds as f64 * 2.0, "{all}");
        assert!(metric("bucket{le=\"1\"}") >= all / 2.0, "it is counted from the write to obeying");
    }
    assert!(at(1.0) < Duration::from_secs(1), "it is promised within a second");
}
