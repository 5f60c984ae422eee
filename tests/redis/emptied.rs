//! A Redis that was emptied signs everyone out and revives nobody; no gateway needs a restart.

use super::support::gateway::{Gateway, PASSWORD};
use super::support::redis::RedisServer;
use super::support::wait;
use super::{house, with};

/// However it came about.
fn begins_anew(gateways: &[Gateway; 2], empty: impl FnOnce()) {
    let tokens = gateways[0].login("ann@example.com");
    assert!(gateways.iter().all(|gateway| with(gateway, "/x", &tokens).status == 200));
    empty();
    for gateway in gateways {
        wait::until("everyone is signed out", || with(gateway, "/x", &tokens).status == 401);
    }
    // The same people again, with new ids.
    let house = &gateways[0].house;
    house.add_usual_users();
    wait::until("there is a login", || gateways[0].try_login("ann@example.com", PASSWORD).status == 200);
    let fresh = gateways[0].login("ann@example.com");
    for gateway in gateways {
        wait::until("both have the new keys", || with(gateway, "/admin/x", &fresh).status == 200);
        assert_eq!(with(gateway, "/x", &tokens).status, 401);
        assert_eq!(gateway.refresh(&tokens["refreshToken"]).status, 401);
    }
}

#[test]
fn a_flushed_store_signs_everyone_out_and_revives_nobody() {
    let server = RedisServer::start();
    let house = house(&server, "");
    let gateways = [house.run(), house.run()];
    begins_anew(&gateways, || {
        server.cli(&["FLUSHALL"]);
    });
}

#[test]
fn a_server_that_comes_back_empty_signs_everyone_out_and_revives_nobody() {
    let server = RedisServer::start();
    let house = house(&server, "");
    let gateways = [house.run(), house.run()];
    begins_anew(&gateways, || {
        server.kill();
        server.start_again_empty();
    });
}

#[test]
fn users_who_were_added_before_anyone_noticed_stay() {
    let server = RedisServer::start();
    let house = house(&server, "");
    let gateway = house.run();
    let tokens = gateway.login("ann@example.com");
    server.cli(&["FLUSHALL"]);
    house.add_usual_users();
    wait::until("everyone is signed out", || with(&gateway, "/x", &tokens).status == 401);
    wait::until("there is a login", || gateway.try_login("bob@example.com", PASSWORD).status == 200);
}
