//! How long servents stay, and how long they are away.
//!
//! Stutzbach and Rejaie (Understanding churn in peer-to-peer networks, IMC 2006) found sessions to be
//! neither Poisson's nor Pareto's: Weibull and log-normal distributions fit them.

use std::fmt;
use std::fs;
use std::str::FromStr;
use std::sync::Arc;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

/// How long something lasts, in seconds. Written `forever`, `constant:SECONDS`, `exponential:MEAN`,
/// `weibull:SHAPE,SCALE`, `lognormal:MEDIAN,SIGMA`, or `recorded:FILE` of a text file with a time on
/// each line, of which one is drawn each time.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Length {
    /// It does not end.
    #[default]
    Forever,
    /// Always the same.
    Constant(f64),
    /// What is over does not matter for what is left.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// With a shape below 1, who stayed long stays longer.
    Weibull {
        /// The exponent, k.
        shape: f64,
        /// The scale, lambda: 63 % are shorter.
        scale: f64,
    },
    /// Its logarithm is normally distributed.
    LogNormal {
        /// Half are longer.
        median: f64,
        /// The standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// One of those that somebody measured.
    Recorded {
        /// Where they are from.
        file: String,
        /// All of them.
        times: Arc<[f64]>,
    },
}

impl Length {
    /// One length in microseconds, a millisecond at least; `None`: without end.
    pub fn draw(&self, rng: &mut Pcg64Mcg) -> Option<u64> {
        // Within (0, 1], so that there is a logarithm.
        let mut part = || 1.0 - rng.random::<f64>();
        let seconds = match self {
            Self::Forever => return None,
            Self::Constant(seconds) => *seconds,
            Self::Exponential { mean } => -mean * libm::log(part()),
            Self::Weibull { shape, scale } => scale * libm::pow(-libm::log(part()), shape.recip()),
            Self::LogNormal { median, sigma } => {
                let (radius, angle) = (part(), part());
                let length = (-2.0 * libm::log(radius)).sqrt();
                let normal = length * libm::cos(std::f64::consts::TAU * angle);
                median * libm::exp(sigma * normal)
            }
            Self::Recorded { times, .. } => times[rng.random_range(0..times.len())],
        };
        Some(micros(seconds).max(1_000))
    }

    /// The mean in seconds; `None`: without end.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        Some(match self {
            Self::Forever => return None,
            Self::Constant(seconds) => *seconds,
            Self::Exponential { mean } => *mean,
            Self::Weibull { shape, scale } => scale * libm::tgamma(1.0 + shape.recip()),
            Self::LogNormal { median, sigma } => median * libm::exp(sigma * sigma / 2.0),
            Self::Recorded { times, .. } => times.iter().sum::<f64>() / times.len() as f64,
        })
    }
}

/// Seconds as microseconds, at most [`LONGEST`].
pub(super) fn micros(seconds: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within bounds, and not negative"
    )]
    let micros = (seconds.clamp(0.0, LONGEST) * 1e6).round() as u64;
    micros
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Constant(seconds) => write!(f, "constant:{seconds}"),
            Self::Exponential { mean } => write!(f, "exponential:{mean}"),
            Self::Weibull { shape, scale } => write!(f, "weibull:{shape},{scale}"),
            Self::LogNormal { median, sigma } => write!(f, "lognormal:{median},{sigma}"),
            Self::Recorded { file, .. } => write!(f, "recorded:{file}"),
        }
    }
}

impl FromStr for Length {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (kind, parameters) = text.split_once(':').unwrap_or((text, ""));
        let time = |text: &str| {
            let time: Option<f64> = text.trim().parse().ok();
            time.filter(|time| (0.0..=LONGEST).contains(time))
        };
        let two = || {
            let (first, second) = parameters.split_once(',')?;
            Some((time(first)?, time(second)?))
        };
        let found = match kind {
            "forever" if text == kind => Some(Self::Forever),
            "constant" => time(parameters).map(Self::Constant),
            "exponential" => time(parameters).map(|mean| Self::Exponential { mean }),
            "weibull" => two()
                .filter(|(shape, _)| *shape >= LEAST_SHAPE)
                .map(|(shape, scale)| Self::Weibull { shape, scale }),
            "lognormal" => two()
                .filter(|(_, sigma)| *sigma <= WIDEST)
                .map(|(median, sigma)| Self::LogNormal { median, sigma }),
            "recorded" if !parameters.is_empty() => {
                let failed = |problem: String| Error::Recorded {
                    file: parameters.to_owned(),
                    problem,
                };
                let text = fs::read_to_string(parameters)
                    .map_err(|error| failed(format!("cannot be read: {error}")))?;
                let times: Option<Vec<f64>> = text.lines().map(time).collect();
                let times = times.filter(|times| !times.is_empty());
                let nothing = || failed("has no list of seconds, one on each line".to_owned());
                Some(Self::Recorded {
                    file: parameters.to_owned(),
                    times: times.ok_or_else(nothing)?.into(),
                })
            }
            _ => None,
        };
        found.ok_or(Error::Kind)
    }
}

