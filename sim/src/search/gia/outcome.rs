//! What came of Gia.

use serde::Serialize;

/// What a variant came to: a row of its table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The variant.
    pub variant: String,
    /// The replica, counted from 0.
    pub replica: u32,
    /// How many servents there were.
    pub servents: u64,
    /// The most queries a second that each servent could ask while nine of ten were answered in time,
    /// as far as it was looked for; empty where not so many were, whatever the rate.
    pub collapse: Option<f64>,
    /// Hops to the answer at that rate, in the mean.
    pub hops: Option<f64>,
    /// The share of queries that were answered at that rate.
    pub success: Option<f64>,
    /// The share of all capacity that was in use at that rate.
    pub utilisation: Option<f64>,
    /// Hops to the answer where there is no other query, in the mean.
    pub idle_hops: f64,
    /// Seconds to the answer, likewise.
    pub idle_seconds: f64,
    /// The share of queries that were answered, likewise.
    pub idle_success: f64,
    /// Links of a servent, in the mean.
    pub links: f64,
    /// Links of a servent of the highest capacity, in the mean.
    pub top_links: f64,
}
