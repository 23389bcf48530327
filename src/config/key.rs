//! What one line of a key table says.

use super::valid::Valid;
use super::value::{Invalid, Type, Value};

/// How much a key matters to those who set up a cluster (`ConfigDef.Importance`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Look at it.
    High,
    /// Look at it when something is slow.
    Medium,
    /// Leave it.
    Low,
}

/// Where a key can be changed while the broker runs (`DynamicBrokerConfig`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nowhere.
    ReadOnly,
    /// On one broker.
    PerBroker,
    /// On one broker, or on all of them at once.
    ClusterWide,
    /// On a topic.
    Topic,
    /// On a group, or on a client metrics subscription.
    Group,
}

/// Whether barnabas does what the key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Honoured,
    /// The key is read, checked and reported, and nothing else.
    Accepted,
}

/// The value of a key that nobody set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// There is none; the key must be set.
    Required,
    /// Null.
    Null,
    /// This text.
    Text(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key's name.
    pub name: &'static str,
    /// Type of its value.
    pub kind: Type,
    /// Its value when it is not set.
    pub default: Default,
    /// The rule that its value must keep.
    pub valid: Valid,
    /// How much it matters.
    pub importance: Importance,
    /// Where it can be changed.
    pub mode: Mode,
    /// Whether it does anything.
    pub effect: Effect,
    /// What it is for, in one sentence.
    pub documentation: &'static str,
}

impl Key {
    /// Reads and checks a value for this key.
    pub fn parse(&self, raw: &str) -> Result<Value, Invalid> {
        let mut value = Value::parse(self.name, raw, self.kind)?;
        if let Value::List(items) = &mut value
            && self.valid.drops_duplicates()
        {
            drop_duplicates(items);
        }
        self.valid.check(self.name, &value)?;
        Ok(value)
    }

    /// The default, or `None` if it is null or there is none.
    pub fn default_value(&self) -> Option<Value> {
        match self.default {
            Default::Required | Default::Null => None,
            Default::Text(text) => {
                Some(self.parse(text).expect("a test parses the default of every key in the tables"))
            }
        }
    }

    /// Whether the value must not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Type::Password
    }
}

fn drop_duplicates(items: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
}
