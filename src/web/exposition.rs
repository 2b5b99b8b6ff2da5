//! Counters in the text format of Prometheus.

use std::fmt::Write;

use crate::api::{Counter, CounterKind};

/// What the text says that it is.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text for these counters, of which those of a family stand together.
pub(super) fn of(counters: &[Counter]) -> String {
    let mut out = String::new();
    for family in counters.chunk_by(|one, other| one.name == other.name) {
        let (suffix, kind) = match family[0].kind {
            CounterKind::Counter => ("_total", "counter"),
            CounterKind::Gauge => ("", "gauge"),
        };
        let name = format!("filbert_{}{suffix}", family[0].name);
        // Writing into a string cannot fail.
        let _ok = writeln!(out, "# HELP {name} {}", family[0].help);
        let _ok = writeln!(out, "# TYPE {name} {kind}");
        for Counter { labels, value, .. } in family {
            let labels = labels.iter().map(|(label, of)| format!("{label}=\"{of}\""));
            let labels = labels.collect::<Vec<_>>().join(",");
            let _ok = match labels.is_empty() {
                true => writeln!(out, "{name} {value}"),
                false => writeln!(out, "{name}{{{labels}}} {value}"),
            };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_head() {
        let counter = |name: &str, kind, of: &[(&str, &str)], value| Counter {
            name: name.to_owned(),
            kind,
            labels: of
                .iter()
                .map(|(label, of)| ((*label).into(), (*of).into()))
                .collect(),
            value,
            help: format!("what {name} is"),
        };
        let text = of(&[
            counter("drops", CounterKind::Counter, &[("reason", "a")], 1),
            counter("drops", CounterKind::Counter, &[("reason", "b")], 2),
            counter("routes", CounterKind::Gauge, &[], 3),
        ]);
        let expected = "# HELP filbert_drops_total what drops is\n\
            # TYPE filbert_drops_total counter\n\
            filbert_drops_total{reason=\"a\"} 1\n\
            filbert_drops_total{reason=\"b\"} 2\n\
            # HELP filbert_routes what routes is\n\
            # TYPE filbert_routes gauge\n\
            filbert_routes 3\n";
        assert_eq!(text, expected);
    }
}
