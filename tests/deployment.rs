//! The compose file, what it mounts, and what docs/DEPLOYMENT.md says of Redis: held against each other and a real redis-server.
//! There are no containers here: images are not started, names of services stand for themselves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use portcullis::gate::secret::Secret;
use portcullis::gate::time::Timestamp;
use portcullis::store::Store;
use portcullis::store::redis::RedisStore;
use portcullis::store::redis::address::{Address, Host, Place};
use serde_json::{Value, json};
use serde_yaml::Value as Yaml;
use support::commands::say;
use support::gateway::{Gateway, House, PASSWORD, usual};
use support::origin::Origin;
use support::redis::{RedisServer, Reply, Talk, free_port};
use support::{BINARY, bearer, wait, wait_until};

const DEPLOYMENT: &str = include_str!("../docs/DEPLOYMENT.md");
const GATEWAY_TOML: &str = include_str!("../deploy/compose/gateway.toml");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(name: &str) -> Yaml {
    let text = std::fs::read_to_string(root().join(name)).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

fn texts(list: &Yaml) -> Vec<&str> {
    list.as_sequence().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

fn listed<'a>(service: &'a Yaml, what: &str) -> Vec<&'a str> {
    service.get(what).map(texts).unwrap_or_default()
}

fn names(map: &Yaml) -> BTreeSet<&str> {
    map.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap()).collect()
}

/// The shell's script that starts Redis, as the container's shell sees it.
fn redis_script() -> String {
    let compose = yaml("compose.yaml");
    let command = &compose["services"]["redis"]["command"];
    let [shell, option, script] = texts(command)[..] else { panic!("{command:?}") };
    assert_eq!((shell, option), ("sh", "-c"));
    script.replace("$$", "$")
}

fn rights(text: &str) -> &str {
    let (_, rest) = text.split_once(" ~{portcullis}:* ").unwrap();
    rest.lines().next().unwrap()
}

#[test]
fn the_compose_file_names_only_what_is_there() {
    let compose = yaml("compose.yaml");
    assert_eq!(names(&compose["services"]), BTreeSet::from(["app", "gateway", "prometheus", "redis"]));
    let declared = names(&compose["volumes"]);
    let mut used = BTreeSet::new();
    for service in names(&compose["services"]) {
        let about = &compose["services"][service];
        assert!(
            about
                .get("image")
                .and_then(Yaml::as_str)
                .map_or_else(|| about["build"].as_str() == Some("."), |image| image.contains(':'))
        );
        for mount in listed(about, "volumes") {
            let source = mount.split(':').next().unwrap();
            match source.strip_prefix("./") {
                Some(file) => assert!(root().join(file).is_file() && mount.ends_with(":ro"), "{mount}"),
                None => assert!(used.insert(source), "{mount}"),
            }
        }
        for port in listed(about, "ports") {
            assert!(port.starts_with("127.0.0.1:"), "{service} is for this machine alone: {port}");
        }
        for needed in about.get("depends_on").map(names).unwrap_or_default() {
            assert!(compose["services"][needed]["healthcheck"].is_mapping(), "{service} waits for {needed}");
        }
    }
    assert_eq!(used, declared);
    assert!(compose["services"]["redis"].get("ports").is_none(), "only gateways reach Redis");
}

#[test]
fn names_and_ports_of_the_compose_file_agree() {
    let compose = yaml("compose.yaml");
    let services = &compose["services"];
    let file: toml::Table = GATEWAY_TOML.parse().unwrap();
    let text = |table: &str, key: &str| file[table][key].as_str().unwrap().to_owned();
    let (_, port) = text("server", "listen").rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let [published] = texts(&services["gateway"]["ports"])[..] else { panic!("one range") };
    let [_, range, inside] = published.split(':').collect::<Vec<_>>()[..] else { panic!("{published}") };
    assert_eq!(inside, port);
    let (first, last) = range.split_once('-').unwrap();
    let ports = last.parse::<i64>().unwrap() - first.parse::<i64>().unwrap() + 1;
    assert_eq!(services["gateway"]["deploy"]["replicas"].as_i64(), Some(ports), "one published port each");

    assert_eq!(text("store", "url"), "redis://redis:6379");
    let app = file["upstreams"]["app"]["servers"][0].as_str().unwrap();
    assert_eq!(app, format!("app:{}", texts(&services["app"]["command"])[1]));
    let scrape = &yaml("deploy/compose/prometheus.yml")["scrape_configs"][0]["dns_sd_configs"][0];
    assert_eq!((texts(&scrape["names"]), scrape["type"].as_str()), (vec!["gateway"], Some("A")));
    let (_, admin) =
        text("server", "admin_listen").rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(scrape["port"].as_i64().unwrap().to_string(), admin);
    assert!(!published.contains(&admin), "the admin listener is not published");
    let grace = services["gateway"]["stop_grace_period"].as_str().unwrap();
    assert!(grace.trim_end_matches('s').parse::<u64>().unwrap() > 30, "longer than drain_timeout");
}

