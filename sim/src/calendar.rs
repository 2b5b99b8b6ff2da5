//! The event queue of virtual time: a ring of buckets, each a short span of time.
//!
//! A calendar queue (Brown, Calendar queues: a fast O(1) priority queue implementation for the
//! simulation event set problem, Communications of the ACM 31, 1988) of fixed width: an event goes
//! to the bucket of its time, and a bucket is put in order only when its time has come. Events
//! come out by time, and those of one time in the order they were put in.

use std::mem;

/// Events in wait, each with its time in microseconds.
#[derive(Clone, Debug)]
pub struct Calendar<E> {
    /// Microseconds that a bucket spans.
    width: u64,
    /// What waits for later than the present bucket: time `t` in bucket `t / width`, modulo their
    /// number. Later laps of the ring share its buckets.
    ring: Vec<Vec<(u64, E)>>,
    /// What is left of the present bucket, in order, the next one at the end.
    present: Vec<(u64, E)>,
    /// Number of the present bucket, counted from time 0.
    bucket: u64,
    /// Events in the ring.
    waiting: usize,
    /// Memory of buckets that are done, warm for those to come.
    spare: Vec<Vec<(u64, E)>>,
    /// How many events of one time come out region by region.
    regions: Option<Regions<E>>,
}

/// Places in memory that events lead to, in a few hundred regions.
#[derive(Clone, Copy, Debug)]
struct Regions<E> {
    /// The place that an event leads to.
    place: fn(&E) -> u32,
    /// Its region is the place without this many low bits.
    shift: u32,
}

impl<E: Copy> Calendar<E> {
    /// An empty calendar for events that lie mostly at most `horizon` microseconds ahead.
    #[must_use]
    pub fn new(horizon: u64) -> Self {
        Self::with_buckets(horizon, BUCKETS)
    }

    /// One for events most of which lie far nearer than the `horizon`: of 4,096 buckets, so that those
    /// do not all go to the present one.
    #[must_use]
    pub fn fine(horizon: u64) -> Self {
        Self::with_buckets(horizon, FINE_BUCKETS)
    }

    fn with_buckets(horizon: u64, buckets: usize) -> Self {
        debug_assert!(buckets.is_power_of_two(), "{buckets} buckets");
        let width = horizon.div_ceil(buckets as u64 / 2).max(1);
        Self {
            width,
            ring: std::iter::repeat_with(Vec::new).take(buckets).collect(),
            present: Vec::new(),
            bucket: 0,
            waiting: 0,
            spare: Vec::new(),
            regions: None,
        }
    }

    /// Lets many events of one and the same time come out region by region of memory, of which an
    /// event leads to one of so many places. Those of one place stay in the order they were put
    /// in. A processor that meets neighbouring places one after the other finds them in its
    /// caches.
    #[must_use]
    pub fn by_region(self, places: usize, place: fn(&E) -> u32) -> Self {
        let shift = region_shift(places);
        Self {
            regions: Some(Regions { place, shift }),
            ..self
        }
    }

    /// Puts an event in. One whose time has passed is next.
    pub fn push(&mut self, at: u64, event: E) {
        let bucket = at / self.width;
        if self.waiting == 0 && self.present.is_empty() {
            // Nothing lies between: the present moves on at once.
            self.bucket = self.bucket.max(bucket.saturating_sub(1));
        }
        if bucket <= self.bucket {
            let place = self.present.partition_point(|&(time, _)| time > at);
            self.present.insert(place, (at, event));
        } else {
            let place = self.place(bucket);
            let events = &mut self.ring[place];
            if events.capacity() == 0 {
                *events = self.spare.pop().unwrap_or_default();
            }
            events.push((at, event));
            self.waiting += 1;
        }
    }

    /// Takes the next event out, with its time.
    #[inline]
    pub fn pop(&mut self) -> Option<(u64, E)> {
        self.next_at()?;
        self.present.pop()
    }

    /// The time of the next event.
    #[inline]
    pub fn next_at(&mut self) -> Option<u64> {
        while self.present.is_empty() && self.waiting > 0 {
            self.turn();
        }
        self.present.last().map(|&(at, _)| at)
    }

    /// The next events, without taking them: as many of the present bucket as are left, at most
    /// `count`. In no particular order.
    pub fn upcoming(&self, count: usize) -> impl ExactSizeIterator<Item = &E> {
        let skipped = self.present.len().saturating_sub(count);
        self.present[skipped..].iter().map(|(_, event)| event)
    }

