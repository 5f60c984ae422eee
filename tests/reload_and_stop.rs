//! A reload changes the rules under a running gateway and drops nobody; a stop finishes what is running, and ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::net::TcpListener;
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use support::gateway::{Gateway, House, usual};
use support::origin::{Origin, answer};
use support::wire::Wire;
use support::{bearer, wait};

const RELOADED: &str = "the configuration was reloaded";
const KEPT: &str = "the configuration was not reloaded";

/// An app that answers `/slow` only when it is told to.
struct Slow {
    origin: Origin,
    asked: Receiver<()>,
    go: Sender<()>,
}

impl Slow {
    fn start() -> Self {
        let ((asking, asked), (go, gone)) = (channel(), channel::<()>());
        let (asking, gone) = (Mutex::new(asking), Mutex::new(gone));
        let origin = Origin::with(move |seen, stream| {
            if seen.path() == "/public/slow" {
                let _ = asking.lock().unwrap().send(());
                // The test being over is as good as being told.
                let _ = gone.lock().unwrap().recv();
            }
            answer(stream, "200 OK", &[], b"done");
            true
        });
        Self { origin, asked, go }
    }

    /// A request that is under way until the app is told to answer.
    fn under_way(&self, gateway: &Gateway) -> Wire {
        let mut wire = Wire::to(gateway.listen);
        ask(&mut wire, "/public/slow");
        self.asked.recv_timeout(support::gateway::PATIENCE).unwrap();
        wire
    }
}

fn ask(wire: &mut Wire, path: &str) {
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: gateway.test\r\n\r\n"));
}

fn status(wire: &mut Wire, path: &str) -> u16 {
    ask(wire, path);
    wire.answer().unwrap().status
}

fn exit_code(gateway: &mut Gateway) -> Option<i32> {
    let mut status = None;
    wait::until("the gateway ends", || {
        status = gateway.child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap().code()
}

fn reload(gateway: &Gateway, gateway_toml: &str, outcome: &str) {
    let before = gateway.log().matches(outcome).count();
    gateway.house.rewrite(gateway_toml);
    gateway.signal(Signal::SIGHUP);
    wait::until(outcome, || gateway.log().matches(outcome).count() > before);
}

#[test]
fn new_routes_are_taken_without_dropping_a_request_or_a_connection() {
    let slow = Slow::start();
    let gateway = Gateway::usual(slow.origin.address, "", "");
    let (mut kept, mut running) = (Wire::to(gateway.listen), slow.under_way(&gateway));
    assert_eq!(status(&mut kept, "/new/x"), 401);
    let open = "[[routes]]\npath = \"/new/*\"\nupstream = \"app\"\naccess = \"public\"\n";
    reload(&gateway, &usual(slow.origin.address, "", open), RELOADED);
    assert_eq!(status(&mut kept, "/new/x"), 200, "on the same connection");
    assert_eq!(gateway.metric("portcullis_config_last_reload_successful"), 1.0);
    slow.go.send(()).unwrap();
    assert_eq!(running.answer().unwrap().body, "done");

    let bob = gateway.login("bob@example.com");
    reload(&gateway, &usual(slow.origin.address, "", ""), RELOADED);
    assert_eq!(status(&mut kept, "/new/x"), 401, "and back");
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&bob))]).status, 200, "sessions outlive it");
}

/// A session is held to the limits that are in force; a token that was given for longer is none the worse for it.
#[test]
fn who_is_signed_in_stays_so_when_tokens_are_to_live_shorter() {
    let app = Origin::start().address;
    let gateway = Gateway::usual(app, "", "");
    let [ann, bob] = ["ann@example.com", "bob@example.com"].map(|email| gateway.login(email));
    let shorter = "[auth]\naccess_ttl = \"1m\"\nrefresh_ttl = \"1h\"\nsession_ttl = \"1h\"\n";
    reload(&gateway, &usual(app, "", shorter), RELOADED);
    gateway.get("/x", &[("authorization", &bearer(&ann))]).is_problem(401, "token_expired");
    let next = gateway.refresh(&ann["refreshToken"]);
    assert_eq!(next.status, 200, "{}", next.body);
    assert_eq!(gateway.get("/x", &[("authorization", &bearer(&next.json()))]).status, 200);
    let leaving = json!({ "refreshToken": bob["refreshToken"] });
    assert_eq!(gateway.post("/auth/logout", &[], &leaving).status, 200);
    gateway.refresh(&bob["refreshToken"]).is_problem(401, "session_revoked");
}