#[test]
fn the_compose_files_configuration_is_right() {
    let file = root().join("deploy/compose/gateway.toml");
    let said = say(Command::new(BINARY).arg("check").arg("-c").arg(file).env("REDIS_PASSWORD", "secret"), "");
    assert!(said.code == 0 && said.out.contains("2 expectations held, 0 failed"), "{said:?}");
}

#[test]
fn the_deployment_page_says_what_the_compose_file_does() {
    let page_rights = DEPLOYMENT.lines().find(|line| line.starts_with("user gateway on >PASSWORD ")).unwrap();
    assert_eq!(rights(page_rights), rights(&redis_script()));
    let conf = std::fs::read_to_string(root().join("deploy/compose/redis.conf")).unwrap();
    let block = DEPLOYMENT.split("```conf\n").nth(1).unwrap().split("```").next().unwrap();
    for line in block.lines() {
        assert!(conf.lines().any(|there| there == line), "{line}");
    }
    let toml = DEPLOYMENT.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let house = House::with_env(toml, &[("REDIS_PASSWORD", "secret")]);
    assert_eq!(house.tried(&["check"], "").code, 0);
    let catalogue = include_str!("../src/telemetry/metrics.rs");
    for rest in DEPLOYMENT.split("`portcullis_").skip(1) {
        let name = rest.split(['`', '{']).next().unwrap();
        assert!(catalogue.contains(&format!("\"{name}\"")), "portcullis_{name}");
    }
    for page in ["SCALING.md", "DEPLOYMENT.md"] {
        let text = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(root().join("docs").join(link).exists(), "{page}: {link}");
        }
    }
}

/// The container's own command line, on a port and in a folder of the test's. Killed when dropped.
struct ComposeRedis {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl ComposeRedis {
    fn start(password: &str) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let conf = root().join("deploy/compose/redis.conf");
        let here = format!("{} --port {port} --bind 127.0.0.1 --dir {}", conf.display(), folder.path().display());
        let script = redis_script();
        assert!(script.contains(" /etc/redis/redis.conf - "), "{script}");
        let script = script.replace("/etc/redis/redis.conf", &here);
        let mut command = Command::new("sh");
        let command = command.args(["-c", &script]).env("REDIS_PASSWORD", password).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("redis-server takes these arguments and answers", || {
            assert!(child.try_wait().unwrap().is_none(), "redis-server refuses its configuration");
            let answer = Talk::to(([127, 0, 0, 1], port).into()).and_then(|mut talk| talk.ask(&["PING"]));
            answer == Some(Reply::Text("PONG".into()))
        });
        Self { child, port, _folder: folder }
    }
}

impl Drop for ComposeRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn passes(gateway: &Gateway, tokens: &Value) -> bool {
    gateway.get("/x", &[("authorization", &bearer(tokens))]).status == 200
}

