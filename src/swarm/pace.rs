//! A limit on bytes a second: who wants to send takes a turn and waits for it.

use std::time::Duration;

/// How much may be sent at once after a pause.
const SLACK: Duration = Duration::from_millis(100);

/// Turns at a rate.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Bytes a second.
    rate: u64,
    /// When the next turn is.
    next: Duration,
}

impl Pace {
    /// Turns for `rate` bytes a second, at least one.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        Self {
            rate: rate.max(1),
            next: Duration::ZERO,
        }
    }

    /// Takes a turn for so many bytes, and says how long it is until then. Turns come in the order
    /// they were taken.
    pub fn take(&mut self, now: Duration, bytes: u64) -> Duration {
        // What was not used a while ago is lost.
        let turn = self.next.max(now.saturating_sub(SLACK));
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.rate);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.next = turn.saturating_add(Duration::from_micros(micros));
        turn.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_send_keep_to_the_rate_together() {
        let mut pace = Pace::new(1_000_000);
        let (mut sent, mut now) = (0, Duration::from_secs(5));
        let start = now;
        while now < start + Duration::from_secs(10) {
            for _ in 0..3 {
                now += pace.take(now, 16_384);
                sent += 16_384;
            }
        }
        assert!((9_900_000..10_300_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_pause_is_not_saved_up() {
        let mut pace = Pace::new(1_000);
        pace.take(Duration::ZERO, 1_000);
        let late = Duration::from_secs(1_000);
        assert_eq!(pace.take(late, 1_000), Duration::ZERO);
        assert_eq!(pace.take(late, 1), Duration::from_secs(1) - SLACK);
    }
}
