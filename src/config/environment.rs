//! Environment variables as configuration, the way Apache Kafka's image maps them
//! (`KafkaDockerWrapper.getServerConfigsFromEnv`).

/// Variables of the image that are not configuration.
const NOT_CONFIGURATION: [&str; 11] = [
    "KAFKA_VERSION",
    "KAFKA_HEAP_OPTS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JMX_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_JMX_HOSTNAME",
];

/// The key that a variable sets: `_` stands for a dot, `__` for an underscore, `___` for a dash.
pub fn key_of(variable: &str) -> Option<String> {
    if NOT_CONFIGURATION.contains(&variable) {
        return None;
    }
    let name = variable.strip_prefix("KAFKA_").filter(|name| !name.is_empty())?;
    Some(name.to_lowercase().replace('_', ".").replace("...", "-").replace("..", "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_map_as_in_kafkas_image() {
        for (variable, key) in [
            ("KAFKA_NODE_ID", Some("node.id")),
            (
                "KAFKA_LISTENER_NAME_SECURE_SCRAM-SHA-256_SASL_JAAS_CONFIG",
                Some("listener.name.secure.scram-sha-256.sasl.jaas.config"),
            ),
            ("KAFKA_A__B", Some("a_b")),
            ("KAFKA_A___B", Some("a-b")),
            ("KAFKA_A____B", Some("a-.b")),
            ("KAFKA_KAFKA_METRICS_REPORTERS", Some("kafka.metrics.reporters")),
            ("KAFKA_OPTS", None),
            ("KAFKA_", None),
            ("NODE_ID", None),
            ("kafka_node_id", None),
        ] {
            assert_eq!(key_of(variable).as_deref(), key, "{variable}");
        }
    }
}
