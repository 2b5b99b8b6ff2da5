//! Who sent which GUID: duplicate suppression and the way back for replies (protocol §1.5, §1.7).
//!
//! Two generations of an open-addressing table. A GUID is remembered for at least one generation's
//! life and forgotten after two; a cap turns the generations earlier. The GUID that was new last
//! stands before the tables, since most copies of a descriptor come soon after the first: they are
//! known without a look into a table, and who remembers but one GUID needs none. An unused table
//! takes no memory beyond its two pointers.

use super::Link;
use super::limits::Limits;
use super::time::Instant;
use crate::wire::Guid;

/// What a table says of a GUID that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never before.
    First,
    /// Before, but never with so high a TTL.
    Raised,
    /// Before.
    Again,
    /// Before, from the same neighbour.
    Twice,
    /// It is one of ours.
    Own,
}

/// Where each GUID came from first.
#[derive(Clone, Debug)]
pub struct Routes {
    /// The GUID that was new last, of the young generation.
    last: Slot,
    turned: Instant,
    young: Table,
    old: Table,
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            last: Slot::EMPTY,
            turned: Instant::default(),
            young: Table::default(),
            old: Table::default(),
        }
    }
}

impl Routes {
    /// Notes that `guid` came over `link` with `ttl` left, and says whether it came before. The
    /// first link stays the way back.
    #[inline]
    pub fn note(
        &mut self,
        now: Instant,
        guid: Guid,
        link: Link,
        ttl: u8,
        limits: &Limits,
        secret: [u64; 2],
    ) -> Seen {
        self.turn(now, limits, secret);
        if self.last.holds(guid) {
            return self.last.raise(link, ttl);
        }
        if !self.young.is_empty() || !self.old.is_empty() {
            let hash = hash(guid, secret);
            if let Some(slot) = self.young.find_mut(guid, hash) {
                return slot.raise(link, ttl);
            }
            if let Some(slot) = self.old.find_mut(guid, hash) {
                return slot.raise(link, ttl);
            }
        }
        self.put_last_away(secret);
        self.last = Slot {
            guid,
            link: link.0,
            ttl,
            used: true,
        };
        Seen::First
    }

    /// The link over which `guid` first came. Asking keeps the route alive.
    pub fn way_back(
        &mut self,
        now: Instant,
        guid: Guid,
        limits: &Limits,
        secret: [u64; 2],
    ) -> Option<Link> {
        self.turn(now, limits, secret);
        if self.last.holds(guid) {
            return Some(Link(self.last.link));
        }
        let hash = hash(guid, secret);
        if let Some(slot) = self.young.find_mut(guid, hash) {
            return Some(Link(slot.link));
        }
        let slot = *self.old.find_mut(guid, hash)?;
        self.young.insert(slot, hash, secret);
        Some(Link(slot.link))
    }

    /// Reads where the next GUID is likely to be looked for; see
    /// [`Servent::read_ahead`](super::Servent::read_ahead).
    #[inline]
    pub(super) fn read_ahead(&self) -> u32 {
        if self.young.is_empty() {
            return self.last.link;
        }
        let slots = &self.young.slots;
        let first = slots.first().map_or(0, |slot| slot.link);
        first ^ slots.last().map_or(0, |slot| slot.link)
    }

    /// How many GUIDs are remembered, in both generations.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.last.used as usize + self.young.len + self.old.len
    }

    /// Whether no GUID is remembered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins a new generation when the young one is old or full.
    #[inline]
    fn turn(&mut self, now: Instant, limits: &Limits, secret: [u64; 2]) {
        let age = now.since(self.turned);
        let young = usize::from(self.last.used) + self.young.len;
        if age < limits.route_life && young < limits.routes {
            return;
        }
        if age >= limits.route_life.times(2) {
            // Both are past their life: the memory stays where it is.
            self.old.clear();
            self.last = Slot::EMPTY;
        } else {
            self.put_last_away(secret);
            std::mem::swap(&mut self.young, &mut self.old);
        }
        self.young.clear();
        self.turned = now;
    }

    /// Puts the GUID that was new last among the others of its generation.
    fn put_last_away(&mut self, secret: [u64; 2]) {
        let last = std::mem::replace(&mut self.last, Slot::EMPTY);
        if last.used {
            self.young.insert(last, hash(last.guid, secret), secret);
        }
    }
}

/// An open-addressing table with linear probing, at most three quarters full.
#[derive(Clone, Debug, Default)]
struct Table {
    slots: Box<[Slot]>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    guid: Guid,
    link: u32,
    ttl: u8,
    used: bool,
}

impl Slot {
    const EMPTY: Self = Self {
        guid: Guid::ZERO,
        link: 0,
        ttl: 0,
        used: false,
    };

    #[inline]
    fn holds(&self, guid: Guid) -> bool {
        self.used && self.guid == guid
    }

    #[inline]
    fn raise(&mut self, link: Link, ttl: u8) -> Seen {
        if self.link == Link::OWN.0 {
            Seen::Own
        } else if ttl > self.ttl {
            self.ttl = ttl;
            Seen::Raised
        } else if link.0 == self.link {
            Seen::Twice
        } else {
            Seen::Again
        }
    }
}

