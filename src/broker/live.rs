//! The broker follows its dynamic configuration while it runs (`DynamicBrokerConfig`).
//!
//! Topics and requests resolve what concerns them from the metadata image. Everybody else is told here: of the whole
//! configuration that is in effect, whenever a broker key changes.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::sockets;
use crate::config::broker::Config;
use crate::config::live::{self, LeftOut};
use crate::meta::{Changes, Image, ResourceKind};
use crate::net::listener::Server;

/// What is in effect, for those who have to be told.
pub(super) type Effective = watch::Receiver<Arc<Config>>;

/// Keeps the configuration that is in effect.
pub(super) struct Live {
    config: Arc<Config>,
    effective: watch::Sender<Arc<Config>>,
}

impl Live {
    /// What `config` and `image` say together.
    pub(super) fn new(config: &Arc<Config>, image: &Image) -> Self {
        let effective = resolve(config, image).unwrap_or_else(|| config.clone());
        Self { config: config.clone(), effective: watch::Sender::new(effective) }
    }

    /// Now.
    pub(super) fn current(&self) -> Arc<Config> {
        self.effective.borrow().clone()
    }

    /// Now, and from now on.
    pub(super) fn follow(&self) -> Effective {
        self.effective.subscribe()
    }

    /// A change of the metadata.
    pub(super) fn note(&self, image: &Image, changes: &Changes) {
        let node = self.config.node_id.to_string();
        let is_mine = |name: &str| name.is_empty() || *name == *node;
        if changes.configs.iter().any(|r| r.kind == ResourceKind::Broker && is_mine(&r.name))
            && let Some(effective) = resolve(&self.config, image)
        {
            self.effective.send_replace(effective);
        }
    }
}

/// None if not even the static keys go together; then everything stays as it is.
fn resolve(config: &Arc<Config>, image: &Image) -> Option<Arc<Config>> {
    match image.configs.with_layers(config, config.node_id, live::effective) {
        Ok((effective, left_out)) => {
            for LeftOut { name, is_default, why } in left_out {
                error!(key = %name, is_default, %why, "dynamic broker configuration is not applied");
            }
            Some(Arc::new(effective))
        }
        Err(why) => {
            error!(%why, "dynamic broker configuration is not applied");
            None
        }
    }
}

/// Changes limits and listeners as the configuration does.
pub(super) fn reconfigure(server: Arc<Server>, mut effective: Effective, stop: &CancellationToken) {
    let stop = stop.clone();
    tokio::spawn(async move {
        while let Some(Ok(())) = stop.run_until_cancelled(effective.changed()).await {
            let config = effective.borrow_and_update().clone();
            // First: a listener that has another name now may have the same port.
            close_listeners(&server, &config).await;
            let (server, from) = (server.clone(), tokio::runtime::Handle::current());
            // Host names are looked up.
            let done = tokio::task::spawn_blocking(move || {
                let _runtime = from.enter();
                server.set_limits(sockets::limits(&config));
                open_listeners(&server, &config);
            });
            if let Err(error) = done.await {
                warn!(%error, "connection limits are not changed");
            }
        }
    });
}

async fn close_listeners(server: &Server, config: &Config) {
    for gone in server.serving() {
        if !config.broker_listeners().any(|l| *l.name == *gone) {
            info!(listener = %gone, "no longer listening");
            server.stop_serving(&gone).await;
        }
    }
}

/// A listener of the same name stays as it is, with its address, as in Kafka.
fn open_listeners(server: &Server, config: &Config) {
    let served = server.serving();
    for new in config.broker_listeners().filter(|l| !served.iter().any(|name| **name == *l.name)) {
        match sockets::bind(config, new) {
            Ok(bound) => {
                info!(listener = %new.name, host = sockets::shown_host(new), port = bound.port().ok(), "listening");
                server.serve(bound);
            }
            Err(error) => error!(listener = %new, %error, "cannot listen"),
        }
    }
}
