//! Experiments: a TOML file and a seed decide every row.
//!
//! A [`File`] says what network there is, what its servents share, who searches for what, by
//! which variants of the rules, and what is to come of it. Each replica of it is a [`trial`]
//! with a graph, contents and askers of its own, the same for all variants, so that variants are
//! compared under the same luck. [`Findings`] are means over replicas with their intervals, and a
//! [`Verdict`] on each claim.

mod file;
mod findings;
mod measure;
mod points;
mod trial;

pub use file::{Background, Claim, Content, File, From, Network, Queries, Side, Strategy, Variant};
pub use findings::{Figures, Finding, Findings, Judged, Verdict};
pub use measure::{Measure, Row};
pub use points::{Point, points};
pub use trial::{Task, plan, trial};
