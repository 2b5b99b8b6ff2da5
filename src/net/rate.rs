//! How much strangers may send: token buckets, pure values that are fed with time.
//!
//! A bucket fills at a steady rate up to its burst; what finds it empty is refused. One for all
//! and one for each source stand before what comes without a connection. The sources share a table
//! of fixed size, so that however many addresses a flood claims to come from, it costs no memory.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Buckets for sources. Two sources may share one; which ones, strangers cannot know.
const SOURCES: usize = 4_096;

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What may pass in the long run, a second.
    pub per_second: u32,
    /// What may pass at once.
    pub burst: u32,
}

/// What may come without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From one source: an address, of IPv6 a network of 64 bits, on the loopback interface a port.
    pub source: Rate,
    /// From all together.
    pub total: Rate,
}

/// A bucket, full at first. It remembers only when it will be full again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// Whether one more may pass at `now`, in time since any fixed point; if so, it has.
    pub fn take(&mut self, rate: Rate, now: Duration) -> bool {
        let Some(next) = self.after(rate, now) else {
            return false;
        };
        self.full_at = next;
        true
    }

    /// When the bucket would be full again after one more, if that may pass.
    fn after(self, rate: Rate, now: Duration) -> Option<Duration> {
        let one = Duration::from_secs(1).checked_div(rate.per_second)?;
        let full_at = self.full_at.max(now) + one;
        (full_at - now <= one * rate.burst).then_some(full_at)
    }
}

/// The buckets before one socket.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    total: Bucket,
    sources: Box<[Bucket]>,
    hasher: RandomState,
}

impl Gate {
    /// A gate that lets as much pass as `limits` say.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            total: Bucket::default(),
            sources: vec![Bucket::default(); SOURCES].into(),
            hasher: RandomState::new(),
        }
    }

    /// Whether one more from `from` may pass at `now`, in time since any fixed point. What its own
    /// source has used up takes nothing from the others.
    pub fn pass(&mut self, from: SocketAddr, now: Duration) -> bool {
        let hash = self.hasher.hash_one(source(from));
        let slot = usize::try_from(hash % SOURCES as u64).unwrap_or(0);
        let bucket = &mut self.sources[slot];
        let Some(next) = bucket.after(self.limits.source, now) else {
            return false;
        };
        if !self.total.take(self.limits.total, now) {
            return false;
        }
        bucket.full_at = next;
        true
    }
}

/// What counts as one source.
fn source(from: SocketAddr) -> (u64, u16) {
    match from.ip().to_canonical() {
        // Many servents of one machine, in a laboratory.
        IpAddr::V4(ip) if ip.is_loopback() => (ip.to_bits().into(), from.port()),
        IpAddr::V4(ip) => (ip.to_bits().into(), 0),
        IpAddr::V6(ip) if ip.is_loopback() => (1 << 32, from.port()),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments().map(u64::from);
            (a << 48 | b << 32 | c << 16 | d, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 3,
    };
    const LIMITS: Limits = Limits {
        source: RATE,
        total: Rate {
            per_second: 100,
            burst: 5,
        },
    };

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn from(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::default();
        let passed = (0..1_000).filter(|_| bucket.take(RATE, at(5_000))).count();
        assert_eq!(passed, 3);
        let passed = (0..10_000).filter(|now| bucket.take(RATE, at(5_000 + now)));
        assert_eq!(passed.count(), 99);
        // A long rest gives a burst and no more.
        let passed = (0..1_000).filter(|_| bucket.take(RATE, at(99_000)));
        assert_eq!(passed.count(), 3);
        let closed = Rate {
            per_second: 0,
            burst: 3,
        };
        assert!(!Bucket::default().take(closed, at(1)));
    }

    #[test]
    fn one_source_cannot_use_up_what_is_for_all() {
        let mut gate = Gate::new(LIMITS);
        let loud = from("192.0.2.1:1");
        let passed = (1..1_000).filter(|port| {
            let from = SocketAddr::new(loud.ip(), *port);
            gate.pass(from, at(0))
        });
        assert_eq!(passed.count(), 3);
        let others = (0..=255).filter(|last| gate.pass(from(&format!("192.0.2.{last}:1")), at(0)));
        assert_eq!(others.count(), 2);
    }

    #[test]
    fn sources_are_machines_or_networks() {
        let same = [
            ("192.0.2.1:1", "192.0.2.1:2"),
            ("192.0.2.1:1", "[::ffff:192.0.2.1]:2"),
            ("[2001:db8::1]:1", "[2001:db8::ffff:2]:2"),
        ];
        for (one, other) in same {
            assert_eq!(source(from(one)), source(from(other)), "{one} {other}");
        }
        let different = [
            ("192.0.2.1:1", "192.0.2.2:1"),
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("[::1]:1", "[::1]:2"),
            ("[2001:db8::1]:1", "[2001:db8:0:1::1]:1"),
        ];
        for (one, other) in different {
            assert_ne!(source(from(one)), source(from(other)), "{one} {other}");
        }
    }
}