    /// The place in the ring of a bucket counted from time 0.
    fn place(&self, bucket: u64) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the remainder is what is wanted"
        )]
        // Their number is a power of two.
        let place = bucket as usize & (self.ring.len() - 1);
        place
    }

    /// Makes the next bucket the present one, which is empty.
    fn turn(&mut self) {
        self.bucket += 1;
        let end = (self.bucket + 1) * self.width;
        let place = self.place(self.bucket);
        let bucket = &mut self.ring[place];
        if bucket.is_empty() {
            return;
        }
        if bucket.iter().all(|&(at, _)| at < end) {
            self.spare
                .push(mem::replace(&mut self.present, mem::take(bucket)));
        } else {
            self.present
                .extend(bucket.extract_if(.., |&mut (at, _)| at < end));
        }
        self.waiting -= self.present.len();
        if let (Some(regions), Some(&(first, _))) = (&self.regions, self.present.first())
            && self.present.len() >= MANY
            && self.present.iter().all(|&(at, _)| at == first)
        {
            let mut sorted = self.spare.pop().unwrap_or_default();
            regions.sort(&self.present, &mut sorted);
            self.present.clear();
            self.spare.push(mem::replace(&mut self.present, sorted));
            return;
        }
        // Stable, so that equal times stay in the order they were put in.
        self.present.sort_by_key(|&(at, _)| at);
        self.present.reverse();
    }
}

impl<E: Copy> Regions<E> {
    /// Puts events in order by region, the first one at the end, and those of one region in the
    /// order given.
    fn sort(&self, events: &[(u64, E)], sorted: &mut Vec<(u64, E)>) {
        let region = |event: &E| ((self.place)(event) >> self.shift) as usize % REGIONS;
        let mut ends = [0; REGIONS];
        for (_, event) in events {
            ends[region(event)] += 1;
        }
        let mut left = events.len();
        for end in &mut ends {
            (*end, left) = (left, left - *end);
        }
        sorted.clear();
        sorted.extend_from_slice(events);
        for event in events {
            let end = &mut ends[region(&event.1)];
            *end -= 1;
            sorted[*end] = *event;
        }
    }
}

/// The region of one of so many places is its number without this many low bits.
pub(crate) const fn region_shift(places: usize) -> u32 {
    let bits = usize::BITS - places.saturating_sub(1).leading_zeros();
    bits.saturating_sub(REGION_BITS)
}

/// Buckets in the ring.
const BUCKETS: usize = 128;
/// The same of a fine one.
const FINE_BUCKETS: usize = 4_096;

/// Events of one time that are many.
pub(crate) const MANY: usize = 256;

/// Bits of the number of a region.
const REGION_BITS: u32 = 10;

/// Regions of memory.
pub(crate) const REGIONS: usize = 1 << REGION_BITS;

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn events_come_out_by_time_and_then_by_insertion() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        // Within the horizon, at no distance at all, and laps of the ring ahead.
        for (horizon, furthest) in [(100_000, 100_000), (1_000, 1_000), (10, 50_000), (1, 0)] {
            let mut calendar = Calendar::new(horizon);
            let mut expected: Vec<(u64, usize)> = Vec::new();
            let mut now = 0;
            for number in 0..20_000 {
                if number % 3 == 2 {
                    let first = *expected.iter().min().unwrap();
                    expected.retain(|&event| event != first);
                    assert_eq!(calendar.next_at(), Some(first.0), "horizon {horizon}");
                    assert_eq!(calendar.pop(), Some(first), "horizon {horizon}");
                    now = first.0;
                } else if expected.len() < 50 {
                    let at = now + rng.random_range(0..=furthest);
                    calendar.push(at, number);
                    expected.push((at, number));
                }
            }
            expected.sort_unstable();
            assert!(
                expected
                    .into_iter()
                    .all(|event| calendar.pop() == Some(event))
            );
            assert_eq!(calendar.pop(), None);
        }
    }

    #[test]
    fn many_of_one_time_come_out_by_region() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        for places in [1, 700, 5_000] {
            let mut calendar = Calendar::new(10).by_region(places, |&(place, _)| place);
            let mut events = Vec::new();
            for number in 0..2_000 {
                let place = rng.random_range(0..u32::try_from(places).unwrap());
                calendar.push(1_000, (place, number));
                events.push((place, number));
            }
            let found: Vec<(u32, i32)> = std::iter::from_fn(|| calendar.pop())
                .map(|(_, event)| event)
                .collect();
            let shift = if places > 1_024 { 3 } else { 0 };
            events.sort_by_key(|&(place, _)| place >> shift);
            assert!(found == events, "{places} places");
        }
    }

    #[test]
    fn an_empty_calendar_skips_to_what_comes() {
        let mut calendar = Calendar::new(10);
        calendar.push(u64::MAX / 2, 'b');
        calendar.push(u64::MAX / 2 - 1, 'a');
        calendar.push(u64::MAX / 2 - 1_000, 'z');
        let order: Vec<char> = std::iter::from_fn(|| calendar.pop())
            .map(|(_, e)| e)
            .collect();
        assert_eq!(order, ['z', 'a', 'b']);
    }
}
