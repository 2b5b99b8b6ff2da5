//! Whether figures agree with a table of somebody else's, made by another program.
//!
//! A cell of it is a strategy and a file: the variant and the file of the same names. It agrees
//! where messages, visited nodes and success are all within the larger of three combined standard
//! errors and 0.1 + 0.5 % (of success, 0.1 of a per cent) of the table's.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::file::{File, Side};
use super::findings::means;
use super::measure::{Measure, Row};
use crate::Error;

/// A table that the figures are to agree with: columns `graph`, `strategy`, `replication` (the name
/// of a file), `trials`, `success`, `msgs`, `visited` and `se_msgs`, perhaps others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The table's file, beside the experiment's.
    pub table: String,
    /// The graph of the rows that count.
    pub graph: String,
    /// The share of cells that are to agree.
    pub at_least: f64,
    /// Whose table it is.
    pub source: Option<String>,
}

/// The rows of a table that count.
#[derive(Clone, Debug, Default)]
pub struct Table {
    cells: Vec<Cell>,
}

/// How many cells agree, and which do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// All cells for which there are figures.
    pub cells: usize,
    /// Those that do not agree, with what differs.
    pub missed: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Cell {
    graph: String,
    strategy: String,
    replication: String,
    trials: f64,
    success: f64,
    msgs: f64,
    visited: f64,
    se_msgs: f64,
}

impl Table {
    /// Reads the table that an experiment names, if it names one.
    ///
    /// # Errors
    /// When it cannot be read or is no such table.
    pub fn of(file: &File) -> Result<Self, Error> {
        let Some(reference) = &file.reference else {
            return Ok(Self::default());
        };
        let path = file.network.folder.join(&reference.table);
        Self::read(&path, &reference.graph)
    }

    fn read(path: &Path, graph: &str) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut cells = Vec::new();
        for cell in csv::Reader::from_reader(text.as_bytes()).deserialize() {
            let cell: Cell = cell.map_err(|error| Error::Experiment {
                path: path.to_owned(),
                problem: error.to_string(),
            })?;
            if cell.graph == graph {
                cells.push(cell);
            }
        }
        Ok(Self { cells })
    }

    /// How far rows agree with it.
    #[must_use]
    pub fn compare(&self, rows: &[Row]) -> Agreement {
        let found: Vec<Option<Vec<String>>> = self
            .cells
            .iter()
            .map(|cell| cell.differences(rows))
            .collect();
        let differing = found
            .iter()
            .flatten()
            .filter(|differing| !differing.is_empty());
        Agreement {
            cells: found.iter().flatten().count(),
            missed: differing.map(|differing| differing.join(", ")).collect(),
        }
    }
}

impl Cell {
    /// In what rows differ from it; `None` where they say nothing of it.
    fn differences(&self, rows: &[Row]) -> Option<Vec<String>> {
        let side = Side {
            variant: self.strategy.clone(),
            file: self.replication.clone(),
        };
        let mut differences = Vec::new();
        let spread = (self.success * (1.0 - self.success) / self.trials).sqrt();
        for (measure, wanted, error, floor) in [
            (Measure::Messages, self.msgs, Some(self.se_msgs), 0.1),
            (Measure::Reached, self.visited, None, 0.1),
            (Measure::Success, self.success, Some(spread), 0.001),
        ] {
            let values: Vec<f64> = means(rows, &side, measure).into_values().collect();
            if values.is_empty() {
                return None;
            }
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let ours = (squares / (count - 1.0).max(1.0) / count).sqrt();
            // Where the table is silent, its spread is taken to be ours.
            let theirs = error.unwrap_or_else(|| ours * (count / self.trials).sqrt());
            let allowed = (3.0 * ours.hypot(theirs)).max(floor + 0.005 * wanted);
            if (mean - wanted).abs() > allowed {
                differences.push(format!(
                    "{} {} {}: {mean:.4} for {wanted} ± {allowed:.4}",
                    self.strategy,
                    self.replication,
                    measure.name()
                ));
            }
        }
        Some(differences)
    }
}
