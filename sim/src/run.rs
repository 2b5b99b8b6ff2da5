//! The command `run`: does the experiments that files describe, and tells what came of them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::Error;
use crate::arguments::{Format, Run};
use crate::experiment::{File, Land, Point, Row, Verdict, plan, points, trial};
use crate::memory;
use crate::parallel::in_parallel;
use crate::progress::Progress;
use crate::results::{Results, Source, csv};
use crate::table;

/// Runs the command; `out` takes what was found and `log` what the run cost. Says whether no
/// claim was missed.
///
/// # Errors
/// When a file is no experiment or the results cannot be written.
pub fn run(arguments: &Run, out: &mut impl Write, log: &mut impl Write) -> Result<bool, Error> {
    let mut verdicts = Vec::new();
    let mut not_run = 0;
    let paths = experiments(&arguments.files)?;
    for path in &paths {
        let (source, mut points) = read(path)?;
        let all = points.len();
        if let Some(wanted) = arguments.point {
            points = vec![choose(&source, points, wanted)?];
        }
        for mut point in points {
            // One of many may want a graph that is not here; who asks for it alone is told.
            let absent = point.file.network.absent();
            if let Some(path) = absent.filter(|_| paths.len() > 1) {
                not_run += 1;
                if arguments.format == Format::Table {
                    let (name, path) = (&source.name, path.display());
                    writeln!(out, "{name} is not run: there is no {path}\n")?;
                }
                continue;
            }
            let start = Instant::now();
            let file = &mut point.file;
            file.replicas = arguments.replicas.unwrap_or(file.replicas);
            let seed = arguments.seed.unwrap_or(file.seed);
            let progress = Progress::new(&source.name, plan(file).len());
            let rows = conduct(file, seed, arguments.threads.into(), &progress)?;
            let results = Results::of(&source, all, &point, seed, &rows)?;
            verdicts.extend(results.findings.claims.iter().map(|claim| claim.verdict));
            if let Some(folder) = &arguments.out {
                results.save(folder, &rows)?;
            }
            print(&results, &rows, arguments.format, out)?;
            // The findings are what was asked for: nothing is lost when nobody reads this.
            let _ = tell_cost(&results, &rows, start, arguments, log);
        }
    }
    if paths.len() > 1 && arguments.format == Format::Table {
        let count = |of| verdicts.iter().filter(|&&verdict| verdict == of).count();
        writeln!(
            out,
            "{} reproduced, {} unverified, {} missed; {not_run} not run",
            count(Verdict::Reproduced),
            count(Verdict::Unverified),
            count(Verdict::Missed)
        )?;
    }
    Ok(!verdicts.contains(&Verdict::Missed))
}

/// All rows of an experiment, in the order of its tasks. Each thread takes the next task that
/// nobody took; what a task does depends on the file and the seed alone.
///
/// # Errors
/// Those of [`Land::of`] and [`trial`].
pub fn conduct(
    file: &File,
    seed: u64,
    threads: usize,
    progress: &Progress,
) -> Result<Vec<Row>, Error> {
    let tasks = plan(file);
    let land = Land::of(&file.network)?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(place) else {
                return done;
            };
            done.push((place, trial(file, &land, seed, task)));
            progress.advance();
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

/// Reads an experiment and the points of its sweep.
///
/// # Errors
/// When the file cannot be read or is no experiment.
pub fn read(path: &Path) -> Result<(Source, Vec<Point>), Error> {
    let source = Source::read(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let points = of_source(&source, path, folder)?;
    Ok((source, points))
}

/// The points of an experiment, whose other files are in `folder`.
///
/// # Errors
/// When it is none.
pub fn of_source(source: &Source, path: &Path, folder: &Path) -> Result<Vec<Point>, Error> {
    let mut points = points(&source.text).map_err(|problem| Error::Experiment {
        path: path.to_owned(),
        problem,
    })?;
    for point in &mut points {
        folder.clone_into(&mut point.file.network.folder);
    }
    Ok(points)
}

/// One of the points.
///
/// # Errors
/// When there is no such point.
pub fn choose(source: &Source, points: Vec<Point>, wanted: usize) -> Result<Point, Error> {
    let all = points.len();
    points
        .into_iter()
        .nth(wanted)
        .ok_or_else(|| Error::NoPoint {
            experiment: source.name.clone(),
            points: all,
            point: wanted,
        })
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

fn print(
    results: &Results,
    rows: &[Row],
    format: Format,
    out: &mut impl Write,
) -> Result<(), Error> {
    #[derive(Serialize)]
    struct All<'a> {
        #[serde(flatten)]
        results: &'a Results,
        rows: &'a [Row],
    }
    match format {
        Format::Table => {
            for (path, value) in &results.settings {
                writeln!(out, "{path} = {value}")?;
            }
            table::print(&results.findings, out)?;
        }
        Format::Csv => out.write_all(&csv(rows)?)?,
        Format::Json => {
            serde_json::to_writer(&mut *out, &All { results, rows }).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn tell_cost(
    results: &Results,
    rows: &[Row],
    start: Instant,
    arguments: &Run,
    log: &mut impl Write,
) -> io::Result<()> {
    let peak = memory::peak().map_or_else(|| "unknown".to_owned(), |peak| peak.to_string());
    writeln!(
        log,
        "{}: {} searches, {:.1} seconds, peak memory {peak} bytes, threads {}, seed {}, rows {}",
        results.stem(),
        rows.len(),
        start.elapsed().as_secs_f64(),
        arguments.threads,
        results.findings.seed,
        results.hash,
    )
}
