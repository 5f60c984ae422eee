//! What an operator should know about how Redis is set up.

use redis::Value;

use super::link::Link;

/// At start. An access list may forbid looking: then there is nothing to say.
pub(super) async fn warn(link: &Link) {
    if let Some(policy) = setting(link, "maxmemory-policy").await.filter(|policy| policy != "noeviction") {
        tracing::warn!(
            "Redis evicts keys when its memory is full (maxmemory-policy {policy}), users and sessions among them; set noeviction"
        );
    }
    if setting(link, "appendonly").await.is_some_and(|on| on != "yes") {
        tracing::warn!(
            "Redis keeps no append-only file: what was acknowledged is lost when it dies; set appendonly yes"
        );
    }
}

async fn setting(link: &Link, name: &str) -> Option<String> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(name);
    let found = link.ask(&command).await.inspect_err(|_| tracing::debug!("Redis does not show its {name}")).ok()?;
    match found {
        Value::Map(pairs) => pairs.into_iter().find_map(|(_, value)| match value {
            Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
            _ => None,
        }),
        _ => None,
    }
}
