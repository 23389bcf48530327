//! The stories.

use super::*;
use crate::machine::story::stories;

fn player() -> impl FnMut(&str) -> String {
    let mut run = Run::new();
    move |line| run.play(line)
}

stories! {
    player();
    a_transaction_from_its_first_record_to_its_last: "happy.txt",
    the_older_protocol_keeps_the_epoch: "older.txt",
    the_next_transaction_waits_for_the_markers_of_the_one_before: "waiting.txt",
    a_producer_is_initialised_again: "init.txt",
    an_open_transaction_is_aborted_before_a_producer_takes_over: "takeover.txt",
    a_request_to_end_that_comes_again_is_answered_from_the_state: "again.txt",
    a_delayed_request_to_end_does_not_end_the_next_transaction: "delayed.txt",
    used_up_epochs_lead_to_another_producer_id: "exhausted.txt",
    a_transaction_that_takes_too_long_is_aborted: "timeout.txt",
    a_transactional_id_that_nobody_uses_is_forgotten: "expiry.txt",
    markers_are_offered_until_they_are_written: "markers.txt",
    what_is_decided_stands_after_every_load: "reload.txt",
    an_answer_waits_for_its_record: "uncommitted.txt",
    refused: "refused.txt",
    partitions_are_verified: "verify.txt",
    transactions_are_described_and_listed: "lists.txt",
    records_follow_the_finalized_transaction_version: "versions.txt",
}

#[test]
fn a_start_in_the_future_gives_a_transaction_no_more_than_its_time_out_after_a_load() {
    let mut run = Run::new();
    run.play("a init x fresh=1");
    run.play("a add x 1:0 t-0");
    run.by_hand("x", |value| value.start_ms = 1_000_000_000);
    assert_eq!(run.driver.deadline(), Some(60_001));
    run.at(60_001);
    assert_eq!(run.driver.machine().transactions["x"].state(), crate::wire::txn_records::State::PrepareAbort);
}