#[test]
fn two_gateways_work_with_the_rights_that_the_compose_file_gives() {
    let redis = ComposeRedis::start("canary-1");
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let file = GATEWAY_TOML
        .replace("0.0.0.0:8080", "127.0.0.1:0")
        .replace("0.0.0.0:9090", "127.0.0.1:0")
        .replace("redis://redis:6379", &url)
        .replace("app:3000", &Origin::start().address.to_string());
    let house = House::with_env(&file, &[("REDIS_PASSWORD", "canary-1")]);
    house.add_usual_users();
    let gateways = [house.run(), house.run()];
    let [a, b] = &gateways;
    let (ann, bob) = (a.login("ann@example.com"), b.login("bob@example.com"));
    assert!(passes(b, &ann) && passes(a, &bob));
    assert_eq!(a.try_login("bob@example.com", "a wrong long sentence").status, 401);
    let ann = b.refresh(&ann["refreshToken"]).json();
    let new = json!({ "currentPassword": PASSWORD, "newPassword": "another fine long sentence" });
    let ann = a.post("/auth/password", &[("authorization", &bearer(&ann))], &new).json();
    assert_eq!(a.post("/auth/logout", &[("authorization", &bearer(&ann))], &json!({})).status, 200);
    wait::until("the other has heard", || !passes(b, &ann));
    for words in [
        &["key", "rotate"][..],
        &["user", "roles", "bob@example.com", "editor"],
        &["session", "list", "bob@example.com"],
        &["session", "revoke", "--user", "bob@example.com"],
        &["user", "disable", "bob@example.com"],
        &["user", "remove", "ann@example.com"],
        &["user", "list"],
        &["store", "copy", "--from", &url, "--to", &format!("sqlite:{}", house.path("copy.db").display())],
    ] {
        house.tried(words, "").worked();
    }
    wait::until("bob is out", || !passes(a, &bob));
    for gateway in &gateways {
        let log = gateway.log();
        assert!(!log.contains("ACL") && !log.contains("canary") && !log.contains("set noeviction"), "{log}");
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let place = Place::Server(Host { name: "127.0.0.1".into(), port: redis.port });
        let (username, password) = (Some("gateway".to_owned()), Some(Secret::new("canary-1")));
        let address = Address { place, database: 0, tls: None, username, password };
        let store = RedisStore::open(address, Arc::new(|_, _, _| ())).await.unwrap();
        // Everything is older than now: all that is left goes.
        let now = portcullis::clock::wall();
        store.sweep(now, Timestamp::default(), now).await.unwrap();
        let key = store.keys().await.unwrap().remove(0);
        assert!(store.remove_key(&key.kid, now).await.unwrap());
    });
    let mut anyone = Talk::to(([127, 0, 0, 1], redis.port).into()).unwrap();
    assert!(matches!(anyone.ask(&["KEYS", "*"]), Some(Reply::Error(why)) if why.starts_with("NOPERM")));
    anyone.ask(&["AUTH", "gateway", "canary-1"]).unwrap();
    for words in [&["FLUSHALL"][..], &["CONFIG", "SET", "appendonly", "no"], &["GET", "other"], &["SHUTDOWN"]] {
        assert!(matches!(anyone.ask(words), Some(Reply::Error(why)) if why.starts_with("NOPERM")), "{words:?}");
    }
}

/// What docs/FAILOVER.md says of a store that lost the end of what was written, while a gateway lives that heard of it.
#[test]
fn a_store_that_went_back_revives_nobody() {
    let server = RedisServer::start();
    let more = format!("[store]\nurl = \"{}\"\n", server.url());
    let house = House::new(&usual(Origin::start().address, "", &more));
    house.add_usual_users();
    let gateway = house.run();
    let [over, kept, ahead, out] = [(); 4].map(|()| gateway.login("ann@example.com"));
    let logout = |tokens: &Value| gateway.post("/auth/logout", &[("authorization", &bearer(tokens))], &json!({}));
    assert_eq!(logout(&over).status, 200);

    server.kill();
    let saved = tempfile::tempdir().unwrap();
    let files = "appendonlydir";
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-r").arg(from.join(files)).arg(to).status().unwrap().success());
    };
    copy(server.folder.path(), saved.path());
    server.start_again();
    wait::until("it answers again", || gateway.try_login("bob@example.com", PASSWORD).status == 200);
    let ahead = gateway.refresh(&ahead["refreshToken"]).json();
    assert_eq!(logout(&out).status, 200);
    let late = gateway.login("bob@example.com");
    assert!(!passes(&gateway, &out) && passes(&gateway, &late));
    house.says(&["user", "roles", "ann@example.com"], "");
    let in_admin = |tokens: &Value| gateway.get("/admin/x", &[("authorization", &bearer(tokens))]).status;
    wait::until("the gateway has heard of all this", || in_admin(&kept) == 403);

    server.kill();
    std::fs::remove_dir_all(server.folder.path().join(files)).unwrap();
    copy(saved.path(), server.folder.path());
    server.start_again();
    wait::until("the lost login is refused, not trusted from memory", || {
        assert!(!passes(&gateway, &out), "what was ended in the lost part stays over");
        !passes(&gateway, &late)
    });
    assert!(!passes(&gateway, &over) && !passes(&gateway, &out));
    wait::until("whoever may have lost an end is signed out", || !passes(&gateway, &kept));
    let again = wait::until("and can sign in again", || gateway.try_login("ann@example.com", PASSWORD).status == 200);
    assert_eq!(gateway.refresh(&ahead["refreshToken"]).status, 401, "{again:?}");
}
