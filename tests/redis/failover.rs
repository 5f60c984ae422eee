//! A replica that has missed the last of what its master acknowledged takes its place. No token that was over lives again, at
//! no gateway and at no moment; nobody else is signed out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::relay::Relay;
use super::support::gateway::{Gateway, House, PASSWORD};
use super::support::redis::{RedisServer, Reply};
use super::support::wait;
use super::{Over, bearer, house_at, with};

const UNLIMITED: &str = "[limits]\nper_ip = \"1000000/1s\"\nlogin_per_ip = \"1000000/1s\"\n";

/// A master that a replica follows, with gateways that reach whoever is the master.
struct Pair {
    master: RedisServer,
    replica: RedisServer,
    relay: Relay,
    house: Arc<House>,
}

impl Pair {
    fn start() -> Self {
        let master = RedisServer::start();
        let port = master.port.to_string();
        let replica = RedisServer::with(&["--appendonly", "yes", "--replicaof", "127.0.0.1", &port]);
        let relay = Relay::to(master.address());
        let house = house_at(&format!("redis://{}", relay.address), UNLIMITED);
        house.add_usual_users();
        Self { master, replica, relay, house }
    }

    /// From now on the replica misses everything.
    fn part(&self) {
        wait::until("the replica has it all", || self.replica.offset() == self.master.offset());
        assert_eq!(self.replica.cli(&["REPLICAOF", "NO", "ONE"]), Reply::Text("OK".into()));
    }

    fn fail_over(&self) {
        self.master.kill();
        self.relay.lead_to(self.replica.address());
    }

    /// The master lives on, as the replica's replica, and so do the connections to it.
    fn change_over(&self) {
        self.relay.lead_to(self.replica.address());
        let port = self.replica.port.to_string();
        assert_eq!(self.master.cli(&["REPLICAOF", "127.0.0.1", &port]), Reply::Text("OK".into()));
    }
}

fn log_out(gateway: &Gateway, tokens: &Value) {
    assert_eq!(gateway.post("/auth/logout", &[], &json!({ "refreshToken": tokens["refreshToken"] })).status, 200);
}

/// What the master acknowledges and the replica misses, done to Bob, whose tokens are over then; and what is done on the
/// replica before any gateway has found it.
fn revives_nobody(lost: impl FnOnce(&[Gateway], &Value), meanwhile: impl FnOnce(&House)) -> (Pair, [Gateway; 3]) {
    revives_nobody_by(Pair::fail_over, lost, meanwhile)
}

fn revives_nobody_by(
    change: impl FnOnce(&Pair),
    lost: impl FnOnce(&[Gateway], &Value),
    meanwhile: impl FnOnce(&House),
) -> (Pair, [Gateway; 3]) {
    let pair = Pair::start();
    let gateways = [pair.house.run(), pair.house.run(), pair.house.run()];
    let (ann, bob) = (gateways[0].login("ann@example.com"), gateways[1].login("bob@example.com"));
    for gateway in &gateways {
        assert_eq!((with(gateway, "/x", &ann).status, with(gateway, "/x", &bob).status), (200, 200));
    }
    pair.part();
    lost(&gateways, &bob);
    for gateway in &gateways {
        wait::until("what is over is refused", || with(gateway, "/x", &bob).status == 401);
    }
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let refused = |gateway: &Gateway| {
        let (passing, coming_again) = (with(gateway, "/x", &bob), gateway.refresh(&bob["refreshToken"]));
        for answer in [&passing, &coming_again] {
            assert!([401, 503].contains(&answer.status), "revived: {} {}", answer.status, answer.body);
        }
        asked.fetch_add(1, Ordering::Relaxed);
        passing.status == 401 && coming_again.status == 401
    };
    thread::scope(|scope| {
        let _over = Over(&over);
        for gateway in &gateways {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    refused(gateway);
                }
            });
        }
        let before = asked.load(Ordering::Relaxed);
        wait::until("everyone asks", || asked.load(Ordering::Relaxed) > before + 20);
        meanwhile(&house_at(&pair.replica.url(), ""));
        change(&pair);
        for gateway in &gateways {
            wait::until("logins work again", || gateway.try_login("ann@example.com", PASSWORD).status == 200);
            wait::until("what is over is refused", || refused(gateway));
            wait::until("nobody else is signed out", || with(gateway, "/x", &ann).status == 200);
        }
        let before = asked.load(Ordering::Relaxed);
        wait::until("everyone goes on asking", || asked.load(Ordering::Relaxed) > before + 20);
    });
    assert_eq!(gateways[2].refresh(&ann["refreshToken"]).status, 200);
    // Nothing of this is in its memory: the store itself knows.
    let newcomer = pair.house.run();
    assert_eq!(with(&newcomer, "/x", &bob).status, 401);
    assert_eq!(newcomer.refresh(&bob["refreshToken"]).status, 401);
    for gateway in &gateways {
        gateway.wait_for_line("that it had acknowledged");
    }
    (pair, gateways)
}

