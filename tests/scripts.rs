//! The scripts that a newcomer runs first. What they would build and install is played by stand-ins that note how they were
//! called: a real build from within a test would replace the binary under the other tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{BINARY, demo::Demo};
use tempfile::TempDir;

/// A folder of programs that come before all others, and what they were called with.
struct StandIns(TempDir);

impl StandIns {
    /// apt-get is one of them: no test installs anything.
    fn new(cargo: &str) -> Self {
        let stand_ins = Self(tempfile::tempdir().unwrap());
        stand_ins.add("cargo", cargo);
        stand_ins.add("apt-get", "");
        stand_ins.add("sudo", "exec \"$@\"");
        stand_ins
    }

    fn add(&self, name: &str, script: &str) {
        let path = self.0.path().join(name);
        let calls = self.calls_file();
        let text = format!("#!/bin/sh\necho \"{name} $*\" >>'{}'\n{script}\n", calls.display());
        // By another process: one that is started while this one has the file open would keep it from being run.
        let write = "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"";
        let written = Command::new("sh").args(["-c", write, "sh", &text]).arg(&path).status().unwrap();
        assert!(written.success());
    }

    fn calls_file(&self) -> PathBuf {
        self.0.path().join("calls")
    }

    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.calls_file()).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script));
        command.env("PATH", format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap()));
        command
    }

    /// On a machine that has these programs and no others.
    fn bare(&self, script: &str, argument: &str, programs: &[&str]) -> Output {
        for program in programs {
            let found = Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program]).output().unwrap().stdout;
            symlink(String::from_utf8(found).unwrap().trim(), self.0.path().join(program)).unwrap();
        }
        self.command(script).arg(argument).env("PATH", self.0.path()).output().unwrap()
    }
}

#[test]
fn the_demo_script_builds_and_runs_the_demo() {
    let runs = format!("while [ \"$1\" != -- ]; do shift; done\nshift\nexec '{BINARY}' \"$@\"");
    let stand_ins = StandIns::new(&runs);
    let demo = Demo::of(&mut stand_ins.command("scripts/demo"));
    assert_eq!(demo.get("/public/", &[]).status, 200);
    assert_eq!(demo.get("/", &[]).code(), "missing_token");
    let calls = stand_ins.calls();
    assert_eq!(calls.len(), 1, "nothing is installed where nothing is missing: {calls:?}");
    assert!(calls[0].starts_with("cargo run --locked -- demo --listen 127.0.0.1:0"), "{calls:?}");
}

#[test]
fn the_test_script_and_ci_run_formatting_lints_and_every_test() {
    for script in ["scripts/test", ".ci/run"] {
        let stand_ins = StandIns::new("");
        assert!(stand_ins.command(script).status().unwrap().success());
        let calls = stand_ins.calls();
        let after = |call: &str| calls.iter().position(|made| made.starts_with(call));
        let order = ["cargo fmt --check", "cargo clippy --all-targets", "cargo nextest run --locked"].map(after);
        assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{script}: {calls:?}");
    }
}

#[test]
fn a_failed_lint_fails_the_test_script() {
    let stand_ins = StandIns::new("[ \"$1\" != clippy ]");
    assert!(!stand_ins.command("scripts/test").status().unwrap().success());
    assert!(stand_ins.calls().iter().all(|call| !call.contains("nextest run")));
}

#[test]
fn without_nextest_the_tests_run_all_the_same() {
    let stand_ins = StandIns::new("[ \"$1\" != nextest ]");
    assert!(stand_ins.command("scripts/test").status().unwrap().success());
    assert!(stand_ins.calls().last().unwrap().starts_with("cargo test --locked"));
}

#[test]
fn setup_installs_what_is_missing_and_nothing_else() {
    let stand_ins = StandIns::new("");
    let ended = stand_ins.bare("scripts/setup", "test", &["bash", "env", "id", "jq", "make"]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let installed = stand_ins.calls().into_iter().find(|call| call.starts_with("apt-get install")).unwrap();
    assert!([" cmake", " curl", " python3", " sqlite3"].iter().all(|name| installed.contains(name)), "{installed}");
    assert!([" jq", " make"].iter().all(|name| !installed.contains(name)), "{installed}");
}

#[test]
fn a_release_is_built_with_the_tools_of_the_compilers_own_llvm() {
    let stand_ins = StandIns::new("");
    stand_ins.add("rustc", "echo 'LLVM version: 99.1.2'");
    let ended = stand_ins.bare("scripts/setup", "release", &["bash", "env", "id", "make", "python3", "sed", "strip"]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let installed = stand_ins.calls().into_iter().find(|call| call.starts_with("apt-get install")).unwrap();
    assert!(installed.ends_with("cmake llvm-99 bolt-99"), "{installed}");
}

#[test]
fn setup_says_what_to_install_where_there_is_no_apt() {
    let stand_ins = StandIns::new("");
    std::fs::remove_file(stand_ins.0.path().join("apt-get")).unwrap();
    let ended = stand_ins.bare("scripts/setup", "build", &["bash", "env", "id", "make"]);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("install cmake with"), "{said}");
    assert!(stand_ins.calls().is_empty());
}

#[test]
fn setup_asks_for_the_toolchain_first() {
    let stand_ins = StandIns::new("");
    std::fs::remove_file(stand_ins.0.path().join("cargo")).unwrap();
    let ended = stand_ins.bare("scripts/setup", "build", &["bash", "env", "id"]);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && said.contains("Rust toolchain"), "{said}");
}
