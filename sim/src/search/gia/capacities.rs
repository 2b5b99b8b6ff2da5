//! Who can do how much.

use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

/// The capacity of each of so many servents, in queries a second. As many have each as its share
/// says, as nearly as whole numbers can; who, is drawn.
pub(super) fn draw(shares: &[(u32, f64)], servents: usize, rng: &mut Pcg64Mcg) -> Vec<u32> {
    let mut drawn = Vec::with_capacity(servents);
    let mut sum = 0.0;
    for &(capacity, share) in shares {
        sum += share;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a checked share of a count"
        )]
        let until = (sum * servents as f64).round() as usize;
        drawn.resize(until.min(servents), capacity);
    }
    let last = shares.last().map_or(1, |&(capacity, _)| capacity);
    drawn.resize(servents, last);
    drawn.shuffle(rng);
    drawn
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn everybody_has_a_capacity_and_shares_are_kept() {
        let shares = [
            (1, 0.2),
            (10, 0.45),
            (100, 0.3),
            (1_000, 0.049),
            (10_000, 0.001),
        ];
        let drawn = draw(&shares, 1_000, &mut Pcg64Mcg::seed_from_u64(1));
        let count = |capacity| drawn.iter().filter(|&&drawn| drawn == capacity).count();
        assert_eq!(
            [1, 10, 100, 1_000, 10_000].map(count),
            [200, 450, 300, 49, 1]
        );
        assert_eq!(draw(&shares, 7, &mut Pcg64Mcg::seed_from_u64(1)).len(), 7);
    }
}
