//! What waits for one neighbour, and whether that is the neighbour's doing.

use super::flow::{Pressure, Queue};
use super::time::{Duration, Instant};
use crate::wire::Descriptor;

/// How long a queue stays full before that counts.
const SLOW: Duration = Duration::from_millis(500);

/// A [send queue](Queue) that knows how long it has been full. A burst that others put in, and that
/// the neighbour takes, does not count: then its own questions would be lost to what it is flooded
/// with.
#[derive(Debug)]
pub struct Backlog {
    queue: Queue,
    /// Since when it is more than half full, or was and is not yet below a quarter.
    full: Option<Instant>,
}

impl Backlog {
    /// An empty one for at most `capacity` bytes, headers included.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            queue: Queue::new(capacity),
            full: None,
        }
    }

    /// Puts in a descriptor; what is least important goes where there is too much. `now` is asked
    /// only where that matters.
    pub fn push(&mut self, descriptor: Descriptor, now: impl FnOnce() -> Instant) {
        self.queue.push(descriptor);
        if self.queue.pressure() == Pressure::Congested {
            self.full.get_or_insert_with(now);
        }
    }

    /// Takes out the most important descriptor.
    pub fn pop(&mut self) -> Option<Descriptor> {
        let descriptor = self.queue.pop();
        if self.queue.pressure() == Pressure::Free {
            self.full = None;
        }
        descriptor
    }

    /// Whether the neighbour keeps up.
    pub fn pressure(&self, now: impl FnOnce() -> Instant) -> Pressure {
        match self.full.is_some_and(|since| now().since(since) >= SLOW) {
            true => Pressure::Congested,
            false => Pressure::Free,
        }
    }

    /// Forgets all that waits.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.full = None;
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Descriptors dropped so far because there were too many.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Guid, Header, Kind};

    #[test]
    fn a_burst_does_not_count_and_what_stays_does() {
        let at = Instant::from_micros;
        let query = || Descriptor {
            header: Header {
                guid: Guid::ZERO,
                kind: Kind::Query,
                ttl: 1,
                hops: 0,
            },
            payload: vec![0; 77].into(),
        };
        // Each takes 100 bytes.
        let mut backlog = Backlog::new(1_000);
        (0..5).for_each(|_| backlog.push(query(), || panic!("it is not full")));
        backlog.push(query(), || at(1_000_000));
        backlog.push(query(), || panic!("it is full already"));
        assert_eq!(backlog.pressure(|| at(1_499_999)), Pressure::Free);
        assert_eq!(backlog.pressure(|| at(1_500_000)), Pressure::Congested);
        (0..4).for_each(|_| drop(backlog.pop()));
        assert_eq!(backlog.pressure(|| at(1_500_000)), Pressure::Congested);
        backlog.pop();
        assert_eq!(
            backlog.pressure(|| panic!("it is not full")),
            Pressure::Free
        );
        assert!(!backlog.is_empty() && backlog.dropped() == 0);
    }
}
