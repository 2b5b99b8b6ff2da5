//! A bounded priority send queue, one for each neighbour (protocol §1.8).
//!
//! A pure value: the driver of a link owns it, puts in what the servent sends and takes out what
//! the neighbour will read. When it is full the least important descriptor goes, so a neighbour
//! that does not read costs its own queue only.

use std::collections::VecDeque;

use crate::wire::{Descriptor, HEADER_LEN, Kind};

/// Whether a neighbour keeps up with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Less than a quarter of its queue is used, or it never came above half.
    Free,
    /// Its queue went above half and is not yet below a quarter.
    Congested,
}

/// What waits for one neighbour, most important first.
#[derive(Debug)]
pub struct Queue {
    lanes: [VecDeque<Descriptor>; LANES],
    /// Bit `n` is set when lane `n` holds something.
    occupied: u64,
    bytes: usize,
    capacity: usize,
    pressure: Pressure,
    dropped: u64,
}

/// Lanes of one class: hops 0 to 6, and all above.
const HOPS: u8 = 8;
const LANES: usize = 64;

impl Queue {
    /// A queue for at most `capacity` bytes, headers included.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            lanes: [const { VecDeque::new() }; LANES],
            occupied: 0,
            bytes: 0,
            capacity,
            pressure: Pressure::Free,
            dropped: 0,
        }
    }

    /// Puts in a descriptor. What is least important is dropped until all fits: that may be the
    /// descriptor itself.
    pub fn push(&mut self, descriptor: Descriptor) {
        let (lane, size) = (lane(&descriptor), size(&descriptor));
        if size > self.capacity {
            self.dropped += 1;
            return;
        }
        while self.bytes + size > self.capacity {
            let worst = self.worst();
            if worst.is_none_or(|worst| worst <= lane) {
                self.dropped += 1;
                return;
            }
            self.take(worst.expect("checked above"));
            self.dropped += 1;
        }
        self.lanes[lane].push_back(descriptor);
        self.occupied |= 1 << lane;
        self.bytes += size;
        if self.bytes * 2 > self.capacity {
            self.pressure = Pressure::Congested;
        }
    }

    /// Takes out the most important descriptor.
    pub fn pop(&mut self) -> Option<Descriptor> {
        if self.occupied == 0 {
            return None;
        }
        let descriptor = self.take(self.occupied.trailing_zeros() as usize);
        if self.bytes * 4 < self.capacity {
            self.pressure = Pressure::Free;
        }
        Some(descriptor)
    }

    /// Forgets all that waits.
    pub fn clear(&mut self) {
        *self = Self {
            dropped: self.dropped,
            ..Self::new(self.capacity)
        };
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// Bytes that wait, headers included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the neighbour keeps up.
    #[must_use]
    pub const fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Descriptors dropped since the queue was made.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn worst(&self) -> Option<usize> {
        (self.occupied != 0).then(|| 63 - self.occupied.leading_zeros() as usize)
    }

    /// Takes the oldest of a lane that holds something.
    fn take(&mut self, lane: usize) -> Descriptor {
        let descriptor = self.lanes[lane]
            .pop_front()
            .expect("its bit in `occupied` is set");
        if self.lanes[lane].is_empty() {
            self.occupied &= !(1 << lane);
        }
        self.bytes -= size(&descriptor);
        descriptor
    }
}

fn size(descriptor: &Descriptor) -> usize {
    HEADER_LEN + descriptor.payload.len()
}

/// The lane of a descriptor, lowest first: by kind as protocol §1.8 orders them; within a kind,
/// broadcasts that travelled less and replies that travelled more come first.
fn lane(descriptor: &Descriptor) -> usize {
    let (class, reply) = match descriptor.header.kind {
        Kind::Bye => (0, false),
        Kind::RouteTableUpdate => (1, false),
        Kind::Vendor { .. } | Kind::Dht | Kind::Other(_) => (2, false),
        Kind::Push => (3, true),
        Kind::QueryHit => (4, true),
        Kind::Pong => (5, true),
        Kind::Query => (6, false),
        Kind::Ping => (7, false),
    };
    let hops = descriptor.header.hops.min(HOPS - 1);
    let rank = if reply { HOPS - 1 - hops } else { hops };
    usize::from(class * HOPS + rank)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Guid, Header};

    fn descriptor(kind: Kind, hops: u8, length: usize) -> Descriptor {
        let header = Header {
            guid: Guid::ZERO,
            kind,
            ttl: 1,
            hops,
        };
        Descriptor {
            header,
            payload: Bytes::from(vec![0; length]),
        }
    }

    #[test]
    fn important_descriptors_leave_first() {
        let mut queue = Queue::new(10_000);
        let given = [
            (Kind::Query, 1),
            (Kind::QueryHit, 1),
            (Kind::Query, 0),
            (Kind::QueryHit, 3),
            (Kind::Bye, 0),
        ];
        for (kind, hops) in given {
            queue.push(descriptor(kind, hops, 10));
        }
        let taken: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|d| (d.header.kind, d.header.hops))
            .collect();
        let expected = [
            (Kind::Bye, 0),
            (Kind::QueryHit, 3),
            (Kind::QueryHit, 1),
            (Kind::Query, 0),
            (Kind::Query, 1),
        ];
        assert_eq!(taken, expected);
        assert_eq!((queue.bytes(), queue.is_empty()), (0, true));
    }

    #[test]
    fn a_full_queue_drops_the_least_important() {
        let mut queue = Queue::new(300);
        for _ in 0..3 {
            queue.push(descriptor(Kind::Query, 2, 77));
        }
        queue.push(descriptor(Kind::QueryHit, 0, 77));
        queue.push(descriptor(Kind::Query, 3, 77));
        assert_eq!((queue.dropped(), queue.bytes()), (2, 300));
        assert_eq!(queue.pop().unwrap().header.kind, Kind::QueryHit);
        queue.push(descriptor(Kind::Bye, 0, 1_000));
        assert_eq!(
            (queue.dropped(), queue.bytes()),
            (3, 200),
            "what never fits drives nothing out"
        );
    }

    #[test]
    fn pressure_rises_above_half_and_falls_below_a_quarter() {
        let mut queue = Queue::new(1_000);
        for _ in 0..6 {
            queue.push(descriptor(Kind::Query, 0, 77));
        }
        assert_eq!(queue.pressure(), Pressure::Congested);
        for _ in 0..3 {
            queue.pop();
        }
        assert_eq!(
            queue.pressure(),
            Pressure::Congested,
            "300 bytes are not below a quarter"
        );
        queue.pop();
        assert_eq!(queue.pressure(), Pressure::Free);
    }

    proptest! {
        #[test]
        fn never_holds_more_than_its_capacity(
            given in proptest::collection::vec((0u8..=255, 0u8..=255, 0usize..200), 0..200),
        ) {
            let mut queue = Queue::new(1_000);
            for (code, hops, length) in given {
                queue.push(descriptor(Kind::from_code(code), hops, length));
                prop_assert!(queue.bytes() <= 1_000);
            }
            let left: usize = std::iter::from_fn(|| queue.pop()).map(|d| size(&d)).sum();
            prop_assert!(left <= 1_000);
            prop_assert_eq!((queue.bytes(), queue.is_empty()), (0, true));
        }
    }
}
