//! A gateway to ask for decisions: the real one, on a store of its own, with one user who has signed in twice. It
//! stands in front of nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use http::request::Parts;
use portcullis::accounts::Accounts;
use portcullis::clock::Clock;
use portcullis::config;
use portcullis::gate::email::Email;
use portcullis::gate::role::Role;
use portcullis::gate::secret::Secret;
use portcullis::gate::time::Moment;
use portcullis::gateway::Gateway;
use portcullis::login::Attempt;
use portcullis::passwords::Passwords;
use portcullis::server::{open_store, unattended};
use portcullis::store::{Client, NewUser, Session, SessionId, User, UserId};
use portcullis::telemetry::logging::Lines;
use portcullis::telemetry::metrics::Metrics;
use tempfile::TempDir;
use uuid::Uuid;

const PASSWORD: &str = "a fine long sentence";
/// Users added, signed in or met together.
const AT_ONCE: usize = 1_000;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A quota that never ends here: all decisions are made at one moment.
const GATEWAY_TOML: &str = r#"
[auth]
algorithm = "ALGORITHM"
[store]
cache_capacity = 2000000
[limits]
per_ip = "3600000000/1h"
[passwords]
memory = "64KiB"
iterations = 1
[upstreams.app]
servers = ["127.0.0.1:3000"]
[[routes]]
path = "/public/*"
upstream = "app"
access = "public"
[[routes]]
path = "/admin/*"
upstream = "app"
roles = ["admin"]
[[routes]]
path = "/*"
upstream = "app"
"#;

const SECRETS: &str = "access_secret = \"${ACCESS}\"\nrefresh_secret = \"${REFRESH}\"";

pub struct Desk {
    pub gateway: Gateway,
    pub now: Moment,
    user: User,
    session: Session,
    ended: String,
    _folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    pub fn open(algorithm: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let secrets = if algorithm == "HS256" { SECRETS } else { "" };
        let text = GATEWAY_TOML.replace("\"ALGORITHM\"", &format!("\"{algorithm}\"\n{secrets}"));
        let environment = |name: &str| Some(name.repeat(32));
        let settings = config::from_text(&text, "the desk", folder.path(), &environment).expect("a configuration");
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let store = runtime.block_on(open_store(&settings.store.url, &metrics)).expect("a store");
        let passwords = Passwords::start(settings.passwords, Arc::new(())).expect("threads");
        let accounts = Accounts::new(Arc::clone(&store), Arc::new(passwords));
        let (lines, _) = Lines::start(settings.log.format, settings.log.level);
        let clock = Clock::start();

        let (gateway, now, user, session, ended) = runtime.block_on(async {
            let (email, role) =
                (Email::parse("ann@example.com").expect("an email"), Role::parse("user").expect("a role"));
            accounts.add(&email, PASSWORD, vec![role], clock.now().wall).await.expect("a user");
            let gateway = unattended(settings, store, metrics, lines, clock).await.expect("a gateway");
            // From here on time stands still.
            let now = clock.now();
            let sign_in = async || {
                let client = Client { ip: PEER.to_string(), user_agent: "bench".to_owned() };
                let attempt = Attempt { email: email.as_str(), password: Secret::new(PASSWORD), from: PEER, client };
                gateway.api.login.sign_in(attempt, now).await.expect("a login")
            };
            let (user, session, _) = sign_in().await;
            let (_, over, minted) = sign_in().await;
            // So much later that what is known of the user is certainly younger than the token.
            gateway.api.sessions.end(over.user, over.id, later(now)).await.expect("an end");
            (gateway, later(now), user, session, minted.access)
        });
        Self { gateway, now, user, session, ended, _folder: folder, runtime }
    }

    /// An access token that nobody has seen before.
    pub fn token(&self) -> String {
        self.gateway.api.tokens.mint(&self.session, &self.user, self.now.wall).expect("a token").access
    }

    /// So many more users, each signed in once: their tokens, which nobody has seen before.
    pub fn crowd(&self, users: usize) -> Vec<String> {
        let store = &self.gateway.api.store;
        let mut tokens = Vec::with_capacity(users);
        for first in (0..users).step_by(AT_ONCE) {
            let new: Vec<NewUser> = (first..users.min(first + AT_ONCE)).map(|number| self.new_user(number)).collect();
            let ids: Vec<UserId> = new.iter().map(|user| user.id).collect();
            self.runtime.block_on(store.add_users(new)).expect("users");
            let sessions = ids.into_iter().map(|user| Session { id: SessionId(user.0), user, ..self.session.clone() });
            let opened = sessions.map(|session| async move {
                let user = store.open_session(session.clone(), 0, 1).await.expect("a store").expect("a session");
                self.gateway.api.tokens.mint(&session, &user, self.now.wall).expect("a token").access
            });
            tokens.extend(self.runtime.block_on(join_all(opened)));
        }
        tokens
    }

    fn new_user(&self, number: usize) -> NewUser {
        NewUser {
            id: UserId(Uuid::now_v7()),
            email: Email::parse(&format!("user-{number}@example.com")).expect("an email"),
            token_version: 0,
            password_hash: self.user.password_hash.clone(),
            roles: self.user.roles.clone(),
            enabled: true,
            created_at: self.now.wall,
        }
    }

    /// See each of these tokens once, so that it and its user are known from then on.
    pub fn meet(&self, tokens: &[String]) {
        for some in tokens.chunks(AT_ONCE) {
            let met = some.iter().map(|token| async {
                let head = Self::request("/orders/17", Some(token));
                let mut arrival = self.gateway.arrival(&head, PEER);
                self.gateway.admit(&mut arrival, &head, Ok("/orders/17"), self.now).await.expect("allowed");
            });
            self.runtime.block_on(join_all(met));
        }
    }

    /// Of a session that has ended.
    pub fn ended_token(&self) -> &str {
        &self.ended
    }

    /// What a browser sends, give or take.
    pub fn request(path: &str, token: Option<&str>) -> Parts {
        let mut request = http::Request::builder()
            .uri(path)
            .header("host", "app.example.com")
            .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
            .header("accept-language", "en-US,en;q=0.5")
            .header("accept-encoding", "gzip, deflate, br")
            .header("cookie", "theme=dark; consent=1");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(()).expect("a request").into_parts().0
    }

    /// The code of the decision; it is made without waiting for anything.
    pub fn ask(&self, head: &Parts) -> &'static str {
        let mut arrival = self.gateway.arrival(head, PEER);
        let decided = self.gateway.admit(&mut arrival, head, Ok(head.uri.path()), self.now).now_or_never();
        decided.expect("nothing to wait for").as_ref().err().map_or("allowed", |denial| denial.code())
    }
}

fn later(now: Moment) -> Moment {
    const LATER: Duration = Duration::from_secs(10);
    Moment { wall: now.wall.plus(LATER), tick: now.tick + LATER }
}
