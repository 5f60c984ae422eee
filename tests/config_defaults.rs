//! The defaults are those of the contract and of the sample gateway.toml, and every key of the sample is heeded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use portcullis::config::from_text;
use portcullis::config::settings::{Settings, StoreUrl};
use portcullis::gate::keys::Algorithm;
use portcullis::telemetry::logging::Format;
use tracing::Level;

/// A key, and a value of it that is not the default.
const OTHERS: [(&str, &str, &str); 44] = [
    ("server", "listen", "\"127.0.0.1:1\""),
    ("server", "admin_listen", "\"127.0.0.1:2\""),
    ("server", "threads", "1000"),
    ("server", "trusted_proxies", "[\"10.0.0.0/8\"]"),
    ("server", "proxy_protocol", "true\ntrusted_proxies = [\"10.0.0.0/8\"]"),
    ("server", "methods", "[\"GET\"]"),
    ("server", "max_request_body", "\"1MiB\""),
    ("server", "header_timeout", "\"1s\""),
    ("server", "idle_timeout", "\"1s\""),
    ("server", "max_connections", "1"),
    ("server", "max_connections_per_ip", "1"),
    ("server", "drain_timeout", "\"0s\""),
    ("store", "url", "\"sqlite:other.db\""),
    ("store", "cache_capacity", "1"),
    ("store", "cache_ttl", "\"1s\""),
    ("store", "max_stale", "\"1s\""),
    ("auth", "prefix", "\"/other\""),
    ("auth", "issuer", "\"other\""),
    ("auth", "audience", "\"other\""),
    ("auth", "algorithm", "\"ES256\""),
    ("auth", "access_ttl", "\"1m\""),
    ("auth", "refresh_ttl", "\"1d\""),
    ("auth", "session_ttl", "\"8d\""),
    ("auth", "rotation_grace", "\"0s\""),
    ("passwords", "min_length", "16"),
    ("passwords", "memory", "\"64MiB\""),
    ("passwords", "iterations", "3"),
    ("passwords", "parallelism", "2"),
    ("passwords", "max_concurrent", "1000"),
    ("limits", "per_ip", "\"1/1m\""),
    ("limits", "login_per_ip", "\"1/1m\""),
    ("limits", "login_per_account", "\"1/1m\""),
    ("limits", "ipv6_prefix", "56"),
    ("cookies", "secure", "false"),
    ("cookies", "same_site", "\"lax\""),
    ("headers", "user_id", "\"X-Other\""),
    ("headers", "email", "\"X-Other\""),
    ("headers", "roles", "\"X-Other\""),
    ("headers", "session_id", "\"X-Other\""),
    ("headers", "preset", "\"remote-user\""),
    ("headers", "forward_token", "true"),
    ("browser", "trusted_origins", "[\"https://app.example.com\"]"),
    ("log", "format", "\"json\""),
    ("log", "level", "\"warn\""),
];

