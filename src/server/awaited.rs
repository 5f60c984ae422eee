//! A gateway may be started before the Redis that it shares, and Redis may go again before all that a start needs was read.
//! Until that is there nothing is served, and nothing else is wrong.

use std::time::Duration;

use super::ServeError;
use crate::config::settings::StoreUrl;
use crate::signing::SigningError;
use crate::store::StoreError;

const PAUSE: Duration = Duration::from_millis(500);

/// What the attempt brings when the store is there.
pub async fn awaited<T>(url: &StoreUrl, attempt: impl AsyncFn() -> Result<T, ServeError>) -> Result<T, ServeError> {
    let mut said = String::new();
    loop {
        match attempt().await {
            Err(
                ServeError::Store(StoreError::Unavailable(why))
                | ServeError::Keys(SigningError::Store(StoreError::Unavailable(why))),
            ) if matches!(url, StoreUrl::Redis(_)) => {
                if said != why {
                    tracing::warn!("waiting for the store: {why}");
                    said = why;
                }
                tokio::time::sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
}
