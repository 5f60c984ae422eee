//! The command line itself: where `-c` may stand, exit codes, outputs that nobody reads, arguments from strangers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs::File;
use std::io::pipe;
use std::process::{Command, Stdio};

use support::BINARY;
use support::commands::{Said, say, say_in};
use support::gateway::House;

/// Of every command that ends by itself.
const COMMANDS: [&[&str]; 8] = [
    &["check"],
    &["check", "--json"],
    &["explain", "GET", "/"],
    &["user", "list"],
    &["user", "show", "ann@example.com", "--json"],
    &["user", "export"],
    &["session", "list", "ann@example.com"],
    &["key", "list"],
];

const FILE: &str = "[upstreams.app]\nservers = [\"127.0.0.1:3000\"]\n[[routes]]\npath = \"/*\"\nupstream = \"app\"\n";

fn with_ann() -> std::sync::Arc<House> {
    let house = House::new(FILE);
    house.add_user("ann@example.com", &[]);
    house
}

fn typed(words: &[&str]) -> Said {
    say(Command::new(BINARY).args(words), "")
}

#[test]
fn the_file_is_named_before_or_after_the_command_or_is_the_one_that_lies_here() {
    let house = with_ann();
    let file = house.file();
    let file = file.to_str().unwrap();
    for words in COMMANDS {
        let said = say_in(house.folder.path(), words).worked();
        assert!(!said.is_empty());
        let (first, rest) = words.split_at(1);
        for line in [
            [&["-c", file], words].concat(),
            [first, &["-c", file], rest].concat(),
            [words, &["-c", file]].concat(),
            [&["--config", file], words].concat(),
            [words, &[&format!("--config={file}")]].concat(),
        ] {
            assert_eq!(typed(&line).worked(), said, "{line:?}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for words in COMMANDS.into_iter().chain([&["run"][..], &["key", "rotate"], &["health"]]) {
        let said = say_in(folder.path(), words).refused();
        assert!(said.starts_with("gateway.toml: there is no such file; "), "{words:?}: {said}");
        let said = typed(&[&["-c", "/nowhere/a.toml"], words].concat()).refused();
        assert!(said.starts_with("/nowhere/a.toml: there is no such file; "), "{words:?}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and nothing is made");
    let said = typed(&["check", "-c", "/"]).refused();
    assert!(said.starts_with("/: this file cannot be read: "), "{said}");
}

#[test]
fn wrong_usage_is_2_and_says_what_is_right() {
    for (words, says) in [
        (&[][..], "Usage: portcullis"),
        (&["nonsense"], "unrecognized subcommand"),
        (&["check", "more"], "unexpected argument 'more'"),
        (&["-c"], "a value is required for '--config <FILE>'"),
        (&["explain", "GET"], "<URL>"),
        (&["explain", "get", "/"], "a method is a word in upper case, like GET"),
        (&["explain", "GET", "x"], "a path starts with /"),
        (&["explain", "GET", "http://user@host/"], "without a user"),
        (&["explain", "GET", "/a b"], "write a space as %20"),
        (&["explain", "GET", "/", "--role", "a,b"], "a role is 1 to 64 letters"),
        (&["explain", "GET", "/", "--role", "a", "--anonymous"], "cannot be used with"),
        (&["user"], "Usage: portcullis user"),
        (&["user", "add", "nobody"], "an email is one name, one @ and one domain"),
        (&["user", "add", "a@b", "--role", "a b"], "a role is 1 to 64 letters"),
        (&["user", "roles", "a@b", "x,y"], "a role is 1 to 64 letters"),
        (&["user", "import"], "<FILE>"),
        (&["session", "revoke"], "<ID|--user <EMAIL>>"),
        (&["session", "revoke", "x"], "a session's id is what `portcullis session list EMAIL` shows"),
        (&["session", "revoke", "00000000-0000-0000-0000-000000000001", "--user", "a@b"], "cannot be used with"),
        (&["health", "--admin", "localhost"], "an address is IP:PORT, like 127.0.0.1:9090"),
        (&["demo", "--listen", "8080"], "an address is IP:PORT"),
    ] {
        let said = typed(words);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{words:?}");
        assert!(said.err.contains(says), "{words:?}: {}", said.err);
    }
}

#[test]
fn help_and_version_are_no_failure() {
    assert_eq!(typed(&["--version"]).worked(), format!("portcullis {}\n", env!("CARGO_PKG_VERSION")));
    for words in [&["--help"][..], &["user", "import", "--help"], &["help", "explain"]] {
        assert!(typed(words).worked().contains("Usage: portcullis"), "{words:?}");
    }
}

#[test]
fn an_output_that_nobody_reads_is_no_panic() {
    let house = with_ann();
    for words in COMMANDS {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = Command::new(BINARY);
        command.args(words).current_dir(house.folder.path()).stdin(Stdio::null());
        let both_closed = command.stdout(writer.try_clone().unwrap()).stderr(writer.try_clone().unwrap()).status();
        assert_eq!(both_closed.unwrap().code(), Some(1), "{words:?}");

        let why = |command: &mut Command| {
            let output = command.stderr(Stdio::piped()).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{words:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        let closed = why(command.stdout(writer));
        assert_eq!(closed, "portcullis: nobody reads the output any more; it was cut short\n", "{words:?}");
        let full = why(command.stdout(File::create("/dev/full").unwrap()));
        assert!(full.starts_with("portcullis: reading or writing failed: No space left"), "{words:?}: {full}");
    }
}

#[test]
fn an_argument_from_a_stranger_cannot_steer_the_terminal() {
    let house = with_ann();
    let evil = "\u{1b}]0;title\u{7}\u{9b}2J\r\u{202e}";
    let hostile = ['\u{1b}', '\u{7}', '\u{9b}', '\r', '\u{202e}'];
    for words in [
        vec!["user", "show", evil],
        vec!["user", "show", "\u{202e}nobody@x"],
        vec!["explain", "GET", evil],
        vec!["user", "import", evil],
        vec!["check", "-c", evil],
        vec![evil],
        vec!["session", "revoke", evil],
    ] {
        let said = say_in(house.folder.path(), &words);
        assert!(said.code == 1 || said.code == 2, "{said:?}");
        assert!(!said.err.is_empty() && !said.err.contains(hostile), "{words:?}: {:?}", said.err);
    }
    let file = format!("{evil}.toml");
    std::fs::write(house.path(&file), "[\"\\u001b[31m\"]\n[server]\nx = 1\n").unwrap();
    let said = say_in(house.folder.path(), &["check", "-c", &file]);
    assert!(said.err.contains(":1:2: unknown key") && !said.err.contains(hostile), "{:?}", said.err);
}

#[test]
fn without_a_terminal_there_is_nothing_to_ask_at() {
    let house = with_ann();
    // A session of its own has none, whoever runs this test.
    for words in [["user", "add", "x@y"], ["user", "passwd", "ann@example.com"]] {
        let output = house.command_through(&["setsid", "--wait"], &words, "");
        assert_eq!(output.status.code(), Some(1));
        let why = "there is no terminal to ask for the password at; give it on standard input, with --password-stdin";
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("portcullis: {why}\n"));
    }
}
