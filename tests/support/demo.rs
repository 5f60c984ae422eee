//! `portcullis demo`, running.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Answer, BINARY, send};

/// Killed when dropped.
pub struct Demo {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub child: Child,
    /// Email and password of the two users: an admin, then a user.
    pub users: Vec<(String, String)>,
    /// What it printed at the start.
    pub said: String,
    /// Kept open: it may have more to say.
    _stdout: BufReader<ChildStdout>,
    /// Where it keeps its store; gone with it.
    pub temporary: TempDir,
}

impl Demo {
    pub fn start() -> Self {
        let mut command = Command::new(BINARY);
        Self::of(command.arg("demo"))
    }

    /// The demo that this command starts, on free ports.
    pub fn of(command: &mut Command) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut child = command
            .env("TMPDIR", temporary.path())
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut users, mut said) = (Vec::new(), String::new());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        for line in stdout.by_ref().lines().map(Result::unwrap) {
            if line.contains("@example.com  ") {
                let words: Vec<&str> = line.split_whitespace().collect();
                users.push((words[0].to_owned(), words[1].to_owned()));
            }
            said += &format!("{line}\n");
            if line.contains("Ctrl-C") {
                break;
            }
        }
        // The sockets are bound before anything is said: a connection made now is served.
        let address = |before: &str, end: char| {
            let (_, rest) = said.split_once(before).unwrap();
            rest.split(end).next().unwrap().parse().unwrap()
        };
        let (listen, admin_listen) = (address("sample app on http://", ','), address("metrics are on http://", '/'));
        Self { listen, admin_listen, child, users, said, _stdout: stdout, temporary }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub fn get(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("GET", path, fields, None)
    }

    pub fn post(&self, path: &str, fields: &[(&str, &str)], body: Value) -> Answer {
        let fields = [fields, &[("content-type", "application/json")]].concat();
        self.send("POST", path, &fields, Some(body.to_string()))
    }

    /// Sign in as a mobile client: both tokens in the body.
    pub fn login(&self, user: usize) -> Value {
        let (email, password) = &self.users[user];
        let body = json!({ "email": email, "password": password, "client": "mobile" });
        let answer = self.post("/auth/login", &[], body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    pub fn admin(&self, path: &str) -> Answer {
        send(self.admin_listen, "GET", path, &[], None)
    }

    pub fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: Option<String>) -> Answer {
        send(self.listen, method, path, fields, body.as_deref().map(str::as_bytes))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
