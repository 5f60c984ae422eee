//! `portcullis demo`: the real gateway on an embedded store of its own, in front of a small sample app, with two users and
//! the `curl` lines to try them. Needs nothing and leaves nothing behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use uuid::Uuid;

use super::CliError;
use crate::accounts::Accounts;
use crate::clock;
use crate::gate::access::Access;
use crate::gate::client::ClientRules;
use crate::gate::cookies::CookieRules;
use crate::gate::email::Email;
use crate::gate::identity::IdentityNames;
use crate::gate::keys::Algorithm;
use crate::gate::limit::Quota;
use crate::gate::origin::TrustedOrigins;
use crate::gate::role::Role;
use crate::gate::rotation::Lifetimes;
use crate::gate::route::{PathPattern, Route, Target};
use crate::gate::route_table::RouteTable;
use crate::gate::token::Issuer;
use crate::live::Trust;
use crate::login::LoginQuotas;
use crate::passwords::{Passwords, Policy};
use crate::proxy::guard::Deadlines;
use crate::proxy::upstream::{Server, Upstream};
use crate::server::{Plan, serve};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::logging::{Format, Lines};
use crate::telemetry::metrics::Metrics;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the gateway listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where metrics and health are served.
    #[arg(long, default_value = "127.0.0.1:9090")]
    admin_listen: SocketAddr,
}

/// The users and their roles.
const USERS: [(&str, &str); 2] = [("alice@example.com", "admin"), ("bob@example.com", "user")];

const POLICY: Policy =
    Policy { min_length: 15, memory_kib: 19 * 1024, iterations: 2, parallelism: 1, max_concurrent: 0 };

pub async fn run(args: Args, stop: watch::Receiver<bool>) -> Result<(), CliError> {
    let folder = std::env::temp_dir().join(format!("portcullis-demo-{}", Uuid::new_v4().simple()));
    std::fs::create_dir(&folder)?;
    let outcome = run_in(&folder, args, stop).await;
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn run_in(folder: &std::path::Path, args: Args, stop: watch::Receiver<bool>) -> Result<(), CliError> {
    let metrics = Arc::new(Metrics::new().map_err(|error| CliError::new(error.to_string()))?);
    let observed = Arc::clone(&metrics);
    let observer = Arc::new(move |operation, took, ok| observed.store_called(operation, took, ok));
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.join("demo.db"), observer)?);
    let passwords = Passwords::start(POLICY, Arc::new(())).map_err(|error| CliError::new(error.to_string()))?;
    let accounts = Accounts::new(Arc::clone(&store), Arc::new(passwords));
    let app = TcpListener::bind("127.0.0.1:0").await?;
    let plan = plan(&args, app.local_addr()?)?;

    let mut text = format!("Portcullis guards a sample app on http://{}\n\n", args.listen);
    for (email, role) in USERS {
        let (password, wrong) =
            (Uuid::new_v4().simple().to_string(), |_| CliError::new("the demo's own user is refused"));
        let (parsed, roles) = (
            Email::parse(email).map_err(wrong)?,
            vec![Role::parse(role).map_err(|_| wrong(crate::gate::email::EmailError::Malformed))?],
        );
        accounts.add(&parsed, &password, roles, clock::wall()).await?;
        text += &format!("  {email}  {password}  (role {role})\n");
        if role == "admin" {
            text += &walk(args.listen, email, &password);
        }
    }
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    tokio::spawn(sample_app(app));
    let (lines, _guard) = Lines::start(Format::Text, "warn");
    serve(plan, store, metrics, lines, stop).await.map_err(|error| CliError::new(error.to_string()))
}

fn walk(listen: SocketAddr, email: &str, password: &str) -> String {
    format!(
        "\n  curl http://{listen}/public/\n  curl http://{listen}/            # 401: sign in first\n  \
         TOKEN=$(curl -s http://{listen}/auth/login -H 'content-type: application/json' \\\n      \
         -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}' | sed 's/.*\"accessToken\":\"\\([^\"]*\\)\".*/\\1/')\n  \
         curl -H \"authorization: Bearer $TOKEN\" http://{listen}/\n  \
         curl -H \"authorization: Bearer $TOKEN\" http://{listen}/admin/\n  \
         curl -X POST -H \"authorization: Bearer $TOKEN\" http://{listen}/auth/logout\n  \
         curl -H \"authorization: Bearer $TOKEN\" http://{listen}/            # 401: revoked\n\n"
    )
}

/// The defaults of `gateway.toml`, for plain http.
fn plan(args: &Args, app: SocketAddr) -> Result<Plan, CliError> {
    let quota = |count, secs| {
        Quota::new(count, Duration::from_secs(secs)).ok_or_else(|| CliError::new("the demo's own quota is refused"))
    };
    let secs = Duration::from_secs;
    let route = |path: &str, access| {
        let parsed = PathPattern::parse(path).map_err(|error| CliError::new(error.to_string()))?;
        let (methods, hosts, target) = (Vec::new(), Vec::new(), Target::Upstream(0));
        Ok::<_, CliError>(Route { name: path.into(), path: parsed, methods, hosts, target, access, rate_limit: None })
    };
    let admin = Role::parse(USERS[0].1).map_err(|error| CliError::new(error.to_string()))?;
    let routes = vec![
        route("/public/*", Access::Public)?,
        route("/admin/*", Access::AnyRole([admin].into()))?,
        route("/*", Access::User)?,
    ];
    let routes = RouteTable::build("/auth", routes).map_err(|_| CliError::new("the demo's own routes are refused"))?;
    let server = Server::Tcp { address: app, tls: None };
    Ok(Plan {
        listen: args.listen,
        admin_listen: args.admin_listen,
        deadlines: Deadlines { header: secs(10), idle: secs(60) },
        max_connections: 20_000,
        drain: secs(30),
        max_body: 100 << 20,
        clients: ClientRules { trusted_proxies: Vec::new(), ipv6_prefix: 64 },
        trust: Trust { capacity: 100_000, ttl: secs(30), max_stale: secs(60) },
        issuer: Issuer { issuer: "portcullis".into(), audience: "portcullis".into() },
        algorithm: Algorithm::EdDsa,
        secrets: None,
        access_ttl: secs(15 * 60),
        lifetimes: Lifetimes { idle: secs(7 * 86_400), absolute: secs(30 * 86_400), grace: secs(30) },
        passwords: POLICY,
        per_ip: quota(1200, 60)?,
        login: LoginQuotas { per_ip: quota(20, 60)?, per_account: quota(10, 900)? },
        cookies: CookieRules::new(false, cookie::SameSite::Strict),
        names: IdentityNames::default(),
        forward_token: false,
        origins: TrustedOrigins::default(),
        routes,
        upstreams: vec![Upstream::new("app".into(), vec![server], secs(2), secs(60))],
    })
}

/// Answers every request with what it was told of it: an app with no authentication of its own.
async fn sample_app(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            // A connection that breaks is the next one's business.
            let _ = sample_answer(stream).await;
        });
    }
}

async fn sample_answer(mut stream: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut head = BufReader::new(read).lines();
    let mut text = String::from("The sample app was told:\n");
    while let Some(line) = head.next_line().await?.filter(|line| !line.is_empty()) {
        text += &format!("  {line}\n");
    }
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
    write.write_all(answer.as_bytes()).await
}
