//! A table of two generations: what is in it lives for at least one, and is forgotten after two.

use std::collections::BTreeMap;

use crate::overlay::time::{Duration, Instant};

/// How much a table remembers for how long: so many in each of its two generations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) most: usize,
    pub(super) life: Duration,
}

/// The table. Ordered, so that strangers can choose no keys that meet.
#[derive(Clone, Debug)]
pub(super) struct Generations<K, V> {
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
    turned: Instant,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self {
            young: BTreeMap::new(),
            old: BTreeMap::new(),
            turned: Instant::default(),
        }
    }
}

impl<K: Ord + Copy, V: Default> Generations<K, V> {
    /// What is remembered under a key, if anything.
    pub(super) fn get(&self, now: Instant, key: K, bounds: Bounds) -> Option<&V> {
        let age = now.since(self.turned);
        let young = self.young.get(&key);
        match () {
            () if age < bounds.life => young.or_else(|| self.old.get(&key)),
            () if age < bounds.life.times(2) => young,
            () => None,
        }
    }

    /// The same, made if it is not there, and young again.
    pub(super) fn renew(&mut self, now: Instant, key: K, bounds: Bounds) -> &mut V {
        self.turn(now, bounds);
        let old = self.old.remove(&key);
        self.young
            .entry(key)
            .or_insert_with(|| old.unwrap_or_default())
    }

    /// How much is remembered, in both generations.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Begins a new generation when the young one is old or full.
    fn turn(&mut self, now: Instant, bounds: Bounds) {
        let age = now.since(self.turned);
        if age < bounds.life && self.young.len() < bounds.most.max(1) {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= bounds.life.times(2) {
            self.old.clear();
        }
        self.turned = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        most: 100,
        life: Duration::from_secs(10),
    };

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn what_is_renewed_lives_on_and_the_rest_is_forgotten() {
        let mut table = Generations::<u8, u8>::default();
        *table.renew(at(9), 1, BOUNDS) = 11;
        *table.renew(at(9), 2, BOUNDS) = 22;
        assert_eq!(*table.renew(at(15), 1, BOUNDS), 11);
        assert_eq!(*table.renew(at(26), 1, BOUNDS), 11);
        assert_eq!(table.get(at(26), 1, BOUNDS), Some(&11));
        assert_eq!(table.get(at(26), 2, BOUNDS), None);
        assert_eq!(table.get(at(60), 1, BOUNDS), None);
        assert_eq!(*table.renew(at(60), 1, BOUNDS), 0);
    }

    #[test]
    fn no_more_is_remembered_than_two_generations_hold() {
        let mut table = Generations::<u32, u8>::default();
        for key in 0..10_000 {
            table.renew(at(1), key, BOUNDS);
        }
        assert!(table.young.len() + table.old.len() <= 200);
        assert!(table.get(at(1), 9_999, BOUNDS).is_some());
    }
}
