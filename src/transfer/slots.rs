//! Places for uploads: how many at once, and how many for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::swarm::pace::Pace;

/// The places taken and the bytes sent.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Uploads under way by address; none is kept with zero.
    taken: Mutex<HashMap<IpAddr, usize>>,
    sent: AtomicU64,
    /// The limit on all uploads together, and since when it counts time.
    pace: Option<(Mutex<Pace>, Instant)>,
}

/// One place, free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
    /// The limit on this upload.
    pace: Option<(Pace, Instant)>,
}

impl Slots {
    /// Places for uploads of at most `rate` bytes a second together.
    pub(super) fn new(rate: Option<u64>) -> Self {
        let pace = rate.map(|rate| (Mutex::new(Pace::new(rate)), Instant::now()));
        Self {
            pace,
            ..Self::default()
        }
    }

    /// A place for `address`, if fewer than `all` are taken and fewer than `each` by that address.
    /// Private addresses may take any number: there many servents share one.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr, all: usize, each: usize) -> Option<Slot> {
        let address = address.to_canonical();
        let mut taken = self.taken();
        let own = taken.get(&address).copied().unwrap_or_default();
        if taken.values().sum::<usize>() >= all || (own >= each && !is_private(address)) {
            return None;
        }
        taken.insert(address, own + 1);
        let slots = Arc::clone(self);
        Some(Slot {
            slots,
            address,
            pace: None,
        })
    }

    /// Places taken.
    pub(super) fn active(&self) -> usize {
        self.taken().values().sum()
    }

    /// Bytes sent so far, of all uploads.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Every change is one insertion or removal: a panic elsewhere leaves nothing half done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The same for at most `rate` bytes a second.
    pub(super) fn limited(mut self, rate: Option<u64>) -> Self {
        self.pace = rate.map(|rate| (Pace::new(rate), Instant::now()));
        self
    }

    /// Whether a limit holds, so that small pieces are better.
    pub(super) fn is_limited(&self) -> bool {
        self.pace.is_some() || self.slots.pace.is_some()
    }

    /// How long to wait before so many bytes are sent.
    pub(super) fn wait_for(&mut self, bytes: usize) -> Duration {
        let bytes = bytes as u64;
        let own = self.pace.as_mut();
        let own = own.map(|(pace, origin)| pace.take(origin.elapsed(), bytes));
        let all = self.slots.pace.as_ref().map(|(pace, origin)| {
            let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.take(origin.elapsed(), bytes)
        });
        own.max(all).unwrap_or_default()
    }

    /// Counts bytes sent through this place.
    pub(super) fn count(&self, bytes: usize) {
        self.slots.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        match taken.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.address)),
        }
    }
}

/// Whether an address is of a network that is nobody else's.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let slots = Arc::new(Slots::default());
        let address = "127.0.0.1".parse().unwrap();
        let first = slots.take(address, 2, 1).unwrap();
        let _second = slots.take(address, 2, 1).unwrap();
        assert!(slots.take(address, 2, 1).is_none());
        assert_eq!(slots.active(), 2);
        drop(first);
        assert_eq!(slots.active(), 1);
        assert!(slots.take(address, 2, 1).is_some());
    }

    #[test]
    fn one_public_address_does_not_take_all() {
        let slots = Arc::new(Slots::default());
        let greedy = "8.8.8.8".parse().unwrap();
        let _held = slots.take(greedy, 9, 1).unwrap();
        assert!(slots.take(greedy, 9, 1).is_none());
        assert!(
            slots
                .take("::ffff:8.8.8.8".parse().unwrap(), 9, 1)
                .is_none()
        );
        assert!(slots.take("9.9.9.9".parse().unwrap(), 9, 1).is_some());
    }
}