fn read(text: &str) -> Settings {
    let secrets = |name: &str| name.starts_with("SECRET_").then(|| name.repeat(8));
    from_text(text, "gateway.toml", Path::new("/etc/gate"), &secrets)
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn sample() -> toml::Table {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/gateway.toml")).unwrap();
    text.parse().unwrap()
}

/// Everything but the routes' index, which has no order.
fn shown(settings: &Settings) -> [String; 13] {
    let Settings {
        server, tls, methods, store, auth, passwords, limits, clients, cookies, headers, origins, log, ..
    } = settings;
    let tls = tls.is_some();
    [
        format!("{server:?}"),
        format!("{tls:?}"),
        format!("{methods:?}"),
        format!("{store:?}"),
        format!("{auth:?}"),
        format!("{passwords:?}"),
        format!("{limits:?}"),
        format!("{clients:?}"),
        format!("{cookies:?}"),
        format!("{headers:?}"),
        format!("{origins:?}"),
        format!("{log:?}"),
        format!("{:?}", settings.routes.routes()),
    ]
}

#[test]
fn an_empty_file_means_what_the_contract_says() {
    let settings = read("");
    let secs = Duration::from_secs;
    let server = &settings.server;
    assert_eq!(server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(server.admin_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(server.threads, available_parallelism().unwrap().get());
    assert_eq!((server.max_request_body, server.max_connections), (100 << 20, 20_000));
    assert_eq!((server.header_timeout, server.idle_timeout, server.drain_timeout), (secs(10), secs(60), secs(30)));
    assert!(!server.proxy_protocol && settings.tls.is_none() && settings.clients.trusted_proxies.is_empty());

    assert_eq!(settings.store.url, StoreUrl::Sqlite(PathBuf::from("/etc/gate/portcullis.db")));
    let trust = settings.store.trust;
    assert_eq!((trust.capacity, trust.ttl, trust.max_stale), (100_000, secs(30), secs(60)));

    let auth = &settings.auth;
    assert_eq!((auth.issuer.issuer.as_str(), auth.issuer.audience.as_str()), ("portcullis", "portcullis"));
    assert_eq!((auth.algorithm, auth.access_ttl), (Algorithm::EdDsa, secs(900)));
    assert!(auth.secrets.is_none());
    let day = 86_400;
    let lifetimes = auth.lifetimes;
    assert_eq!((lifetimes.idle, lifetimes.absolute, lifetimes.grace), (secs(7 * day), secs(30 * day), secs(30)));
    assert!(settings.routes.routes().iter().any(|route| &*route.name == "/auth/login"));

    let passwords = settings.passwords;
    assert_eq!((passwords.min_length, passwords.memory_kib), (15, 19 * 1024));
    assert_eq!((passwords.iterations, passwords.parallelism, passwords.max_concurrent), (2, 1, 0));

    let quotas = [settings.limits.per_ip, settings.limits.login.per_ip, settings.limits.login.per_account];
    let quotas = quotas.map(|quota| (quota.count(), quota.period()));
    assert_eq!(quotas, [(1200, secs(60)), (20, secs(60)), (10, secs(900))]);
    assert_eq!(settings.clients.ipv6_prefix, 64);

    let names = &settings.headers.names;
    assert_eq!((names.user_id.as_str(), names.email.as_str()), ("x-user-id", "x-user-email"));
    assert_eq!(names.roles, "x-user-roles");
    assert_eq!(names.session_id.as_ref().unwrap(), "x-session-id");
    assert!(!settings.headers.forward_token && settings.origins.0.is_empty());
    assert_eq!((&settings.log.format, settings.log.level), (&Format::Text, Level::INFO));
    assert!(settings.upstreams.is_empty() && settings.expectations.is_empty());

    let upstream = &read("[upstreams.app]\nservers = [\"127.0.0.1:3000\"]").upstreams[0];
    assert_eq!((upstream.connect_timeout, upstream.read_timeout), (secs(2), secs(60)));
    let cookies = read("[cookies]\nsecure = true\nsame_site = \"strict\"\naccess_cookie = false\n");
    assert_eq!(shown(&cookies), shown(&settings));
}

#[test]
fn the_sample_means_the_same_as_an_empty_file_but_for_its_upstream_and_its_routes() {
    let mut sample = sample();
    let whole = read(&sample.to_string());
    for own in ["upstreams", "routes", "expect"] {
        assert!(sample.remove(own).is_some(), "{own}");
    }
    assert_eq!(shown(&read(&sample.to_string())), shown(&read("")));
    assert_eq!((whole.upstreams.len(), whole.expectations.len()), (1, 3));
    let own = read("").routes.routes().len();
    assert_eq!(whole.routes.routes().len(), own + 3);
    assert!(whole.warnings.is_empty(), "{}", whole.warnings);
}

#[test]
fn every_key_of_the_sample_is_heeded() {
    let usual = shown(&read(""));
    for (table, key, value) in OTHERS {
        assert_ne!(shown(&read(&format!("[{table}]\n{key} = {value}"))), usual, "{table}.{key}");
    }
    let mut sample = sample();
    for (table, key, _) in OTHERS {
        let keys = sample[table].as_table_mut().unwrap();
        assert!(keys.remove(key).is_some() || key == "preset", "{table}.{key} is not in the sample");
    }
    // Its true is refused: see config_mistakes.rs.
    assert_eq!(sample["cookies"].as_table_mut().unwrap().remove("access_cookie"), Some(toml::Value::Boolean(false)));
    for own in ["upstreams", "routes", "expect"] {
        sample.remove(own);
    }
    let left: Vec<_> = sample.iter().filter(|(_, keys)| !keys.as_table().unwrap().is_empty()).collect();
    assert!(left.is_empty(), "nothing above says that these are heeded: {left:?}");
}

#[test]
fn secrets_are_heeded_and_never_shown() {
    let hs256 = "[auth]\nalgorithm = \"HS256\"\naccess_secret = \"${SECRET_A}\"\nrefresh_secret = \"${SECRET_B}\"";
    let auth = read(hs256).auth;
    let secrets = auth.secrets.as_ref().unwrap();
    assert_eq!(secrets.access.expose_str(), Some("SECRET_A".repeat(8).as_str()));
    assert_eq!(secrets.refresh.expose_str(), Some("SECRET_B".repeat(8).as_str()));
    assert!(!format!("{auth:?}").contains("SECRET_"), "{auth:?}");
}
