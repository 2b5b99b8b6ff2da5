//! The command `run`: does the experiments that files describe, and tells what came of them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::Error;
use crate::arguments::{Format, Run};
use crate::experiment::{Figures, File, Finding, Findings, Measure, Row, plan, trial};
use crate::memory;
use crate::parallel::in_parallel;

/// Runs the command; `out` takes what was found and `log` what the run cost. Says whether no
/// claim was missed.
///
/// # Errors
/// When a file is no experiment or the results cannot be written.
pub fn run(arguments: &Run, out: &mut impl Write, log: &mut impl Write) -> Result<bool, Error> {
    let mut holds = true;
    for path in experiments(&arguments.files)? {
        let start = Instant::now();
        let mut file = read(&path)?;
        file.replicas = arguments.replicas.unwrap_or(file.replicas);
        let seed = arguments.seed.unwrap_or(file.seed);
        let rows = conduct(&file, seed, arguments.threads.into())?;
        let findings = Findings::of(&file, seed, &rows);
        holds &= findings.holds();
        let results = Results {
            findings: &findings,
            rows: &rows,
        };
        if let Some(folder) = &arguments.out {
            save(folder, &path, &results)?;
        }
        match arguments.format {
            Format::Table => table(&findings, out)?,
            Format::Csv => out.write_all(&csv(&rows)?)?,
            Format::Json => {
                serde_json::to_writer(&mut *out, &results).map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        out.flush()?;
        let seconds = start.elapsed().as_secs_f64();
        let peak = memory::peak().map_or_else(|| "unknown".to_owned(), |peak| peak.to_string());
        // The findings are what was asked for: nothing is lost when nobody reads this.
        let _ = writeln!(
            log,
            "{}: {} searches, {seconds:.1} seconds, peak memory {peak} bytes, threads {}, seed {seed}",
            path.display(),
            rows.len(),
            arguments.threads,
        );
    }
    Ok(holds)
}

/// All rows of an experiment, in the order of its tasks. Each thread takes the next task that
/// nobody took; what a task does depends on the file and the seed alone.
///
/// # Errors
/// Those of [`trial`].
pub fn conduct(file: &File, seed: u64, threads: usize) -> Result<Vec<Row>, Error> {
    let tasks = plan(file);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(place) else {
                return done;
            };
            done.push((place, trial(file, seed, task)));
        }
    };
    let threads = threads.clamp(1, tasks.len().max(1));
    let mut done: Vec<_> = in_parallel((0..threads).map(|_| &work))
        .into_iter()
        .flatten()
        .collect();
    done.sort_unstable_by_key(|&(place, _)| place);
    let mut rows = Vec::new();
    for (_, found) in done {
        rows.extend(found?);
    }
    Ok(rows)
}

/// Reads an experiment.
///
/// # Errors
/// When the file cannot be read or is no experiment.
pub fn read(path: &Path) -> Result<File, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    File::parse(&text).map_err(|problem| Error::Experiment {
        path: path.to_owned(),
        problem,
    })
}

/// All that came of an experiment.
#[derive(Serialize)]
struct Results<'a> {
    #[serde(flatten)]
    findings: &'a Findings,
    rows: &'a [Row],
}

/// The files, and those in the folders, by name.
fn experiments(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let failed = |source| Error::Read {
            path: path.clone(),
            source,
        };
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(Error::NoExperiment(path.clone()));
        }
        inside.sort();
        found.extend(inside);
    }
    Ok(found)
}

fn save(folder: &Path, experiment: &Path, results: &Results<'_>) -> Result<(), Error> {
    let stem = experiment.file_stem().unwrap_or_default().to_string_lossy();
    let mut json = serde_json::to_vec_pretty(results).map_err(io::Error::from)?;
    json.push(b'\n');
    for (extension, bytes) in [("csv", csv(results.rows)?), ("json", json)] {
        let path = folder.join(format!("{stem}.{extension}"));
        // Under another name first, so that a file is whole or not there.
        let unfinished = folder.join(format!(".{stem}.{extension}"));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&unfinished, bytes))
            .and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

fn csv(rows: &[Row]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(io::Error::other)?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

fn table(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}\n", findings.title)?;
    let width = |text: fn(&Figures) -> &str| {
        let widths = findings.figures.iter().map(|figures| text(figures).len());
        widths.max().unwrap_or(0)
    };
    let widths = (
        width(|figures| &figures.variant),
        width(|figures| &figures.file),
    );
    write!(out, "{:<1$} {2:<3$}", "", widths.0, "", widths.1)?;
    for measure in COLUMNS {
        write!(out, " {:>20}", measure.name())?;
    }
    writeln!(out)?;
    for figures in &findings.figures {
        let (variant, file) = (&figures.variant, &figures.file);
        write!(out, "{variant:<0$} {file:<1$}", widths.0, widths.1)?;
        for measure in COLUMNS {
            let found = figures.measures.get(measure.name());
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
        let bound = match (claim.at_least, claim.at_most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "anything".to_owned(),
        };
        let verdict = claim.verdict.name();
        writeln!(out, "{verdict:<11} {}: {found} ({bound})", claim.says)?;
    }
    writeln!(out)
}

/// A mean and half its interval, to as many places as its size makes sensible.
fn figure(finding: &Finding) -> String {
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
const FEW: u32 = 3;
