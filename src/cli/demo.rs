//! `portcullis demo`: the real gateway on an embedded store of its own, in front of a small sample app, with two users and
//! the `curl` lines to try them. Needs nothing and leaves nothing behind.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::output::Console;
use super::usage::socket_address;
use super::{CliError, metrics, serve, wait_for};
use crate::accounts::Accounts;
use crate::clock;
use crate::config;
use crate::gate::email::Email;
use crate::gate::role::Role;
use crate::passwords::Passwords;
use crate::server::{Listeners, ServeError, open_store};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the gateway listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = socket_address)]
    listen: SocketAddr,
    /// Where metrics and health are served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090", value_parser = socket_address)]
    admin_listen: SocketAddr,
}

/// The users and their roles.
const USERS: [(&str, &str); 2] = [("alice@example.com", "admin"), ("bob@example.com", "user")];

pub fn run(args: &Args, console: &mut Console<'_>) -> Result<(), CliError> {
    let folder = std::env::temp_dir().join(format!("portcullis-demo-{}", Uuid::new_v4().simple()));
    std::fs::create_dir(&folder)?;
    let outcome = wait_for(run_in(&folder, args, console));
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn run_in(folder: &Path, args: &Args, console: &mut Console<'_>) -> Result<(), CliError> {
    let signals = serve::Signals::heed()?;
    let app = TcpListener::bind("127.0.0.1:0").await?;
    let text = gateway_toml(args, app.local_addr()?);
    let settings = config::from_text(&text, "the demo's gateway.toml", folder, &|_| None)?;
    let listeners = Listeners::bind(&settings.server).await?;
    let listen = listeners.requests.first().map_or(Ok(args.listen), TcpListener::local_addr)?;
    let admin_listen = listeners.admin.local_addr()?;
    let metrics = metrics()?;
    let store = open_store(&settings.store.url, &metrics).await?;
    let passwords = Passwords::start(settings.passwords, Arc::new(())).map_err(ServeError::from)?;
    let accounts = Accounts::new(Arc::clone(&store), Arc::new(passwords));

    let mut users = Vec::new();
    for (email, role) in USERS {
        let password = Uuid::new_v4().simple().to_string();
        let refused = || CliError::new("the demo's own user is refused");
        let (parsed, role) = (Email::parse(email).map_err(|_| refused())?, Role::parse(role).map_err(|_| refused())?);
        accounts.add(&parsed, &password, vec![role.clone()], clock::wall()).await?;
        users.push((email, password, role));
    }
    console.say(&format!("Portcullis guards a sample app on http://{listen}, with these users:\n"))?;
    for (email, password, role) in &users {
        console.say(&format!("  {email}  {password}  (role {role})"))?;
    }
    if let Some((email, password, _)) = users.first() {
        console.say(&walk(listen, admin_listen, email, password))?;
    }
    console.out.flush()?;
    tokio::spawn(sample_app(app));
    let log = serve::Log::start(&settings, &metrics)?;
    serve::serve(settings, listeners, store, metrics, log, None, signals).await
}

/// The defaults, for plain http.
fn gateway_toml(Args { listen, admin_listen }: &Args, app: SocketAddr) -> String {
    format!(
        r#"
            [server]
            listen = "{listen}"
            admin_listen = "{admin_listen}"
            [cookies]
            secure = false
            [log]
            level = "warn"
            [upstreams.app]
            servers = ["{app}"]
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
        "#
    )
}

fn walk(listen: SocketAddr, admin_listen: SocketAddr, email: &str, password: &str) -> String {
    format!(
        "\nTry it in another terminal:\n\n\
         \x20 curl http://{listen}/public/\n\
         \x20 curl http://{listen}/            # 401: sign in first\n\
         \x20 TOKEN=$(curl -s http://{listen}/auth/login -H 'content-type: application/json' \\\n\
         \x20     -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}' | sed 's/.*\"accessToken\":\"\\([^\"]*\\)\".*/\\1/')\n\
         \x20 curl -H \"authorization: Bearer $TOKEN\" http://{listen}/            # what the app is told\n\
         \x20 curl -H \"authorization: Bearer $TOKEN\" http://{listen}/admin/\n\
         \x20 curl -X POST -H \"authorization: Bearer $TOKEN\" http://{listen}/auth/logout\n\
         \x20 curl -H \"authorization: Bearer $TOKEN\" http://{listen}/            # 401: revoked\n\n\
         A browser shows http://{listen}/public/ as it stands; metrics are on http://{admin_listen}/metrics.\n\
         Ctrl-C ends the demo; nothing is left behind.\n"
    )
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
