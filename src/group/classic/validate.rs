//! What a classic group says to committed offsets and to its own deletion.

use super::{CONSUMER, Code, Group, State};

impl Group {
    fn uses_consumer_protocol(&self) -> bool {
        self.roster().protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether an offset may be committed (`ClassicGroup.validateOffsetCommit`).
    pub(in crate::group) fn validate_offset_commit(
        &self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        is_transactional: bool,
    ) -> Result<(), Code> {
        let state = self.state();
        if generation < 0 && state == State::Empty {
            // An administrator, or a consumer that assigns partitions to itself.
            return Ok(());
        }
        if generation >= 0 || !member.is_empty() || instance.is_some() {
            self.roster().validate(member, instance)?;
            if generation != self.roster().generation {
                return Err(Code::IllegalGeneration);
            }
        } else if !is_transactional {
            // Producers did not always say for which member they commit; others must.
            return Err(Code::UnknownMemberId);
        }
        if !is_transactional && state == State::CompletingRebalance {
            return Err(Code::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether committed offsets may be read (`ClassicGroup.validateOffsetFetch`): by whoever asks.
    pub(in crate::group) fn validate_offset_fetch(
        &self,
        _member: Option<&str>,
        _epoch: i32,
    ) -> Result<(), Code> {
        Ok(())
    }

    /// Whether offsets may be deleted (`ClassicGroup.validateOffsetDelete`): of topics that nobody subscribes to, which
    /// only consumers tell.
    pub(in crate::group) fn validate_offset_delete(&self) -> Result<(), Code> {
        if self.is_empty() || self.uses_consumer_protocol() { Ok(()) } else { Err(Code::NonEmptyGroup) }
    }

    /// Whether the group may be deleted (`ClassicGroup.validateDeleteGroup`).
    pub(in crate::group) fn validate_delete(&self) -> Result<(), Code> {
        if self.is_empty() { Ok(()) } else { Err(Code::NonEmptyGroup) }
    }

    /// Whether members subscribe to `topic`; its offsets are then neither deleted nor expired. Consumers that do not
    /// say what they subscribe to are taken to subscribe to everything (`ClassicGroup.isSubscribedToTopic`).
    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.topics.as_ref().map_or(self.uses_consumer_protocol(), |topics| topics.contains(topic))
    }

    /// From when on the retention time of an offset that was committed at `commit_ms` counts; none while it must
    /// not expire (`ClassicGroup.offsetExpirationCondition`).
    pub(in crate::group) fn expiry_base_ms(&self, commit_ms: i64, is_subscribed: bool) -> Option<i64> {
        let roster = self.roster();
        if roster.protocol_type.is_none() {
            return Some(commit_ms);
        }
        match self.state() {
            State::Empty => Some(roster.since_ms.unwrap_or(commit_ms)),
            State::Stable if self.uses_consumer_protocol() && self.topics.is_some() && !is_subscribed => {
                Some(commit_ms)
            }
            State::Stable | State::PreparingRebalance | State::CompletingRebalance => None,
        }
    }
}
