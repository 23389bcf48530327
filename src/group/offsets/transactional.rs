//! TxnOffsetCommit, and the markers that end what it began (`OffsetMetadataManager.commitTransactionalOffset`).

use std::sync::Arc;

use super::commit::{committed, fits};
use crate::base::id::Producer;
use crate::group::request::{Ask, EndTransaction, Reply};
use crate::group::{Code, Group, Groups, Transactional};
use crate::machine::{Decision, Entry, Moment, Token};
use crate::wire::group_records::{OffsetCommitValue, Record};
use crate::wire::offset_commit::CommitTopic;
use crate::wire::txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

impl Groups {
    pub(in crate::group) fn txn_offset_commit(
        &mut self,
        at: Moment,
        token: Token,
        ask: Ask<TxnOffsetCommitRequest>,
    ) -> Transactional {
        let request = &ask.body;
        let is_valid =
            fits(&request.group_id, &request.topics).and_then(|()| self.validate_txn(request, ask.version));
        if let Err(code) = is_valid {
            let response = refused(request, code);
            return Decision::answer(token, Reply::TxnOffsetCommit(response), vec![]);
        }
        let producer = Producer { id: request.producer_id, epoch: request.producer_epoch };
        let group = self.name_of(&request.group_id);
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let name: Arc<str> = Arc::from(&*topic.name);
            let answer = committed(topic, |partition| {
                if self.is_too_large(partition.committed_metadata.as_ref()) {
                    return Code::OffsetMetadataTooLarge.code();
                }
                let value = OffsetCommitValue {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: Arc::from(partition.committed_metadata.as_deref().unwrap_or_default()),
                    commit_timestamp: at.now_ms,
                    expire_timestamp: -1,
                    topic_id: topic.topic_id,
                };
                let (group, topic, partition) = (group.clone(), name.clone(), partition.partition_index);
                let record = Record::OffsetCommit { group, topic, partition, value: Some(value) };
                records.push(Entry::Transactional { producer, record });
                0
            });
            topics.push(answer);
        }
        let response = TxnOffsetCommitResponse { topics };
        Decision::answer(token, Reply::TxnOffsetCommit(response), records)
    }

    /// The end of a transaction that may have written here.
    pub(in crate::group) fn end(
        &mut self,
        _: Moment,
        token: Token,
        EndTransaction(ended): EndTransaction,
    ) -> Transactional {
        Decision::answer(token, Reply::EndTransaction(()), vec![Entry::End(ended)])
    }

    /// `OffsetMetadataManager.validateTransactionalOffsetCommit`. Producers that say for which member they commit are
    /// fenced as members are (KIP-447).
    fn validate_txn(&self, request: &TxnOffsetCommitRequest, version: i16) -> Result<(), Code> {
        let (member, epoch) = (&*request.member_id, request.generation_id_or_member_epoch);
        let instance = request.group_instance_id.as_deref();
        match self.groups.get(&*request.group_id) {
            Some(Group::Classic(group)) => group.validate_offset_commit(member, instance, epoch, true),
            Some(Group::Consumer(group)) => {
                let validate = |topic: &CommitTopic| {
                    let id = self.image.topics.by_name(&topic.name).map(|topic| topic.id.0);
                    let mut partitions = topic.partitions.iter().map(|partition| partition.partition_index);
                    partitions.try_for_each(|index| group.validate_partition_commit(member, epoch, id, index))
                };
                let is_valid = group.validate_offset_commit(member, instance, epoch, true, version);
                // One partition that the member must not commit refuses all, as in Kafka.
                let is_valid = is_valid.and_then(|()| request.topics.iter().try_for_each(validate));
                is_valid.map_err(of_old)
            }
            None if self.is_other(&request.group_id) => Err(Code::GroupIdNotFound),
            None if epoch < 0 => Ok(()),
            None => Err(Code::IllegalGeneration),
        }
    }
}

/// Producers know nothing of members' epochs.
fn of_old(code: Code) -> Code {
    if code == Code::StaleMemberEpoch { Code::IllegalGeneration } else { code }
}

/// An answer with this code for each partition (`TxnOffsetCommitRequest.getErrorResponse`).
pub fn refused(request: &TxnOffsetCommitRequest, code: Code) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| committed(topic, |_| code.code()));
    TxnOffsetCommitResponse { topics: topics.collect() }
}
