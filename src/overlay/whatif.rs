//! What a query would reach and cost, told from what one ultrapeer sees.
//!
//! A servent knows its neighbours and what their handshakes said of their own number, and it sees
//! the hops of the queries that come by. As a query travels both ways over the same links, those
//! who ask from a distance are as many as those whom a query of ours reaches there, so the hops of
//! queries mirror the rings around us. Links alone tell the first rings but not where the overlay
//! ends; hops tell the proportions of the rings but not their size. Together they tell both.
//!
//! The rings of an overlay of so many ultrapeers are those of a random graph of the given degrees
//! (the branching process of Newman, Strogatz and Watts, Physical Review E 64, 026118, 2001, with
//! the links that meet where the overlay ends). Over a grid of sizes and of leaves an ultrapeer,
//! the hops seen are the more likely the better their proportions fit (multinomial), and so is the
//! number of our own leaves (Poisson). Estimates are means weighed by that; an interval leaves out
//! five hundredths at either end.

use thiserror::Error;

use super::neighbour::Role;
use super::{Servent, Settings, Stats};

/// Hops told apart; those above are not counted.
pub const HOPS: usize = 8;

/// The fewest queries by which an overlay is judged.
pub const LEAST_QUERIES: u64 = 200;

/// The TTLs that can be asked for.
pub const MAX_TTL: u8 = 15;

/// What an ultrapeer saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// Of each neighbour that is an ultrapeer, how many ultrapeers it has for neighbours, where it
    /// said so.
    pub degrees: Vec<Option<u16>>,
    /// Our leaves.
    pub leaves: usize,
    /// How many ultrapeers a leaf has, on average.
    pub parents: f64,
    /// Queries that came for the first time, by hops.
    pub queries: [u64; HOPS],
    /// The largest TTL + hops among them: nobody further away than this many links is seen.
    pub horizon: u8,
}

/// What a query with one TTL would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The TTL.
    pub ttl: u8,
    /// Servents that it reaches, leaves included, were there no tables that spare them.
    pub reach: Estimate,
    /// Copies of it that are sent.
    pub cost: Estimate,
}

/// A number that is not known exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// One in twenty is below.
    pub low: f64,
    /// One in twenty is above.
    pub high: f64,
}

/// Why nothing can be told.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blind {
    /// Only ultrapeers see what others ask.
    #[error("a leaf does not see what others ask: an ultrapeer can tell")]
    Leaf,
    /// Nobody is near.
    #[error("there is no ultrapeer among the neighbours")]
    Alone,
    /// Too little was seen.
    #[error("{seen} queries came by so far, {LEAST_QUERIES} are needed: wait")]
    Few {
        /// How many came.
        seen: u64,
    },
}

/// Foretells queries of these TTLs, 1 to [`MAX_TTL`].
///
/// # Errors
/// When too little was seen.
pub fn foretell(sight: &Sight, ttls: impl IntoIterator<Item = u8>) -> Result<Vec<Forecast>, Blind> {
    if sight.degrees.is_empty() {
        return Err(Blind::Alone);
    }
    let seen = sight.seen().iter().sum();
    if seen < LEAST_QUERIES {
        return Err(Blind::Few { seen });
    }
    let belief = weigh(sight);
    let forecast = |ttl: u8| {
        let ttl = ttl.clamp(1, MAX_TTL);
        let over = |pick: fn(&Rings, usize) -> f64| {
            estimate(
                belief
                    .iter()
                    .map(|(rings, weight)| (pick(rings, ttl.into()), *weight)),
            )
        };
        Forecast {
            ttl,
            reach: over(Rings::reach),
            cost: over(Rings::cost),
        }
    };
    Ok(ttls.into_iter().map(forecast).collect())
}

impl Servent {
    /// What it saw of the overlay, where `stats` have the traffic in detail.
    ///
    /// # Errors
    /// When it is a leaf, which sees what it may answer only.
    pub fn sight(&self, stats: &Stats, settings: &Settings) -> Result<Sight, Blind> {
        if self.role() == Role::Leaf {
            return Err(Blind::Leaf);
        }
        let offers = || self.neighbours().iter().map(|neighbour| neighbour.offer);
        let of = |role| offers().filter(move |offer| offer.role == role);
        // Who says more than a leaf may have means something else by it.
        let most = f64::from(u16::try_from(settings.limits.ultrapeers).unwrap_or(u16::MAX));
        let parents = mean(of(Role::Leaf).filter_map(|leaf| leaf.degree));
        let mut sight = Sight {
            degrees: of(Role::Ultrapeer).map(|one| one.degree).collect(),
            leaves: of(Role::Leaf).count(),
            parents: parents.map_or(most, |parents| parents.min(most)),
            ..Sight::default()
        };
        if let Some(traffic) = &stats.traffic {
            for (mine, counted) in sight.queries.iter_mut().zip(traffic.fresh_queries()) {
                *mine = *counted;
            }
            sight.horizon = traffic.horizon();
        }
        Ok(sight)
    }
}

impl Sight {
    /// Queries by hops, of those hops that can come.
    fn seen(&self) -> &[u64] {
        let most = usize::from(self.horizon).min(HOPS);
        &self.queries[..most]
    }
}