impl Table {
    /// Slots of a table that holds its first GUID.
    const SMALLEST: usize = 4;

    const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn find_mut(&mut self, guid: Guid, hash: usize) -> Option<&mut Slot> {
        if self.len == 0 {
            return None;
        }
        let place = self.probe(guid, hash);
        let slot = &mut self.slots[place];
        slot.used.then_some(slot)
    }

    fn insert(&mut self, slot: Slot, hash: usize, secret: [u64; 2]) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow(secret);
        }
        let place = self.probe(slot.guid, hash);
        self.slots[place] = slot;
        self.len += 1;
    }

    /// Where `guid` is, or where it would go. The table always has a free slot.
    #[inline]
    fn probe(&self, guid: Guid, hash: usize) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = hash & mask;
        while self.slots[place].used && self.slots[place].guid != guid {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self, secret: [u64; 2]) {
        let size = (self.slots.len() * 2).max(Self::SMALLEST);
        let slots = std::mem::replace(&mut self.slots, vec![Slot::EMPTY; size].into());
        for slot in slots.iter().filter(|slot| slot.used) {
            let place = self.probe(slot.guid, hash(slot.guid, secret));
            self.slots[place] = *slot;
        }
    }

    /// Empties the table. A small one keeps its memory for the next generation.
    fn clear(&mut self) {
        const KEPT: usize = 64;
        if self.slots.len() > KEPT {
            self.slots = Box::default();
        } else if self.len > 0 {
            self.slots.fill(Slot::EMPTY);
        }
        self.len = 0;
    }
}

/// A keyed hash by folded multiplication: a stranger who does not know `secret` cannot choose
/// GUIDs that meet.
#[inline]
fn hash(guid: Guid, secret: [u64; 2]) -> usize {
    let whole = u128::from_le_bytes(*guid.as_bytes());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves are what is wanted"
    )]
    let (low, high) = (whole as u64 ^ secret[0], (whole >> 64) as u64 ^ secret[1]);
    let product = u128::from(low) * u128::from(high | 1);
    #[expect(clippy::cast_possible_truncation, reason = "folded")]
    let folded = (product >> 64) as usize ^ product as usize;
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::overlay::time::Duration;

    const SECRET: [u64; 2] = [0x1234_5678_9abc_def1, 0x0fed_cba9_8765_4321];

    fn limits(routes: usize) -> Limits {
        Limits {
            routes,
            route_life: Duration::from_secs(10),
            ..Limits::default()
        }
    }

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn the_first_link_is_the_way_back() {
        let (mut routes, limits) = (Routes::default(), limits(100));
        let guid = Guid::random(&mut Pcg64Mcg::seed_from_u64(1));
        let mut note = |link, ttl| routes.note(at(0), guid, Link(link), ttl, &limits, SECRET);
        assert_eq!(note(3, 2), Seen::First);
        assert_eq!(note(4, 2), Seen::Again);
        assert_eq!(note(5, 3), Seen::Raised);
        assert_eq!(note(5, 3), Seen::Again);
        assert_eq!(note(3, 3), Seen::Twice);
        assert_eq!(routes.way_back(at(1), guid, &limits, SECRET), Some(Link(3)));
        assert_eq!(routes.way_back(at(1), Guid::ZERO, &limits, SECRET), None);
    }

    #[test]
    fn a_route_lives_one_generation_and_dies_within_two() {
        let (mut routes, limits) = (Routes::default(), limits(100));
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let (kept, idle) = (Guid::random(&mut rng), Guid::random(&mut rng));
        for guid in [kept, idle] {
            routes.note(at(9), guid, Link(1), 1, &limits, SECRET);
        }
        assert_eq!(
            routes.way_back(at(18), kept, &limits, SECRET),
            Some(Link(1))
        );
        assert_eq!(
            routes.way_back(at(29), kept, &limits, SECRET),
            Some(Link(1)),
            "refreshed"
        );
        assert_eq!(routes.way_back(at(29), idle, &limits, SECRET), None);
        assert_eq!(
            routes.note(at(1_000), kept, Link(2), 1, &limits, SECRET),
            Seen::First
        );
        assert_eq!(routes.len(), 1);
    }

    proptest! {
        /// Against a plain map: nothing within a generation is forgotten, and the cap holds.
        #[test]
        fn remembers_what_came_and_stays_within_the_cap(
            seed: u64,
            picks in proptest::collection::vec(0usize..80, 1..400),
        ) {
            let limits = limits(50);
            let mut rng = Pcg64Mcg::seed_from_u64(seed);
            let guids: Vec<Guid> = (0..80).map(|_| Guid::random(&mut rng)).collect();
            let mut routes = Routes::default();
            let mut recent: Vec<usize> = Vec::new();
            for pick in picks {
                let seen = routes.note(at(0), guids[pick], Link(0), 1, &limits, SECRET);
                if recent.iter().rev().take(50).any(|&past| past == pick) {
                    prop_assert_eq!(seen, Seen::Twice);
                }
                if seen == Seen::First {
                    recent.push(pick);
                }
                prop_assert!(routes.len() <= 2 * 50);
            }
        }
    }
}
