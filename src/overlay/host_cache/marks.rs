//! Addresses that are not to be taken for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::address::Address;
use crate::overlay::time::Instant;

/// Each until a moment of its own; where there are too many, the one that is over first is lifted.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    until: BTreeMap<Address, Instant>,
    /// The same addresses, the one that is over first at the beginning.
    order: BTreeSet<(Instant, Address)>,
}

impl Marks {
    pub(super) const fn new() -> Self {
        Self {
            until: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    /// Marks an address until then, unless it is marked already; there are at most `most` of them.
    pub(super) fn mark(&mut self, address: Address, until: Instant, most: usize) {
        if self.until.contains_key(&address) || most == 0 {
            return;
        }
        while self.until.len() >= most
            && let Some((_, first)) = self.order.pop_first()
        {
            self.until.remove(&first);
        }
        self.order.insert((until, address.clone()));
        self.until.insert(address, until);
    }

    /// Lifts the mark of an address.
    pub(super) fn lift(&mut self, address: SocketAddr) {
        let address = Address::from(address);
        if let Some(until) = self.until.remove(&address) {
            self.order.remove(&(until, address));
        }
    }

    /// Lifts the marks that are over; says when the last one is.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        while self.order.first().is_some_and(|(until, _)| *until <= now)
            && let Some((_, address)) = self.order.pop_first()
        {
            self.until.remove(&address);
        }
        self.order.last().map(|(until, _)| *until)
    }

    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        !self.until.is_empty() && self.until.contains_key(&address.into())
    }

    pub(super) fn len(&self) -> usize {
        self.until.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}
