//! Findings as a table for people.

use std::io::{self, Write};

use crate::experiment::{Figures, Finding, Findings, Judged, Measure};

/// Prints the figures of each variant and file, and what became of the claims.
///
/// # Errors
/// When it cannot be written.
pub fn print(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}\n", findings.title)?;
    let width = |text: fn(&Figures) -> &str| {
        let widths = findings.figures.iter().map(|figures| text(figures).len());
        widths.max().unwrap_or(0)
    };
    let widths = (
        width(|figures| &figures.variant),
        width(|figures| &figures.file),
    );
    let of_swarm = |figures: &Figures| figures.measures.contains_key(&Measure::PeerShare);
    let columns: Vec<Measure> = match findings.figures.iter().any(of_swarm) {
        true => {
            let any = |measure: &Measure| {
                let found = |figures: &Figures| figures.measures.get(measure).map(|f| f.mean);
                findings
                    .figures
                    .iter()
                    .filter_map(found)
                    .any(|mean| mean > 0.0)
            };
            SWARM_COLUMNS.into_iter().filter(any).collect()
        }
        false => COLUMNS.to_vec(),
    };
    write!(out, "{:<1$} {2:<3$}", "", widths.0, "", widths.1)?;
    for measure in &columns {
        write!(out, " {:>20}", measure.name())?;
    }
    writeln!(out)?;
    for figures in &findings.figures {
        let (variant, file) = (&figures.variant, &figures.file);
        write!(out, "{variant:<0$} {file:<1$}", widths.0, widths.1)?;
        for measure in &columns {
            let found = figures.measures.get(measure);
            write!(out, " {:>20}", found.map_or_else(String::new, figure))?;
        }
        writeln!(out)?;
    }
    if findings.replicas < FEW {
        writeln!(
            out,
            "\nWith {} replicas, intervals say little.",
            findings.replicas
        )?;
    }
    writeln!(out)?;
    for claim in &findings.claims {
        let found = claim
            .found
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), figure);
        let bound = bounds(claim);
        let verdict = claim.verdict.name();
        writeln!(out, "{verdict:<11} {}: {found} ({bound})", claim.says)?;
    }
    writeln!(out)
}

/// The bounds of a claim in words.
#[must_use]
pub fn bounds(claim: &Judged) -> String {
    match (claim.at_least, claim.at_most) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "anything".to_owned(),
    }
}

/// A mean and half its interval, to as many places as its size makes sensible.
#[must_use]
pub fn figure(finding: &Finding) -> String {
    let places = match finding.mean.abs() {
        100.0.. => 1,
        1.0.. => 2,
        _ => 4,
    };
    let interval = finding
        .interval
        .map_or_else(String::new, |half| format!(" ± {half:.places$}"));
    format!("{:.places$}{interval}", finding.mean)
}

/// What the table of a swarm shows, where there is any of it.
const SWARM_COLUMNS: [Measure; 9] = [
    Measure::FinishedShare,
    Measure::MeanCopies,
    Measure::MostCopies,
    Measure::AllCopies,
    Measure::LeecherDelay,
    Measure::SeedCopies,
    Measure::PeerShare,
    Measure::WastedTiles,
    Measure::CorruptShare,
];

/// What the table of findings shows; the JSON has all.
const COLUMNS: [Measure; 7] = [
    Measure::Messages,
    Measure::LeafMessages,
    Measure::Reached,
    Measure::Results,
    Measure::Recall,
    Measure::FirstMs,
    Measure::LastHop,
];

/// Replicas below which intervals are not to be trusted.
pub const FEW: u32 = 3;
