//! Refusals in a row. Where an overlay is crowded, everybody who lacks a neighbour would dial it from end
//! to end, again and again: whoever is refused each time dials ever fewer at once and ever more slowly,
//! until somebody takes it.

use crate::overlay::time::{Duration, Instant};

/// Refusals in a row that double the pause, and halve how many are dialled at once.
const PATIENCE: u32 = 8;
/// The longest pause of a servent that has an ultrapeer for a neighbour.
const MOST: Duration = Duration::from_secs(60);
/// The same of one that has none.
const MOST_ALONE: Duration = Duration::from_secs(4);

/// How often we were refused since somebody took us.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rebuffs {
    in_a_row: u32,
    /// Nobody is dialled before.
    rest: Instant,
}

impl Rebuffs {
    /// Somebody refused us.
    pub(super) fn refused(&mut self, now: Instant, alone: bool) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let doublings = self.doublings();
        if doublings > 0 {
            let pause = Duration::from_secs(1).times(1 << doublings);
            self.rest = now + pause.min(if alone { MOST_ALONE } else { MOST });
        }
    }

    /// Somebody took us.
    pub(super) fn taken(&mut self) {
        *self = Self::default();
    }

    /// How many of so many to dial at once: at least one.
    pub(super) fn few(self, wanted: usize) -> usize {
        wanted.min((wanted >> self.doublings()).max(1))
    }

    const fn doublings(self) -> u32 {
        let doublings = self.in_a_row / PATIENCE;
        if doublings < 16 { doublings } else { 16 }
    }

    /// Whether they are so many that this is no chance.
    pub(super) const fn are_many(self) -> bool {
        self.doublings() > 0
    }

    /// Until when nobody is to be dialled; a moment that is past when anybody may be.
    pub(super) const fn rest(self) -> Instant {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_refused_each_time_dials_ever_more_slowly() {
        let at = |secs: u64| Instant::from_micros(secs * 1_000_000);
        let at_once = [10, 5, 2, 1, 1, 1, 1, 1];
        for (alone, expected) in [
            (false, [100, 102, 104, 108, 116, 132, 160, 160]),
            (true, [100, 102, 104, 104, 104, 104, 104, 104]),
        ] {
            let mut rebuffs = Rebuffs::default();
            for (secs, at_once) in expected.into_iter().zip(at_once) {
                assert_eq!(rebuffs.rest().max(at(100)), at(secs));
                assert_eq!((rebuffs.few(10), rebuffs.few(0)), (at_once, 0));
                assert_eq!(rebuffs.are_many(), at_once < 10);
                for _ in 0..PATIENCE {
                    rebuffs.refused(at(100), alone);
                }
            }
            rebuffs.taken();
            assert_eq!(rebuffs.rest(), Instant::default());
        }
    }
}
