//! What comes with the program and would rot unseen: the sample configuration, the list of commands, the image's recipe.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use support::gateway::{House, usual};
use support::readme::README;
use support::{BINARY, origin::Origin};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

fn says(words: &[&str]) -> String {
    let output = Command::new(BINARY).args(words).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_sample_configuration_is_right_and_its_expectations_hold() {
    let said = says(&["check"]);
    assert!(said.contains("3 expectations held, 0 failed"), "{said}");
}

#[test]
fn every_key_of_the_sample_that_is_shown_but_not_in_force_is_known() {
    let sample = file("gateway.toml");
    let shown: Vec<&str> = sample.lines().filter(|line| line.starts_with("# ") && line.contains(" = ")).collect();
    assert!(shown.len() > 4, "{shown:?}");
    for line in shown {
        let house = House::new(&sample.replace(line, line.trim_start_matches("# ")));
        let said = house.command(&["check"], "");
        let problems = String::from_utf8(said.stderr).unwrap();
        assert!(!problems.contains("unknown"), "{line}: {problems}");
    }
}

#[test]
fn the_sample_environment_names_what_the_sample_configuration_asks_for() {
    let named: BTreeSet<String> = file(".env.example")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.to_owned()))
        .collect();
    let sample = file("gateway.toml");
    let asked = sample.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned()));
    let asked: BTreeSet<String> = asked.filter(|name| !name.starts_with("NAME")).collect();
    assert!(!named.is_empty());
    assert_eq!(named, asked);
}

/// The sample's algorithm is changed to the one that needs secrets, and these are what `.env.example` tells to fill in.
#[test]
fn the_sample_environment_filled_in_is_enough_for_hs256() {
    let sample = file("gateway.toml").replace("algorithm = \"EdDSA\"", "algorithm = \"HS256\"");
    let house = House::new(
        &sample.replace("# access_secret =", "access_secret =").replace("# refresh_secret =", "refresh_secret ="),
    );
    let environment = file(".env.example");
    std::fs::write(house.path(".env"), &environment).unwrap();
    let empty = house.command(&["check"], "");
    assert!(String::from_utf8(empty.stderr).unwrap().contains("ACCESS_TOKEN_SECRET is empty"));
    let filled = environment
        .replace("ACCESS_TOKEN_SECRET=", &format!("ACCESS_TOKEN_SECRET={}", "a".repeat(64)))
        .replace("REFRESH_TOKEN_SECRET=", &format!("REFRESH_TOKEN_SECRET={}", "r".repeat(64)));
    std::fs::write(house.path(".env"), filled).unwrap();
    house.says(&["check"], "");
}

#[test]
fn the_readme_lists_every_command_and_no_other() {
    let mut commands = BTreeSet::new();
    for command in subcommands(&[]) {
        let deeper = subcommands(&[&command]);
        if deeper.is_empty() {
            commands.insert(format!("portcullis {command}"));
        }
        commands.extend(deeper.into_iter().map(|deeper| format!("portcullis {command} {deeper}")));
    }
    let table = README.split("## Commands").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `portcullis"));
    let listed: BTreeSet<String> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split(", "))
        .map(|cell| {
            let words = cell.trim().trim_matches('`').split(' ');
            words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(listed, commands);
}

/// As `--help` lists them.
fn subcommands(of: &[&str]) -> Vec<String> {
    let help = says(&[of, &["--help"]].concat());
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

/// Sources of the `COPY` lines that copy from this folder.
fn copied() -> Vec<String> {
    let dockerfile = file("Dockerfile");
    let lines =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.contains("--from"));
    lines
        .flat_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            words[..words.len() - 1].iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_image_is_built_from_what_is_there_and_let_through() {
    let ignored = file(".dockerignore");
    let let_through: BTreeSet<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "everything else stays out");
    let copied = copied();
    assert!(copied.len() > 3, "{copied:?}");
    for source in &copied {
        assert!(root().join(source).exists(), "{source}");
    }
    assert_eq!(let_through, copied.iter().map(String::as_str).collect());
}

#[test]
fn what_the_image_is_built_from_is_a_whole_package() {
    let context = tempfile::tempdir().unwrap();
    for source in copied() {
        let to = context.path().join(&source);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-r").arg(root().join(&source)).arg(&to).status().unwrap();
        assert!(copied.success(), "{source}");
    }
    // Every target that the manifest names must be found, or nothing is built.
    let read = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--no-deps", "--format-version=1"])
        .current_dir(context.path())
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn the_image_is_built_with_the_toolchain_that_the_manifest_asks_for() {
    let manifest = file("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(file("Dockerfile").contains(&format!("FROM rust:{version}-")), "{version}");
    assert!(README.contains(&format!("Rust toolchain, {version} or later")), "{version}");
}

/// The image's files are laid out as the recipe does; the program then runs on them alone.
#[test]
fn the_image_holds_every_library_that_the_program_loads() {
    let image = tempfile::tempdir().unwrap();
    let laid = Command::new(root().join("scripts/image")).arg(BINARY).arg(image.path()).status().unwrap();
    assert!(laid.success());
    let path = image.path().display().to_string();
    let needs = Command::new("ldd").arg(BINARY).output().unwrap();
    let needs = String::from_utf8(needs.stdout).unwrap();
    let libraries: Vec<&str> = needs.lines().filter_map(|line| line.split_once(" => ")).map(|(_, to)| to).collect();
    assert!(!libraries.is_empty(), "{needs}");
    for library in libraries {
        let library = library.split(' ').next().unwrap();
        assert!(Path::new(&format!("{path}{library}")).is_file(), "{library}");
    }
    let loader = needs.lines().find(|line| line.contains("/ld-linux")).unwrap().trim().split(' ').next().unwrap();
    assert!(Path::new(&format!("{path}{loader}")).is_file(), "{loader}");
    for file in ["usr/local/bin/portcullis", "etc/ssl/certs/ca-certificates.crt", "etc/nsswitch.conf"] {
        assert!(image.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn the_health_check_of_the_image_tells_a_running_gateway_from_a_dead_one() {
    let dockerfile = file("Dockerfile");
    let check = dockerfile.lines().find(|line| line.starts_with("HEALTHCHECK")).unwrap();
    assert!(check.ends_with(r#"CMD ["/usr/local/bin/portcullis", "health"]"#), "{check}");
    let gateway = House::new(&usual(Origin::start().address, "", "")).run();
    let (admin, house) = (gateway.admin_listen.to_string(), gateway.house.clone());
    assert_eq!(house.says(&["health", "--admin", &admin], ""), "ready\n");
    gateway.kill();
    let dead = house.command(&["health", "--admin", &admin], "");
    assert_eq!(dead.status.code(), Some(1));
    assert!(String::from_utf8(dead.stderr).unwrap().contains("does not answer"));
}
