//! Listeners: `NAME://host:port` lists and the security protocol of each name
//! (`SocketServerConfigs.listenerListToEndPoints`, `AbstractKafkaConfig.listenerListToEndPoints`).

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::fmt;

use super::quorum::is_valid_host;
use super::value::trim;

/// How bytes are protected on a listener (`SecurityProtocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityProtocol {
    /// Not at all.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL over plain TCP.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// All of them, in the order of their wire ids.
    pub const ALL: [Self; 4] = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// Number on the wire and in metadata records.
    pub fn wire_id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    /// The protocol of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// Whether connections authenticate with SASL.
    pub fn is_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One address to listen on or to advertise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name, in upper case.
    pub name: String,
    /// Its security protocol.
    pub protocol: SecurityProtocol,
    /// Name or address without brackets; `None` means every address of the machine.
    pub host: Option<String>,
    /// The port; 0 lets the operating system choose.
    pub port: u16,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{host}{close}:{}", self.name, self.port)
    }
}

/// The security protocol of each listener name; names are in upper case.
pub type Protocols = BTreeMap<String, SecurityProtocol>;

/// Reads `listener.security.protocol.map`.
pub(super) fn parse_protocols(text: &str) -> Result<Protocols, String> {
    const KEY: &str = "listener.security.protocol.map";
    let mut protocols = Protocols::new();
    for item in text.split(',').map(trim).filter(|_| !text.is_empty()) {
        let (name, protocol) = item
            .rsplit_once(':')
            .ok_or_else(|| format!("Error parsing configuration property '{KEY}': no ':' in '{item}'"))?;
        let protocol = SecurityProtocol::from_name(trim(protocol))
            .ok_or_else(|| format!("Invalid security protocol `{}` defined in {KEY}", trim(protocol)))?;
        protocols.insert(normalise(trim(name)), protocol);
    }
    Ok(protocols)
}

/// Kafka's `ListenerName.normalised`.
pub(super) fn normalise(name: &str) -> String {
    name.to_uppercase()
}

/// Reads a list of `NAME://host:port`. Listeners that are bound must also differ in their ports.
pub(super) fn parse_listeners(
    items: &[String],
    protocols: &Protocols,
    distinct_ports: bool,
) -> Result<Vec<Listener>, String> {
    let list = items.join(", ");
    let wrap = |reason| format!("Error creating broker listeners from '[{list}]': {reason}");
    let wrap_set = |reason| wrap(format!("{reason}, listeners: [{list}]"));
    let listeners: Vec<Listener> =
        items.iter().map(|item| parse_listener(item, protocols)).collect::<Result<_, _>>().map_err(wrap)?;
    check_names(&listeners).map_err(wrap_set)?;
    if distinct_ports {
        check_ports(&listeners).map_err(wrap_set)?;
    }
    Ok(listeners)
}

fn parse_listener(item: &str, protocols: &Protocols) -> Result<Listener, String> {
    let unparsable = || format!("Unable to parse {item} to a broker endpoint");
    let (name, address) = item.rsplit_once("://").ok_or_else(unparsable)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(unparsable)?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if !is_valid_host(host) {
        return Err(unparsable());
    }
    let name = normalise(name);
    let protocol =
        *protocols.get(&name).ok_or_else(|| format!("No security protocol defined for listener {name}"))?;
    let port = port.parse().map_err(|_| unparsable())?;
    Ok(Listener { name, protocol, host: Some(host.to_owned()).filter(|host| !host.is_empty()), port })
}

fn check_names(listeners: &[Listener]) -> Result<(), String> {
    let mut names: Vec<_> = listeners.iter().map(|listener| &listener.name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("Each listener must have a different name".into());
    }
    Ok(())
}

/// Two listeners share a port only as one IPv4 and one IPv6 address; any number may leave it to the system.
fn check_ports(listeners: &[Listener]) -> Result<(), String> {
    let mut by_port: BTreeMap<u16, Vec<Option<IpAddr>>> = BTreeMap::new();
    for listener in listeners.iter().filter(|listener| listener.port != 0) {
        let address = listener.host.as_deref().and_then(|host| host.parse().ok());
        by_port.entry(listener.port).or_default().push(address);
    }
    for (port, addresses) in by_port.into_iter().filter(|(_, addresses)| addresses.len() > 1) {
        match addresses.as_slice() {
            [Some(IpAddr::V4(_)), Some(IpAddr::V6(_))] | [Some(IpAddr::V6(_)), Some(IpAddr::V4(_))] => {}
            _ => {
                let exception = "exactly one listener has an IPv4 address and the other IPv6 address";
                return Err(format!(
                    "Each listener must have a different port unless {exception}, port: {port}"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Listener>, String> {
        let items: Vec<String> = text.split(',').map(str::to_owned).collect();
        let protocols = parse_protocols("PLAINTEXT:PLAINTEXT, in-side:ssl,V6:PLAINTEXT").unwrap();
        parse_listeners(&items, &protocols, true)
    }

    #[test]
    fn a_listener_has_a_normalised_name_and_maybe_a_host() {
        let listeners = parse("PLAINTEXT://:9092,In-Side://[::1]:9093,V6://a.b-c_d:0").unwrap();
        assert_eq!(listeners[0].host, None);
        assert_eq!((listeners[1].name.as_str(), listeners[1].protocol), ("IN-SIDE", SecurityProtocol::Ssl));
        assert_eq!(listeners[1].host.as_deref(), Some("::1"));
        assert_eq!(listeners[1].to_string(), "IN-SIDE://[::1]:9093");
        assert_eq!(listeners[2].to_string(), "V6://a.b-c_d:0");
    }

    #[test]
    fn broken_listeners_are_refused() {
        for (text, part) in [
            ("PLAINTEXT:9092", "Unable to parse PLAINTEXT:9092 to a broker endpoint"),
            ("PLAINTEXT://a b:9092", "Unable to parse"),
            ("PLAINTEXT://a:99999", "Unable to parse"),
            ("PLAINTEXT://a:-1", "Unable to parse"),
            ("PLAINTEXT://a:", "Unable to parse"),
            ("OTHER://a:1", "No security protocol defined for listener OTHER"),
            ("PLAINTEXT://a:1,plaintext://b:2", "Each listener must have a different name"),
            ("PLAINTEXT://a:1,V6://b:1", "Each listener must have a different port"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn one_ipv4_and_one_ipv6_listener_may_share_a_port() {
        assert!(parse("PLAINTEXT://127.0.0.1:1,V6://[::1]:1").is_ok());
        assert!(parse("PLAINTEXT://127.0.0.1:1,V6://127.0.0.2:1").is_err());
        assert!(parse("PLAINTEXT://127.0.0.1:1,V6://:1").is_err());
    }

    #[test]
    fn an_unknown_protocol_names_the_key() {
        assert_eq!(
            parse_protocols("A:TLS"),
            Err("Invalid security protocol `TLS` defined in listener.security.protocol.map".into())
        );
        assert!(parse_protocols("A").is_err());
        assert_eq!(parse_protocols(""), Ok(Protocols::new()));
    }
}
