//! The parsed value of every key in a table, with typed access.

use std::collections::BTreeMap;

use super::value::Value;

/// A value for each key of a table; null is `None`.
///
/// The typed getters panic if the table has no such key or gives it another type: that is a mistake in
/// barnabas, not in what a user wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(BTreeMap<&'static str, Option<Value>>);

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $variant:ident => $type:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, key: &str) -> Option<$type> {
            match self.get(key) {
                None => None,
                Some(Value::$variant(value)) => Some(value.clone()),
                Some(other) => panic!("{key} is asked for as {} and holds {other:?}", stringify!($name)),
            }
        }
    )*};
}

impl Values {
    /// Sets a key's value.
    pub(super) fn insert(&mut self, key: &'static str, value: Option<Value>) {
        self.0.insert(key, value);
    }

    /// The value of a key of the table; `None` is null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).unwrap_or_else(|| panic!("{key} is in no table")).as_ref()
    }

    getters! {
        /// A boolean, or null.
        maybe_boolean: Boolean => bool;
        /// An int, or null.
        maybe_int: Int => i32;
        /// A short, or null.
        maybe_short: Short => i16;
        /// A long, or null.
        maybe_long: Long => i64;
        /// A double, or null.
        maybe_double: Double => f64;
        /// A string or class name, or null.
        maybe_text: String => String;
        /// A list, or null.
        maybe_list: List => Vec<String>;
    }

    /// A boolean that is never null.
    pub fn boolean(&self, key: &str) -> bool {
        self.maybe_boolean(key).expect("this key has a default")
    }

    /// An int that is never null.
    pub fn int(&self, key: &str) -> i32 {
        self.maybe_int(key).expect("this key has a default")
    }

    /// A short that is never null.
    pub fn short(&self, key: &str) -> i16 {
        self.maybe_short(key).expect("this key has a default")
    }

    /// A long that is never null.
    pub fn long(&self, key: &str) -> i64 {
        self.maybe_long(key).expect("this key has a default")
    }

    /// A double that is never null.
    pub fn double(&self, key: &str) -> f64 {
        self.maybe_double(key).expect("this key has a default")
    }

    /// A string or class name; empty if null.
    pub fn text(&self, key: &str) -> String {
        self.maybe_text(key).unwrap_or_default()
    }

    /// A list; empty if null.
    pub fn list(&self, key: &str) -> Vec<String> {
        self.maybe_list(key).unwrap_or_default()
    }

    /// An int that counts or measures something; 0 if it is negative.
    pub fn size(&self, key: &str) -> usize {
        usize::try_from(self.int(key)).unwrap_or(0)
    }

    /// An int of which negative values mean "not set".
    pub fn maybe_size(&self, key: &str) -> Option<usize> {
        usize::try_from(self.int(key)).ok()
    }
}
