//! Means over replicas with their intervals, and what they say of the claims.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agreement::{Agreement, Reference, Table};
use super::curve::{Curve, curves};
use super::file::{Claim, File, Side};
use super::measure::{Measure, Row};

/// What came of an experiment.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Findings {
    /// The title of the experiment.
    pub title: String,
    /// The seed.
    pub seed: u64,
    /// How many replicas there were.
    pub replicas: u32,
    /// The figures of each variant and file, in the order of the experiment.
    pub figures: Vec<Figures>,
    /// What became of the claims.
    pub claims: Vec<Judged>,
    /// Cells of the reference table that do not agree, with what differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed_cells: Vec<String>,
}

/// The figures of one variant and file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Figures {
    /// The variant.
    pub variant: String,
    /// The file.
    pub file: String,
    /// Each measure that there were figures of.
    pub measures: BTreeMap<Measure, Finding>,
    /// How a swarm came to have its file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<Curve>,
}

/// A mean over replicas.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Finding {
    /// The mean of the means of the replicas.
    pub mean: f64,
    /// Half the 95 % interval around it; none where there is but one replica.
    pub interval: Option<f64>,
}

/// A claim and what was found.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Judged {
    /// The claim in words.
    pub says: String,
    /// What was found.
    pub found: Option<Finding>,
    /// The least that it may be.
    pub at_least: Option<f64>,
    /// The most that it may be.
    pub at_most: Option<f64>,
    /// Where the figure comes from.
    pub source: Option<String>,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The mean is within the bounds.
    Reproduced,
    /// It is not.
    Missed,
    /// It is, but the source was never opened.
    Unverified,
}

impl Findings {
    /// What the rows of an experiment say, and its table, if it has one, of them.
    #[must_use]
    pub fn of(file: &File, table: &Table, seed: u64, rows: &[Row]) -> Self {
        let names = file.file_names();
        let sides = file.variant_names().into_iter().flat_map(|variant| {
            names.iter().map(|name| Side {
                variant: variant.to_owned(),
                file: (*name).to_owned(),
            })
        });
        let figures = sides.map(|side| {
            let found = Measure::ALL.iter().filter_map(|&measure| {
                let means: Vec<f64> = means(rows, &side, measure).into_values().collect();
                Some((measure, Finding::of(&means)?))
            });
            Figures {
                measures: found.collect(),
                curves: curves(rows, &side),
                variant: side.variant,
                file: side.file,
            }
        });
        let mut claims: Vec<Judged> = file.claims.iter().map(|claim| judge(claim, rows)).collect();
        let mut missed_cells = Vec::new();
        if let Some(reference) = &file.reference {
            let agreement = table.compare(rows);
            claims.push(agree(reference, &agreement));
            missed_cells = agreement.missed;
        }
        Self {
            title: file.title.clone(),
            seed,
            replicas: file.replicas,
            figures: figures.collect(),
            claims,
            missed_cells,
        }
    }

    /// Whether no claim was missed.
    #[must_use]
    pub fn holds(&self) -> bool {
        let missed = |claim: &Judged| claim.verdict == Verdict::Missed;
        !self.claims.iter().any(missed)
    }
}

impl Finding {
    /// The mean of some values with its 95 % interval; nothing where there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let interval = (count > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let deviation = (squares / (count - 1) as f64).sqrt();
            student(count - 1) * deviation / (count as f64).sqrt()
        });
        Some(Self { mean, interval })
    }
}

impl Verdict {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Missed => "missed",
            Self::Unverified => "unverified",
        }
    }
}

/// The mean of each replica over its searches.
pub(super) fn means(rows: &[Row], side: &Side, measure: Measure) -> BTreeMap<u32, f64> {
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    let of_side = |row: &&Row| row.variant == side.variant && row.file == side.file;
    for row in rows.iter().filter(of_side) {
        if let Some(value) = measure.of(row) {
            let (sum, count) = sums.entry(row.replica).or_default();
            *sum += value;
            *count += 1.0;
        }
    }
    sums.into_iter()
        .map(|(replica, (sum, count))| (replica, sum / count))
        .collect()
}

fn judge(claim: &Claim, rows: &[Row]) -> Judged {
    let mut found = means(rows, &claim.of(), claim.measure);
    if let Some(over) = &claim.over {
        // Replica by replica: what both sides owe to the same luck cancels out.
        let below = means(rows, over, claim.measure);
        found = found
            .into_iter()
            .filter_map(|(replica, value)| Some((replica, value / below.get(&replica)?)))
            .collect();
    }
    let values: Vec<f64> = found.into_values().collect();
    let found = Finding::of(&values);
    let holds = found.is_some_and(|found| {
        claim.at_least.is_none_or(|least| found.mean >= least)
            && claim.at_most.is_none_or(|most| found.mean <= most)
    });
    Judged {
        says: claim.says.clone(),
        found,
        at_least: claim.at_least,
        at_most: claim.at_most,
        source: claim.source.clone(),
        verdict: match holds {
            false => Verdict::Missed,
            true if claim.unverified => Verdict::Unverified,
            true => Verdict::Reproduced,
        },
    }
}

/// What a table says of the figures.
fn agree(reference: &Reference, agreement: &Agreement) -> Judged {
    let (cells, missed) = (agreement.cells, agreement.missed.len());
    let found = (cells > 0).then(|| Finding {
        mean: (cells - missed) as f64 / cells as f64,
        interval: None,
    });
    let holds = found.is_some_and(|found| found.mean >= reference.at_least);
    Judged {
        says: format!("{} of {cells} cells of the table agree", cells - missed),
        found,
        at_least: Some(reference.at_least),
        at_most: None,
        source: reference.source.clone(),
        verdict: if holds {
            Verdict::Reproduced
        } else {
            Verdict::Missed
        },
    }
}

/// The quantile of Student's distribution with so many degrees of freedom that leaves 2.5 % on
/// either side.
fn student(freedom: usize) -> f64 {
    const QUANTILES: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    // Beyond the table the last of it errs on the careful side.
    QUANTILES[freedom.clamp(1, QUANTILES.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_that_of_the_book() {
        let finding = Finding::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(finding.mean, 2.5);
        // 3.182 * 1.29099 / 2.
        assert!((finding.interval.unwrap() - 2.0540).abs() < 1e-3);
        assert_eq!(Finding::of(&[7.0]).unwrap().interval, None);
        assert_eq!(Finding::of(&[]), None);
    }
}
