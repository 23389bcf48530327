//! What concerns groups of both protocols: becoming active, a new image, listing, describing, deleting.

use super::request::{Activate, Ask, DeleteGroups, DescribeGroups, NewImage, Reply};
use super::{Groups, Outcome};
use crate::machine::{Decision, Moment, Token};
use kafka_protocol::messages::list_groups_request::ListGroupsRequest;

impl Groups {
    pub(super) fn activate(&mut self, at: Moment, token: Token, _: Activate) -> Outcome {
        let mut out = self.activate_classic(at);
        self.activate_consumer(at.now_ms);
        self.arm_offsets_expiry(at.now_ms);
        out.replies.push((token, Reply::Activate(())));
        out
    }

    pub(super) fn new_image(&mut self, _: Moment, token: Token, change: NewImage) -> Outcome {
        self.image = change.image;
        self.consumer_image_changed();
        let records = self.delete_topic_offsets(&change.deleted_topics);
        Decision::answer(token, Reply::NewImage(()), records)
    }

    pub(super) fn describe_groups(&mut self, _: Moment, token: Token, _: Ask<DescribeGroups>) -> Outcome {
        Decision::answer(token, Reply::DescribeGroups(vec![]), vec![])
    }

    pub(super) fn list_groups(&mut self, _: Moment, token: Token, _: Ask<ListGroupsRequest>) -> Outcome {
        Decision::answer(token, Reply::ListGroups(vec![]), vec![])
    }

    pub(super) fn delete_groups(&mut self, _: Moment, token: Token, _: Ask<DeleteGroups>) -> Outcome {
        Decision::answer(token, Reply::DeleteGroups(vec![]), vec![])
    }
}