/// What is around us in an overlay of one size.
#[derive(Clone, Debug)]
struct Rings {
    /// Ultrapeers at each distance; we are at 0.
    ultrapeers: [f64; RINGS],
    /// Leaves whose nearest ultrapeer is at each distance.
    leaves: [f64; RINGS],
    /// Copies that the ultrapeers of each distance send on to others.
    onward: [f64; RINGS],
    /// Copies that they send to leaves.
    down: [f64; RINGS],
}

impl Rings {
    /// In an overlay of `size` ultrapeers with `leaves` links to leaves each.
    fn around(sight: &Sight, size: f64, leaves: f64) -> Self {
        let ours = sight.degrees.len() as f64;
        // Who is met over a link has links in proportion: this is their mean, not that of all.
        let met = mean(sight.degrees.iter().copied().flatten())
            .unwrap_or(ours)
            .max(1.0);
        let mut rings = Self {
            ultrapeers: [0.0; RINGS],
            leaves: [0.0; RINGS],
            onward: [0.0; RINGS],
            down: [0.0; RINGS],
        };
        (rings.ultrapeers[0], rings.onward[0]) = (1.0, ours);
        (rings.leaves[0], rings.down[0]) = (sight.leaves as f64, sight.leaves as f64);
        rings.ultrapeers[1] = ours.min((size - 1.0).max(0.0));
        let all_leaves = leaves * size / sight.parents.max(1.0);
        let mut covered = 1.0;
        let mut below = rings.leaves[0];
        for distance in 1..RINGS {
            let ring = rings.ultrapeers[distance];
            covered += ring;
            let open = ring * (met - 1.0);
            rings.onward[distance] = open;
            rings.down[distance] = ring * leaves;
            // Those leaves that have none of their ultrapeers nearer or here.
            let spared = libm::pow((1.0 - covered / size).max(0.0), sight.parents.max(1.0));
            let now = (all_leaves * (1.0 - spared)).max(below);
            rings.leaves[distance] = now - below;
            below = now;
            let left = (size - covered).max(0.0);
            if let Some(next) = rings.ultrapeers.get_mut(distance + 1) {
                // Each open end leads to one of the ends that are left, here or there.
                let here = open / (open + left * met).max(f64::MIN_POSITIVE);
                *next = left * (1.0 - libm::pow(1.0 - here, met));
            }
        }
        rings
    }

    /// Servents that a query with this TTL reaches.
    fn reach(&self, ttl: usize) -> f64 {
        self.ultrapeers[1..=ttl].iter().sum::<f64>() + self.leaves[..=ttl].iter().sum::<f64>()
    }

    /// Copies that it takes: ultrapeers at the end of the TTL still tell their leaves.
    fn cost(&self, ttl: usize) -> f64 {
        self.onward[..ttl].iter().sum::<f64>() + self.down[..=ttl].iter().sum::<f64>()
    }

    /// Of the askers whose queries come with so many different hops, the share of each.
    fn shares(&self, seen: usize) -> [f64; HOPS] {
        let mut askers = [0.0; HOPS];
        for (hops, askers) in askers.iter_mut().enumerate().take(seen) {
            // An ultrapeer's own query has no hops when it is here; a leaf's has gone one to it.
            *askers = self.ultrapeers[hops + 1] + self.leaves[hops];
        }
        let all: f64 = askers.iter().sum();
        askers.map(|one| (one / all.max(f64::MIN_POSITIVE)).max(1e-12))
    }
}

/// What may be around us, and how likely each is: sizes far apart first, then those between the
/// likely ones.
fn weigh(sight: &Sight) -> Vec<(Rings, f64)> {
    let least = libm::log(sight.degrees.len() as f64 + 1.0);
    let likely = try_sizes(sight, least, least + LARGEST);
    let sizes = likely.iter().map(|known| known.size);
    let (low, high) = sizes.fold((f64::MAX, f64::MIN), |(low, high), size| {
        (low.min(size), high.max(size))
    });
    let step = LARGEST / f64::from(SIZES);
    let likely = try_sizes(sight, (low - step).max(least), high + step);
    let pair = |known: Likely| (known.rings, known.weight);
    likely.into_iter().map(pair).collect()
}

/// One overlay that may be around us.
struct Likely {
    /// The natural logarithm of its ultrapeers.
    size: f64,
    rings: Rings,
    weight: f64,
}

