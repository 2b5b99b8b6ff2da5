//! How long a descriptor travels over a link.

use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

/// A latency model. Written and read as `unit` or `uniform:A-B` in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// The same time over every link, so that the first copy of a query comes by a shortest path.
    #[default]
    Unit,
    /// Drawn anew for every copy, uniformly from these microseconds, both ends included.
    Uniform {
        /// The shortest.
        low: u64,
        /// The longest.
        high: u64,
    },
}

impl Latency {
    /// The latency of one copy over one link, in microseconds.
    pub fn draw(&self, rng: &mut Pcg64Mcg) -> u64 {
        match *self {
            Self::Unit => UNIT,
            Self::Uniform { low, high } => rng.random_range(low..=high),
        }
    }

    /// The longest latency there is, in microseconds.
    #[must_use]
    pub const fn longest(&self) -> u64 {
        match *self {
            Self::Unit => UNIT,
            Self::Uniform { high, .. } => high,
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("unit"),
            Self::Uniform { low, high } => {
                write!(f, "uniform:{}-{}", low / MILLISECOND, high / MILLISECOND)
            }
        }
    }
}

impl FromStr for Latency {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "unit" {
            return Ok(Self::Unit);
        }
        let bound = |text: &str| text.parse().ok().filter(|&bound: &u64| bound <= LONGEST);
        text.strip_prefix("uniform:")
            .and_then(|range| range.split_once('-'))
            .and_then(|(low, high)| Some((bound(low)?, bound(high)?)))
            .filter(|(low, high)| low <= high)
            .map(|(low, high)| Self::Uniform {
                low: low * MILLISECOND,
                high: high * MILLISECOND,
            })
            .ok_or(Error)
    }
}

/// The text is no latency model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use unit, or uniform:A-B with A <= B <= {LONGEST} milliseconds")]
pub struct Error;

const MILLISECOND: u64 = 1_000;

/// The latency of the unit model.
const UNIT: u64 = MILLISECOND;

/// The longest latency that may be asked for, in milliseconds: floods stay far apart in time.
const LONGEST: u64 = 10_000;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["unit", "uniform:10-100", "uniform:0-0"] {
            assert_eq!(text.parse::<Latency>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "uniform",
            "uniform:5",
            "uniform:9-5",
            "uniform:1-10001",
            "uniform:-1-5",
        ] {
            assert_eq!(text.parse::<Latency>(), Err(Error), "{text}");
        }
    }

    #[test]
    fn uniform_latencies_fill_their_range() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let model: Latency = "uniform:10-100".parse().unwrap();
        let draws: Vec<u64> = (0..10_000).map(|_| model.draw(&mut rng)).collect();
        assert!(draws.iter().all(|draw| (10_000..=100_000).contains(draw)));
        let mean = draws.iter().sum::<u64>() / 10_000;
        assert!((54_000..56_000).contains(&mean), "{mean}");
    }
}
