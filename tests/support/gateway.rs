//! `portcullis run` on a gateway.toml of its own, and the other commands on the same file.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cookies::Browser;
use super::{Answer, BINARY, send};

/// A folder with a gateway.toml and what it leads to. The store stays when a gateway on it ends.
pub struct House {
    pub folder: TempDir,
    pub env: Vec<(String, String)>,
}

/// A running gateway; killed when dropped.
pub struct Gateway {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub child: Child,
    pub house: Arc<House>,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grew: Condvar,
}

/// Long enough for a slow machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const PASSWORD: &str = "a fine long sentence";

/// Hashes that cost next to nothing: most tests are about something else.
pub const CHEAP_PASSWORDS: &str = "[passwords]\nmemory = \"64KiB\"\niterations = 1\n";

/// The three usual rules in front of `app`, on free ports; `server` adds keys of that table, `more` adds tables.
pub fn usual(app: SocketAddr, server: &str, more: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
{server}
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
{CHEAP_PASSWORDS}
{more}
"#
    )
}

impl House {
    pub fn new(gateway_toml: &str) -> Arc<Self> {
        Self::with_env(gateway_toml, &[])
    }

    pub fn with_env(gateway_toml: &str, env: &[(&str, &str)]) -> Arc<Self> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let house = Self { folder: tempfile::tempdir().unwrap(), env };
        house.rewrite(gateway_toml);
        Arc::new(house)
    }

    pub fn rewrite(&self, gateway_toml: &str) {
        std::fs::write(self.file(), gateway_toml).unwrap();
    }

    pub fn file(&self) -> PathBuf {
        self.path("gateway.toml")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Run a command of ours on this file, to its end.
    pub fn command(&self, words: &[&str], input: &str) -> Output {
        self.command_through(&[], words, input)
    }

    /// The same, by a command that is given the whole line and becomes it.
    pub fn command_through(&self, wrapper: &[&str], words: &[&str], input: &str) -> Output {
        let mut child = self.spawn_as(&[wrapper, &[BINARY], words].concat(), Stdio::piped());
        // A command that refuses its words ends without reading its input: what it says is looked at, not that.
        match child.stdin.take().unwrap().write_all(input.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{words:?}: {error}"),
            _ => {}
        }
        child.wait_with_output().unwrap()
    }

    /// The same, for a command that must work: what it says.
    pub fn says(&self, words: &[&str], input: &str) -> String {
        let output = self.command(words, input);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A user whose password is [`PASSWORD`].
    pub fn add_user(&self, email: &str, roles: &[&str]) {
        let roles = roles.iter().flat_map(|role| ["--role", role]);
        let words: Vec<&str> = ["user", "add", email, "--password-stdin"].into_iter().chain(roles).collect();
        self.says(&words, &format!("{PASSWORD}\n"));
    }

    /// `ann@example.com` (admin) and `bob@example.com` (no roles).
    pub fn add_usual_users(&self) {
        self.add_user("ann@example.com", &["admin"]);
        self.add_user("bob@example.com", &[]);
    }

    /// The embedded store, as another process sees it.
    pub fn database(&self) -> rusqlite::Connection {
        let database = rusqlite::Connection::open(self.path("portcullis.db")).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        database
    }

    /// Start a gateway on it and wait until it listens.
    pub fn run(self: &Arc<Self>) -> Gateway {
        self.run_through(&[])
    }

    /// The same, by a command that is given the gateway's command line and becomes it.
    pub fn run_through(self: &Arc<Self>, wrapper: &[&str]) -> Gateway {
        let mut child = self.spawn_as(&[wrapper, &[BINARY, "run"]].concat(), Stdio::null());
        let log = Arc::new(Log::default());
        let (written, stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                written.lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                written.grew.notify_all();
            }
        });
        let address = |what: &str| {
            let line = log.wait_for(&|line| line.contains(what)).unwrap_or_else(|| panic!("{}", log.text()));
            // In a line of JSON something follows.
            let (_, rest) = line.split_once(what).unwrap();
            rest.split(['"', ' ']).next().unwrap().parse().unwrap()
        };
        let listen = address("listening for requests on ");
        let admin_listen = address("listening for metrics and health on ");
        Gateway { listen, admin_listen, child, house: Arc::clone(self), log }
    }

    /// Start a command of ours on this file.
    pub fn spawn(&self, words: &[&str], stdin: Stdio) -> Child {
        self.spawn_as(&[&[BINARY], words].concat(), stdin)
    }

    fn spawn_as(&self, words: &[&str], stdin: Stdio) -> Child {
        Command::new(words[0])
            .args(&words[1..])
            .arg("-c")
            .arg(self.file())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Log {
    fn text(&self) -> String {
        self.lines.lock().unwrap().iter().fold(String::new(), |mut text, line| {
            writeln!(text, "{line}").unwrap();
            text
        })
    }

    /// The line that a test waits for is mostly among the last: it is looked for from the end.
    fn wait_for_last(&self, wanted: &dyn Fn(&str) -> bool) -> Option<String> {
        let found = |lines: &Vec<String>| lines.iter().rev().find(|line| wanted(line)).cloned();
        let lines = self.lines.lock().unwrap();
        let (lines, _) = self.grew.wait_timeout_while(lines, PATIENCE, |lines| found(lines).is_none()).unwrap();
        found(&lines)
    }

    fn wait_for(&self, wanted: &dyn Fn(&str) -> bool) -> Option<String> {
        let found = |lines: &Vec<String>| lines.iter().find(|line| wanted(line)).cloned();
        let lines = self.lines.lock().unwrap();
        let (lines, _) = self.grew.wait_timeout_while(lines, PATIENCE, |lines| found(lines).is_none()).unwrap();
        found(&lines)
    }
}

impl Gateway {
    /// With the [`usual`] rules and users.
    pub fn usual(app: SocketAddr, server: &str, more: &str) -> Self {
        let house = House::new(&usual(app, server, more));
        house.add_usual_users();
        house.run()
    }

    pub fn get(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("GET", path, fields, None)
    }

    /// Of JSON.
    pub fn post(&self, path: &str, fields: &[(&str, &str)], body: &Value) -> Answer {
        let fields = [fields, &[("content-type", "application/json")]].concat();
        self.send("POST", path, &fields, Some(body.to_string().as_bytes()))
    }

    pub fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        send(self.listen, method, path, fields, body)
    }

    /// Sign in as a mobile client: both tokens in the body.
    pub fn login(&self, email: &str) -> Value {
        let answer = self.try_login(email, PASSWORD);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    pub fn try_login(&self, email: &str, password: &str) -> Answer {
        self.post("/auth/login", &[], &json!({ "email": email, "password": password, "client": "mobile" }))
    }

    /// Sign in as a browser: the refresh token in a cookie.
    pub fn web_login(&self, email: &str) -> Browser {
        let answer = self.post("/auth/login", &[], &json!({ "email": email, "password": PASSWORD }));
        assert_eq!(answer.status, 200, "{}", answer.body);
        Browser { tokens: answer.json(), cookie: answer.the_cookie().pair() }
    }

    pub fn refresh(&self, refresh_token: &Value) -> Answer {
        self.post("/auth/refresh", &[], &json!({ "refreshToken": refresh_token }))
    }

    pub fn admin(&self, path: &str) -> Answer {
        send(self.admin_listen, "GET", path, &[], None)
    }

    /// The value of a metric, 0 if it is not there yet: `portcullis_logins_total{outcome="succeeded"}`.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Everything that was written to standard error so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The first line that holds `text`, as soon as there is one.
    pub fn wait_for_line(&self, text: &str) -> String {
        self.log.wait_for(&|line| line.contains(text)).unwrap_or_else(|| panic!("no {text:?} in\n{}", self.log()))
    }

    /// What the access log says of the request with this id, in either format.
    pub fn access_line(&self, request_id: &str) -> String {
        let is_access = |line: &str| line.starts_with("access ") || line.contains("\"log\":\"access\"");
        let line = self.log.wait_for_last(&|line| line.contains(request_id) && is_access(line));
        line.unwrap_or_else(|| panic!("no access line of {request_id} in\n{}", self.log()))
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Ends it at once, and the store with it.
    pub fn kill(mut self) -> Arc<House> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.house)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path for a message, without the folder that changes with each run.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
