//! How many hits of one query are passed on (protocol §1.7).

use std::collections::BTreeMap;

use super::Link;
use super::limits::Limits;
use super::time::{Duration, Instant};
use crate::wire::Guid;

/// How long what passed is remembered at least; twice as long at most.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// What was passed on for queries lately: two generations, each with a cap.
#[derive(Debug, Default)]
pub(super) struct HitThrottle {
    young: BTreeMap<Guid, Passed>,
    old: BTreeMap<Guid, Passed>,
    turned: Instant,
}

/// What was passed on for one query.
#[derive(Clone, Debug, Default)]
struct Passed {
    all: Amount,
    /// The same by the neighbours that brought it.
    by: Vec<(Link, Amount)>,
}

/// How much passed.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    results: u32,
    bytes: usize,
}

impl HitThrottle {
    /// Of how many queries hits are counted.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether a hit with so many results and bytes, and with `ttl` left, is still passed on that comes
    /// over `link`. One neighbour brings a part of them only, so that who has an answer of any length to
    /// everything leaves the others room.
    pub(super) fn takes(
        &mut self,
        now: Instant,
        guid: Guid,
        (link, ttl): (Link, u8),
        (results, bytes): (u32, usize),
        limits: &Limits,
    ) -> bool {
        self.turn(now, limits);
        // Who is near the asker brings it more cheaply.
        let nearer = match ttl {
            0 | 1 => 4,
            2 => 2,
            _ => 1,
        };
        let most = Amount {
            results: limits.hit_results_per_query,
            bytes: limits.hit_bytes_per_query * nearer,
        };
        let old = &self.old;
        let passed = self
            .young
            .entry(guid)
            .or_insert_with(|| old.get(&guid).cloned().unwrap_or_default());
        let place = passed.by.iter().position(|(known, _)| *known == link);
        let by = place.map_or_else(Amount::default, |place| passed.by[place].1);
        if !passed.all.is_below(most, 1) || !by.is_below(most, limits.hit_share) {
            return false;
        }
        passed.all.add(results, bytes);
        // Only who brought something has an entry, so that there are no more than results may be.
        let place = place.unwrap_or_else(|| {
            passed.by.push((link, Amount::default()));
            passed.by.len() - 1
        });
        passed.by[place].1.add(results, bytes);
        true
    }

    /// Begins a new generation when the young one is old or full.
    fn turn(&mut self, now: Instant, limits: &Limits) {
        let age = now.since(self.turned);
        if age < LIFE && self.young.len() < limits.hit_queries {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= LIFE.times(2) {
            self.old.clear();
        }
        self.turned = now;
    }
}

impl Amount {
    /// Whether it is less than one in so many of the most.
    fn is_below(self, most: Self, share: u32) -> bool {
        let share = share.max(1);
        self.results < most.results.div_ceil(share)
            && self.bytes < most.bytes.div_ceil(share as usize)
    }

    const fn add(&mut self, results: u32, bytes: usize) {
        self.results = self.results.saturating_add(results);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(n: u8) -> Guid {
        Guid::from_bytes([n; 16])
    }

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    /// How many of a hundred such hits pass.
    fn passing(throttle: &mut HitThrottle, secs: u64, hit: (u32, usize), ttl: u8) -> usize {
        let limits = Limits {
            hit_results_per_query: 50,
            hit_bytes_per_query: 1_000,
            hit_share: 1,
            ..Limits::default()
        };
        let takes = |_: &_| throttle.takes(at(secs), guid(1), (Link(1), ttl), hit, &limits);
        (0..100).filter(takes).count()
    }

    #[test]
    fn results_and_bytes_of_a_query_have_an_end() {
        assert_eq!(passing(&mut HitThrottle::default(), 0, (10, 1), 3), 5);
        for (ttl, hits) in [(3, 10), (2, 20), (1, 40)] {
            let mut throttle = HitThrottle::default();
            assert_eq!(passing(&mut throttle, 0, (1, 100), ttl), hits, "{ttl}");
        }
    }

    #[test]
    fn a_query_is_remembered_for_one_life_and_forgotten_after_two() {
        let mut throttle = HitThrottle::default();
        assert_eq!(passing(&mut throttle, 1, (10, 1), 3), 5);
        assert_eq!(passing(&mut throttle, 301, (10, 1), 3), 0);
        assert_eq!(passing(&mut throttle, 1_000, (10, 1), 3), 5);
    }

    #[test]
    fn what_is_remembered_has_a_cap() {
        let limits = Limits {
            hit_queries: 10,
            ..Limits::default()
        };
        let mut throttle = HitThrottle::default();
        for n in 0..200 {
            assert!(throttle.takes(at(0), guid(n), (Link(1), 1), (1, 1), &limits));
            assert!(throttle.young.len() <= 10 && throttle.old.len() <= 10);
        }
    }

    #[test]
    fn one_neighbour_leaves_room_for_others() {
        let limits = Limits {
            hit_results_per_query: 100,
            hit_bytes_per_query: 1_000,
            hit_share: 2,
            ..Limits::default()
        };
        let mut throttle = HitThrottle::default();
        let mut passing = |link, hit| {
            let way = (Link(link), 3);
            let takes = |_: &_| throttle.takes(at(0), guid(1), way, hit, &limits);
            (0..100).filter(takes).count()
        };
        assert_eq!(passing(1, (1, 1)), 50);
        assert_eq!(passing(2, (1, 100)), 5, "of bytes, too");
        assert_eq!(passing(3, (1, 1)), 45, "what is left");
        assert_eq!(passing(4, (1, 1)), 0);
    }
}
