//! `[store]`: where users, sessions and keys are kept, how to get in, and for how long a copy is trusted.

use std::path::PathBuf;

use super::{SOME, ZERO};
use crate::config::address::authority;
use crate::config::reader::{Placed, Section};
use crate::config::secrets::{file, secret};
use crate::config::settings::{StoreSettings, StoreUrl};
use crate::live::Trust;
use crate::store::redis::address::{Address, Host, Place, Tls};
use crate::tls::holds_certificates;

/// Keys that a file has no use for.
const REDIS_KEYS: [&str; 4] = ["username", "password", "password_file", "ca_file"];

/// What the url says.
#[derive(Debug, PartialEq, Eq)]
enum Url {
    Sqlite(String),
    Redis { place: Place, database: u32, tls: bool },
}

pub fn store(s: &mut Section<'_>) -> StoreSettings {
    let url = s.text("url", url).unwrap_or_else(|| Url::Sqlite("portcullis.db".into()));
    let is_redis = matches!(url, Url::Redis { .. });
    let username = s.text("username", username);
    let password = secret(s, "password", "password_file");
    let ca = file(s, "ca_file");
    for key in REDIS_KEYS {
        let holds = is_redis || !s.has(key);
        s.rule(&[key, "url"], holds, "only for a Redis store: a file is guarded by its own permissions");
    }
    let known = s.has("password") || s.has("password_file");
    s.rule(
        &["username"],
        known || !s.has("username"),
        "a user needs a password: store.password or store.password_file",
    );
    if let Some(found) = password.as_ref().filter(|found| found.secret.expose_str().is_none()) {
        s.wrong(found.key, found.at, "this is no text in UTF-8", None);
    }
    if let Some(Placed { at, it: pem }) = &ca
        && !holds_certificates(pem.expose())
    {
        s.wrong("ca_file", *at, "this file holds no certificate; write those that are trusted in PEM", None);
    }
    let url = match url {
        Url::Sqlite(path) => StoreUrl::Sqlite(s.source.path(&path)),
        Url::Redis { place, database, tls } => {
            let trusted = ca.map(|ca| ca.it.expose().to_vec());
            s.rule(&["ca_file", "url"], tls || trusted.is_none(), "only with TLS: write rediss:// in store.url");
            let (tls, password) = (tls.then_some(Tls { ca: trusted }), password.map(|found| found.secret));
            StoreUrl::Redis(Address { place, database, tls, username, password })
        }
    };
    StoreSettings {
        url,
        trust: Trust {
            capacity: s.integer("cache_capacity", 100_000, 1..=100_000_000),
            ttl: s.duration("cache_ttl", "30s", SOME),
            max_stale: s.duration("max_stale", "60s", ZERO),
        },
    }
}

/// A url that stands alone, as an argument does: a relative path is relative to the present folder.
pub fn alone(text: &str) -> Result<StoreUrl, String> {
    Ok(match url(text)? {
        Url::Sqlite(path) => StoreUrl::Sqlite(path.into()),
        Url::Redis { place, database, tls } => {
            let tls = tls.then_some(Tls { ca: None });
            StoreUrl::Redis(Address { place, database, tls, username: None, password: None })
        }
    })
}

fn url(text: &str) -> Result<Url, String> {
    for (scheme, tls, sentinels) in [
        ("redis://", false, false),
        ("rediss://", true, false),
        ("redis+sentinel://", false, true),
        ("rediss+sentinel://", true, true),
    ] {
        if let Some(rest) = text.strip_prefix(scheme) {
            let (place, database) = if sentinels { sentinel_place(rest) } else { server_place(rest) }?;
            return Ok(Url::Redis { place, database, tls });
        }
    }
    sqlite_path(text).map(Url::Sqlite)
}

/// `HOST:PORT/DATABASE`.
fn server_place(rest: &str) -> Result<(Place, u32), String> {
    const FORM: &str = "a Redis server is redis://HOST:PORT or redis://HOST:PORT/DATABASE";
    plain(rest)?;
    let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
    let host = redis_host(host, 6379).ok_or(FORM)?;
    Ok((Place::Server(host), database_number(database).ok_or(FORM)?))
}

