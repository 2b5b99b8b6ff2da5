//! Experiments: a TOML file and a seed decide every row.
//!
//! A [`File`] says what network there is, what its servents share, who searches for what, by
//! which variants of the rules, and what is to come of it. Each replica of it is a [`trial`]
//! with a graph, contents and askers of its own, the same for all variants, so that variants are
//! compared under the same luck. [`Findings`] are means over replicas with their intervals, and a
//! [`Verdict`] on each claim.

mod agreement;
mod census;
mod curve;
mod failure;
mod file;
mod findings;
mod load;
mod measure;
mod network;
mod points;
mod scene;
mod strategy;
mod trial;
mod workload;

pub use agreement::{Agreement, Reference, Table};
pub use census::Census;
pub use curve::Curve;
pub use failure::{Failure, First};
pub use file::{Background, Claim, Content, File, From, Queries, Side, Subject};
pub(crate) use file::{optional_text, text};
pub use findings::{Figures, Finding, Findings, Judged, Verdict};
pub use measure::{Instead, Measure, Row};
pub use network::{Engine, Land, Network};
pub use points::{Point, points};
pub use strategy::{Strategy, Variant};
pub use trial::{Kind, Task, plan, trial};
pub use workload::{Catalogue, Replication, Sharing};
