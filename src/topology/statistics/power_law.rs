//! Whether degrees follow a power law.
//!
//! The method of Clauset, Shalizi and Newman (Power-law distributions in empirical data, SIAM
//! Review 51, 2009): the exponent is the likeliest one for the degrees from some smallest one on,
//! and that one is chosen so that law and degrees are closest.

/// The power law that is closest to the degrees of a graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// The share of nodes with degree k falls as k to the power of minus this.
    pub exponent: f64,
    /// It holds from this degree on.
    pub from: usize,
    /// Nodes with such degrees.
    pub nodes: usize,
    /// How far degrees and law are apart: the largest difference of the shares of nodes that have
    /// a degree or less (Kolmogorov and Smirnov). Degrees that do follow a law are seldom further
    /// from it than [`chance`](Self::chance).
    pub distance: f64,
}

impl PowerLaw {
    /// Fits a law to how many nodes have which degree, ascending. `None` where too few degrees
    /// differ to tell.
    #[must_use]
    pub(super) fn fit(distribution: &[(usize, usize)]) -> Option<Self> {
        let positive = distribution.partition_point(|&(degree, _)| degree == 0);
        let distribution = &distribution[positive..];
        let fits = (0..distribution.len())
            .take(CANDIDATES)
            .map(|place| &distribution[place..])
            .filter(|tail| {
                let nodes: usize = tail.iter().map(|&(_, nodes)| nodes).sum();
                tail.len() >= 3 && nodes >= MIN_TAIL
            });
        fits.filter_map(Self::fit_tail)
            .min_by(|one, other| one.distance.total_cmp(&other.distance))
    }

    /// About the distance that one in twenty samples of the law exceeds.
    #[must_use]
    pub fn chance(&self) -> f64 {
        1.36 / (self.nodes as f64).sqrt()
    }

    fn fit_tail(tail: &[(usize, usize)]) -> Option<Self> {
        let &(from, _) = tail.first()?;
        let nodes: usize = tail.iter().map(|&(_, nodes)| nodes).sum();
        let logs = tail
            .iter()
            .map(|&(degree, nodes)| nodes as f64 * libm::log(degree as f64));
        let mean_log = logs.sum::<f64>() / nodes as f64;
        let exponent = likeliest(from as f64, mean_log);
        let all = zeta(exponent, from as f64);
        let mut below = 0;
        let mut distance = 0_f64;
        for &(degree, count) in tail {
            below += count;
            let expected = 1.0 - zeta(exponent, degree as f64 + 1.0) / all;
            distance = distance.max((below as f64 / nodes as f64 - expected).abs());
        }
        Some(Self {
            exponent,
            from,
            nodes,
            distance,
        })
    }
}

/// The exponent under which degrees from `from` on with this mean logarithm are likeliest: the
/// likelihood has one top, which a golden section closes in on.
fn likeliest(from: f64, mean_log: f64) -> f64 {
    let unlikelihood = |exponent| libm::log(zeta(exponent, from)) + exponent * mean_log;
    let (mut low, mut high) = (SMALLEST, LARGEST);
    for _ in 0..60 {
        let part = (high - low) * 0.381_966_011_250_105;
        if unlikelihood(low + part) < unlikelihood(high - part) {
            high -= part;
        } else {
            low += part;
        }
    }
    f64::midpoint(low, high)
}

/// The sum of k^-`exponent` over k = `from`, `from` + 1 and so on (Hurwitz), by Euler and
/// Maclaurin's formula.
fn zeta(exponent: f64, from: f64) -> f64 {
    const SUMMED: u8 = 12;
    let power = |base: f64| libm::pow(base, -exponent);
    let first: f64 = (0..SUMMED).map(|step| power(from + f64::from(step))).sum();
    let rest = from + f64::from(SUMMED);
    let last = power(rest);
    let third = exponent * (exponent + 1.0) * (exponent + 2.0);
    first + rest * last / (exponent - 1.0) + last / 2.0 + exponent * last / (12.0 * rest)
        - third * last / (720.0 * rest * rest * rest)
}

/// Exponents that are looked at.
const SMALLEST: f64 = 1.01;
const LARGEST: f64 = 10.0;

/// Smallest degrees that are tried.
const CANDIDATES: usize = 200;

/// Nodes that a law is said of at least.
const MIN_TAIL: usize = 50;

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn zeta_has_its_known_values() {
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-8;
        assert!(near(zeta(2.0, 1.0), std::f64::consts::PI.powi(2) / 6.0));
        assert!(near(zeta(3.0, 1.0), 1.202_056_903_159_594));
        assert!(near(zeta(2.5, 1.0), 1.341_487_257_250_917));
        assert!(near(
            zeta(2.0, 3.0),
            std::f64::consts::PI.powi(2) / 6.0 - 1.25
        ));
    }

    #[test]
    fn a_law_is_found_again() {
        for exponent in [2.1, 2.5, 3.0] {
            let mut rng = Pcg64Mcg::seed_from_u64(1);
            let all = zeta(exponent, 1.0);
            let mut counts = BTreeMap::new();
            for _ in 0..20_000 {
                // The first degree of which so few nodes have more.
                let share: f64 = rng.random();
                let mut degree = 1;
                while degree < 5_000 && zeta(exponent, degree as f64 + 1.0) / all > share {
                    degree += 1;
                }
                *counts.entry(degree).or_insert(0) += 1;
            }
            let counts: Vec<(usize, usize)> = counts.into_iter().collect();
            let law = PowerLaw::fit(&counts).unwrap();
            assert!(
                (law.exponent - exponent).abs() < 0.06,
                "{exponent}: {law:?}"
            );
            assert!(law.distance < law.chance(), "{exponent}: {law:?}");
        }
    }

    #[test]
    fn no_law_is_told_of_too_few() {
        assert_eq!(PowerLaw::fit(&[]), None);
        assert_eq!(PowerLaw::fit(&[(0, 5), (4, 1_000)]), None);
        assert_eq!(PowerLaw::fit(&[(1, 3), (2, 2), (3, 1)]), None);
    }
}
