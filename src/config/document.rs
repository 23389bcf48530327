//! `docs/configuration.md`, written from the tables.

use super::broker_keys;
use super::group_keys::{self, GroupKey};
use super::key::{Default, Effect, Key, Mode};
use super::reasons;
use super::topic_keys::{self, TopicKey};

const HEAD: &str = include_str!("document.md");

/// The whole document.
pub fn configuration() -> String {
    let public = |effect| broker_keys::PUBLIC.iter().filter(move |key| key.effect == effect);
    let mut out = HEAD.to_owned();
    heading(&mut out, "Keys of barnabas", "Apache Kafka does not have these.");
    broker_table(&mut out, broker_keys::OWN.iter());
    heading(
        &mut out,
        "Broker keys with an effect",
        "Kafka's keys, with Kafka's types, defaults and rules. \"Dynamic\" is where Kafka lets a key be changed \
         while brokers run: on one broker, or on all of them at once.",
    );
    broker_table(&mut out, public(Effect::Honoured));
    heading(
        &mut out,
        "Broker keys without an effect yet",
        "These are read, checked, and reported by DescribeConfigs, so that files, tools and dashboards work; \
         what they would change is not built, or needs no tuning here: the last column says which.",
    );
    broker_table(&mut out, public(Effect::Accepted));
    heading(
        &mut out,
        "Internal broker keys",
        "For Kafka's own tests. DescribeConfigs lists them only when they are set.",
    );
    broker_table(&mut out, broker_keys::INTERNAL.iter());
    heading(
        &mut out,
        "Topic keys",
        "A topic that does not set a key has the value of the first broker key in the last column that is set, \
         else the default.",
    );
    topic_table(&mut out);
    heading(
        &mut out,
        "Group keys",
        "For `kafka-configs --entity-type groups`. A group that does not set a key has the value of the broker key in \
         the last column, else the default; what it sets must lie within the broker's own bounds.",
    );
    group_table(&mut out);
    out
}

fn heading(out: &mut String, title: &str, text: &str) {
    out.push_str(&format!("\n## {title}\n\n{text}\n\n"));
}

fn broker_table<'a>(out: &mut String, keys: impl Iterator<Item = &'a Key>) {
    let keys: Vec<&Key> = keys.collect();
    let is_without = |key: &Key| key.effect == Effect::Accepted;
    let has_reasons = keys.iter().any(|key| is_without(key));
    let (head, line) = if has_reasons { (" Why not |", "---|") } else { ("", "") };
    out.push_str(&format!(
        "| Key | Type | Default | Valid | Dynamic | |{head}\n|---|---|---|---|---|---|{line}\n"
    ));
    for key in keys {
        let mode = match key.mode {
            Mode::ReadOnly | Mode::Topic | Mode::Group => "",
            Mode::PerBroker => "broker",
            Mode::ClusterWide => "cluster",
        };
        let why = reasons::of(key.name).filter(|_| is_without(key)).unwrap_or_default();
        let reason = if has_reasons { format!(" {why} |") } else { String::new() };
        out.push_str(&format!("{} | {mode} | {} |{reason}\n", common(key), key.documentation));
    }
}

fn topic_table(out: &mut String) {
    out.push_str(
        "| Key | Type | Default | Valid | Effect | | Broker keys |\n|---|---|---|---|---|---|---|\n",
    );
    for TopicKey { key, synonyms } in topic_keys::all() {
        let effect = match key.effect {
            Effect::Honoured => "yes",
            Effect::Accepted => "not yet",
        };
        let synonyms: Vec<String> = synonyms.iter().map(|synonym| format!("`{}`", synonym.key)).collect();
        let row = format!("{} | {effect} | {} | {} |\n", common(key), key.documentation, synonyms.join(", "));
        out.push_str(&row);
    }
}

fn group_table(out: &mut String) {
    out.push_str("| Key | Type | Default | Valid | Effect | | Broker key | Bounds |\n|---|---|---|---|---|---|---|---|\n");
    for GroupKey { key, synonym, min, max } in group_keys::ALL {
        let effect = match key.effect {
            Effect::Honoured => "yes",
            Effect::Accepted => "not yet",
        };
        let code = |name: &&str| format!("`{name}`");
        let synonym = synonym.as_ref().map(code).unwrap_or_default();
        let bounds: Vec<String> = min.iter().chain(max).map(code).collect();
        let row = format!(
            "{} | {effect} | {} | {synonym} | {} |\n",
            common(key),
            key.documentation,
            bounds.join(", ")
        );
        out.push_str(&row);
    }
}

/// The columns that every table has.
fn common(key: &Key) -> String {
    let default = match key.default {
        Default::Required => "(required)".to_owned(),
        Default::Null => "null".to_owned(),
        Default::Text("") => "(empty)".to_owned(),
        Default::Text(text) => format!("`{text}`"),
    };
    let kind = key.kind.to_string().to_lowercase();
    format!("| `{}` | {kind} | {default} | {}", key.name, key.valid)
}
