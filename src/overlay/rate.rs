//! How often something may happen: of one who asks, and of all that one neighbour sends.
//!
//! Both are pure values. `Rate` says yes or no. [`Pace`] says how long to wait, so that whoever
//! sends too fast is held back by its own connection and costs the others nothing.

use super::time::{Duration, Instant};
use crate::wire::Descriptor;

/// In so much time a rate may be used up at once.
const BURST: Duration = Duration::from_secs(20);

/// The most that may happen at once, whatever the rate.
const AT_ONCE: u64 = 2_000;

/// What a pace lets pass at once is what it lets pass in this time.
const START: Duration = Duration::from_millis(100);

/// The longest that a pace has anybody wait at a time, so that what is urgent still comes.
const LONGEST: Duration = Duration::from_secs(1);

/// Bytes of a descriptor that count as much as another descriptor.
const UNIT: usize = 1_024;

/// When all that happened so far would be through at an even pace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate(Instant);

impl Rate {
    /// Whether it may happen once more; `per_minute` 0 is any number.
    pub(super) fn takes(&mut self, now: Instant, per_minute: u32) -> bool {
        let Some(pace) = 60_000_000_u64.checked_div(u64::from(per_minute)) else {
            return true;
        };
        let free = self.0.max(now);
        let pace = Duration::from_micros(pace);
        if free.since(now) > BURST.min(pace.times(AT_ONCE)) {
            return false;
        }
        self.0 = free + pace;
        true
    }
}

/// How fast a neighbour is read. The driver of a link owns it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// When all that came so far would be through.
    through: Instant,
    /// Since when it had to wait each time.
    held: Option<Instant>,
}

impl Pace {
    /// Counts what came at once from a neighbour of whom `per_minute` descriptors are read in a
    /// minute ([`Limits::descriptors_per_minute`](super::limits::Limits)), and says how long to
    /// wait before more is read.
    pub fn wait(&mut self, now: Instant, came: &[Descriptor], per_minute: u32) -> Duration {
        let units = |descriptor: &Descriptor| 1 + descriptor.payload.len() / UNIT;
        let units: usize = came.iter().map(units).sum();
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let pace = units.saturating_mul(60_000_000);
        let Some(pace) = pace.checked_div(u64::from(per_minute)) else {
            return Duration::default();
        };
        // What it was held back for is paid: a long wait never follows from an old burst.
        let most = now + START + LONGEST;
        self.through = (self.through.max(now) + Duration::from_micros(pace)).min(most);
        let wait = self.through.since(now + START);
        self.held = match wait > Duration::default() {
            true => self.held.or(Some(now)),
            false => None,
        };
        wait
    }

    /// For how long it has been held back without a break.
    #[must_use]
    pub fn held(&self, now: Instant) -> Duration {
        self.held
            .map_or_else(Duration::default, |since| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::{Guid, Header, Kind};

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn a_rate_takes_a_burst_and_then_its_pace() {
        let mut rate = Rate::default();
        let taken = |rate: &mut Rate, millis, times| {
            (0..times).filter(|_| rate.takes(at(millis), 60)).count()
        };
        assert_eq!(taken(&mut rate, 5_000, 100), 21);
        assert_eq!(taken(&mut rate, 7_000, 100), 2);
        assert_eq!(taken(&mut rate, 3_600_000, 100), 21);
        assert!((0..1_000).all(|_| rate.takes(at(1), 0)));
        let busy = (0..10_000).filter(|_| rate.takes(at(4_000_000), 30_000));
        assert_eq!(busy.count(), 2_001, "however much the rate is");
    }

    fn descriptors(count: usize, length: usize) -> Vec<Descriptor> {
        let header = Header {
            guid: Guid::ZERO,
            kind: Kind::QueryHit,
            ttl: 1,
            hops: 1,
        };
        let payload = Bytes::from(vec![0; length]);
        vec![Descriptor { header, payload }; count]
    }

    #[test]
    fn a_pace_lets_pass_a_burst_and_then_holds_back() {
        let mut pace = Pace::default();
        let mut wait = |millis, count, length| {
            let came = descriptors(count, length);
            pace.wait(at(millis), &came, 60_000).as_micros() / 1_000
        };
        assert_eq!(wait(5_000, 90, 20), 0);
        assert_eq!(wait(5_000, 60, 20), 50);
        assert_eq!(wait(5_050, 100, 20), 100);
        assert_eq!(wait(5_150, 10, 10_240), 110, "long ones count more");
        assert_eq!(wait(6_000, 1, 65_535), 0, "it waited");
        assert_eq!(wait(6_000, 100_000, 20), 1_000, "never longer");
        assert_eq!(wait(9_000, 90, 20), 0);
    }

    #[test]
    fn who_never_pauses_is_held_back_all_the_time() {
        let mut pace = Pace::default();
        let mut held = |millis, count| {
            pace.wait(at(millis), &descriptors(count, 20), 60_000);
            pace.held(at(millis)).as_micros() / 1_000
        };
        assert_eq!(held(1_000, 90), 0);
        assert_eq!(held(1_000, 60), 0, "from here on");
        assert_eq!(held(1_500, 600), 500);
        assert_eq!(held(2_500, 2_000), 1_500);
        assert_eq!(held(5_000, 10), 0, "it paused");
        assert_eq!(held(5_000, 600), 0);
        assert_eq!(held(5_100, 600), 100);
    }

    #[test]
    fn a_pace_of_nothing_is_any() {
        let came = descriptors(10_000, 10_000);
        assert_eq!(Pace::default().wait(at(1), &came, 0), Duration::default());
    }
}
