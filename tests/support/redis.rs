//! A real redis-server of the test's own: its own port, its own folder, gone when the test is over.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::gateway::PATIENCE;
use super::wait_until;

/// Killed when dropped.
pub struct RedisServer {
    pub port: u16,
    pub folder: TempDir,
    /// With `requirepass`.
    password: Option<String>,
    options: Vec<String>,
    child: Mutex<Child>,
}

/// What Redis says, as it says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Text(String),
    Number(i64),
    Nothing,
    List(Vec<Reply>),
    Error(String),
}

impl RedisServer {
    /// With an append-only file that is written through, as one that must lose nothing.
    pub fn start() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// `options`: as on its command line. A `--requirepass` is used here too.
    pub fn with(options: &[&str]) -> Self {
        // A port that was free may be taken by the time it is used.
        let found = (0..5).find_map(|_| Self::try_on(free_port(), options));
        found.expect("redis-server ends as soon as it has started")
    }

    pub fn on(port: u16, options: &[&str]) -> Self {
        Self::try_on(port, options).expect("redis-server ends as soon as it has started")
    }

    fn try_on(port: u16, options: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let password = options.iter().position(|option| option == "--requirepass").map(|at| options[at + 1].clone());
        let child = Mutex::new(spawn(port, &folder, &options));
        let server = Self { port, folder, password, options, child };
        let (mut ready, mut ended) = (false, false);
        wait_until(&format!("redis-server on port {port}"), || {
            ready = server.is_ready();
            ended = server.child.lock().unwrap().try_wait().unwrap().is_some();
            ready || ended
        });
        (!ended).then_some(server)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Ask it, as an administrator.
    pub fn cli(&self, words: &[&str]) -> Reply {
        self.try_cli(words).unwrap_or_else(|| panic!("no answer to {words:?}"))
    }

    /// `None`: there is no answer.
    pub fn try_cli(&self, words: &[&str]) -> Option<Reply> {
        let mut talk = Talk::to(self.address())?;
        if let Some(password) = &self.password {
            talk.ask(&["AUTH", password])?;
        }
        talk.ask(words)
    }

    /// How far it is in what a master tells its replicas.
    pub fn offset(&self) -> u64 {
        let Reply::Text(said) = self.cli(&["INFO", "replication"]) else { panic!("no replication") };
        said.lines().find_map(|line| line.strip_prefix("master_repl_offset:")?.parse().ok()).unwrap()
    }

    /// Nothing is answered any more, but connections stay.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// On the same port, with what is in its folder.
    pub fn start_again(&self) {
        *self.child.lock().unwrap() = spawn(self.port, &self.folder, &self.options);
        wait_until(&format!("redis-server on port {}", self.port), || self.is_ready());
    }

    /// Without waiting until it is ready; `more` options for this time.
    pub fn begin_again(&self, more: &[&str]) {
        let options: Vec<String> = self.options.iter().cloned().chain(more.iter().map(ToString::to_string)).collect();
        *self.child.lock().unwrap() = spawn(self.port, &self.folder, &options);
    }

    /// Everything is lost.
    pub fn start_again_empty(&self) {
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        self.start_again();
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.lock().unwrap().id()).unwrap()), signal).unwrap();
    }

    fn is_ready(&self) -> bool {
        matches!(self.try_cli(&["PING"]), Some(Reply::Text(text)) if text == "PONG")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn spawn(port: u16, folder: &TempDir, options: &[String]) -> Child {
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder.path());
    command.args(options).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("redis-server cannot be started ({error}): run scripts/setup test"))
}

/// One that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A connection that speaks RESP2.
pub struct Talk(BufReader<TcpStream>);

impl Talk {
    pub fn to(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Some(Self(BufReader::new(stream)))
    }

    pub fn ask(&mut self, words: &[&str]) -> Option<Reply> {
        let mut sent = format!("*{}\r\n", words.len());
        for word in words {
            sent += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(sent.as_bytes()).ok()?;
        self.reply()
    }

    fn reply(&mut self) -> Option<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        let (kind, rest) = line.trim_end().split_at_checked(1)?;
        Some(match kind {
            "+" => Reply::Text(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(rest.parse().ok()?),
            "$" if rest == "-1" => Reply::Nothing,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().ok()? + 2];
                self.0.read_exact(&mut bytes).ok()?;
                bytes.truncate(bytes.len() - 2);
                Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            "*" if rest == "-1" => Reply::Nothing,
            "*" => Reply::List((0..rest.parse().ok()?).map(|_| self.reply()).collect::<Option<_>>()?),
            _ => return None,
        })
    }
}
