//! Counts and times requests: one place per API, and a line at TRACE for each request.
//!
//! A request's time begins when its frame is there and ends when its answer is, before the answer is written.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context as Wakes, Poll};
use std::time::Duration;

use tracing::trace;

use super::context::Context;
use super::dispatch::Call;
use super::error::{Code, NONE};
use super::error_codes::ErrorCodes;
use super::response::Outcome;
use crate::metrics::{self, NO_ERROR};
use crate::wire::versions::ApiKey;

/// The metrics of every API.
pub(crate) struct Requests {
    /// By API key; none where this broker does not serve it.
    by_key: Box<[Option<metrics::Api>]>,
    fetch_consumer: metrics::Api,
}

fn position(key: ApiKey) -> usize {
    usize::try_from(key.number()).expect("an API key is not negative")
}

impl Requests {
    pub(crate) fn new() -> Self {
        let count = ApiKey::ALL.iter().map(|key| position(*key) + 1).max().unwrap_or(0);
        let mut by_key: Vec<Option<metrics::Api>> = std::iter::repeat_with(|| None).take(count).collect();
        for key in ApiKey::ALL {
            by_key[position(*key)] = Some(metrics::Api::new(key.name(), key.advertised()));
        }
        let fetch_consumer = metrics::Api::new("FetchConsumer", ApiKey::Fetch.advertised());
        Self { by_key: by_key.into(), fetch_consumer }
    }

    /// The metrics of `key`. Kafka counts a fetch twice, the second time by who fetches; only consumers can.
    fn of(&self, key: ApiKey) -> impl Iterator<Item = &metrics::Api> {
        let role = (key == ApiKey::Fetch).then_some(&self.fetch_consumer);
        self.by_key[position(key)].iter().chain(role)
    }

    /// Counts the error codes of an answer, for the API itself only, as Kafka does.
    pub(super) fn answer(&self, key: ApiKey, answer: &impl ErrorCodes) {
        let mut good = 0;
        let mut bad: Vec<(i16, u64)> = Vec::new();
        for code in answer.error_codes() {
            if code == NONE {
                good += 1;
            } else if let Some((_, count)) = bad.iter_mut().find(|(known, _)| *known == code) {
                *count += 1;
            } else {
                bad.push((code, 1));
            }
        }
        let Some(api) = &self.by_key[position(key)] else { return };
        if good > 0 {
            api.error(NO_ERROR, good);
        }
        for (code, count) in bad {
            api.error(error_name(code), count);
        }
    }
}

/// A request that is being timed.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    key: ApiKey,
    version: i16,
    begun: Duration,
}

impl Measure {
    /// Counts a request whose frame was there at `begun`.
    pub(super) fn start(context: &Context, key: ApiKey, version: i16, begun: Duration) -> Self {
        context.requests.of(key).for_each(|api| api.received(version));
        Self { key, version, begun }
    }

    /// The answer is there.
    pub(super) fn finish(self, context: &Context) {
        let took = context.clock.elapsed().saturating_sub(self.begun);
        context.requests.of(self.key).for_each(|api| api.answered(took));
        trace!(api = self.key.name(), version = self.version, took_us = took.as_micros(), "answered");
    }
}

/// A request that waits for something; polling it once more after its end is a mistake, as for any future.
pub struct Running {
    pub(super) work: Call,
    pub(super) measure: Measure,
    pub(super) context: Arc<Context>,
}

impl Running {
    /// Whether later requests of the connection must not start yet. Only a poll ends that.
    pub fn holds_back(&self) -> bool {
        matches!(self.work, Call::Held(_))
    }

    fn poll_work(&mut self, wakes: &mut Wakes<'_>) -> Poll<Outcome> {
        loop {
            match &mut self.work {
                Call::Ready(outcome) => {
                    let taken = Outcome::Close("a request was polled after its end");
                    return Poll::Ready(std::mem::replace(outcome, taken));
                }
                Call::Running(work) => return work.as_mut().poll(wakes),
                Call::Held(first) => self.work = std::task::ready!(first.as_mut().poll(wakes)),
            }
        }
    }
}

impl Future for Running {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, wakes: &mut Wakes<'_>) -> Poll<Outcome> {
        let outcome = std::task::ready!(self.poll_work(wakes));
        self.measure.finish(&self.context);
        Poll::Ready(outcome)
    }
}

/// Kafka's name of an error code (`Errors`).
fn error_name(code: i16) -> &'static str {
    /// From -1 on.
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let known =
            (1..).map_while(|code| Code::try_from_code(code).filter(|e| !matches!(e, Code::Unknown(_))));
        let first = [upper_snake(&Code::UnknownServerError.to_string()), NO_ERROR.to_owned()];
        first.into_iter().chain(known.map(|error| upper_snake(&error.to_string()))).collect()
    });
    let name = usize::try_from(i32::from(code) + 1).ok().and_then(|at| NAMES.get(at));
    name.unwrap_or(&NAMES[0])
}

fn upper_snake(camel: &str) -> String {
    let mut name = String::new();
    for (at, c) in camel.chars().enumerate() {
        if at > 0 && c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_kafkas_names() {
        for (code, name) in [
            (-1, "UNKNOWN_SERVER_ERROR"),
            (0, "NONE"),
            (3, "UNKNOWN_TOPIC_OR_PARTITION"),
            (17, "INVALID_TOPIC_EXCEPTION"),
            (106, "FETCH_SESSION_TOPIC_ID_ERROR"),
            (133, "SHARE_SESSION_LIMIT_REACHED"),
            (i16::MAX, "UNKNOWN_SERVER_ERROR"),
            (i16::MIN, "UNKNOWN_SERVER_ERROR"),
        ] {
            assert_eq!(error_name(code), name);
        }
    }

    #[test]
    fn every_api_has_its_place_and_fetch_has_two() {
        let requests = Requests::new();
        for key in ApiKey::ALL {
            assert_eq!(requests.of(*key).count(), if *key == ApiKey::Fetch { 2 } else { 1 }, "{key:?}");
        }
    }
}
