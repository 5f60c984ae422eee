//! `portcullis demo`, running.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

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
}

impl Demo {
    #[allow(clippy::disallowed_methods, reason = "a bound on waiting for a process to start")]
    pub fn start() -> Self {
        let (one, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (listen, admin_listen) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        drop((one, other));
        let mut child = Command::new(BINARY)
            .args(["demo", "--listen", &listen.to_string(), "--admin-listen", &admin_listen.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut users, mut said) = (Vec::new(), String::new());
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap) {
            if line.contains("@example.com  ") {
                let words: Vec<&str> = line.split_whitespace().collect();
                users.push((words[0].to_owned(), words[1].to_owned()));
            }
            said += &format!("{line}\n");
            if line.contains("Ctrl-C") {
                break;
            }
        }
        let give_up = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(listen).is_err() {
            assert!(Instant::now() < give_up, "the demo does not listen");
            std::thread::yield_now();
        }
        Self { listen, admin_listen, child, users, said }
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
