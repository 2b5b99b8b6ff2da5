//! What others gave us and took from us, and what that is worth when several want something of us.
//!
//! A servent is known by the key that it has proven to have, or else by the address from which it was
//! seen to send bytes that were right, and by nothing that it says of itself. So credit cannot be
//! claimed, only earned, and it is good here only. What it is worth is for a [`Policy`] to say.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Who is credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Who has the private half of the public key with this SHA-256, wherever he is.
    Key([u8; 32]),
    /// Who is at an address, or of IPv6 in the network that one subscriber has; made by
    /// [`at`](Self::at).
    Address(IpAddr),
}

impl Peer {
    /// Who is at an address.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) >> 64 << 64;
                Self::Address(Ipv6Addr::from(network).into())
            }
            v4 => Self::Address(v4),
        }
    }
}

/// Bytes of files, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Right bytes that it gave us.
    pub given: u64,
    /// Bytes that it took from us.
    pub taken: u64,
}

/// What a servent is worth to us, by what it gave and took.
pub trait Policy: fmt::Debug + Send + Sync {
    /// From 1, for one of whom nothing is known, up. Who is worth twice as much waits half as long,
    /// keeps a slot twice as long, and gets twice the rate where the rate is what lacks.
    fn weight(&self, meter: Meter) -> u32;
}

/// The default: who gave much in relation to what it took is worth more, up to 8; at first a
/// little only, so that a small gift does not buy much.
#[derive(Clone, Copy, Debug, Default)]
pub struct GiveAndTake;

/// Everybody is worth the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Equal;

const MIB: u64 = 1 << 20;
/// The most that [`GiveAndTake`] thinks of anybody.
const MOST: u64 = 8;

impl Policy for GiveAndTake {
    fn weight(&self, Meter { given, taken }: Meter) -> u32 {
        // Two for each that it took, and not more than grows with the sum.
        let ratio = given.saturating_mul(2) / taken.max(MIB);
        let sum = (given / MIB + 1).isqrt();
        u32::try_from(ratio.min(sum).clamp(1, MOST)).unwrap_or(1)
    }
}

impl Policy for Equal {
    fn weight(&self, _: Meter) -> u32 {
        1
    }
}

/// The meters of many servents, and of all together.
#[derive(Debug)]
pub struct Credit {
    cap: usize,
    meters: HashMap<Peer, (Meter, Duration)>,
    total: Meter,
    forgotten: u64,
}

impl Credit {
    /// Meters of `cap` servents at most. For a new one that is forgotten which gave the least, and
    /// of those the one heard of longest ago.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self {
            cap: cap.max(1),
            meters: HashMap::new(),
            total: Meter::default(),
            forgotten: 0,
        }
    }

    /// Takes over a meter that was kept.
    pub fn recall(&mut self, peer: Peer, meter: Meter) {
        if self.meters.len() < self.cap {
            self.meters.insert(peer, (meter, Duration::ZERO));
        }
    }

    /// Somebody gave us bytes that were right.
    pub fn gave(&mut self, now: Duration, peer: Peer, bytes: u64) {
        self.total.given = self.total.given.saturating_add(bytes);
        let meter = self.meter_mut(now, peer);
        meter.given = meter.given.saturating_add(bytes);
    }

    /// Somebody took bytes from us.
    pub fn took(&mut self, now: Duration, peer: Peer, bytes: u64) {
        self.total.taken = self.total.taken.saturating_add(bytes);
        let meter = self.meter_mut(now, peer);
        meter.taken = meter.taken.saturating_add(bytes);
    }

    /// The meter of a servent.
    #[must_use]
    pub fn of(&self, peer: Peer) -> Meter {
        let known = self.meters.get(&peer);
        known.map_or_else(Meter::default, |(meter, _)| *meter)
    }

    /// What all gave and took since this was made.
    #[must_use]
    pub const fn total(&self) -> Meter {
        self.total
    }

    /// Servents known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.meters.len()
    }

    /// Servents forgotten for others.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// All meters, in no order.
    pub fn meters(&self) -> impl Iterator<Item = (Peer, Meter)> + '_ {
        self.meters.iter().map(|(peer, (meter, _))| (*peer, *meter))
    }

    fn meter_mut(&mut self, now: Duration, peer: Peer) -> &mut Meter {
        if self.meters.len() >= self.cap && !self.meters.contains_key(&peer) {
            let order = |(peer, (meter, heard)): &(&Peer, &(Meter, Duration))| {
                // Of equals always the same one, whatever the order of the table.
                (meter.given, *heard, **peer)
            };
            if let Some(least) = self.meters.iter().min_by_key(order).map(|(peer, _)| *peer) {
                self.meters.remove(&least);
                self.forgotten += 1;
            }
        }
        let (meter, heard) = self.meters.entry(peer).or_default();
        *heard = now;
        meter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::at([20, 0, 0, last].into())
    }

    #[test]
    fn who_gave_is_worth_more_and_who_only_takes_is_not_worth_less_than_a_newcomer() {
        let weight = |given, taken| {
            let meter = Meter {
                given: given * MIB,
                taken: taken * MIB,
            };
            GiveAndTake.weight(meter)
        };
        assert_eq!(weight(0, 0), 1);
        assert_eq!(weight(0, 1_000_000), 1);
        assert_eq!(weight(1, 0), 1, "a small gift buys nothing");
        assert_eq!(weight(16, 0), 4);
        assert_eq!(weight(16, 16), 2);
        assert_eq!(weight(16, 1_000), 1);
        assert_eq!(weight(1_000_000, 0), 8);
        assert_eq!(
            GiveAndTake.weight(Meter {
                given: u64::MAX,
                taken: u64::MAX
            }),
            1
        );
        assert_eq!(Equal.weight(Meter::default()), 1);
    }

    #[test]
    fn meters_run_and_are_capped_the_givers_last() {
        let mut credit = Credit::new(2);
        credit.gave(Duration::from_secs(1), peer(1), 10);
        credit.took(Duration::from_secs(2), peer(2), 5);
        credit.took(Duration::from_secs(3), peer(3), 5);
        assert_eq!(credit.known(), 2);
        assert_eq!(
            (credit.of(peer(1)).given, credit.of(peer(2)).taken),
            (10, 0)
        );
        let total = Meter {
            given: 10,
            taken: 10,
        };
        assert_eq!((credit.total(), credit.forgotten()), (total, 1));
    }

    #[test]
    fn one_subscriber_is_one_peer() {
        let at = |text: &str| Peer::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::7"), at("2001:db8:1:2:ffff::1"));
        assert_ne!(at("2001:db8:1:2::7"), at("2001:db8:1:3::7"));
        assert_eq!(at("::ffff:20.0.0.1"), peer(1));
    }
}
