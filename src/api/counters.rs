//! What a node counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::node::{Sample, SampleKind};

/// One number of a node.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// Its family.
    pub name: String,
    /// What it is.
    pub kind: CounterKind,
    /// Which of the family.
    pub labels: BTreeMap<String, String>,
    /// How many.
    pub value: u64,
    /// What the family counts.
    #[serde(skip)]
    pub help: String,
}

/// What a number is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CounterKind {
    /// It only rises while the node lives.
    Counter,
    /// It is what holds now.
    Gauge,
}

impl Counter {
    /// Its labels as `name=value`, with commas between them.
    #[must_use]
    pub fn label(&self) -> String {
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        labels.collect::<Vec<_>>().join(",")
    }
}

impl From<Sample> for Counter {
    fn from(sample: Sample) -> Self {
        let labels = sample.labels.into_iter();
        Self {
            name: sample.name.to_owned(),
            kind: match sample.kind {
                SampleKind::Counter => CounterKind::Counter,
                SampleKind::Gauge => CounterKind::Gauge,
            },
            labels: labels
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            value: sample.value,
            help: sample.help.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_has_the_shape_of_the_contract() {
        let sample = Sample {
            labels: vec![("reason", "malformed".to_owned())],
            ..Sample::counter("drops", "descriptors dropped", 3)
        };
        let counter = Counter::from(sample);
        assert_eq!(
            serde_json::to_string(&counter).unwrap(),
            r#"{"name":"drops","kind":"counter","labels":{"reason":"malformed"},"value":3}"#
        );
        assert_eq!(counter.label(), "reason=malformed");
    }
}