#[test]
fn a_quota_stays_with_its_route() {
    let app = Origin::start().address;
    let route = |path: &str| {
        format!("[[routes]]\npath = \"{path}\"\nupstream = \"app\"\naccess = \"public\"\nrate_limit = \"1/1h\"\n")
    };
    let gateway = Gateway::usual(app, "", &(route("/a/*") + &route("/b/*")));
    assert_eq!(gateway.get("/a/", &[]).status, 200);
    reload(&gateway, &usual(app, "", &(route("/b/*") + &route("/a/*"))), RELOADED);
    gateway.get("/a/", &[]).is_problem(429, "rate_limited");
    assert_eq!(gateway.get("/b/", &[]).status, 200);
}

#[test]
fn a_broken_file_keeps_the_old_rules_and_every_mistake_is_said() {
    let app = Origin::start().address;
    let gateway = Gateway::usual(app, "", "");
    let broken = usual(app, "", "[limits]\nper_up = \"1/1m\"\n[auth]\naccess_ttl = \"soon\"\n");
    reload(&gateway, &broken, KEPT);
    for mistake in ["per_up", "access_ttl"] {
        assert!(
            gateway.log().lines().any(|line| line.contains("ERROR") && line.contains(mistake)),
            "{}",
            gateway.log()
        );
    }
    assert_eq!(gateway.metric("portcullis_config_last_reload_successful"), 0.0);
    assert_eq!(gateway.get("/public/x", &[]).status, 200);
    std::fs::remove_file(gateway.house.file()).unwrap();
    gateway.signal(Signal::SIGHUP);
    gateway.wait_for_line("there is no such file");
    assert_eq!(gateway.get("/public/x", &[]).status, 200);
    reload(&gateway, &usual(app, "", ""), RELOADED);
    assert_eq!(gateway.metric("portcullis_config_last_reload_successful"), 1.0);
}

#[test]
fn what_needs_a_restart_is_named_and_stays_as_it_was() {
    let app = Origin::start().address;
    let gateway = Gateway::usual(app, "", "");
    let text = usual(
        app,
        "idle_timeout = \"7s\"",
        "[store]\ncache_ttl = \"7s\"\n[auth]\nalgorithm = \"ES256\"\n[log]\nlevel = \"warn\"\n",
    );
    let text = text.replace("[passwords]\n", "[passwords]\nmin_length = 16\n");
    for _ in 0..2 {
        reload(&gateway, &text, RELOADED);
    }
    for key in ["[server]", "[store]", "auth.algorithm", "[passwords]", "[log]"] {
        let line = format!("{key} has changed, which takes effect at the next start");
        assert_eq!(gateway.log().matches(&line).count(), 2, "{key} in {}", gateway.log());
    }
    gateway.login("bob@example.com");
}

#[test]
fn a_stop_fails_readiness_finishes_what_is_running_and_closes_what_is_idle() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let slow = Slow::start();
        let mut gateway = Gateway::usual(slow.origin.address, "", "");
        let (mut idle, mut fresh) = (Wire::to(gateway.listen), Wire::to(gateway.listen));
        assert_eq!(status(&mut idle, "/public/x"), 200);
        let mut running = slow.under_way(&gateway);
        assert_eq!(gateway.admin("/readyz").status, 200);

        gateway.signal(signal);
        wait::until("it is not ready", || gateway.admin("/readyz").status == 503);
        assert_eq!(gateway.admin("/readyz").json()["stopping"], true);
        assert_eq!(gateway.admin("/healthz").status, 200);
        assert!(idle.is_closed() && fresh.is_closed());
        wait::until("nobody new is let in", || std::net::TcpStream::connect(gateway.listen).is_err());
        assert!(gateway.child.try_wait().unwrap().is_none(), "a request is under way");
        slow.go.send(()).unwrap();
        let last = running.answer().unwrap();
        assert_eq!((last.status, last.body.as_str()), (200, "done"));
        assert_eq!(exit_code(&mut gateway), Some(0));
    }
}

