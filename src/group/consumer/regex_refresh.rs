//! When expressions are resolved anew.
//!
//! Kafka resolves them in the background and rebalances at a later heartbeat; here a heartbeat that finds it due
//! resolves all of the group's at once, so that its own answer may already rest on the topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Draft;
use super::member::Member;
use super::regex::{self, Resolved};
use super::{Refused, records, subscription};
use crate::meta::Image;

/// Least time between two resolutions of one group, in ms.
const REFRESH_INTERVAL_MS_MIN: i64 = 10_000;

/// Since when there are topics that earlier resolutions do not know.
#[derive(Debug, Default)]
pub(super) struct NewTopics {
    /// The image that was looked at last.
    seen: Option<Arc<Image>>,
    /// Offset of the first image with the newest topic.
    since: i64,
}

impl NewTopics {
    /// Offset of the image that brought the newest topic of `image`.
    pub(super) fn since(&mut self, image: &Arc<Image>) -> i64 {
        let is_new = match &self.seen {
            Some(seen) if Arc::ptr_eq(seen, image) => return self.since,
            Some(seen) => image.topics.iter().any(|topic| seen.topics.by_id(topic.id).is_none()),
            None => true,
        };
        if is_new {
            self.since = image.provenance.offset;
        }
        self.seen = Some(image.clone());
        self.since
    }
}

/// What became of a group's expressions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RegexChange {
    /// The member subscribes to another expression, or to none any more.
    pub(super) is_updated: bool,
    /// What expressions stand for has changed: the group is to be rebalanced.
    pub(super) is_resolved: bool,
}

impl Draft<'_> {
    /// Notes that `before` is now `after`, and resolves the group's expressions if that is due.
    pub(super) fn update_regexes(&mut self, before: &Member, after: &Member) -> Result<RegexChange, Refused> {
        let (old, new) = (before.regex(), after.regex());
        let mut change = RegexChange { is_updated: before.regex != after.regex, is_resolved: false };
        if !change.is_updated && self.group.regexes.is_empty() {
            return Ok(change);
        }
        let mut is_new = false;
        if change.is_updated {
            if let Some(old) = old.filter(|old| self.group.regex_subscribers(old) == 1) {
                self.records.push(records::regex_tombstone(self.id, old));
            }
            match new {
                Some(new) if self.group.regex_subscribers(new) == 0 => {
                    regex::validate(new)?;
                    is_new = true;
                }
                Some(new) => change.is_resolved = self.group.resolved.contains_key(new),
                None => change.is_resolved = old.is_some(),
            }
        }
        let mut subscribed = self.group.regexes.clone();
        if let Some(old) = old {
            subscription::remove(&mut subscribed, old);
        }
        if let Some(new) = new {
            subscription::add(&mut subscribed, new);
        }
        if (is_new || !self.group.regexes.is_empty()) && self.is_refresh_due(is_new, subscribed.len()) {
            change.is_resolved |= self.resolve(subscribed.into_keys());
        }
        Ok(change)
    }

    fn is_refresh_due(&mut self, is_new: bool, subscribed: usize) -> bool {
        if subscribed == 0 {
            return false;
        }
        let Some(last) = self.group.resolved.values().next() else { return true };
        let age_ms = self.now_ms.saturating_sub(last.timestamp_ms);
        age_ms > REFRESH_INTERVAL_MS_MIN
            && (is_new
                || subscribed != self.group.resolved.len()
                || last.version < self.shared.new_topics.since(self.image)
                || age_ms > self.settings.regex_refresh_ms)
    }

    /// Whether any of `regexes` stands for other topics than before.
    fn resolve(&mut self, regexes: impl Iterator<Item = Arc<str>>) -> bool {
        let mut is_changed = false;
        let mut all = BTreeMap::new();
        for regex in regexes {
            let resolved = Resolved::of(&regex, self.image, self.now_ms);
            let before = self.group.resolved.get(&regex);
            is_changed |= match before {
                Some(before) => before.topics != resolved.topics,
                None => !resolved.topics.is_empty(),
            };
            self.records.push(records::regex(self.id, &regex, &resolved));
            all.insert(regex, resolved);
        }
        self.resolved = Some(all);
        is_changed
    }
}