fn signs_in_again(gateways: &[Gateway], password: &str) {
    let again = gateways[0].try_login("bob@example.com", password);
    assert_eq!(again.status, 200, "{}", again.body);
    for gateway in gateways {
        wait::until("he is back", || with(gateway, "/x", &again.json()).status == 200);
    }
}

#[test]
fn a_logout_that_a_failover_lost_is_in_force() {
    let (_pair, gateways) = revives_nobody(|gateways, bob| log_out(&gateways[0], bob), |_| ());
    signs_in_again(&gateways, PASSWORD);
}

#[test]
fn a_logout_that_was_lost_without_a_connection_is_in_force() {
    let lost = |gateways: &[Gateway], bob: &Value| log_out(&gateways[1], bob);
    let (_pair, gateways) = revives_nobody_by(Pair::change_over, lost, |_| ());
    signs_in_again(&gateways, PASSWORD);
}

/// What was counted on the master is overtaken by what is counted on the replica: that the user has changed as often says
/// nothing.
#[test]
fn a_logout_that_was_lost_is_in_force_also_when_the_user_has_changed_since() {
    let changes = |house: &House| {
        for role in ["one", "two", "three"] {
            house.says(&["user", "roles", "bob@example.com", role], "");
        }
    };
    let (_pair, gateways) = revives_nobody(|gateways, bob| log_out(&gateways[2], bob), changes);
    signs_in_again(&gateways, PASSWORD);
}

#[test]
fn a_lock_out_that_was_lost_ends_what_it_ended() {
    let disable = |gateways: &[Gateway], _: &Value| {
        gateways[0].house.says(&["user", "disable", "bob@example.com"], "");
    };
    let (pair, gateways) = revives_nobody(disable, |_| ());
    // That he may not sign in is lost, and said: it has to be done again.
    signs_in_again(&gateways, PASSWORD);
    pair.house.says(&["user", "disable", "bob@example.com"], "");
    assert_eq!(gateways[1].try_login("bob@example.com", PASSWORD).code(), "invalid_credentials");
}

#[test]
fn a_password_change_that_was_lost_ends_what_it_ended() {
    let change = |gateways: &[Gateway], bob: &Value| {
        let theirs = gateways[1].login("bob@example.com");
        let body = json!({ "currentPassword": PASSWORD, "newPassword": "another fine long sentence" });
        let token = bearer(&theirs);
        assert_eq!(gateways[1].post("/auth/password", &[("authorization", &token)], &body).status, 200);
        assert_eq!(with(&gateways[1], "/x", bob).status, 401);
    };
    let (_pair, gateways) = revives_nobody(change, |_| ());
    // The old password is back with the old state.
    signs_in_again(&gateways, PASSWORD);
}

#[test]
fn a_removal_that_was_lost_is_done_again() {
    let remove = |gateways: &[Gateway], _: &Value| {
        gateways[0].house.says(&["user", "remove", "bob@example.com"], "");
    };
    let (pair, gateways) = revives_nobody(remove, |_| ());
    assert!(!pair.house.says(&["user", "list"], "").contains("bob@example.com"));
    assert_eq!(gateways[0].try_login("bob@example.com", PASSWORD).code(), "invalid_credentials");
}
