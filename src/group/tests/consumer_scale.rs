//! How much work a large group is, counted in records: no wall time.

use super::*;

const MEMBERS: usize = 1_000;

/// A thousand members join within one assignment interval, then heartbeat until all is quiet.
#[test]
fn a_thousand_members_settle_with_a_few_records_each_and_then_write_nothing() {
    let mut run = Run::new();
    run.play("topic t 1000");
    run.play("topic u 500");
    run.play("at 10000");
    let mut epochs = vec![0; MEMBERS];
    for (member, epoch) in epochs.iter_mut().enumerate() {
        *epoch = beat(&mut run, member, "consume g topics=t,u");
    }
    for second in 1..=6 {
        run.at(10_000 + 5_000 * second);
        for (member, epoch) in epochs.iter_mut().enumerate() {
            *epoch = beat(&mut run, member, &format!("beat g {epoch} owned=-"));
        }
    }
    let Some(Group::Consumer(group)) = run.driver.machine().groups.get("g") else { panic!("no group") };
    assert_eq!(group.state().name(), "Stable");
    let written = run.driver.sink_mut().next_offset();
    // Each subscribes, moves the epoch, and gets a target and an assignment or two.
    assert!(written < 8 * i64::try_from(MEMBERS).unwrap(), "{written} records");
    for (member, epoch) in epochs.iter().enumerate() {
        assert_eq!(beat(&mut run, member, &format!("beat g {epoch}")), *epoch);
    }
    assert_eq!(run.driver.sink_mut().next_offset(), written);
}

/// Asks as a member; its epoch.
fn beat(run: &mut Run, member: usize, what: &str) -> i32 {
    let client = format!("m{member}");
    run.ask(&client, &Words::of(&format!("{client} {what}")));
    run.commit();
    let (_, reply) = run.driver.release().expect("a heartbeat is answered at once");
    let Reply::ConsumerGroupHeartbeat(answer) = reply else { panic!("{reply:?}") };
    assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    answer.member_epoch
}
