//! The counters under the names by which metrics, the control plane and experiments know them.

use super::Stats;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// It only rises.
    Counter,
    /// It is what holds now.
    Gauge,
}

/// One number with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name of its family, in lower case with underscores.
    pub name: &'static str,
    /// What the family counts.
    pub help: &'static str,
    /// What it is.
    pub kind: SampleKind,
    /// Which of the family.
    pub labels: Vec<(&'static str, String)>,
    /// How many.
    pub value: u64,
}

impl Sample {
    /// A counter that stands alone in its family.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            kind: SampleKind::Counter,
            labels: Vec::new(),
            value,
        }
    }

    /// A number that holds now, one of its family.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, of: &str, value: u64) -> Self {
        Self {
            name,
            help,
            kind: SampleKind::Gauge,
            labels: vec![("of", of.to_owned())],
            value,
        }
    }
}

impl Stats {
    /// Everything counted, those of a family one after the other.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut family = |name, help, members: Vec<(Vec<(&'static str, String)>, u64)>| {
            samples.extend(members.into_iter().map(|(labels, value)| Sample {
                name,
                help,
                kind: SampleKind::Counter,
                labels,
                value,
            }));
        };
        let by = |label: &'static str, name: &str| vec![(label, name.to_owned())];
        let received = self
            .received()
            .map(|(kind, count)| (by("kind", kind), count));
        family("received", "descriptors that came", received.collect());
        if let Some(traffic) = &self.traffic {
            let label = |way: super::Way, kind: &str| {
                vec![
                    ("direction", way.name().to_owned()),
                    ("kind", kind.to_owned()),
                ]
            };
            let descriptors = traffic.descriptors().map(|(way, kind, hops, count)| {
                let mut labels = label(way, kind);
                labels.push(("hops", hops.to_string()));
                (labels, count)
            });
            let help = "descriptors by hops, 8 for all above 7";
            family("descriptors", help, descriptors.collect());
            let bytes = traffic
                .bytes()
                .map(|(way, kind, bytes)| (label(way, kind), bytes));
            family(
                "bytes",
                "bytes of descriptors, headers included",
                bytes.collect(),
            );
        }
        let drops = self
            .drops()
            .map(|(why, count)| (by("reason", why.name()), count));
        family("drops", "descriptors dropped", drops.collect());
        let spam = self.spam().map(|(flaw, count)| (by("flaw", flaw), count));
        family(
            "spam",
            "hits for own searches that were flawed",
            spam.collect(),
        );
        let dynamic = &self.dynamic;
        let ended = dynamic
            .finished()
            .map(|(why, count)| (by("outcome", why.name()), count));
        family(
            "dynamic_queries_ended",
            "dynamic queries that ended",
            ended.collect(),
        );
        for (name, help, value) in [
            (
                "answered",
                "queries answered from what is shared",
                self.answered,
            ),
            ("routed", "hits passed on to who asked", self.routed),
            (
                "spared",
                "copies of queries that routing tables spared",
                self.spared,
            ),
            ("datagrams", "datagrams that came", self.datagrams),
            ("tables", "routing tables of neighbours taken", self.tables),
            ("dynamic_queries", "dynamic queries begun", dynamic.started),
            (
                "dynamic_copies",
                "copies that dynamic queries sent",
                dynamic.copies,
            ),
            (
                "dynamic_reached",
                "hosts that dynamic queries reached",
                dynamic.reached,
            ),
            (
                "dynamic_results",
                "results that dynamic queries brought",
                dynamic.results,
            ),
        ] {
            samples.push(Sample::counter(name, help, value));
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::stats::{Drop, Way};
    use crate::wire::Kind;

    #[test]
    fn every_counter_has_a_name_of_its_own() {
        let mut stats = Stats::detailed();
        stats.drop(Drop::Malformed);
        if let Some(traffic) = &mut stats.traffic {
            traffic.count(Way::Out, (Kind::Query, 200), 17, 3);
        }
        let samples = stats.samples();
        let find = |name, labels: &[(&str, &str)]| {
            let same = |sample: &&Sample| {
                let told = sample
                    .labels
                    .iter()
                    .map(|(label, of)| (*label, of.as_str()));
                sample.name == name && told.eq(labels.iter().copied())
            };
            let found: Vec<u64> = samples.iter().filter(same).map(|one| one.value).collect();
            assert!(found.len() <= 1, "{name} {labels:?}");
            found.first().copied()
        };
        assert_eq!(find("drops", &[("reason", "malformed")]), Some(1));
        let query = [("direction", "out"), ("kind", "query")];
        assert_eq!(find("bytes", &query), Some(120));
        let far = [query[0], query[1], ("hops", "8")];
        assert_eq!(find("descriptors", &far), Some(3));
        assert_eq!(find("answered", &[]), Some(0));
    }

    #[test]
    fn families_stand_together() {
        let samples = Stats::detailed().samples();
        let mut names: Vec<_> = samples.iter().map(|sample| sample.name).collect();
        names.dedup();
        let families = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), families);
    }
}