/// `HOST:PORT,HOST:PORT/NAME/DATABASE`.
fn sentinel_place(rest: &str) -> Result<(Place, u32), String> {
    const FORM: &str =
        "sentinels are redis+sentinel://HOST:PORT,HOST:PORT/NAME, the name of the master that they watch";
    plain(rest)?;
    let (hosts, name) = rest.split_once('/').ok_or(FORM)?;
    let (master, database) = name.split_once('/').unwrap_or((name, ""));
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if master.is_empty() || !master.bytes().all(legal) {
        return Err(FORM.into());
    }
    let sentinels = hosts.split(',').map(|host| redis_host(host, 26379)).collect::<Option<Vec<_>>>().ok_or(FORM)?;
    Ok((Place::Sentinels { sentinels, master: master.to_owned() }, database_number(database).ok_or(FORM)?))
}

fn plain(rest: &str) -> Result<(), String> {
    if rest.contains('@') {
        let advice = "write store.password = \"${NAME}\" (or store.password_file), and store.username if there is one";
        return Err(format!("the url says where Redis is, and nothing of users and passwords; {advice}"));
    }
    if rest.contains(['?', '#']) {
        return Err("the url of a Redis store ends with the host or the database: nothing follows".into());
    }
    Ok(())
}

fn redis_host(text: &str, default_port: u16) -> Option<Host> {
    let (name, port) = authority(text)?;
    let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Host { name, port: port.unwrap_or(default_port) })
}

fn database_number(text: &str) -> Option<u32> {
    if text.is_empty() {
        return Some(0);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn username(text: &str) -> Result<String, &'static str> {
    let legal = (1..=256).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if legal { Ok(text.to_owned()) } else { Err("a user of Redis has a name without spaces") }
}

/// The part after `sqlite:`. A path cannot be asked to mean a URI or a database in memory: every other form is refused.
fn sqlite_path(url: &str) -> Result<String, String> {
    const FORM: &str =
        "a store is sqlite:PATH, like \"sqlite:portcullis.db\", or redis://HOST:PORT, rediss:// or redis+sentinel://";
    let path = url.strip_prefix("sqlite:").ok_or(FORM)?;
    let plain = !path.is_empty() && !path.starts_with("//") && !path.starts_with(':') && !path.contains(['?', '\0']);
    if !plain || PathBuf::from(path).file_name().is_none() {
        return Err("the path of a file follows sqlite:, without // or ?".into());
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_the_path_of_a_file() {
        assert_eq!(sqlite_path("sqlite:data/portcullis.db").unwrap(), "data/portcullis.db");
        assert_eq!(sqlite_path("sqlite:/var/lib/p.db").unwrap(), "/var/lib/p.db");
        for bad in
            ["", "portcullis.db", "sqlite:", "sqlite://p.db", "sqlite::memory:", "sqlite:p.db?mode=ro", "sqlite:.."]
        {
            assert!(url(bad).is_err(), "{bad:?}");
        }
    }

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.into(), port }
    }

    #[test]
    fn a_store_is_a_redis_server_or_what_its_sentinels_name() {
        for (text, name, port, number, secure) in [
            ("redis://Redis.internal", "redis.internal", 6379, 0, false),
            ("redis://127.0.0.1:7000/", "127.0.0.1", 7000, 0, false),
            ("rediss://[::1]:6380/2", "::1", 6380, 2, true),
        ] {
            let place = Place::Server(host(name, port));
            assert_eq!(url(text).unwrap(), Url::Redis { place, database: number, tls: secure }, "{text}");
        }
        let sentinels = vec![host("a", 26379), host("b", 26380)];
        let place = Place::Sentinels { sentinels, master: "main".into() };
        assert_eq!(url("redis+sentinel://a,b:26380/main/1").unwrap(), Url::Redis { place, database: 1, tls: false });
    }

    #[test]
    fn a_redis_url_says_nothing_else_and_is_never_quoted() {
        for bad in [
            "redis://",
            "redis://h/x",
            "redis://h:0",
            "redis://h?protocol=resp3",
            "redis://a,b",
            "redis://:canary@h",
            "rediss://u:canary@h:1/0",
            "redis://h/canary",
            "redis+sentinel://h",
            "redis+sentinel://h/",
            "redis+sentinel://u:canary@h/m",
            "redis+unix:///canary",
            "unix:/canary",
        ] {
            let said = url(bad).unwrap_err();
            assert!(!said.contains("canary"), "{bad}: {said}");
            assert!(!bad.contains('@') || said.contains("store.password"), "{bad}: {said}");
        }
    }
}
