//! How often one address may ask for something.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::overlay::limits::Limits;
use crate::overlay::time::{Duration, Instant};

/// So many in such a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) most: u8,
    pub(super) window: Duration,
}

/// What the addresses that asked have used up. When too many are remembered, no other may ask
/// until some are forgotten: a flood of false addresses makes nobody an amplifier.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotas {
    used: BTreeMap<IpAddr, Used>,
    swept: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    since: Instant,
    count: u8,
}

/// How often those whose time is over are looked for, at most.
const SWEEP: Duration = Duration::from_secs(1);

impl Quotas {
    /// Whether `from` may ask once more; if so, it has.
    pub(super) fn take(
        &mut self,
        now: Instant,
        from: IpAddr,
        quota: Quota,
        limits: &Limits,
    ) -> bool {
        let source = source(from);
        if let Some(used) = self.used.get_mut(&source) {
            if now.since(used.since) >= quota.window {
                *used = Used {
                    since: now,
                    count: 0,
                };
            }
            if used.count >= quota.most {
                return false;
            }
            used.count += 1;
            return true;
        }
        if self.used.len() >= limits.quota_sources && now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.used
                .retain(|_, used| now.since(used.since) < quota.window);
        }
        if self.used.len() >= limits.quota_sources {
            return false;
        }
        let first = Used {
            since: now,
            count: 1,
        };
        self.used.insert(source, first);
        true
    }
}

/// What counts as one address: of IPv6 a network of 64 bits.
const fn source(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        most: 2,
        window: Duration::from_secs(60),
    };

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn an_address_has_its_share_and_takes_nothing_from_others() {
        let (mut quotas, limits) = (Quotas::default(), Limits::default());
        let mut take = |secs, ip: &str| quotas.take(at(secs), ip.parse().unwrap(), QUOTA, &limits);
        assert!(take(0, "192.0.2.1") && take(59, "192.0.2.1"));
        assert!(!take(59, "192.0.2.1") && take(59, "192.0.2.2"));
        assert!(take(60, "192.0.2.1"));
        assert!(take(0, "2001:db8::1") && take(0, "2001:db8::2"));
        assert!(!take(0, "2001:db8::3"), "the same network");
    }

    #[test]
    fn a_flood_of_addresses_is_refused_not_remembered() {
        let limits = Limits {
            quota_sources: 10,
            ..Limits::default()
        };
        let mut quotas = Quotas::default();
        let mut flood = |secs: u64, first: u32| {
            (first..first + 100)
                .filter(|&ip| quotas.take(at(secs), IpAddr::V4(ip.into()), QUOTA, &limits))
                .count()
        };
        assert_eq!(flood(1, 0), 10);
        assert_eq!(flood(30, 1_000), 0);
        assert_eq!(flood(61, 1_000), 10, "the first are forgotten");
    }
}
