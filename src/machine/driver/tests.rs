//! Each file of `testdata` is a story: a command per line, and below it, behind `>`, what came of it.
//!
//! ```text
//! ASKER add N         the sum grows by N; answers the new sum
//! ASKER lease N MS    the same, and it is taken back after MS milliseconds
//! ASKER sum           answers the sum
//! ASKER await N       answers once the sum is at least N
//! at MS               the clock moves, and what is due expires
//! commit OFFSET       everything before OFFSET is committed
//! fail                the next append fails
//! log                 shows the log
//! abandon             shows who gets no answer
//! ```

use std::fmt::Write;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Input {
    Add(i64),
    Lease(i64, i64),
    Sum,
    Await(i64),
}

/// Sums what it is given.
#[derive(Debug, Default)]
struct Adder {
    sum: i64,
    /// Deadline and amount.
    leases: BTreeMap<i64, i64>,
    awaiting: Vec<(i64, Token)>,
}

impl Adder {
    fn change(&mut self, by: i64) -> Decision<i64, i64> {
        let sum = self.sum + by;
        let (due, left) = self.awaiting.iter().copied().partition(|(least, _)| *least <= sum);
        self.awaiting = left;
        let due: Vec<(i64, Token)> = due;
        Decision { records: vec![by], replies: due.into_iter().map(|(_, token)| (token, sum)).collect() }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is too large")]
struct TooLarge(i64);

impl Machine for Adder {
    type Input = Input;
    type Record = i64;
    type Reply = i64;
    type ReplayError = TooLarge;

    fn step(&mut self, at: Moment, token: Token, input: Input) -> Decision<i64, i64> {
        match input {
            Input::Sum => Decision::answer(token, self.sum, vec![]),
            Input::Await(least) => {
                self.awaiting.push((least, token));
                Decision::none()
            }
            Input::Add(by) | Input::Lease(by, _) => {
                if let Input::Lease(_, ms) = input {
                    self.leases.insert(at.now_ms + ms, by);
                }
                let mut decision = self.change(by);
                decision.replies.push((token, self.sum + by));
                decision
            }
        }
    }

    fn replay(&mut self, _: i64, record: &i64) -> Result<(), TooLarge> {
        self.sum = self.sum.checked_add(*record).ok_or(TooLarge(*record))?;
        Ok(())
    }

    fn deadline(&self) -> Option<i64> {
        self.leases.keys().next().copied()
    }

    fn expire(&mut self, _: Moment) -> Decision<i64, i64> {
        let (_, by) = self.leases.pop_first().expect("called when something is due");
        self.change(-by)
    }
}

/// What the log does not take.
const UNWANTED: i64 = 13;

/// A log in memory.
#[derive(Debug, Default)]
struct Records {
    batches: Vec<Vec<i64>>,
    fail_next: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("disk full")]
struct DiskFull;

impl Sink<i64> for Records {
    type Error = DiskFull;
    type Refusal = &'static str;

    fn next_offset(&self) -> i64 {
        self.batches.iter().map(|batch| i64::try_from(batch.len()).unwrap()).sum()
    }

    fn append(&mut self, _: i64, records: &[i64]) -> Result<(), Rejected<&'static str, DiskFull>> {
        if self.fail_next {
            return Err(Rejected::Failed(DiskFull));
        }
        if records.contains(&UNWANTED) {
            return Err(Rejected::Refused("unwanted"));
        }
        self.batches.push(records.to_vec());
        Ok(())
    }
}

type Run = Driver<Adder, Records, String>;

fn input(words: &[&str]) -> Input {
    let number = |at: usize| words[at].parse::<i64>().unwrap();
    match words[0] {
        "add" => Input::Add(number(1)),
        "lease" => Input::Lease(number(1), number(2)),
        "sum" => Input::Sum,
        "await" => Input::Await(number(1)),
        other => panic!("no command {other}"),
    }
}

/// Runs one command; what came of it, a line each.
fn run(driver: &mut Option<Run>, now_ms: &mut i64, words: &[&str]) -> String {
    let mut out = String::new();
    let run = driver.as_mut().expect("abandoned");
    let result = match words {
        ["at", ms] => {
            *now_ms = ms.parse().unwrap();
            let mut result = Ok(());
            while result.is_ok() && run.deadline().is_some_and(|deadline| deadline <= *now_ms) {
                result = run.expire(*now_ms);
            }
            result
        }
        ["commit", offset] => {
            run.commit(offset.parse().unwrap());
            Ok(())
        }
        ["fail"] => {
            run.sink_mut().fail_next = true;
            Ok(())
        }
        ["log"] => {
            writeln!(out, "{:?}", run.sink_mut().batches).unwrap();
            Ok(())
        }
        ["abandon"] => {
            let left: Vec<String> = driver.take().unwrap().abandon().collect();
            return format!("no answer for {}\n", left.join(", "));
        }
        [asker, rest @ ..] => run.step(*now_ms, input(rest), (*asker).to_owned()).map(|refused| {
            for (asker, refusal) in refused {
                writeln!(out, "{asker}: refused, {refusal}").unwrap();
            }
        }),
        [] => panic!("an empty command"),
    };
    if let Err(failed) = result {
        writeln!(out, "{failed}").unwrap();
    }
    while let Some((asker, sum)) = run.release() {
        writeln!(out, "{asker}: {sum}").unwrap();
    }
    out
}

/// The story as it should have been written.
fn played(story: &str) -> String {
    let mut driver = Some(Driver::new(Adder::default(), Records::default(), 0));
    let mut now_ms = 0;
    let mut out = String::new();
    for line in story.lines().filter(|line| !line.starts_with('>')) {
        writeln!(out, "{line}").unwrap();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        for line in run(&mut driver, &mut now_ms, &words).lines() {
            writeln!(out, "> {line}").unwrap();
        }
    }
    out
}

#[test]
fn answers_wait_for_their_offset_and_reads_behind_what_they_saw() {
    let story = include_str!("testdata/answers.txt");
    assert_eq!(played(story), story);
}

#[test]
fn a_machine_may_answer_later_and_when_time_passes() {
    let story = include_str!("testdata/later.txt");
    assert_eq!(played(story), story);
}

#[test]
fn what_the_log_refuses_is_told_at_once_and_leaves_no_trace() {
    let story = include_str!("testdata/refused.txt");
    assert_eq!(played(story), story);
}

#[test]
fn a_failed_append_ends_the_driver_and_nobody_is_told_what_was_not_written() {
    let story = include_str!("testdata/failure.txt");
    assert_eq!(played(story), story);
}
