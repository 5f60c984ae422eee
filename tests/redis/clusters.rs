//! The scripts run on a cluster: everything is in one slot of it.

use std::sync::Arc;

use serde_json::json;

use super::support::redis::{RedisServer, Reply};
use super::support::wait;
use super::{house, with};

#[test]
fn a_cluster_holds_a_store_in_one_slot() {
    let server = RedisServer::with(&["--cluster-enabled", "yes", "--appendonly", "yes"]);
    server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    wait::until(
        "the cluster is complete",
        || matches!(server.cli(&["CLUSTER", "INFO"]), Reply::Text(text) if text.contains("cluster_state:ok")),
    );
    let house = house(&server, "");
    let gateway = Arc::clone(&house).run();
    let tokens = gateway.refresh(&gateway.login("bob@example.com")["refreshToken"]).json();
    assert_eq!(with(&gateway, "/x", &tokens).status, 200);
    house.says(&["user", "roles", "bob@example.com", "admin"], "");
    house.says(&["session", "list", "bob@example.com"], "");
    assert_eq!(gateway.try_login("bob@example.com", "a wrong long sentence").status, 401);
    assert_eq!(gateway.post("/auth/logout", &[], &json!({ "refreshToken": tokens["refreshToken"] })).status, 200);
    assert_eq!(with(&gateway, "/x", &tokens).code(), "session_revoked");
    let Reply::Number(slot) = server.cli(&["CLUSTER", "KEYSLOT", "{portcullis}:m"]) else { panic!("no slot") };
    assert_eq!(server.cli(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]), server.cli(&["DBSIZE"]));
}