#[test]
fn a_request_that_never_ends_is_cut_off_when_the_drain_timeout_ends() {
    let slow = Slow::start();
    let mut gateway = Gateway::usual(slow.origin.address, "drain_timeout = \"1s\"", "");
    let mut running = slow.under_way(&gateway);
    gateway.signal(Signal::SIGTERM);
    assert_eq!(exit_code(&mut gateway), Some(0));
    assert!(running.answer().is_none());
    gateway.wait_for_line("connections were still open when the drain timeout ended");
}

#[test]
fn a_full_house_stops_as_well() {
    let slow = Slow::start();
    let mut idle =
        Gateway::usual(slow.origin.address, "max_connections = 2\ndrain_timeout = \"10m\"\nidle_timeout = \"10m\"", "");
    let mut guests = [Wire::to(idle.listen), Wire::to(idle.listen)];
    for guest in &mut guests {
        assert_eq!(status(guest, "/public/x"), 200);
    }
    idle.signal(Signal::SIGTERM);
    assert_eq!(exit_code(&mut idle), Some(0), "idle connections are closed");

    let mut busy = Gateway::usual(slow.origin.address, "max_connections = 1\ndrain_timeout = \"1s\"", "");
    let _running = slow.under_way(&busy);
    busy.signal(Signal::SIGTERM);
    assert_eq!(exit_code(&mut busy), Some(0), "the drain timeout holds");
}

#[test]
fn a_stop_during_the_start_is_heard() {
    let house = House::new(&usual(Origin::start().address, "", ""));
    let mut ended = Vec::new();
    for moment in 0..12 {
        let mut child = house.spawn(&["run"], Stdio::null());
        std::thread::sleep(Duration::from_millis(moment * 10));
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
        wait::until("it ends", || child.try_wait().unwrap().is_some());
        ended.push(child.wait().unwrap().code());
    }
    // Before it listens for signals, the signal itself ends it: that leaves no code.
    assert!(ended.iter().all(|code| matches!(code, None | Some(0))), "{ended:?}");
    let mut gateway = house.run();
    gateway.signal(Signal::SIGTERM);
    assert_eq!(exit_code(&mut gateway), Some(0));
}

/// For a command that must fail at once.
fn failed(mut child: Child) -> String {
    wait::until("it fails", || child.try_wait().unwrap().is_some());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

fn run(house: &Arc<House>) -> Child {
    house.spawn(&["run"], Stdio::null())
}

#[test]
fn a_taken_port_is_an_error_at_once_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = usual("127.0.0.1:9".parse().unwrap(), "", "");
    for key in ["\nlisten", "admin_listen"] {
        let line = format!("{key} = \"127.0.0.1:0\"");
        assert!(text.contains(&line));
        let said = failed(run(&House::new(&text.replace(&line, &format!("{key} = \"{address}\"")))));
        assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
        assert!(said.contains("set another address under [server]"), "{said}");
        assert!(!said.contains("listening for"), "half alive: {said}");
    }
}

#[test]
fn a_store_that_cannot_be_opened_is_an_error_that_says_what_to_do() {
    let text = usual("127.0.0.1:9".parse().unwrap(), "", "[store]\nurl = \"sqlite:no/such/folder/p.db\"\n");
    let said = failed(run(&House::new(&text)));
    assert!(said.contains("no/such/folder/p.db") && said.contains("check `url` under [store]"), "{said}");

    let house = House::new(&usual("127.0.0.1:9".parse().unwrap(), "", ""));
    std::fs::write(house.path("portcullis.db"), "this is no database, but a text that is long enough to be one\n")
        .unwrap();
    let said = failed(run(&house));
    assert!(said.contains("not a database"), "{said}");
}

#[test]
fn a_newer_store_is_left_alone() {
    let house = House::new(&usual("127.0.0.1:9".parse().unwrap(), "", ""));
    house.add_user("ann@example.com", &[]);
    let db = rusqlite::Connection::open(house.path("portcullis.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let said = failed(run(&house));
    assert!(said.contains("version 99") && said.contains("run the release of portcullis that wrote it"), "{said}");
    assert!(!said.contains("backup"), "{said}");
}
