//! The log on stdout, in the line format of Apache Kafka's image: `[time] LEVEL message fields (target)`.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::api::broker_loggers::{Level, Levels, Loggers};

struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        out.write_char('[')?;
        SystemTime.format_time(&mut out)?;
        write!(out, "] {} ", event.metadata().level())?;
        context.format_fields(out.by_ref(), event)?;
        writeln!(out, " ({})", event.metadata().target())
    }
}

/// Starts logging at INFO, or as `RUST_LOG` says: levels by the beginning of a module's name.
pub fn start() -> Loggers {
    let given = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let targets = given.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let levels = Levels {
        root: targets.default_level().map_or(Level::Fatal, level),
        own: targets.iter().map(|(target, filter)| (target.replace("::", "."), level(filter))).collect(),
    };
    let (filter, handle) = reload::Layer::new(targets);
    tracing_subscriber::registry()
        .with(filter)
        .with(tracing_subscriber::fmt::layer().with_ansi(false).event_format(Lines))
        .init();
    Loggers::new(
        levels,
        Box::new(move |levels| {
            let own = levels.own.iter().map(|(name, level)| (name.replace('.', "::"), filter_of(*level)));
            let targets = Targets::new().with_default(filter_of(levels.root)).with_targets(own);
            handle.reload(targets).expect("the log lives as long as the process");
        }),
    )
}

fn level(filter: LevelFilter) -> Level {
    match filter {
        LevelFilter::TRACE => Level::Trace,
        LevelFilter::DEBUG => Level::Debug,
        LevelFilter::INFO => Level::Info,
        LevelFilter::WARN => Level::Warn,
        LevelFilter::ERROR => Level::Error,
        LevelFilter::OFF => Level::Fatal,
    }
}

fn filter_of(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::Fatal => LevelFilter::OFF,
    }
}
