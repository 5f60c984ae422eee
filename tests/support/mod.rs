//! Starts the real binary and talks to it over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// `portcullis demo`, running; killed when dropped.
pub struct Demo {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub child: Child,
    /// Email and password of the two users: an admin, then a user.
    pub users: Vec<(String, String)>,
}

/// An answer, read whole.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Demo {
    #[allow(clippy::disallowed_methods, reason = "a bound on waiting for a process to start")]
    pub fn start() -> Self {
        let (one, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (listen, admin_listen) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        drop((one, other));
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["demo", "--listen", &listen.to_string(), "--admin-listen", &admin_listen.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let is_user = |line: &String| line.contains("@example.com  ");
        let mut users = Vec::new();
        for line in lines.filter(is_user).take(2) {
            let words: Vec<&str> = line.split_whitespace().collect();
            users.push((words[0].to_owned(), words[1].to_owned()));
        }
        let give_up = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(listen).is_err() {
            assert!(Instant::now() < give_up, "the demo does not listen");
            std::thread::yield_now();
        }
        Self { listen, admin_listen, child, users }
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
        send(self.listen, method, path, fields, body)
    }
}

fn send(listen: SocketAddr, method: &str, path: &str, fields: &[(&str, &str)], body: Option<String>) -> Answer {
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
    let mut request = http::Request::builder().method(method).uri(format!("http://{listen}{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut response = agent.run(request.body(body.unwrap_or_default()).unwrap()).unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    Answer { status: response.status().as_u16(), headers: response.headers().clone(), body }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `Authorization` field of a login's access token.
pub fn bearer(tokens: &Value) -> String {
    format!("Bearer {}", tokens["accessToken"].as_str().unwrap())
}
