//! How long a descriptor travels over a link.

mod matrix;

use std::f64::consts::TAU;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

pub use self::matrix::Matrix;

/// A latency model. Written and read as `unit`, `uniform:A-B`, `lognormal:MEDIAN,SIGMA` with times
/// in milliseconds, or `matrix:FILE`.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Drawn anew for every copy, so that its logarithm is normally distributed; cut at 10 seconds.
    LogNormal {
        /// Half of all copies take longer than so many microseconds.
        median: u64,
        /// The standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// What somebody measured between the places where both ends are.
    Measured(Arc<Matrix>),
}

impl Latency {
    /// The latency of one copy from a node to another, in microseconds.
    #[inline]
    pub fn draw(&self, from: u32, to: u32, rng: &mut Pcg64Mcg) -> u64 {
        match *self {
            Self::Unit => UNIT,
            Self::Uniform { low, high } => uniform(low, high, rng),
            Self::LogNormal { median, sigma } => log_normal(median, sigma, rng),
            Self::Measured(ref matrix) => matrix.between(from, to),
        }
    }

    /// How many numbers of a generator one draw takes, whatever it gives.
    #[must_use]
    pub const fn numbers(&self) -> u64 {
        match self {
            Self::Unit | Self::Measured(_) => 0,
            Self::Uniform { .. } => 1,
            Self::LogNormal { .. } => 2,
        }
    }

    /// No latency is shorter, in microseconds.
    #[must_use]
    pub fn shortest(&self) -> u64 {
        match self {
            Self::Unit => UNIT,
            Self::Uniform { low, .. } => *low,
            Self::LogNormal { median, sigma } => scaled(*median, -FARTHEST * sigma),
            Self::Measured(matrix) => matrix.shortest(),
        }
    }

    /// Whether all are the same.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        match self {
            Self::Unit => true,
            Self::Uniform { low, high } => low == high,
            Self::LogNormal { sigma, .. } => *sigma == 0.0,
            Self::Measured(matrix) => matrix.shortest() == matrix.longest(),
        }
    }

    /// Hardly any latency is longer, in microseconds.
    #[must_use]
    pub fn longest(&self) -> u64 {
        match self {
            Self::Unit => UNIT,
            Self::Uniform { high, .. } => *high,
            Self::LogNormal { median, sigma } => scaled(*median, 3.0 * sigma),
            Self::Measured(matrix) => matrix.longest(),
        }
    }
}

/// From one number, so that a generator can skip what others draw: of 2^64 none comes more often
/// than another by more than one.
fn uniform(low: u64, high: u64, rng: &mut Pcg64Mcg) -> u64 {
    let scaled = u128::from(rng.random::<u64>()) * u128::from(high - low + 1);
    low + (scaled >> u64::BITS) as u64
}

/// By Box and Muller's method, with logarithms and cosines that are the same on every machine.
fn log_normal(median: u64, sigma: f64, rng: &mut Pcg64Mcg) -> u64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    // Within (0, 1], so that there is a logarithm.
    let length = (-2.0 * libm::log(1.0 - radius)).sqrt();
    scaled(median, sigma * length * libm::cos(TAU * angle))
}

/// The median times e to the power of `by`, to the microsecond, 10 seconds at most.
fn scaled(median: u64, by: f64) -> u64 {
    let longest = LONGEST * MILLISECOND;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and there is nothing negative"
    )]
    let time = (median as f64 * libm::exp(by)).round() as u64;
    time.min(longest)
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("unit"),
            Self::Uniform { low, high } => {
                write!(f, "uniform:{}-{}", low / MILLISECOND, high / MILLISECOND)
            }
            Self::LogNormal { median, sigma } => {
                write!(f, "lognormal:{},{sigma}", median / MILLISECOND)
            }
            Self::Measured(matrix) => write!(f, "matrix:{}", matrix.path.display()),
        }
    }
}

impl FromStr for Latency {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (model, parameters) = text.split_once(':').unwrap_or((text, ""));
        let time = |text: &str| text.parse().ok().filter(|&time: &u64| time <= LONGEST);
        let found = match model {
            "unit" if text == model => Some(Self::Unit),
            "uniform" => parameters
                .split_once('-')
                .and_then(|(low, high)| Some((time(low)?, time(high)?)))
                .filter(|(low, high)| low <= high)
                .map(|(low, high)| Self::Uniform {
                    low: low * MILLISECOND,
                    high: high * MILLISECOND,
                }),
            "lognormal" => parameters
                .split_once(',')
                .and_then(|(median, sigma)| Some((time(median)?, sigma.parse().ok()?)))
                .filter(|(_, sigma)| (0.0..=WIDEST).contains(sigma))
                .map(|(median, sigma)| Self::LogNormal {
                    median: median * MILLISECOND,
                    sigma,
                }),
            "matrix" if !parameters.is_empty() => {
                let read = Matrix::read(Path::new(parameters));
                let matrix = read.map_err(|problem| Error::Matrix {
                    path: parameters.to_owned(),
                    problem,
                })?;
                Some(Self::Measured(Arc::new(matrix)))
            }
            _ => None,
        };
        found.ok_or(Error::Model)
    }
}

