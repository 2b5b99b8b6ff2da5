//! TTL and hops: how far a descriptor goes (protocol §1.6).

use super::settings::Profile;
use super::stats::Drop;
use crate::wire::Header;

/// TTL + hops above which a descriptor is dropped (protocol §1.6 rule 3).
pub const HARD_TTL: u8 = 15;

/// Where a descriptor stands after it arrived here: what it carries if it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Onward {
    /// TTL after this hop; at 0 it stays here.
    pub ttl: u8,
    /// Hops including the one to us: 1 when a direct neighbour sent it.
    pub hops: u8,
}

/// What a query carries on from here.
///
/// # Errors
/// The reason to drop it.
#[inline]
pub fn query(header: &Header, profile: Profile) -> Result<Onward, Drop> {
    let onward = any(header)?;
    let usable = profile.max_ttl.saturating_sub(header.hops).max(1);
    Ok(Onward {
        ttl: onward.ttl.min(usable - 1),
        ..onward
    })
}

/// What a query hit carries on from here. Its TTL is not held against the hard limit but cut to
/// one above it, since replies may add some (protocol §1.7).
///
/// # Errors
/// The reason to drop it.
pub fn hit(header: &Header) -> Result<Onward, Drop> {
    any(&Header {
        ttl: header.ttl.min(HARD_TTL.saturating_sub(header.hops)),
        ..*header
    })
}

/// The rules that hold for every routable descriptor.
#[inline]
fn any(header: &Header) -> Result<Onward, Drop> {
    let Some(hops) = header.hops.checked_add(1) else {
        return Err(Drop::HopsExhausted);
    };
    let Some(ttl) = header.ttl.checked_sub(1) else {
        return Err(Drop::TtlZero);
    };
    if header.ttl.saturating_add(header.hops) > HARD_TTL {
        return Err(Drop::TtlTooHigh);
    }
    Ok(Onward { ttl, hops })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Guid, Kind};

    fn header(ttl: u8, hops: u8) -> Header {
        Header {
            guid: Guid::ZERO,
            kind: Kind::Query,
            ttl,
            hops,
        }
    }

    #[test]
    fn a_query_loses_one_ttl_and_gains_one_hop() {
        assert_eq!(
            query(&header(7, 0), Profile::CLASSIC),
            Ok(Onward { ttl: 6, hops: 1 })
        );
        assert_eq!(
            query(&header(1, 6), Profile::CLASSIC),
            Ok(Onward { ttl: 0, hops: 7 })
        );
    }

    #[test]
    fn a_greedy_query_is_trimmed_not_dropped() {
        assert_eq!(
            query(&header(7, 0), Profile::PUBLIC),
            Ok(Onward { ttl: 3, hops: 1 })
        );
        assert_eq!(
            query(&header(5, 2), Profile::PUBLIC),
            Ok(Onward { ttl: 1, hops: 3 })
        );
        assert_eq!(
            query(&header(3, 9), Profile::PUBLIC),
            Ok(Onward { ttl: 0, hops: 10 })
        );
    }

    #[test]
    fn impossible_counts_are_dropped_with_their_reason() {
        assert_eq!(query(&header(0, 1), Profile::PUBLIC), Err(Drop::TtlZero));
        assert_eq!(
            query(&header(1, 255), Profile::PUBLIC),
            Err(Drop::HopsExhausted)
        );
        assert_eq!(
            query(&header(10, 6), Profile::CLASSIC),
            Err(Drop::TtlTooHigh)
        );
        assert_eq!(
            query(&header(255, 254), Profile::CLASSIC),
            Err(Drop::TtlTooHigh)
        );
    }

    #[test]
    fn a_hit_may_carry_more_ttl_than_a_query() {
        assert_eq!(hit(&header(200, 2)), Ok(Onward { ttl: 12, hops: 3 }));
        assert_eq!(hit(&header(0, 2)), Err(Drop::TtlZero));
    }
}
