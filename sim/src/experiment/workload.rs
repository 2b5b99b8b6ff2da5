//! What a population shares and searches for: catalogues of files, and who shares how much.

use std::str::FromStr;

use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Deserializer};

use super::file::text;
use crate::contents::{Sharers, power_sums};

/// Files of which each query is for one, some more often than others. In rows and claims they are one
/// file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// What it is called in rows and claims.
    pub name: String,
    /// How many files there are.
    pub files: u32,
    /// The file of rank r is searched for as often as 1 / r to this power.
    pub popularity: f64,
    /// Copies of all of them together.
    pub copies: u32,
    /// By what these are shared out among the files.
    pub replication: Replication,
}

/// How many copies of a file there are beside those of the others. Written `uniform`, `proportional`,
/// `square-root` or `zipf:EXPONENT`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Replication {
    /// As many of each.
    Uniform,
    /// As it is searched for.
    Proportional,
    /// As the square root of that, which makes random probes fewest (Cohen and Shenker, 2002).
    SquareRoot,
    /// Of the one of rank r, as 1 / r to this power, whatever is searched for.
    Zipf(f64),
}

/// Who shares how much. Written `all`, `free-riders:SHARE` or `adar2000`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sharing {
    /// All alike.
    #[default]
    All,
    /// This share of them nothing, the others alike.
    FreeRiders(f64),
    /// As Adar and Huberman found it in August 2000: two thirds nothing, and one in a hundred more than
    /// a third of all.
    Adar2000,
}

impl Catalogue {
    /// How many copies of each file there are: one at least, and at most one for each sharer.
    #[must_use]
    pub fn allot(&self, sharers: usize) -> Vec<usize> {
        let exponent = match self.replication {
            Replication::Uniform => 0.0,
            Replication::Proportional => self.popularity,
            Replication::SquareRoot => self.popularity / 2.0,
            Replication::Zipf(exponent) => exponent,
        };
        let sums = power_sums(self.files, exponent);
        let whole = sums.last().copied().unwrap_or(1.0);
        let mut given = 0;
        sums.into_iter()
            .map(|sum| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a part of a count"
                )]
                let up_to = (sum / whole * f64::from(self.copies)).round() as usize;
                let copies = up_to - given;
                given = up_to;
                copies.clamp(1, sharers.max(1))
            })
            .collect()
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if !(1..=MOST_FILES).contains(&self.files) || self.copies > MOST_COPIES {
            return Err(format!(
                "catalogue {name:?} has 1 to {MOST_FILES} files and at most {MOST_COPIES} copies"
            ));
        }
        if !(0.0..=10.0).contains(&self.popularity) {
            return Err(format!(
                "the popularity of catalogue {name:?} is between 0 and 10"
            ));
        }
        Ok(())
    }
}

impl Sharing {
    /// Those among these servents who share, and how much each beside the others.
    #[must_use]
    pub fn among(self, servents: Vec<u32>, rng: &mut Pcg64Mcg) -> Sharers {
        match self {
            Self::All => Sharers::alike(servents),
            Self::FreeRiders(share) => {
                let mut servents = servents;
                servents.shuffle(rng);
                let all = servents.len() as f64;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a share of a count"
                )]
                servents.truncate((all * (1.0 - share)).round() as usize);
                Sharers::alike(servents)
            }
            Self::Adar2000 => {
                let mut servents = servents;
                servents.shuffle(rng);
                let all = servents.len() as f64;
                let files = (0..servents.len()).map(|rank| adar2000((rank as f64 + 0.5) / all));
                let weights: Vec<f64> = files.take_while(|&files| files > 0.0).collect();
                servents.truncate(weights.len());
                Sharers::weighted(servents, &weights)
            }
        }
    }
}

/// How many files a servent shares that this share of all servents is above. Between the points, of which
/// the shares are published and the files follow from what is published of the sums, the logarithm is
/// a straight line.
fn adar2000(above: f64) -> f64 {
    const POINTS: [(f64, f64); 5] = [
        (0.0, 8375.0),
        (0.01, 975.0),
        (0.2, 43.0),
        (0.27, 10.0),
        (0.3375, 1.0),
    ];
    for ends in POINTS.windows(2) {
        let ((left, most), (right, least)) = (ends[0], ends[1]);
        if above < right {
            return most * libm::pow(least / most, (above - left) / (right - left));
        }
    }
    0.0
}

impl FromStr for Replication {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "uniform" => Ok(Self::Uniform),
            "proportional" => Ok(Self::Proportional),
            "square-root" => Ok(Self::SquareRoot),
            other => number(other, "zipf:", 10.0)
                .map(Self::Zipf)
                .ok_or("use uniform, proportional, square-root or zipf:EXPONENT"),
        }
    }
}

impl FromStr for Sharing {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            "adar2000" => Ok(Self::Adar2000),
            other => number(other, "free-riders:", 1.0)
                .map(Self::FreeRiders)
                .ok_or("use all, free-riders:SHARE or adar2000"),
        }
    }
}

impl<'de> Deserialize<'de> for Replication {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Sharing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer)
    }
}

/// A number from 0 to `most` after a prefix.
fn number(text: &str, prefix: &str, most: f64) -> Option<f64> {
    let number: f64 = text.strip_prefix(prefix)?.parse().ok()?;
    (0.0..=most).contains(&number).then_some(number)
}

/// The most files of a catalogue.
const MOST_FILES: u32 = 1_000_000;

/// The most copies of all its files.
const MOST_COPIES: u32 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_shared_out_by_the_rule() {
        let allotted = |replication| {
            let catalogue = Catalogue {
                name: String::new(),
                files: 4,
                popularity: 2.0,
                copies: 100,
                replication,
            };
            catalogue.allot(60)
        };
        assert_eq!(allotted(Replication::Uniform), [25, 25, 25, 25]);
        // By 1, 1/4, 1/9 and 1/16: 70 are more than sharers.
        assert_eq!(allotted(Replication::Proportional), [60, 18, 8, 4]);
        // By 1, 1/2, 1/3 and 1/4.
        assert_eq!(allotted(Replication::SquareRoot), [48, 24, 16, 12]);
        assert_eq!(allotted(Replication::Zipf(10.0)), [60, 1, 1, 1]);
    }

    #[test]
    fn the_preset_has_the_published_sums() {
        let all = 33_335;
        let files = |rank: u32| adar2000((f64::from(rank) + 0.5) / f64::from(all));
        let up_to = |ranks: u32| (0..ranks).map(files).sum::<f64>();
        let whole = up_to(all);
        assert!((whole / 3_100_464.0 - 1.0).abs() < 0.01, "{whole}");
        assert!((up_to(333) / whole - 0.37).abs() < 0.01);
        assert!((up_to(6667) / whole - 0.98).abs() < 0.01);
        let sharers = (0..all).filter(|&rank| files(rank) > 0.0).count();
        assert!(sharers.abs_diff(33_335 - 22_084) < 5, "{sharers}");
    }
}
