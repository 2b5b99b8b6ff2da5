//! How many hosts a copy of a query reaches.

use super::settings::Settings;

/// TTLs above this one count as this one: protocol §1.6 lets none travel further.
const FARTHEST: u8 = 15;

/// Hosts behind one neighbour of `degree` within `ttl` hops, were there no circles:
/// the sum of `(degree - 1)^i` for `i` below `ttl` (protocol §8.4).
#[must_use]
pub fn hosts(degree: u16, ttl: u8) -> u64 {
    let branches = u64::from(degree.saturating_sub(1));
    let mut layer = 1u64;
    let mut sum = 0u64;
    for _ in 0..ttl.min(FARTHEST) {
        sum = sum.saturating_add(layer);
        layer = layer.saturating_mul(branches);
    }
    sum
}

/// The same with circles: of [`hosts`], [`Settings::new_percent`] for each hop after the first.
/// Never falls with a higher TTL.
#[must_use]
pub fn expected(degree: u16, ttl: u8, settings: &Settings) -> u64 {
    let percent = u128::from(settings.new_percent.min(100));
    let mut most = 0;
    // A fixed-point fraction of 32 bits.
    let mut fraction = 1u128 << 32;
    for ttl in 1..=ttl.min(FARTHEST) {
        let corrected = (u128::from(hosts(degree, ttl)) * fraction) >> 32;
        most = most.max(u64::try_from(corrected).unwrap_or(u64::MAX));
        fraction = fraction * percent / 100;
    }
    most
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_papers_formula() {
        assert_eq!(hosts(6, 7), 19_531);
        assert_eq!(hosts(32, 3), 993);
        assert_eq!(hosts(32, 1), 1);
        assert_eq!(hosts(1, 7), 1);
        assert_eq!(hosts(32, 0), 0);
    }

    #[test]
    fn circles_take_a_fifth_for_each_further_hop() {
        let settings = Settings::default();
        assert_eq!(expected(32, 1, &settings), 1);
        assert_eq!(expected(32, 2, &settings), 25, "0.8 of 32");
        assert_eq!(expected(32, 3, &settings), 635, "0.64 of 993");
        assert_eq!(expected(1, 4, &settings), 1, "a neighbour without others");
    }

    proptest! {
        #[test]
        fn a_higher_ttl_never_reaches_less(degree: u16, ttl in 0u8..=254, new_percent: u8) {
            let settings = Settings { new_percent, ..Settings::default() };
            let (near, far) = (expected(degree, ttl, &settings), expected(degree, ttl + 1, &settings));
            prop_assert!(near <= far);
            prop_assert!(near <= hosts(degree, ttl));
        }
    }
}
