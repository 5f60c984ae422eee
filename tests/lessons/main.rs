//! What went wrong elsewhere, tried on this gateway: each test bears the name of the advisory that it replays. One group of
//! advisories a module.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod frames;
mod identity;
mod pages_and_admin;
mod paths;
mod sessions;
mod stack;
#[path = "../support/mod.rs"]
mod support;
mod tokens;

use support::gateway::Gateway;
use support::origin::Origin;
use support::wire::Wire;
use support::{Answer, bearer};

/// The usual rules and users, in front of an app that keeps what it was told.
struct Scene {
    app: Origin,
    gateway: Gateway,
}

impl Scene {
    fn start() -> Self {
        Self::with("", "")
    }

    fn with(server: &str, more: &str) -> Self {
        let app = Origin::start();
        let gateway = Gateway::usual(app.address, server, more);
        Self { app, gateway }
    }

    fn token(&self, email: &str) -> String {
        bearer(&self.gateway.login(email))
    }

    /// The fields as they stand, and the path too.
    fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = Wire::to(self.gateway.listen).ask("GET", path, fields).answer();
        answer.unwrap_or_else(|| panic!("no answer to {path} {fields:?}"))
    }

    /// Whoever asks, it is a no of one of these kinds, and the app never hears of it.
    #[track_caller]
    fn refuses(&self, request: impl AsRef<[u8]>, statuses: &[u16]) {
        let shown = request.as_ref()[..request.as_ref().len().min(300)].escape_ascii().to_string();
        let before = self.app.seen().len();
        let answer = Wire::to(self.gateway.listen).send(&request).answer();
        let answer = answer.unwrap_or_else(|| panic!("no answer to {shown}"));
        assert!(statuses.contains(&answer.status), "{} to {shown}", answer.status);
        assert_eq!(answer.field("content-type"), "application/problem+json", "{shown}");
        assert_eq!(self.app.seen().len(), before, "the app was asked: {shown}");
    }

    /// The same of a target, without a credential.
    #[track_caller]
    fn shuts(&self, targets: &[&str]) {
        for target in targets {
            self.refuses(format!("GET {target} HTTP/1.1\r\nHost: gw\r\n\r\n"), &[400, 401]);
        }
    }

    /// That the gateway is as well as before.
    #[track_caller]
    fn is_well(&self) {
        assert_eq!(self.ask("/public/well", &[]).status, 200);
        self.gateway.login("bob@example.com");
    }
}
