//! Plots of swarms for the page of a report: completion curves, and measures over what variants differ in.
//!
//! A variant whose name ends in a number (`equal 30 %`, `1000`) is a point of a line at that number;
//! the line is what comes before it.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::experiment::{Figures, Measure};
use crate::plot::{Mark, Series, lines};

/// The plots of a swarm; nothing where the figures are not of one.
pub(crate) fn plots(figures: &[Figures]) -> String {
    let mut html = String::new();
    let of_swarm = |figures: &Figures| figures.measures.contains_key(&Measure::PeerShare);
    if !figures.iter().any(of_swarm) {
        return html;
    }
    for measure in PLOTTED {
        let series = over_numbers(figures, measure);
        if series.iter().any(|series| series.points.len() > 1) {
            let _ = writeln!(html, "{}", lines(AXIS, measure.name(), &series));
        }
    }
    for (group, series) in completion(figures) {
        let name = format!("{group}: percent that have it");
        let _ = writeln!(html, "{}", lines("one-copy times", &name, &series));
    }
    html
}

/// A line for each group of variants, where the measure is anything but nothing.
fn over_numbers(figures: &[Figures], measure: Measure) -> Vec<Series> {
    let mut groups: BTreeMap<&str, Vec<Mark>> = BTreeMap::new();
    for figures in figures {
        if let (Some((group, x)), Some(found)) =
            (split(&figures.variant), figures.measures.get(&measure))
        {
            groups.entry(group).or_default().push(Mark {
                x,
                y: found.mean,
                half: found.interval.unwrap_or(0.0),
            });
        }
    }
    if groups.values().flatten().all(|mark| mark.y == 0.0) {
        return Vec::new();
    }
    let series = groups.into_iter().map(|(group, mut points)| {
        points.sort_by(|one, other| one.x.total_cmp(&other.x));
        Series {
            label: label(group).to_owned(),
            points,
        }
    });
    series.collect()
}

/// The completion curves, by group of variants.
fn completion(figures: &[Figures]) -> BTreeMap<&str, Vec<Series>> {
    let mut groups: BTreeMap<&str, Vec<Series>> = BTreeMap::new();
    for figures in figures {
        let group = split(&figures.variant).map_or("", |(group, _)| group);
        for curve in &figures.curves {
            let points = curve.points.iter().map(|(percent, found)| Mark {
                x: found.mean,
                y: f64::from(*percent),
                half: 0.0,
            });
            groups.entry(label(group)).or_default().push(Series {
                label: format!("{} {}", figures.variant, curve.of),
                points: points.collect(),
            });
        }
    }
    groups
}

/// What comes before the number at the end of a name, and the number.
fn split(name: &str) -> Option<(&str, f64)> {
    let name = name.trim_end_matches(['%', ' ']);
    let (group, number) = name.rsplit_once(' ').unwrap_or(("", name));
    Some((group, number.parse().ok()?))
}

fn label(group: &str) -> &str {
    if group.is_empty() { "all" } else { group }
}

/// What the numbers are, the names of variants say.
const AXIS: &str = "number in the variant's name";

/// What is plotted; the tables have all.
const PLOTTED: [Measure; 10] = [
    Measure::FinishedShare,
    Measure::MeanCopies,
    Measure::AllCopies,
    Measure::GiverCopies,
    Measure::LeecherCopies,
    Measure::LeecherDelay,
    Measure::SeedCopies,
    Measure::PeerShare,
    Measure::WastedTiles,
    Measure::CorruptShare,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Curve, Finding};

    #[test]
    fn variants_with_numbers_are_points_of_lines_and_have_curves() {
        let found = |mean| Finding {
            mean,
            interval: None,
        };
        let figures = |variant: &str, mean| Figures {
            variant: variant.to_owned(),
            file: String::new(),
            measures: [
                (Measure::PeerShare, found(0.5)),
                (Measure::MeanCopies, found(mean)),
                (Measure::WastedTiles, found(0.0)),
            ]
            .into(),
            curves: vec![Curve {
                of: "givers".to_owned(),
                points: vec![(50, found(1.0)), (100, found(mean))],
            }],
        };
        let all = [
            figures("equal 0 %", 2.0),
            figures("equal 50 %", 3.0),
            figures("random 50 %", 4.0),
        ];
        let series = over_numbers(&all, Measure::MeanCopies);
        let points: Vec<usize> = series.iter().map(|series| series.points.len()).collect();
        assert_eq!(points, [2, 1]);
        let html = plots(&all);
        assert!(html.contains("mean_copies") && !html.contains("wasted_tiles"));
        assert!(
            html.contains("equal: percent that have it") && html.contains("random 50 % givers")
        );
        assert_eq!(plots(&[]), "");
        assert_eq!(split("1000"), Some(("", 1000.0)));
    }
}
