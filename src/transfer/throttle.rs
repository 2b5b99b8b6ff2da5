//! Limits on bytes a second, which may change while transfers run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime;
use crate::swarm::pace::Pace;

/// A limit that may be changed; one who shares it hears of it with its next bytes.
#[derive(Debug)]
pub struct Rate(AtomicU64);

impl Rate {
    /// At most so many bytes a second, or as many as go.
    #[must_use]
    pub const fn new(limit: Option<u64>) -> Self {
        Self(AtomicU64::new(match limit {
            Some(limit) => limit,
            None => u64::MAX,
        }))
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|limit| *limit != u64::MAX)
    }

    /// Changes it.
    pub fn set(&self, limit: Option<u64>) {
        self.0.store(limit.unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// All that keep to one limit together.
#[derive(Debug)]
pub struct Throttle {
    rate: Arc<Rate>,
    origin: Instant,
    /// The turns, and the limit they were made for.
    pace: Mutex<Option<(u64, Pace)>>,
}

impl Throttle {
    /// Of those that keep to `rate`.
    #[must_use]
    pub fn new(rate: Arc<Rate>) -> Self {
        Self {
            rate,
            origin: Instant::now(),
            pace: Mutex::default(),
        }
    }

    /// The limit now.
    pub(super) fn limit(&self) -> Option<u64> {
        self.rate.limit()
    }

    /// Takes a turn for so many bytes; gives how long it is until then.
    pub(super) fn take(&self, bytes: usize) -> Duration {
        let now = self.origin.elapsed();
        let Some(limit) = self.rate.limit() else {
            return Duration::ZERO;
        };
        // Every change is whole by itself.
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if pace.as_ref().is_none_or(|(made_for, _)| *made_for != limit) {
            *pace = Some((limit, Pace::new(limit)));
        }
        let pace = pace.as_mut();
        pace.map_or(Duration::ZERO, |(_, pace)| pace.take(now, bytes as u64))
    }
}

/// Waits until so many bytes may go by all of these limits.
pub(super) async fn pass(throttles: &[Arc<Throttle>], bytes: usize) {
    let waits = throttles.iter().map(|throttle| throttle.take(bytes));
    let wait = waits.max().unwrap_or_default();
    if !wait.is_zero() {
        runtime::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_from_when_it_is_set_and_for_all_that_share_it() {
        let rate = Arc::new(Rate::new(None));
        let (one, other) = (
            Throttle::new(Arc::clone(&rate)),
            Throttle::new(Arc::clone(&rate)),
        );
        assert_eq!(one.take(1 << 30), Duration::ZERO);
        assert_eq!(one.limit(), None);
        rate.set(Some(1_000));
        one.take(10_000);
        assert!(one.take(1) > Duration::from_secs(8));
        assert_eq!(other.take(1), Duration::ZERO, "turns are of its own");
        rate.set(Some(2_000));
        assert_eq!(one.take(1), Duration::ZERO);
        rate.set(None);
        assert_eq!((one.take(1 << 30), rate.limit()), (Duration::ZERO, None));
    }
}
