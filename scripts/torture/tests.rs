//! Each anomaly is seeded into a history that is sound without it, and found; histories that only look odd are not
//! accused.

use crate::anomaly::Kind;
use crate::event;
use crate::history::History;

/// The kinds that are found, each once.
fn found(lines: &[String]) -> Vec<Kind> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut history = History::default();
    event::parse(&text).for_each(|event| history.add(event.unwrap()));
    let mut kinds: Vec<Kind> = crate::check(&history).into_iter().map(|anomaly| anomaly.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn line(process: &str, at: i64, rest: String) -> String {
    format!(r#"{{"p":"{process}","at":{at},{rest}}}"#)
}

fn in_txn(txn: &str) -> String {
    if txn.is_empty() { String::new() } else { format!(r#","txn":"{txn}""#) }
}

/// A value that is sent to partition `a/0` and acknowledged at an offset; no transaction if its name is empty.
fn send(process: &str, at: i64, txn: &str, value: &str, offset: i64) -> [String; 2] {
    [
        line(process, at, format!(r#""do":"send","tp":"a/0","value":"{value}"{}"#, in_txn(txn))),
        line(process, at + 1, format!(r#""do":"ack","value":"{value}","offset":{offset}"#)),
    ]
}

fn transform(process: &str, at: i64, txn: &str, value: &str, from: &str, offset: i64) -> [String; 2] {
    let sent =
        format!(r#""do":"send","tp":"b/0","value":"{value}","from":"{from}","group":"g"{}"#, in_txn(txn));
    [
        line(process, at, sent),
        line(process, at + 1, format!(r#""do":"ack","value":"{value}","offset":{offset}"#)),
    ]
}

fn on_txn(process: &str, at: i64, what: &str, txn: &str) -> String {
    line(process, at, format!(r#""do":"{what}"{}"#, in_txn(txn)))
}

fn commit(process: &str, at: i64, txn: &str) -> [String; 2] {
    [on_txn(process, at, "commit", txn), on_txn(process, at + 1, "committed", txn)]
}

fn offsets(process: &str, at: i64, txn: &str, next: i64) -> String {
    line(process, at, format!(r#""do":"offsets","txn":"{txn}","group":"g","offsets":{{"a/0":{next}}}"#))
}

fn position(at: i64, next: i64, last: bool) -> String {
    let rest =
        format!(r#""do":"position","since":{at},"group":"g","offsets":{{"a/0":{next}}},"last":{last}"#);
    line("watcher", at, rest)
}

fn poll_of(process: &str, at: i64, level: &str, txn: &str, tp: &str, records: &[(i64, &str)]) -> String {
    let records: Vec<String> =
        records.iter().map(|(offset, value)| format!(r#"["{tp}",{offset},"{value}"]"#)).collect();
    let records = records.join(",");
    line(process, at, format!(r#""do":"poll","level":"{level}"{},"records":[{records}]"#, in_txn(txn)))
}

fn poll(process: &str, at: i64, level: &str, records: &[(i64, &str)]) -> String {
    poll_of(process, at, level, "", "a/0", records)
}

/// What both final readers get from a partition, and how far they come.
fn last_of(tp: &str, end: i64, committed: &[(i64, &str)], uncommitted: &[(i64, &str)]) -> Vec<String> {
    [("rc", committed), ("ru", uncommitted)]
        .into_iter()
        .flat_map(|(level, records)| {
            let process = format!("final-{level}-{tp}");
            let ends = format!(r#""do":"final","level":"{level}","ends":{{"{tp}":{end}}}"#);
            [poll_of(&process, 1000, level, "", tp, records), line(&process, 1001, ends)]
        })
        .collect()
}

fn last(end: i64, committed: &[(i64, &str)], uncommitted: &[(i64, &str)]) -> Vec<String> {
    last_of("a/0", end, committed, uncommitted)
}

/// Transaction t1 writes x at 0 and y at 1 and commits, its marker is at 2; t2 writes z at 3 and aborts.
fn two_transactions() -> Vec<String> {
    [
        &send("p", 1, "t1", "x", 0)[..],
        &send("p", 3, "t1", "y", 1),
        &commit("p", 10, "t1"),
        &send("p", 20, "t2", "z", 3),
        &[on_txn("p", 30, "aborted", "t2")],
    ]
    .concat()
}

const SEEN: [(i64, &str); 2] = [(0, "x"), (1, "y")];
const STORED: [(i64, &str); 3] = [(0, "x"), (1, "y"), (3, "z")];

#[test]
fn a_sound_history_is_not_accused() {
    let readers =
        [poll("r", 40, "rc", &SEEN), poll("u", 5, "ru", &SEEN[..1]), poll("u", 35, "ru", &STORED[1..])];
    assert_eq!(found(&[two_transactions(), readers.to_vec(), last(5, &SEEN, &STORED)].concat()), []);
}

#[test]
fn two_values_at_one_offset_are_found() {
    let other = [&send("q", 50, "", "w", 1)[..]].concat();
    let seen = [(0, "x"), (1, "y"), (4, "w")];
    let stored = [(0, "x"), (1, "y"), (3, "z"), (4, "w")];
    let kinds = found(&[two_transactions(), other, last(6, &seen, &stored)].concat());
    assert_eq!(kinds, [Kind::InconsistentOffsets, Kind::Duplicate]);
}

#[test]
fn a_value_that_lies_twice_is_found() {
    let seen = [(0, "x"), (1, "y"), (5, "y")];
    let stored = [(0, "x"), (1, "y"), (3, "z"), (5, "y")];
    assert_eq!(found(&[two_transactions(), last(7, &seen, &stored)].concat()), [Kind::Duplicate]);
}

#[test]
fn a_value_that_nobody_sent_is_found() {
    let stored = [(0, "x"), (1, "y"), (3, "z"), (5, "w")];
    assert_eq!(found(&[two_transactions(), last(6, &SEEN, &stored)].concat()), [Kind::Phantom]);
}

#[test]
fn a_value_of_an_aborted_transaction_is_found_with_a_committed_reader_only() {
    let seen = poll("r", 40, "rc", &STORED);
    let kinds = found(&[two_transactions(), vec![seen], last(5, &SEEN, &STORED)].concat());
    assert_eq!(kinds, [Kind::AbortedRead]);
}

#[test]
fn a_transaction_whose_commit_was_never_asked_for_must_not_be_seen() {
    let killed = send("p", 1, "t1", "x", 0).to_vec();
    let kinds = found(&[killed.clone(), last(2, &[(0, "x")], &[(0, "x")])].concat());
    assert_eq!(kinds, [Kind::AbortedRead]);
    assert_eq!(found(&[killed, last(2, &[], &[(0, "x")])].concat()), []);
}

#[test]
fn a_value_read_before_its_commit_is_found() {
    let early = poll("r", 5, "rc", &SEEN);
    let kinds = found(&[two_transactions(), vec![early], last(5, &SEEN, &STORED)].concat());
    assert_eq!(kinds, [Kind::PrecommittedRead]);
}

#[test]
fn a_transaction_that_reads_its_own_write_is_found() {
    let own = poll_of("p", 11, "rc", "t1", "a/0", &SEEN[..1]);
    let kinds = found(&[two_transactions(), vec![own], last(5, &SEEN, &STORED)].concat());
    assert_eq!(kinds, [Kind::PrecommittedRead]);
}

#[test]
fn lost_writes_are_found_whether_plain_or_in_a_transaction() {
    let gone = [(1, "y"), (3, "z")];
    assert_eq!(found(&[two_transactions(), last(5, &SEEN[1..], &gone)].concat()), [Kind::LostWrite]);
    let plain = send("p", 1, "", "x", 0).to_vec();
    assert_eq!(found(&[plain, last(1, &[], &[])].concat()), [Kind::LostWrite]);
}

#[test]
fn what_was_not_acknowledged_may_be_missing() {
    let plain = send("p", 1, "", "x", 0)[..1].to_vec();
    assert_eq!(found(&[plain, last(1, &[], &[])].concat()), []);
    let unknown = [&send("p", 1, "t1", "x", 0)[..], &[on_txn("p", 3, "commit", "t1")]].concat();
    assert_eq!(found(&[unknown, last(2, &[], &[(0, "x")])].concat()), []);
}

#[test]
fn a_committed_transaction_that_nobody_sees_is_found() {
    assert_eq!(found(&[two_transactions(), last(5, &[], &STORED)].concat()), [Kind::Unseen]);
}

#[test]
fn a_partition_that_was_not_read_to_its_end_proves_nothing() {
    assert_eq!(found(&two_transactions()), [Kind::Unseen]);
}

#[test]
fn a_torn_transaction_is_found_even_if_its_commit_was_not_acknowledged() {
    let torn = last(5, &SEEN[..1], &STORED);
    assert_eq!(found(&[two_transactions(), torn.clone()].concat()), [Kind::TornTransaction]);
    let mut unknown = two_transactions();
    unknown.retain(|line| !line.contains("committed"));
    assert_eq!(found(&[unknown, torn].concat()), [Kind::TornTransaction]);
}

#[test]
fn a_last_stable_offset_that_stays_behind_is_found() {
    let mut lines = [two_transactions(), last(5, &SEEN, &STORED)].concat();
    for line in &mut lines {
        if line.contains("final-rc") {
            *line = line.replace("\"a/0\":5", "\"a/0\":3");
        }
    }
    assert_eq!(found(&lines), [Kind::StuckTransaction]);
}

#[test]
fn a_reader_that_goes_back_is_found_unless_it_was_assigned_anew() {
    let again = |between: Vec<String>| {
        let reader = [vec![poll("r", 40, "rc", &SEEN)], between, vec![poll("r", 50, "rc", &SEEN[1..])]];
        found(&[two_transactions(), reader.concat(), last(5, &SEEN, &STORED)].concat())
    };
    assert_eq!(again(vec![]), [Kind::NonmonotonicPoll]);
    assert_eq!(again(vec![line("r", 45, r#""do":"assign","tps":["a/0"]"#.to_owned())]), []);
}

#[test]
fn a_reader_that_skips_a_visible_value_is_found_and_one_that_skips_an_aborted_one_is_not() {
    let w = send("p", 50, "", "w", 5).to_vec();
    let end = last(6, &[(0, "x"), (1, "y"), (5, "w")], &[(0, "x"), (1, "y"), (3, "z"), (5, "w")]);
    let with = |level, records: &[(i64, &str)]| {
        found(&[two_transactions(), w.clone(), vec![poll("r", 60, level, records)], end.clone()].concat())
    };
    assert_eq!(with("rc", &[(0, "x"), (5, "w")]), [Kind::PollSkip]);
    assert_eq!(with("rc", &[(0, "x"), (1, "y"), (5, "w")]), []);
    assert_eq!(with("ru", &[(1, "y"), (5, "w")]), [Kind::PollSkip]);
}

#[test]
fn sends_that_change_places_are_found() {
    let lines = [&send("p", 1, "", "x", 1)[..], &send("p", 3, "", "y", 0)].concat();
    let there = [(0, "y"), (1, "x")];
    assert_eq!(found(&[lines, last(2, &there, &there)].concat()), [Kind::NonmonotonicSend]);
    let of_two = [&send("p", 1, "", "x", 1)[..], &send("q", 3, "", "y", 0)].concat();
    assert_eq!(found(&[of_two, last(2, &there, &there)].concat()), []);
}

/// Each of two transactions writes one value to `a/0` and reads the one of the other.
fn reading_from(first: &str, second: &str) -> Vec<Kind> {
    let reads = [
        poll_of("p", 20, "rc", first, "a/0", &[(1, "y")]),
        poll_of("q", 20, "rc", second, "a/0", &[(0, "x")]),
    ];
    let lines = [
        &send("p", 1, "t1", "x", 0)[..],
        &send("q", 3, "t2", "y", 1),
        &commit("p", 10, "t1"),
        &commit("q", 12, "t2"),
        &commit("p", 30, "t3"),
        &reads,
    ];
    let both = [(0, "x"), (1, "y")];
    found(&[lines.concat(), last(4, &both, &both)].concat())
}

#[test]
fn transactions_that_read_from_each_other_are_found() {
    assert_eq!(reading_from("t1", "t2"), [Kind::Circle]);
    assert_eq!(reading_from("t3", "t2"), []);
    assert_eq!(reading_from("t3", "t3"), []);
}

/// Input x and y at 0 and 1 of `a/0`; the loop's transaction l1 makes X of x and l2 makes Y of y.
fn loops() -> Vec<String> {
    [
        &send("p", 1, "", "x", 0)[..],
        &send("p", 3, "", "y", 1),
        &transform("l", 10, "l1", "X", "x", 0),
        &[offsets("l", 12, "l1", 1)],
        &commit("l", 14, "l1"),
        &[position(18, 1, false)],
        &transform("l", 20, "l2", "Y", "y", 2),
        &[offsets("l", 22, "l2", 2)],
    ]
    .concat()
}

fn loops_end(output: &[(i64, &str)], stored: &[(i64, &str)]) -> Vec<String> {
    [last(2, &SEEN, &SEEN), last_of("b/0", 6, output, stored)].concat()
}

const OUTPUT: [(i64, &str); 2] = [(0, "X"), (2, "Y")];

#[test]
fn a_loop_that_transforms_each_input_once_is_not_accused() {
    let committed = [loops(), commit("l", 24, "l2").to_vec(), vec![position(30, 2, true)]].concat();
    assert_eq!(found(&[committed, loops_end(&OUTPUT, &OUTPUT)].concat()), []);
    let aborted = [loops(), vec![on_txn("l", 24, "aborted", "l2"), position(30, 1, true)]].concat();
    assert_eq!(found(&[aborted, loops_end(&OUTPUT[..1], &OUTPUT)].concat()), []);
    let unknown_but_done = [loops(), vec![on_txn("l", 24, "commit", "l2"), position(30, 2, true)]].concat();
    assert_eq!(found(&[unknown_but_done, loops_end(&OUTPUT, &OUTPUT)].concat()), []);
}

#[test]
fn an_offset_of_an_aborted_transaction_is_found() {
    let dirty =
        [loops(), vec![on_txn("l", 24, "aborted", "l2"), position(26, 2, false), position(30, 1, true)]]
            .concat();
    assert_eq!(found(&[dirty, loops_end(&OUTPUT[..1], &OUTPUT)].concat()), [Kind::DirtyOffsets]);
}

#[test]
fn an_offset_without_its_output_is_found() {
    let unknown = [loops(), vec![on_txn("l", 24, "commit", "l2"), position(30, 2, true)]].concat();
    let kinds = found(&[unknown, loops_end(&OUTPUT[..1], &OUTPUT)].concat());
    assert_eq!(kinds, [Kind::Unseen, Kind::SkippedInput]);
}

#[test]
fn a_committed_offset_that_is_lost_is_found() {
    let lost = [loops(), commit("l", 24, "l2").to_vec(), vec![position(30, 1, true)]].concat();
    assert_eq!(found(&[lost, loops_end(&OUTPUT, &OUTPUT)].concat()), [Kind::LostOffsets]);
}

#[test]
fn an_offset_fetched_while_its_commit_is_under_way_may_be_the_old_one() {
    let racing =
        [loops(), commit("l", 24, "l2").to_vec(), vec![position(25, 1, false), position(30, 2, true)]];
    assert_eq!(found(&[racing.concat(), loops_end(&OUTPUT, &OUTPUT)].concat()), []);
}

#[test]
fn an_input_that_is_transformed_twice_is_found() {
    let twice = [
        &loops()[..],
        &commit("l", 24, "l2"),
        &transform("m", 26, "m1", "Y2", "y", 4),
        &[offsets("m", 27, "m1", 2)],
        &commit("m", 28, "m1"),
        &[position(30, 2, true)],
    ]
    .concat();
    let output = [(0, "X"), (2, "Y"), (4, "Y2")];
    assert_eq!(found(&[twice, loops_end(&output, &output)].concat()), [Kind::Reprocessed]);
}

#[test]
fn a_line_that_was_cut_short_by_a_kill_does_not_count() {
    let whole = send("p", 1, "", "x", 0)[0].clone();
    assert_eq!(event::parse(&format!("{whole}\n{}", &whole[..20])).filter(Result::is_ok).count(), 1);
    assert!(event::parse(&format!("{}\n{whole}\n", &whole[..20])).any(|event| event.is_err()));
}