/// Why a text says no length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is of no kind that is known.
    #[error(
        "use forever, constant:SECONDS, exponential:MEAN, weibull:SHAPE,SCALE with SHAPE at least \
         {LEAST_SHAPE}, lognormal:MEDIAN,SIGMA with SIGMA at most {WIDEST}, or recorded:FILE; times \
         are in seconds, at most {LONGEST}"
    )]
    Kind,
    /// The file has no list of times.
    #[error("{file} {problem}")]
    Recorded {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Ten years, in seconds.
const LONGEST: f64 = 315_360_000.0;

/// Below this a mean session is thousands of times the median one.
const LEAST_SHAPE: f64 = 0.2;

/// The largest standard deviation of a logarithm that may be asked for.
const WIDEST: f64 = 5.0;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rand::SeedableRng;

    use super::*;

    /// BitTorrent's sessions of the FlatOut trace, as Stutzbach and Rejaie fitted them, in seconds.
    const SHAPE: f64 = 0.59;
    const SCALE: f64 = 41.9 * 60.0;

    fn draws(length: &str, many: usize) -> Vec<f64> {
        let length: Length = length.parse().unwrap();
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let mut draws: Vec<f64> = (0..many)
            .map(|_| length.draw(&mut rng).unwrap() as f64 / 1e6)
            .collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    /// The largest distance between what was drawn and a distribution (Kolmogorov and Smirnov).
    fn distance(draws: &[f64], distribution: impl Fn(f64) -> f64) -> f64 {
        let many = draws.len() as f64;
        // What would be shorter than a millisecond is one.
        let drawn = draws.iter().enumerate().filter(|(_, draw)| **draw > 0.001);
        let apart = drawn.map(|(below, &draw)| {
            let expected = distribution(draw);
            let (low, high) = (below as f64 / many, (below + 1) as f64 / many);
            (expected - low).abs().max((expected - high).abs())
        });
        apart.fold(0.0, f64::max)
    }

    #[test]
    fn sessions_are_distributed_as_they_say() {
        // A distance above this comes with a chance below 5 %.
        let many = 100_000;
        let critical = 1.358 / f64::sqrt(many as f64);
        for shape in [0.34, SHAPE] {
            let drawn = draws(&format!("weibull:{shape},{SCALE}"), many);
            let weibull = |time: f64| 1.0 - libm::exp(-libm::pow(time / SCALE, shape));
            let found = distance(&drawn, weibull);
            assert!(found < critical, "{shape}: {found}");
        }
        let drawn = draws("exponential:600", many);
        let found = distance(&drawn, |time| 1.0 - libm::exp(-time / 600.0));
        assert!(found < critical, "{found}");
        let drawn = draws("lognormal:600,1.5", many);
        let normal = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
        let found = distance(&drawn, |time| normal(libm::log(time / 600.0) / 1.5));
        assert!(found < critical, "{found}");
    }

    #[test]
    fn who_is_met_in_a_snapshot_has_been_there_for_long() {
        // One place whose servents follow each other is looked at again and again: who is there has
        // been so for longer than x with a chance of the integral of the survival function beyond
        // x, over the mean.
        let length: Length = format!("weibull:{SHAPE},{SCALE}").parse().unwrap();
        let mean = length.mean().unwrap();
        let mut rng = Pcg64Mcg::seed_from_u64(9);
        let sessions: Vec<f64> = (0..400_000)
            .map(|_| length.draw(&mut rng).unwrap() as f64 / 1e6)
            .collect();
        let whole: f64 = sessions.iter().sum();
        assert!((whole / 400_000.0 / mean - 1.0).abs() < 0.02);
        for hours in [0.5, 1.0, 5.0] {
            let since = hours * 3_600.0;
            let longer = sessions.iter().map(|session| (session - since).max(0.0));
            let found = longer.sum::<f64>() / whole;
            let step = 10.0;
            let survival = |time: f64| libm::exp(-libm::pow(time / SCALE, SHAPE));
            let steps = (0..200_000).map(|n| since + step * (f64::from(n) + 0.5));
            let expected = steps.map(survival).sum::<f64>() * step / mean;
            assert!(
                (found - expected).abs() < 0.02,
                "{hours}: {found} {expected}"
            );
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "60\n120.5").unwrap();
        let recorded = format!("recorded:{}", file.path().display());
        for text in [
            "forever",
            "constant:60",
            "exponential:600.5",
            "weibull:0.59,2514",
            "lognormal:600,1.5",
            &recorded,
        ] {
            assert_eq!(text.parse::<Length>().unwrap().to_string(), text);
        }
        let drawn = draws(&recorded, 1_000);
        assert_eq!((drawn[0], drawn[999]), (60.0, 120.5));
        let recorded: Length = recorded.parse().unwrap();
        assert_eq!(
            (recorded.mean(), Length::Forever.mean()),
            (Some(90.25), None)
        );
        for text in [
            "",
            "forever:",
            "constant",
            "exponential:-1",
            "weibull:0.1,5",
            "lognormal:5",
            "recorded:",
        ] {
            assert_eq!(text.parse::<Length>(), Err(Error::Kind), "{text}");
        }
        let error = "recorded:/no/such/file".parse::<Length>().unwrap_err();
        assert!(error.to_string().contains("/no/such/file cannot be read"));
    }
}