/// Why a text is no latency model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It says none that is known.
    #[error(
        "use unit, uniform:A-B with A <= B, lognormal:MEDIAN,SIGMA, or matrix:FILE; times are at \
         most {LONGEST} milliseconds, and SIGMA is at most {WIDEST}"
    )]
    Model,
    /// The file has no square of times.
    #[error("{path} {problem}")]
    Matrix {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

const MILLISECOND: u64 = 1_000;

/// No normal number drawn here is farther from 0: the smallest logarithm is that of 2^-53.
const FARTHEST: f64 = 8.6;

/// The latency of the unit model.
const UNIT: u64 = MILLISECOND;

/// The longest latency that may be asked for, in milliseconds: floods stay far apart in time.
const LONGEST: u64 = 10_000;

/// The largest standard deviation of a logarithm that may be asked for.
const WIDEST: f64 = 5.0;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn draws(model: &str) -> Vec<u64> {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let model: Latency = model.parse().unwrap();
        (0..10_000).map(|_| model.draw(0, 1, &mut rng)).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["unit", "uniform:10-100", "uniform:0-0", "lognormal:50,0.5"] {
            assert_eq!(text.parse::<Latency>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "unit:",
            "uniform",
            "uniform:5",
            "uniform:9-5",
            "uniform:1-10001",
            "uniform:-1-5",
            "lognormal:50",
            "lognormal:50,-1",
            "lognormal:10001,1",
            "matrix:",
        ] {
            assert_eq!(text.parse::<Latency>(), Err(Error::Model), "{text}");
        }
    }

    #[test]
    fn uniform_latencies_fill_their_range() {
        let draws = draws("uniform:10-100");
        assert!(draws.iter().all(|draw| (10_000..=100_000).contains(draw)));
        let mean = draws.iter().sum::<u64>() / 10_000;
        assert!((54_000..56_000).contains(&mean), "{mean}");
    }

    #[test]
    fn log_normal_latencies_have_their_median_and_spread() {
        let mut draws = draws("lognormal:50,0.5");
        draws.sort_unstable();
        let near = |found: u64, expected: f64| (found as f64 / expected - 1.0).abs() < 0.05;
        assert!(near(draws[5_000], 50_000.0), "{}", draws[5_000]);
        // One standard deviation above and below: 84.13 and 15.87 of 100.
        assert!(near(draws[8_413], 50_000.0 * 1.648_72), "{}", draws[8_413]);
        assert!(near(draws[1_587], 50_000.0 / 1.648_72), "{}", draws[1_587]);
        let wide: Latency = "lognormal:10000,5".parse().unwrap();
        assert_eq!(wide.longest(), LONGEST * MILLISECOND);
    }

    #[test]
    fn no_draw_is_shorter_than_the_shortest_and_each_takes_its_numbers() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let models = [
            "unit",
            "uniform:10-100",
            "lognormal:50,0.5",
            "lognormal:9,0",
        ];
        for (text, shortest) in models.into_iter().zip([1_000, 10_000, 678, 9_000]) {
            let model: Latency = text.parse().unwrap();
            assert_eq!(model.shortest(), shortest, "{text}");
            assert_eq!(model.is_constant(), model.shortest() == model.longest());
            let mut skipped = rng.clone();
            for _ in 0..1_000 {
                assert!(model.draw(0, 1, &mut rng) >= shortest, "{text}");
            }
            skipped.advance((1_000 * model.numbers()).into());
            assert!(skipped == rng, "{text}");
        }
        // The largest deviation there is, drawn backwards.
        assert!((-2.0 * libm::log(f64::EPSILON / 2.0)).sqrt() < FARTHEST);
    }

    #[test]
    fn a_matrix_goes_by_places() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "1 20\n30 2\n").unwrap();
        let text = format!("matrix:{}", file.path().display());
        let model: Latency = text.parse().unwrap();
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let found = [(0, 1), (1, 0), (2, 5), (0, 2)];
        let found = found.map(|(from, to)| model.draw(from, to, &mut rng));
        assert_eq!(found, [10_000, 15_000, 10_000, 500]);
        assert_eq!((model.longest(), model.to_string()), (15_000, text));
        let error = "matrix:/no/such/file".parse::<Latency>().unwrap_err();
        assert!(error.to_string().contains("/no/such/file cannot be read"));
    }
}
