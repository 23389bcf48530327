//! What the configuration says of sockets: where to listen, and what connections are held to.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tracing::{error, warn};

use crate::config::broker::Config;
use crate::config::listener::Listener;
use crate::config::value::Value;
use crate::net::listener::{self, Bound, Limits, Pace, Settings, Window};

/// Request bytes that all connections together may hold, as a multiple of the largest frame, where
/// `queued.max.request.bytes` does not say.
const FRAMES_IN_MEMORY: usize = 2;

/// Binds what clients connect to.
pub(super) fn bind_listeners(config: &Config) -> Result<Vec<Bound>> {
    let bind = |at| bind(config, at).with_context(|| format!("cannot listen on {at}"));
    config.broker_listeners().map(bind).collect()
}

/// Goes over from the static listeners to those that are in effect. One that came dynamically and cannot be bound
/// is left out: the broker has to start for it to be corrected.
pub(super) fn follow_listeners(effective: &Config, bound: &mut Vec<Bound>) {
    // First: a listener that has another name now may have the same port.
    bound.retain(|bound| effective.broker_listeners().any(|at| *bound.name == *at.name));
    for at in effective.broker_listeners() {
        if bound.iter().any(|bound| *bound.name == *at.name) {
            continue;
        }
        match bind(effective, at) {
            Ok(new) => bound.push(new),
            Err(error) => error!(listener = %at, %error, "cannot listen"),
        }
    }
}

pub(super) fn bind(config: &Config, at: &Listener) -> io::Result<Bound> {
    listener::bind(&at.name, at.host.as_deref().unwrap_or_default(), at.port, config.sockets.listen_backlog)
}

/// Where a listener is bound, for the log.
pub(super) fn host_of(config: &Config, bound: &Bound) -> String {
    config.broker_listeners().find(|l| l.name == *bound.name).map_or("*", shown_host).to_owned()
}

pub(super) fn shown_host(listener: &Listener) -> &str {
    listener.host.as_deref().unwrap_or("*")
}

pub(super) fn settings(config: &Config) -> Settings {
    let sockets = &config.sockets;
    Settings {
        frame_bytes_max: sockets.request_bytes_max,
        idle: config.connections.idle_ms_max.map(Duration::from_millis),
        memory_bytes: sockets
            .queued_request_bytes_max
            .unwrap_or(FRAMES_IN_MEMORY * sockets.request_bytes_max)
            .max(sockets.request_bytes_max),
        backlog: sockets.listen_backlog,
        send_buffer: sockets.send_buffer_bytes,
        receive_buffer: sockets.receive_buffer_bytes,
        limits: limits(config),
    }
}

/// Looks host names up, which may take its time.
pub(super) fn limits(config: &Config) -> Limits {
    let connections = &config.connections;
    let mut overrides = HashMap::new();
    for (host, max) in &connections.per_ip_overrides {
        match std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), 0)) {
            Ok(found) => overrides.extend(found.map(|a| (a.ip(), *max))),
            Err(error) => warn!(%host, %error, "max.connections.per.ip.overrides: unknown host"),
        }
    }
    Limits {
        total: connections.max,
        listeners: of_listeners(config, "max.connections").collect(),
        per_ip: connections.per_ip_max,
        overrides,
        pace: connection_pace(config),
    }
}

/// What `listener.name.<listener>.<key>` says, of the listeners that have it.
fn of_listeners<'a>(config: &'a Config, key: &'a str) -> impl Iterator<Item = (Arc<str>, usize)> + 'a {
    config.broker_listeners().filter_map(move |listener| {
        let name = listener.name.as_str();
        match config.listener_overrides.get(name, key) {
            Some(Value::Int(number)) => Some((name.into(), usize::try_from(*number).ok()?)),
            Some(_) | None => None,
        }
    })
}

/// `max.connection.creation.rate`, of the broker and of its listeners.
fn connection_pace(config: &Config) -> Pace {
    const KEY: &str = "max.connection.creation.rate";
    /// Kafka's default means that there is no limit.
    const NO_LIMIT: u32 = i32::MAX as u32;
    let limit = |rate: usize| u32::try_from(rate).ok().filter(|rate| *rate != NO_LIMIT);
    let listeners = of_listeners(config, KEY).filter_map(|(name, rate)| Some((name, limit(rate)?)));
    let inter_broker = config.inter_broker_listener_name.as_str();
    Pace {
        broker: limit(config.connections.creation_rate_max),
        listeners: listeners.collect(),
        exempt: (config.broker_listeners().count() > 1).then(|| inter_broker.into()),
        window: Window {
            sample: Duration::from_secs(
                config.values.size("quota.window.size.seconds").try_into().unwrap_or(1),
            ),
            samples: config.values.size("quota.window.num"),
        },
    }
}
