//! The README's own commands, run as they stand: its blocks by name, in its order, against the real binary. A line
//! `#> text` after a command is what it must print; `…` stands for anything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::app::{comes_true, free_address};
use support::readme::{README, block, blocks};
use support::{BINARY, demo::Demo};
use tempfile::TempDir;

/// A command and the lines that it must print, if the README says any.
struct Step {
    command: String,
    prints: Option<String>,
}

/// A reader's folder, with the three ports of the README on free ones.
struct Reader {
    folder: TempDir,
    ports: [(&'static str, String); 3],
    background: Vec<Child>,
}

impl Reader {
    fn new() -> Self {
        let ports = ["3000", "8080", "9090"].map(|port| (port, free_address().port().to_string()));
        Self { folder: tempfile::tempdir().unwrap(), ports, background: Vec::new() }
    }

    /// A block, with the free ports in the place of its own.
    fn text(&self, name: &str) -> String {
        self.ports.iter().fold(block(name), |text, (port, free)| replace_number(&text, port, free))
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn port(&self, place: usize) -> u16 {
        self.ports[place].1.parse().unwrap()
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        let path = format!("{}:{}", Path::new(BINARY).parent().unwrap().display(), std::env::var("PATH").unwrap());
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.folder.path()).env("PATH", path);
        command
    }

    /// In a terminal of its own, until somebody listens on the port.
    fn start(&mut self, name: &str, port: u16) {
        let script = format!("exec {}", self.text(name));
        let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut child = quiet(&mut self.bash(&script));
        assert!(comes_true(&mut child, || TcpStream::connect(("127.0.0.1", port)).is_ok()), "{name} does not start");
        self.background.push(child);
    }

    /// Every command of the block, one after the other in one shell, and what each has printed.
    fn follow(&self, name: &str) {
        let steps = steps(&self.text(name));
        assert!(!steps.is_empty());
        let mut script = String::new();
        for (number, step) in steps.iter().enumerate() {
            write!(script, "{{\n{}\n}} >{number}.printed 2>&1\n", step.command).unwrap();
        }
        let ended = self.bash(&script).output().unwrap();
        for (number, Step { command, prints }) in steps.iter().enumerate() {
            let printed = std::fs::read_to_string(self.folder.path().join(format!("{number}.printed")));
            let printed = printed.unwrap_or_else(|_| format!("not run: {}", String::from_utf8_lossy(&ended.stderr)));
            if let Some(prints) = prints {
                assert!(
                    matches(prints, printed.trim_end()),
                    "{name}: {command}\nshould print\n{prints}\nnot\n{printed}"
                );
            }
            let last = number == steps.len() - 1;
            assert!(!last || ended.status.success(), "{name}: {command}\nfailed: {printed}");
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut command = String::new();
    for line in text.lines() {
        match line.strip_prefix("#> ") {
            None => writeln!(command, "{line}").unwrap(),
            Some(printed) if command.is_empty() => {
                let prints = steps.last_mut().unwrap().prints.as_mut().unwrap();
                write!(prints, "\n{printed}").unwrap();
            }
            Some(printed) => {
                steps.push(Step { command: std::mem::take(&mut command), prints: Some(printed.to_owned()) });
            }
        }
    }
    if !command.trim().is_empty() {
        steps.push(Step { command, prints: None });
    }
    steps
}

/// `…` in what is expected stands for any text, also of several lines.
fn matches(expected: &str, printed: &str) -> bool {
    let pieces: Vec<&str> = expected.split('…').collect();
    let [first, between @ .., last] = pieces.as_slice() else { return expected == printed };
    let Some(mut rest) = printed.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    for piece in between {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    true
}

/// Where it stands as a number of its own.
fn replace_number(text: &str, number: &str, by: &str) -> String {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(number) {
        let whole = !digit(before.chars().last()) && !digit(after.chars().next());
        replaced.extend([before, if whole { by } else { number }]);
        rest = after;
    }
    replaced + rest
}

/// Three ports are changed, two lines say so in the file, and nothing else is.
#[test]
fn the_steps_of_the_readme_work_as_they_stand() {
    let mut reader = Reader::new();
    let [_, (_, listen), (_, admin)] = &reader.ports;
    let server = format!("[server]\nlisten = \"127.0.0.1:{listen}\"\nadmin_listen = \"127.0.0.1:{admin}\"\n");
    reader.write("gateway.toml", &(server + &reader.text("gateway.toml")));
    reader.write("users.jsonl", &reader.text("users.jsonl"));
    reader.start("app", reader.port(0));
    reader.follow("check");
    reader.follow("users");
    reader.start("run", reader.port(1));
    for name in ["walk", "import", "backup", "keys", "metrics", "restore"] {
        reader.follow(name);
    }
}

#[test]
fn every_block_of_commands_is_run_or_says_that_it_is_not() {
    let run = ["app", "check", "users", "run", "walk", "import", "backup", "restore", "keys", "metrics"];
    let named: Vec<&str> = blocks().iter().filter(|block| block.language == "sh").map(|block| block.name).collect();
    let left: Vec<&&str> = named.iter().filter(|name| **name != "not-run").collect();
    assert_eq!(left.len(), run.len(), "{left:?}");
    assert!(run.iter().all(|name| named.contains(name)), "{named:?}");
}

#[test]
fn the_apps_reading_of_the_headers_works() {
    let script = r#"
const app = { use: (handler) => { app.handler = handler; } };
README
const read = (fields) => {
  const req = { get: (name) => fields[name] };
  app.handler(req, {}, () => {});
  return req.user ?? null;
};
console.log(JSON.stringify([
  read({}),
  read({ 'X-User-Id': '7', 'X-User-Email': 'jos%C3%A9@example.com', 'X-User-Roles': 'user,editor' }),
  read({ 'X-User-Id': '8', 'X-User-Email': 'dan@example.com', 'X-User-Roles': '' }),
]));
"#;
    let script = script.replace("README", &block("express"));
    let output = Command::new("node").args(["-e", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let users: Value = serde_json::from_slice(&output.stdout).unwrap();
    let jose = json!({ "id": "7", "email": "josé@example.com", "roles": ["user", "editor"] });
    assert_eq!(users, json!([null, jose, { "id": "8", "email": "dan@example.com", "roles": [] }]));
}

#[test]
fn ten_lines_of_configuration_are_ten_lines() {
    let lines = block("gateway.toml").lines().filter(|line| !line.is_empty()).count();
    assert!(lines <= 10, "{lines}");
}

#[test]
fn the_lines_that_the_demo_prints_work_as_printed() {
    let demo = Demo::start();
    let lines: String =
        demo.said.lines().filter_map(|line| line.strip_prefix("  ")).fold(String::new(), |text, line| {
            let curl = line.starts_with("curl") || line.starts_with("TOKEN=") || line.starts_with("    -d");
            if curl { text + line + "\n" } else { text }
        });
    let output = Command::new("bash").args(["-euc", &lines.replace("curl ", "curl -s ")]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{lines}\n{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    let answers = [
        "The sample app was told:",
        "missing_token",
        "x-user-email: alice@example.com",
        "x-user-roles: admin",
        "Logged out successfully",
        "session_revoked",
    ];
    assert!(matches(&format!("{}…", answers.join("…")), &printed), "{lines}\n{printed}");
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let mut demo = Demo::start();
    let left = |demo: &Demo| demo.temporary.path().read_dir().unwrap().count();
    assert_eq!(left(&demo), 1, "its store");
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    assert_eq!(left(&demo), 0);
}

#[test]
fn every_metric_of_the_readme_exists() {
    let catalogue = include_str!("../src/telemetry/metrics.rs");
    let named: Vec<&str> =
        README.split("`portcullis_").skip(1).filter_map(|rest| rest.split(['`', '{']).next()).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        assert!(catalogue.contains(&format!("\"{name}\"")), "portcullis_{name}");
    }
}

#[test]
fn every_link_of_the_readme_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let anchors: Vec<String> = README.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    let links = README.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links {
        match link.strip_prefix('#') {
            Some(heading) => assert!(anchors.iter().any(|anchor| anchor == heading), "{link}"),
            None => assert!(root.join(link).exists(), "{link}"),
        }
    }
}

/// As the sites that show a README make one of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-')
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn what_is_expected_is_really_compared() {
    assert!(matches("a\n… c", "a\nb\nb c") && matches("", "") && matches("…", "anything"));
    for (expected, printed) in [("a", "ab"), ("a…c", "abd"), ("…x…", "abc"), ("a…a", "a"), ("", "a")] {
        assert!(!matches(expected, printed), "{expected} {printed}");
    }
    assert_eq!(replace_number("8080 18080 :8080/x 80801", "8080", "1"), "1 18080 :1/x 80801");
    let two = steps("a\n#> 1\n#> 2\nb\n");
    assert_eq!((two.len(), two[0].prints.as_deref(), two[1].prints.as_deref()), (2, Some("1\n2"), None));
}
