//! Where the controllers are: `controller.quorum.voters` and `controller.quorum.bootstrap.servers`
//! (`QuorumConfig`).

use std::collections::BTreeMap;

use super::value::Invalid;
use crate::base::id::NodeId;

const VOTER_FORM: &str = "Each entry should be in the form `{id}@{host}:{port}`.";
const VOTERS: &str = "controller.quorum.voters";
const BOOTSTRAP_SERVERS: &str = "controller.quorum.bootstrap.servers";

/// A host and a port, neither resolved nor bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, without brackets; may be empty.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The voters by id; a later entry of the same id replaces an earlier one.
pub fn parse_voters(items: &[String]) -> Result<BTreeMap<NodeId, HostPort>, Invalid> {
    items.iter().map(|item| parse_voter(item)).collect()
}

fn parse_voter(item: &str) -> Result<(NodeId, HostPort), Invalid> {
    let parts: Vec<&str> = item.split('@').collect();
    let &[id, address] = parts.as_slice() else {
        return Err(Invalid::Other(format!("Invalid configuration value for {VOTERS}. {VOTER_FORM}")));
    };
    let id = id
        .parse()
        .map_err(|_| Invalid::Other(format!("Failed to parse voter ID as an integer from {id}")))?;
    let address = parse_host_port(address).map_err(|part| {
        Invalid::Other(format!(
            "Failed to parse host {part} from entry {item} for the configuration {VOTERS}. {VOTER_FORM}"
        ))
    })?;
    Ok((NodeId(id), address))
}

/// The addresses in their order.
pub fn parse_bootstrap_servers(items: &[String]) -> Result<Vec<HostPort>, Invalid> {
    let parse = |item: &String| {
        parse_host_port(item).map_err(|part| {
            Invalid::Other(format!(
                "Failed to parse host {part} from {item} for the configuration {BOOTSTRAP_SERVERS}. \
                 Each entry should be in the form \"{{host}}:{{port}}\""
            ))
        })
    };
    items.iter().map(parse).collect()
}

/// Kafka's `Utils.getHost` and `getPort`: an optional `scheme://`, then `host:port` or `[host]:port`. The
/// error is the part that is wrong, `name` or `port`.
pub(super) fn parse_host_port(text: &str) -> Result<HostPort, &'static str> {
    let address = match text.split_once("://") {
        Some((scheme, rest)) if scheme.chars().all(|c| is_host_character(c) && c != ':') => rest,
        _ => text,
    };
    let (host, port) = address.rsplit_once(':').ok_or("name")?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if !is_valid_host(host) || port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err("name");
    }
    Ok(HostPort { host: host.to_owned(), port: port.parse().map_err(|_| "port")? })
}

/// Whether `host` has only characters that names and addresses have (`Utils.validHostPattern`).
pub(super) fn is_valid_host(host: &str) -> bool {
    host.chars().all(is_host_character)
}

fn is_host_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voters(text: &str) -> Result<BTreeMap<NodeId, HostPort>, String> {
        parse_voters(&[text.to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn voters_read_as_in_kafka() {
        let host_port = |host: &str, port| HostPort { host: host.into(), port };
        assert_eq!(voters("1@localhost:9093").unwrap()[&NodeId(1)], host_port("localhost", 9093));
        assert_eq!(voters("1@[::1]:99").unwrap()[&NodeId(1)], host_port("::1", 99));
        assert_eq!(voters("1@:99").unwrap()[&NodeId(1)], host_port("", 99));
    }

    #[test]
    fn a_broken_voter_says_which_part() {
        let form = "Each entry should be in the form `{id}@{host}:{port}`.";
        assert_eq!(
            voters("1localhost:9093"),
            Err(format!("Invalid configuration value for controller.quorum.voters. {form}"))
        );
        assert_eq!(
            voters("1@localhost"),
            Err(format!(
                "Failed to parse host name from entry 1@localhost for the configuration \
                 controller.quorum.voters. {form}"
            ))
        );
        assert!(voters("1@a:70000").unwrap_err().starts_with("Failed to parse host port"));
        assert!(voters("1@a b:1").is_err());
    }

    #[test]
    fn a_bootstrap_server_may_have_a_scheme() {
        let parsed = parse_bootstrap_servers(&["PLAINTEXT://kafka-0:9093".to_owned()]).unwrap();
        assert_eq!(parsed, [HostPort { host: "kafka-0".into(), port: 9093 }]);
    }
}
