//! `[store]`: where users, sessions and keys are kept, and for how long a copy is trusted.

use std::path::PathBuf;

use super::{SOME, ZERO};
use crate::config::reader::{NOT_AVAILABLE, Section};
use crate::config::settings::{StoreSettings, StoreUrl};
use crate::live::Trust;

pub fn store(s: &mut Section<'_>) -> StoreSettings {
    let path = s.text("url", sqlite_path).unwrap_or_else(|| "portcullis.db".to_owned());
    StoreSettings {
        url: StoreUrl::Sqlite(s.source.path(&path)),
        trust: Trust {
            capacity: s.integer("cache_capacity", 100_000, 1..=100_000_000),
            ttl: s.duration("cache_ttl", "30s", SOME),
            max_stale: s.duration("max_stale", "60s", ZERO),
        },
    }
}

/// The part after `sqlite:`. A path cannot be asked to mean a URI or a database in memory: every other form is refused.
fn sqlite_path(url: &str) -> Result<String, String> {
    if ["redis:", "rediss:", "redis+unix:", "unix:"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(format!("a Redis store is {NOT_AVAILABLE}; write \"sqlite:portcullis.db\""));
    }
    let path = url.strip_prefix("sqlite:").ok_or("a store is sqlite:PATH, like \"sqlite:portcullis.db\"")?;
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
            assert!(sqlite_path(bad).is_err(), "{bad:?}");
        }
        assert!(sqlite_path("rediss://u:p@h").unwrap_err().contains(NOT_AVAILABLE));
    }
}
