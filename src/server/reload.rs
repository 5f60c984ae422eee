//! SIGHUP: new settings take the place of the old ones, as a whole or not at all.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::running::Running;
use super::upstreams::resolve;
use crate::config::problem::Problems;
use crate::config::settings::{self, Settings};
use crate::proxy::Configuration;

impl Running {
    /// Take the new settings, or keep the old ones and say why.
    pub(super) async fn reload(&mut self, read: Result<Settings, Problems>, current: &ArcSwap<Configuration>) {
        let resolved = match read {
            Ok(settings) => match resolve(&settings.upstreams).await {
                Ok(upstreams) => Ok((settings, upstreams)),
                Err(error) => Err(error.to_string()),
            },
            Err(problems) => Err(problems.to_string()),
        };
        self.metrics.reloaded(resolved.is_ok());
        let (settings, upstreams) = match resolved {
            Ok(resolved) => resolved,
            Err(why) => {
                for line in why.lines() {
                    tracing::error!("{line}");
                }
                tracing::error!("the configuration was not reloaded: the old one stays in force");
                return;
            }
        };
        for key in restart_needed(&self.settings, &settings) {
            tracing::warn!("{key} has changed, which takes effect at the next start");
        }
        if let (Some(standing), Some(new)) = (&self.tls, &settings.tls) {
            standing.store(Arc::new(new.clone()));
        }
        let old = std::mem::replace(&mut self.settings, settings);
        // What a running process cannot change stays what it is, for the next reload to compare with.
        self.settings.server =
            settings::Server { max_request_body: self.settings.server.max_request_body, ..old.server };
        (self.settings.store, self.settings.passwords, self.settings.log) = (old.store, old.passwords, old.log);
        (self.settings.auth.algorithm, self.settings.auth.secrets) = (old.auth.algorithm, old.auth.secrets);
        let access_ttl = self.settings.auth.access_ttl;
        if let Err(error) = self.signing.live_for(access_ttl, self.clock.now().wall).await {
            tracing::warn!(%error, "the signing keys could not be read again; their next change will do it");
        }
        current.store(Arc::new(self.configure(upstreams)));
        tracing::info!("the configuration was reloaded");
    }
}

/// The keys that a reload does not change, where they differ.
fn restart_needed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let server = |settings: &Settings| settings::Server { max_request_body: 0, ..settings.server.clone() };
    let fixed = [
        ("[server]", server(old) != server(new)),
        ("server.tls", old.tls.is_some() != new.tls.is_some()),
        ("[store]", old.store != new.store),
        ("auth.algorithm", old.auth.algorithm != new.auth.algorithm),
        ("auth.access_secret or auth.refresh_secret", old.auth.secrets != new.auth.secrets),
        ("[passwords]", old.passwords != new.passwords),
        ("[log]", old.log != new.log),
    ];
    fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}
