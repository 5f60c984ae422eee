//! What users and sessions cost a Redis: bytes of memory, time of its one thread, operations a second; and how long a move takes.
//! Against a redis-server of its own on loopback. `cargo bench --bench redis_cost`; docs/SCALING.md is written from what it prints.

use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use portcullis::accounts::copy::{Report, copy};
use portcullis::clock::{Stopwatch, wall};
use portcullis::gate::email::Email;
use portcullis::gate::limit::Quota;
use portcullis::gate::role::Role;
use portcullis::gate::rotation::Chain;
use portcullis::gate::secret::Secret;
use portcullis::store::redis::RedisStore;
use portcullis::store::redis::address::{Address, Host, Place};
use portcullis::store::sqlite::SqliteStore;
use portcullis::store::{Client, CounterKey, NewUser, Session, SessionId, Store, UserId};
use uuid::Uuid;

const PEOPLE: usize = 100_000;
/// How many callers ask at a time, on as many connections as so many gateways would have.
const CALLERS: usize = 128;
const GATEWAYS: usize = 4;
/// How long each operation is repeated.
const SPAN: Duration = Duration::from_secs(3);

/// Killed when dropped.
struct Server {
    port: u16,
    child: Child,
}

impl Server {
    fn start(folder: &Path, options: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &free.port().to_string(), "--save", "", "--dir"]).arg(folder);
        let child = command.args(options).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let server = Self { port: free.port(), child: child.expect("redis-server is installed: scripts/setup test") };
        let watch = Stopwatch::start();
        while server.try_info("server").is_none() {
            assert!(watch.elapsed() < Duration::from_secs(20), "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).ok()?;
        let (name, rest) = words.split_first()?;
        redis::cmd(name).arg(rest).query(&mut client.get_connection().ok()?).ok()
    }

    fn try_info(&self, section: &str) -> Option<String> {
        self.ask(&["INFO", section])
    }

    fn number(&self, section: &str, field: &str) -> f64 {
        let info = self.try_info(section).expect("INFO");
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {field}"))
    }

    /// In bytes, without the change feed, which has an end.
    fn memory(&self) -> (f64, f64) {
        let feed: Option<u64> = self.ask(&["MEMORY", "USAGE", "{portcullis}:f", "SAMPLES", "0"]);
        let feed = feed.unwrap_or_default() as f64;
        (self.number("memory", "used_memory") - feed, feed)
    }

    /// Seconds of the one thread that runs scripts.
    fn busy(&self) -> f64 {
        ["used_cpu_user_main_thread", "used_cpu_sys_main_thread"].map(|field| self.number("cpu", field)).iter().sum()
    }

    async fn store(&self) -> Arc<dyn Store> {
        let host = Host { name: "127.0.0.1".into(), port: self.port };
        let address = Address { place: Place::Server(host), database: 0, tls: None, username: None, password: None };
        Arc::new(RedisStore::open(address, Arc::new(|_, _, _| ())).await.expect("a store"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn email(n: usize) -> Email {
    Email::parse(&format!("firstname.lastname{n:06}@example.com")).expect("an email")
}

/// As most are: an argon2id hash, one role.
fn user(n: usize) -> NewUser {
    let hash = format!("$argon2id$v=19$m=19456,t=2,p=1${:022}${n:043}", n);
    NewUser {
        id: UserId(Uuid::now_v7()),
        email: email(n),
        password_hash: Secret::new(hash),
        roles: vec![Role::parse("user").expect("a role")],
        enabled: true,
        token_version: 0,
        created_at: wall(),
    }
}

fn session(user: UserId) -> Session {
    let now = wall();
    let client = Client {
        ip: "203.0.113.17".into(),
        user_agent:
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
                .into(),
    };
    let chain = Chain { generation: 0, rotated_at: now, opened_at: now };
    Session { id: SessionId(Uuid::now_v7()), user, chain, client }
}

async fn fill(store: &Arc<dyn Store>) -> Vec<UserId> {
    let mut ids = Vec::with_capacity(PEOPLE);
    for page in 0..PEOPLE / 500 {
        let users: Vec<NewUser> = (page * 500..(page + 1) * 500).map(user).collect();
        ids.extend(users.iter().map(|user| user.id));
        store.add_users(users).await.expect("users");
    }
    ids
}

async fn open_all(store: &Arc<dyn Store>, users: &[UserId]) -> Vec<SessionId> {
    let open = |user: &UserId| {
        let (store, session) = (Arc::clone(store), session(*user));
        async move {
            let id = session.id;
            store.open_session(session, 0, 100).await.expect("a session").expect("its user");
            id
        }
    };
    stream::iter(users.iter().map(open)).buffered(CALLERS).collect().await
}

/// Callers repeat an operation, each for people of its own. Prints what it costs.
async fn measure<F: Future<Output = ()> + Send + 'static>(
    server: &Server,
    stores: &[Arc<dyn Store>],
    name: &str,
    operation: impl Fn(Arc<dyn Store>, usize) -> F + Send + Sync + 'static,
) {
    let (operation, done) = (Arc::new(operation), Arc::new(AtomicU64::new(0)));
    let (busy, watch) = (server.busy(), Stopwatch::start());
    let callers = (0..CALLERS).map(|caller| {
        let (operation, done) = (Arc::clone(&operation), Arc::clone(&done));
        let store = Arc::clone(&stores[caller % stores.len()]);
        tokio::spawn(async move {
            let mut turn = 0;
            while watch.elapsed() < SPAN {
                operation(Arc::clone(&store), (turn * CALLERS + caller) % PEOPLE).await;
                turn += 1;
            }
            done.fetch_add(turn as u64, Ordering::Relaxed);
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no caller fails");
    }
    let (seconds, busy) = (watch.elapsed().as_secs_f64(), server.busy() - busy);
    let done = done.load(Ordering::Relaxed) as f64;
    let (rate, share, cost) = (done / seconds, busy / seconds, busy / done * 1e6);
    println!("| {name} | {rate:.0} | {:.0} % | {cost:.1} | {:.0} |", share * 100.0, 1e6 / cost);
}

async fn operations(server: &Server, users: Vec<UserId>, sessions: Vec<SessionId>) {
    let mut stores = Vec::new();
    for _ in 0..GATEWAYS {
        stores.push(server.store().await);
    }
    let (users, sessions) = (Arc::new(users), Arc::new(sessions));
    println!(
        "\n| operation | a second | Redis's thread is busy | µs of it each | a second at 100 % |\n| --- | --- | --- | --- | --- |"
    );
    let ids = Arc::clone(&users);
    measure(server, &stores, "look-up of a user (`user`)", move |store, n| {
        let id = ids[n];
        async move { assert!(store.user(id).await.expect("an answer").is_some()) }
    })
    .await;
    measure(server, &stores, "look-up by email, at login (`user_by_email`)", |store, n| async move {
        assert!(store.user_by_email(&email(n)).await.expect("an answer").is_some());
    })
    .await;
    let ids = Arc::clone(&sessions);
    measure(server, &stores, "look-up of a session, at a refresh (`session`)", move |store, n| {
        let id = ids[n];
        async move { assert!(store.session(id).await.expect("an answer").is_some()) }
    })
    .await;
    let (ids, turns) = (Arc::clone(&sessions), Arc::new((0..PEOPLE).map(|_| AtomicU64::new(0)).collect::<Vec<_>>()));
    measure(server, &stores, "rotation (`advance_session`)", move |store, n| {
        let (id, generation) = (ids[n], turns[n].fetch_add(1, Ordering::Relaxed));
        async move { assert!(store.advance_session(id, generation, wall()).await.expect("an answer").is_some()) }
    })
    .await;
    let quota = Quota::new(1_000_000, Duration::from_secs(1)).expect("a quota");
    measure(server, &stores, "places in the quotas of a login (`take`)", move |store, n| async move {
        let place = |kind, value| (CounterKey { kind, value }, quota);
        let places = [place("ip", format!("203.0.113.{}", n % 250)), place("account", email(n).to_string())];
        store.take(&places, wall()).await.expect("an answer");
    })
    .await;
    let ids = Arc::clone(&users);
    measure(server, &stores, "new session (`open_session`)", move |store, n| {
        let session = session(ids[n]);
        async move { assert!(store.open_session(session, 0, 100).await.expect("an answer").is_some()) }
    })
    .await;
    let ids = Arc::clone(&users);
    measure(server, &stores, "end of a session (`end_session`)", move |store, n| {
        let (user, session) = (ids[n], sessions[n]);
        // The second time round there is none: that is a cheap answer, and rare.
        async move { drop(store.end_session(user, session, wall()).await.expect("an answer")) }
    })
    .await;
}

async fn move_house(folder: &Path) {
    println!("\n| move of {PEOPLE} users with a session each | seconds |\n| --- | --- |");
    let path = folder.join("from.db");
    let sqlite: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, Arc::new(|_, _, _| ())).expect("a store"));
    let users = fill(&sqlite).await;
    open_all(&sqlite, &users).await;
    let redis_folder = folder.join("redis");
    std::fs::create_dir(&redis_folder).expect("a folder");
    let server = Server::start(&redis_folder, &["--appendonly", "yes", "--appendfsync", "always"]);
    let redis = server.store().await;
    let back: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&folder.join("back.db"), Arc::new(|_, _, _| ())).expect("a store"));
    for (name, from, to) in [
        ("SQLite to Redis (append-only file, always)", &sqlite, &redis),
        ("the same again: all are there", &sqlite, &redis),
        ("Redis to SQLite", &redis, &back),
    ] {
        let (watch, mut report) = (Stopwatch::start(), Report::default());
        copy(&**from, &**to, wall(), &mut report, |_| ()).await.expect("a copy");
        assert_eq!((report.users.seen(), report.sessions.seen()), (PEOPLE as u64, PEOPLE as u64), "{report:?}");
        println!("| {name} | {:.1} |", watch.elapsed().as_secs_f64());
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (name, options) in [
        ("no append-only file", &["--appendonly", "no"][..]),
        ("append-only file, everysec", &["--appendonly", "yes", "--appendfsync", "everysec"]),
        ("append-only file, always", &["--appendonly", "yes", "--appendfsync", "always"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(folder.path(), options);
        println!("\n## {name}\n");
        runtime.block_on(async {
            let store = server.store().await;
            let (empty, _) = server.memory();
            let users = fill(&store).await;
            let (with_users, _) = server.memory();
            let sessions = open_all(&store, &users).await;
            let (with_sessions, feed) = server.memory();
            let each = |bytes: f64| bytes / PEOPLE as f64;
            println!("| memory | bytes |\n| --- | --- |");
            println!("| a user | {:.0} |", each(with_users - empty));
            println!("| a session | {:.0} |", each(with_sessions - with_users));
            println!("| the change feed, full | {feed:.0} |");
            operations(&server, users, sessions).await;
        });
    }
    let folder = tempfile::tempdir().expect("a folder");
    println!("\n## Moving house");
    runtime.block_on(move_house(folder.path()));
}
