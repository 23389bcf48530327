//! How fast replicas move, all of them together (`replica.alter.log.dirs.io.max.bytes.per.second`).

use std::time::Duration;

const MICROS_PER_SECOND: u128 = 1_000_000;

/// Hands out turns to copy bytes at a rate, which may change while somebody waits for a turn. Counts in millionths of
/// a byte, so that nothing is lost however often it is asked.
#[derive(Default)]
pub(super) struct Rate {
    /// None for no limit.
    bytes_per_second: Option<u64>,
    asked: u128,
    /// How much of it has had its turn by the time of the last call.
    served: u128,
    at: Duration,
}

/// A turn: everything that was asked for up to there.
#[derive(Clone, Copy)]
pub(super) struct Turn(u128);

impl Rate {
    pub(super) fn set(&mut self, bytes_per_second: Option<u64>, now: Duration) {
        self.advance(now);
        self.bytes_per_second = bytes_per_second;
    }

    /// Asks for a turn to copy so many bytes, after those who have asked before.
    pub(super) fn ask(&mut self, bytes: usize, now: Duration) -> Turn {
        self.advance(now);
        self.asked += u128::try_from(bytes).unwrap_or(u128::MAX) * MICROS_PER_SECOND;
        Turn(self.asked)
    }

    /// How long until the turn is over, as the rate is.
    pub(super) fn wait(&mut self, turn: Turn, now: Duration) -> Duration {
        self.advance(now);
        let Some(rate) = self.bytes_per_second else { return Duration::ZERO };
        let micros = turn.0.saturating_sub(self.served).div_ceil(u128::from(rate.max(1)));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn advance(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.at).as_micros();
        let served = self.bytes_per_second.map(|rate| self.served + u128::from(rate) * elapsed);
        // What nobody has asked for is not saved up.
        self.served = served.map_or(self.asked, |served| served.min(self.asked));
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn who_asks_later_waits_longer_and_nothing_is_saved_up() {
        let mut rate = Rate::default();
        rate.set(Some(1000), ms(0));
        let (first, second) = (rate.ask(100, ms(0)), rate.ask(50, ms(40)));
        assert_eq!((rate.wait(first, ms(40)), rate.wait(second, ms(40))), (ms(60), ms(110)));
        assert_eq!((rate.wait(first, ms(100)), rate.wait(second, ms(150))), (ms(0), ms(0)));
        let late = rate.ask(10, ms(60_000));
        assert_eq!(rate.wait(late, ms(60_000)), ms(10));
    }

    #[test]
    fn another_rate_counts_for_who_waits_already() {
        let mut rate = Rate::default();
        rate.set(Some(1), ms(0));
        let turn = rate.ask(1000, ms(0));
        assert_eq!(rate.wait(turn, ms(500_000)), ms(500_000));
        rate.set(Some(1000), ms(500_000));
        assert_eq!(rate.wait(turn, ms(500_000)), ms(500));
        rate.set(None, ms(500_000));
        assert_eq!(rate.wait(turn, ms(500_000)), ms(0));
    }
}
