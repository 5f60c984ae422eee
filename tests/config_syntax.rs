//! A gateway.toml that is no TOML, or not quite: the place is named, and as much of the rest is read as can be trusted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::gateway::House;

fn mistakes(file: impl AsRef<[u8]>) -> Vec<String> {
    let house = House::new("");
    std::fs::write(house.file(), file).unwrap();
    house.mistakes()
}

#[test]
fn after_a_broken_line_the_rest_is_still_read() {
    for (line, wrong) in [
        ("listen = 127.0.0.1:80", "2:15: "),
        ("listen = \"127.0.0.1:80", "2:23: "),
        ("listen = ", "2:10: "),
        ("listen = \"127.0.0.1:80\" \"more\"", "2:25: "),
        ("listen \"127.0.0.1:80\"", "2:8: "),
        ("listen: \"127.0.0.1:80\"", "2:7: "),
        ("just some words", "2:6: "),
        ("listen", "2:7: "),
        ("= 5", "2:1: "),
        (".listen", "2:"),
        ("\"listen\" \"é\"", "2:10: "),
        ("listen = [\"127.0.0.1:80\" \"127.0.0.1:81\"]", "2:26: "),
        ("listen = \"\\q\"", "2:12: "),
    ] {
        let found =
            mistakes(format!("[server]\n{line}\nthreads = \"x\"\n[log]\nlevl = \"info\"\n[[routes]]\npath = 5\n"));
        assert!(found[0].starts_with(wrong), "{line}: {found:?}");
        let rest =
            ["3:11: server.threads: ", "5:1: unknown key \"log.levl\"; did you mean \"level\"?", "7:8: routes.path: "];
        assert_eq!(found.len(), 4, "{line}: {found:#?}");
        assert!(found[1..].iter().zip(rest).all(|(found, rest)| found.starts_with(rest)), "{line}: {found:#?}");
    }
}

#[test]
fn what_is_meant_by_a_broken_line_is_said_where_it_shows() {
    for (line, advice) in [
        ("listen = 127.0.0.1:80", "; text goes in double quotes"),
        ("listen = localhost", "; text goes in double quotes"),
        ("listen: \"127.0.0.1:80\"", "; write KEY = VALUE"),
        ("listen \"127.0.0.1:80\"", "; write KEY = VALUE"),
        ("listen", "; write KEY = VALUE"),
        ("listen = [\"127.0.0.1:80\" \"127.0.0.1:81\"]", "; or is a [ or { further up not closed?"),
    ] {
        let [mistake] = &mistakes(format!("[server]\n{line}\n"))[..] else { panic!("{line}") };
        assert!(mistake.ends_with(advice), "{line}: {mistake}");
    }
}

#[test]
fn a_broken_table_header_is_said_alone_because_it_moves_what_follows() {
    for header in ["[server", "[[server]", "[ser ver]", "[]", "server]"] {
        let found = mistakes(format!("[log]\n{header}\nlisten = \"127.0.0.1:80\"\nlevl = 1\n"));
        assert!(found[0].starts_with("2:"), "{header}: {found:?}");
        if header.starts_with('[') {
            assert_eq!(found.len(), 1, "{header}: {found:?}");
            assert!(
                found[0].ends_with("; only the file's syntax was checked: correct this first"),
                "{header}: {found:?}"
            );
        }
    }
}

#[test]
fn what_is_written_twice_is_named() {
    let found =
        mistakes("[server]\nthreads = 1\nthreads = 2\n[log]\n[log]\nlevel = \"info\"\n[upstreams.a]\n[upstreams.a]\n");
    assert_eq!(found, ["3:1: duplicate key", "5:2: duplicate key", "8:12: duplicate key"]);
}

#[test]
fn a_syntax_error_makes_nothing_seem_missing() {
    let hs256 = "[auth]\nalgorithm = \"HS256\"\naccess_secret = ${A}\nrefresh_secret = ${B}\n";
    let found = mistakes(hs256.to_owned() + "[[routes]]\npath = \"/*\"\nupstream = app\n[upstreams.app]\nserver = 1\n");
    assert_eq!(found.len(), 4, "{found:#?}");
    for (found, place) in found.iter().zip(["3:17: ", "4:18: ", "7:12: ", "9:1: unknown key \"upstreams.app.server\""])
    {
        assert!(found.starts_with(place), "{found}");
    }
}

#[test]
fn marks_line_ends_and_letters_of_every_kind_do_not_move_the_columns() {
    for file in ["\u{feff}[server]\nthreads = \"x\"\n", "[server]\r\nthreads = \"x\"\r\n", "[server]\nthreads = \"x\""]
    {
        assert!(mistakes(file)[0].starts_with("2:11: server.threads: "), "{file:?}");
    }
    assert!(mistakes("\u{feff}threads = 1")[0].starts_with("1:1: unknown key \"threads\""));
    assert!(mistakes("\t[server]\n\tthreads = \"x\"")[0].starts_with("2:12: "));
    let found = mistakes("[auth]\nissuer = \"hé\u{1f600}\" x\n");
    assert!(found[0].starts_with("2:16: "), "{found:?}");
}

#[test]
fn what_is_no_text_is_no_configuration() {
    assert_eq!(mistakes(b"[server]\n# caf\xe9\n"), ["line 2 is not UTF-8; save the file as UTF-8"]);
    assert_eq!(mistakes(std::fs::read(support::BINARY).unwrap()), ["line 1 is not UTF-8; save the file as UTF-8"]);
    assert!(mistakes("[server]\nthreads = \"\0\"")[0].starts_with("2:12: "));
    for deep in
        [format!("a = {}{}", "[".repeat(500_000), "]".repeat(500_000)), format!("{} = 1", ["a"; 400_000].join("."))]
    {
        let found = mistakes(&deep);
        assert!(found.len() == 1 && found[0].starts_with("1:") && found[0].contains("recur"), "{found:?}");
    }
}
