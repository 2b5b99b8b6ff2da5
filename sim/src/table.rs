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
    let has = |measure: &Measure| {
        let mut figures = findings.figures.iter();
        figures.any(|of| of.measures.contains_key(measure))
    };
    let columns = if has(&Measure::PeerShare) {
        let any = |measure: &Measure| {
            let found = |figures: &Figures| figures.measures.get(measure).map(|f| f.mean);
            let mut figures = findings.figures.iter();
            figures.any(|of| found(of).is_some_and(|mean| mean > 0.0))
        };
        SWARM_COLUMNS.into_iter().filter(any).collect()
    } else if has(&Measure::Connected) {
        LIVING_COLUMNS.to_vec()
    } else if has(&Measure::Load) {
        ATTACK_COLUMNS.to_vec()
    } else if has(&Measure::SybilShare) {
        SYBIL_COLUMNS.to_vec()
    } else if has(&Measure::CollapseRate) {
        GIA_COLUMNS.to_vec()
    } else {
        COLUMNS.to_vec()
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

/// What the table of a living network shows.
const LIVING_COLUMNS: [Measure; 7] = [
    Measure::Present,
    Measure::Connected,
    Measure::Linked,
    Measure::Ultrapeers,
    Measure::Success,
    Measure::Reach,
    Measure::Messages,
];

/// What the table of an attack shows.
const ATTACK_COLUMNS: [Measure; 8] = [
    Measure::Success,
    Measure::Recall,
    Measure::Reached,
    Measure::FirstMs,
    Measure::Load,
    Measure::GenuineShare,
    Measure::HitsLost,
    Measure::AttackersCut,
];

/// What the table of a servent's places shows.
const SYBIL_COLUMNS: [Measure; 2] = [Measure::SybilShare, Measure::HonestShare];

/// What the table of Gia shows.
const GIA_COLUMNS: [Measure; 6] = [
    Measure::CollapseRate,
    Measure::Success,
    Measure::Hops,
    Measure::Utilisation,
    Measure::IdleHops,
    Measure::TopLinks,
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
