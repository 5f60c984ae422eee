//! Sentinel names another master, and the gateways go on there.

use std::fs;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::support::gateway::PASSWORD;
use super::support::redis::{RedisServer, Reply, Talk, free_port};
use super::support::wait;
use super::{house_at, with};

struct Sentinel {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl Sentinel {
    fn watching(master: &RedisServer) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
            folder.path().display(),
            master.port
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new("redis-sentinel");
        let child = command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child =
            child.unwrap_or_else(|error| panic!("redis-sentinel cannot be started ({error}): run scripts/setup test"));
        Self { port, child, _folder: folder }
    }

    fn says(&self, words: &[&str]) -> Option<Reply> {
        Talk::to(([127, 0, 0, 1], self.port).into())?.ask(words)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn says(server: &RedisServer, section: &str, what: &str) -> bool {
    matches!(server.cli(&["INFO", section]), Reply::Text(text) if text.contains(what))
}

#[test]
fn gateways_follow_a_failover() {
    let master = RedisServer::start();
    let port = master.port.to_string();
    let replica = RedisServer::with(&["--appendonly", "yes", "--replicaof", "127.0.0.1", &port]);
    wait::until("the replica follows", || says(&replica, "replication", "master_link_status:up"));
    let sentinel = Sentinel::watching(&master);
    wait::until(
        "the sentinel knows both",
        || matches!(sentinel.says(&["SENTINEL", "REPLICAS", "main"]), Some(Reply::List(replicas)) if replicas.len() == 1),
    );
    // The first sentinel is not there: the second is asked.
    let url = format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main", free_port(), sentinel.port);
    let house = house_at(&url, "cache_ttl = \"100ms\"\nmax_stale = \"60s\"\n");
    house.add_usual_users();
    let gateways = [house.run(), house.run()];
    let tokens = gateways[0].login("ann@example.com");
    assert!(gateways.iter().all(|gateway| with(gateway, "/x", &tokens).status == 200));
    wait::until("the replica has it all", || master.offset() == replica.offset());
    master.kill();
    wait::until("there is a new master", || {
        assert!(gateways.iter().all(|gateway| with(gateway, "/x", &tokens).status == 200), "known users pass");
        says(&replica, "replication", "role:master")
    });
    for gateway in &gateways {
        wait::until("logins work again", || gateway.try_login("bob@example.com", PASSWORD).status == 200);
        assert_eq!(with(gateway, "/x", &tokens).status, 200, "nobody was signed out");
    }
    house.says(&["user", "disable", "ann@example.com"], "");
    for gateway in &gateways {
        wait::until("the feed is heard", || with(gateway, "/x", &tokens).status == 401);
    }
}
