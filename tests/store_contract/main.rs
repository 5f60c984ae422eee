//! What every store owes its callers: one suite, run by each store there is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod feed;
mod keys_and_quotas;
mod sessions;
mod users;

use std::sync::Arc;

use portcullis::gate::email::Email;
use portcullis::gate::role::Role;
use portcullis::gate::rotation::Chain;
use portcullis::gate::secret::Secret;
use portcullis::gate::time::Timestamp;
use portcullis::store::redis::RedisStore;
use portcullis::store::redis::address::{Address, Host, Place};
use portcullis::store::sqlite::SqliteStore;
use portcullis::store::{Client, NewUser, Session, SessionId, Store, User, UserChange, UserId};
use support::redis::RedisServer;
use uuid::Uuid;

/// Runs each named test against a fresh store of each kind; what opens it also returns what must outlive it.
macro_rules! contract {
    ([$($part:ident: [$($test:ident),* $(,)?]),* $(,)?]) => {
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    let (store, _keep) = super::open_sqlite();
                    super::$part::$test(store).await;
                }
            )*)*
        }
        mod redis {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    let (store, _keep) = super::open_redis().await;
                    super::$part::$test(store).await;
                }
            )*)*
        }
    };
}

contract!([
    users: [
        an_email_belongs_to_one_user_also_under_races,
        users_are_listed_in_pages,
        every_change_raises_the_epoch,
        a_password_change_ends_the_other_sessions,
        a_password_is_not_changed_from_a_session_that_has_ended,
        enabling_again_revives_nothing,
        a_rehash_replaces_only_what_it_saw,
    ],
    sessions: [
        a_session_opens_only_for_the_user_that_was_checked,
        the_oldest_sessions_make_room,
        a_new_session_stays_also_when_the_clock_was_set_back,
        one_of_many_rotations_wins,
        an_ended_session_is_gone,
        the_sweep_takes_what_is_past_its_limits,
        the_sweep_finds_all_there_are,
        a_session_that_was_used_meanwhile_outlives_the_sweep,
    ],
    keys_and_quotas: [
        gateways_that_start_together_agree_on_one_key,
        places_are_taken_all_or_none,
        a_quota_holds_under_a_burst,
        shared_quotas_count_as_the_gate_does,
    ],
    feed: [
        the_feed_tells_of_every_change_in_order,
        the_feed_says_when_nothing_happened,
        the_feed_tells_at_once,
        a_feed_that_was_replaced_is_a_gap,
    ],
]);

fn open_sqlite() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("test.db"), Arc::new(|_, _, _| ())).unwrap();
    (Arc::new(store), folder)
}

async fn open_redis() -> (Arc<dyn Store>, RedisServer) {
    let server = RedisServer::start();
    let host = Host { name: "127.0.0.1".into(), port: server.port };
    let address = Address { place: Place::Server(host), database: 0, tls: None, username: None, password: None };
    let store = RedisStore::open(address, Arc::new(|_, _, _| ())).await.unwrap();
    (Arc::new(store), server)
}

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn new_user(email: &str) -> NewUser {
    NewUser {
        id: UserId(Uuid::now_v7()),
        email: Email::parse(email).unwrap(),
        password_hash: Secret::new("$hash$"),
        roles: vec![Role::parse("admin").unwrap(), Role::parse("user").unwrap()],
        enabled: true,
        token_version: 0,
        created_at: NOW,
    }
}

fn new_session(user: &User, at: Timestamp) -> Session {
    let chain = Chain { generation: 0, rotated_at: at, opened_at: at };
    let client = Client { ip: "192.0.2.1".into(), user_agent: "test".into() };
    Session { id: SessionId(Uuid::now_v7()), user: user.id, chain, client }
}

async fn open(store: &Arc<dyn Store>, user: &User, at: Timestamp) -> Session {
    let session = new_session(user, at);
    let version = store.user(user.id).await.unwrap().unwrap().token_version;
    store.open_session(session.clone(), version, 100).await.unwrap().unwrap();
    session
}

async fn change(store: &Arc<dyn Store>, user: &User, change: UserChange) -> User {
    store.change_user(user.id, change, NOW).await.unwrap().unwrap()
}