/// Sizes between these logarithms, with every number of leaves, as far as they are likely.
fn try_sizes(sight: &Sight, low: f64, high: f64) -> Vec<Likely> {
    let seen = sight.seen();
    let ours = sight.leaves as f64;
    let spread = 4.0 * (ours + 1.0).sqrt();
    let (fewest, most) = ((ours - spread).max(0.0), ours + spread);
    let part = |step: u32, of: u32| f64::from(step) / f64::from(of);
    let mut found = Vec::new();
    for step in 0..=SIZES {
        let size = low + part(step, SIZES) * (high - low);
        for step in 0..=LEAVES {
            let leaves = fewest + part(step, LEAVES) * (most - fewest);
            let rings = Rings::around(sight, libm::exp(size), leaves);
            let shares = rings.shares(seen.len());
            let fits = seen.iter().zip(shares);
            let fit: f64 = fits
                .map(|(&count, share)| count as f64 * libm::log(share))
                .sum();
            let own = match (leaves > 0.0, ours > 0.0) {
                (true, _) => ours * libm::log(leaves) - leaves,
                (false, true) => f64::NEG_INFINITY,
                (false, false) => 0.0,
            };
            found.push(Likely {
                size,
                rings,
                weight: fit + own,
            });
        }
    }
    let weights = found.iter().map(|known| known.weight);
    let best = weights.fold(f64::NEG_INFINITY, f64::max);
    for known in &mut found {
        known.weight = libm::exp(known.weight - best);
    }
    found.retain(|known| known.weight > UNLIKELY);
    found
}

/// The mean and the interval of weighed numbers.
fn estimate(numbers: impl Iterator<Item = (f64, f64)>) -> Estimate {
    let mut numbers: Vec<(f64, f64)> = numbers.collect();
    numbers.sort_by(|one, other| one.0.total_cmp(&other.0));
    let whole: f64 = numbers.iter().map(|(_, weight)| weight).sum();
    let mean = numbers
        .iter()
        .map(|(number, weight)| number * weight)
        .sum::<f64>()
        / whole;
    let at = |share: f64| {
        let mut sum = 0.0;
        let reached = numbers.iter().find(|(_, weight)| {
            sum += weight;
            sum >= share * whole
        });
        reached.map_or(mean, |(number, _)| *number)
    };
    Estimate {
        mean,
        low: at(TAIL),
        high: at(1.0 - TAIL),
    }
}

fn mean(numbers: impl Iterator<Item = u16>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), number| {
        (sum + f64::from(number), count + 1.0)
    });
    (count > 0.0).then_some(sum / count)
}

/// Rings that are kept: those of every TTL, and of the hops of queries.
const RINGS: usize = MAX_TTL as usize + 1;
/// Sizes that are tried at once.
const SIZES: u32 = 120;
/// The largest of them, over the smallest: its natural logarithm. Some ten million ultrapeers.
const LARGEST: f64 = 13.0;
/// What has so little weight, beside the likeliest, is left out.
const UNLIKELY: f64 = 1e-6;
/// Numbers of leaves an ultrapeer that are tried.
const LEAVES: u32 = 24;
/// What an interval leaves out at either end.
const TAIL: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen, without any chance, in an overlay of one tier.
    fn seen(size: f64, degree: u16, queries: f64) -> Sight {
        let mut sight = Sight {
            degrees: vec![Some(degree); degree.into()],
            parents: 1.0,
            horizon: 8,
            ..Sight::default()
        };
        let shares = Rings::around(&sight, size, 0.0).shares(HOPS);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a count"
        )]
        let count = |share: f64| (share * queries).round() as u64;
        sight.queries = shares.map(count);
        sight
    }

    #[test]
    fn the_overlay_that_was_seen_is_told() {
        let sight = seen(5_000.0, 6, 20_000.0);
        let told = foretell(&sight, [1, 2, 3, 15]).unwrap();
        let [one, two, three, all] = told[..] else {
            panic!("{told:?}")
        };
        assert!((one.reach.mean - 6.0).abs() < 1e-6, "{one:?}");
        assert!((one.cost.mean - 6.0).abs() < 1e-6, "{one:?}");
        assert!((35.0..=36.0).contains(&two.reach.mean), "{two:?}");
        assert!((two.cost.mean - 36.0).abs() < 1e-6, "{two:?}");
        assert!((175.0..186.0).contains(&three.reach.mean), "{three:?}");
        assert!((4_500.0..5_500.0).contains(&all.reach.mean), "{all:?}");
        assert!(
            all.reach.low < 5_000.0 && 5_000.0 < all.reach.high,
            "{all:?}"
        );
    }

    #[test]
    fn more_queries_tell_more() {
        let width = |queries| {
            let told = foretell(&seen(3_000.0, 10, queries), [15]).unwrap();
            told[0].reach.high - told[0].reach.low
        };
        assert!(width(400.0) > 1.5 * width(20_000.0));
    }

    #[test]
    fn who_sees_too_little_says_so() {
        assert_eq!(foretell(&Sight::default(), [1]), Err(Blind::Alone));
        let few = seen(1_000.0, 6, 20.0);
        assert!(matches!(foretell(&few, [1]), Err(Blind::Few { .. })));
    }

    #[test]
    fn nothing_that_is_seen_breaks_it() {
        for degrees in [vec![None], vec![Some(0)], vec![Some(u16::MAX); 3]] {
            let sight = Sight {
                degrees,
                leaves: 1_000,
                parents: 0.0,
                queries: [u64::MAX / 16; HOPS],
                horizon: u8::MAX,
            };
            for forecast in foretell(&sight, 0..=20).unwrap() {
                assert!(forecast.reach.mean.is_finite() && forecast.cost.mean.is_finite());
                assert!(forecast.reach.low <= forecast.reach.high);
            }
        }
    }
}
