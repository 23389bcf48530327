//! Log levels of the running broker, the resource type BROKER_LOGGER (`RuntimeLoggerManager`).
//!
//! There is one logger, `root`; its level is fixed for the life of the process. Gap: SET is checked and refused.

use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;

use super::alter_resources::{Refusal, check_node, invalid};
use super::context::Context;
use super::error::Code;

/// The one logger.
pub(super) const ROOT: &str = "root";
/// Levels by Kafka's names, in the order in which it lists them.
const LEVELS: [&str; 6] = ["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

/// The level of the root logger.
pub(super) fn root_level() -> &'static str {
    use tracing::level_filters::LevelFilter;
    match LevelFilter::current() {
        LevelFilter::TRACE => "TRACE",
        LevelFilter::DEBUG => "DEBUG",
        LevelFilter::WARN => "WARN",
        LevelFilter::ERROR => "ERROR",
        LevelFilter::OFF => "FATAL",
        _ => "INFO",
    }
}

/// Refuses what Kafka refuses, and everything that would change the level.
pub(super) fn alter(context: &Context, asked: &AlterConfigsResource) -> Result<(), Refusal> {
    check_node(context, &asked.resource_name, "Unexpected node id. Expected")?;
    for config in &asked.configs {
        let name = config.name.as_str();
        let refuse = |message: String| Err((Code::InvalidConfig, message.into()));
        match config.config_operation {
            0 | 1 if name != ROOT => return refuse(format!("Logger {name} does not exist!")),
            0 => {
                let level = config.value.as_deref().unwrap_or_default();
                if !LEVELS.contains(&level) {
                    return refuse(format!(
                        "Cannot set the log level of {name} to {level} as it is not a supported log level. Valid log \
                         levels are {}",
                        LEVELS.join(", ")
                    ));
                }
                if level != root_level() {
                    return refuse(format!(
                        "The log level of {name} cannot be changed while the broker runs"
                    ));
                }
            }
            1 => return Err(invalid(format!("Removing the log level of the {ROOT} logger is not allowed"))),
            2 => return Err(invalid("APPEND operation is not allowed for the BROKER_LOGGER resource")),
            3 => return Err(invalid("SUBTRACT operation is not allowed for the BROKER_LOGGER resource")),
            other => {
                let message =
                    format!("Unknown operation type {other} is not allowed for the BROKER_LOGGER resource");
                return Err(invalid(message));
            }
        }
    }
    Ok(())
}
