//! The command `sweep`: all points of an experiment, by as many workers as wanted. What is done
//! stays done: a sweep that was interrupted goes on where it was.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Error;
use crate::arguments::Sweep;
use crate::experiment::{Point, Verdict};
use crate::parallel::in_parallel;
use crate::progress::Progress;
use crate::results::{Results, Source, stem};
use crate::run::{conduct, read};

/// Runs the command; `log` is told what was done. Says whether no claim was missed.
///
/// # Errors
/// When the file is no experiment, a point cannot be done, or the folder has results of another
/// file, seed or number of replicas in it.
pub fn run(arguments: &Sweep, log: &mut impl Write) -> Result<bool, Error> {
    let (source, mut points) = read(&arguments.file)?;
    let all = points.len();
    for point in &mut points {
        let file = &mut point.file;
        file.replicas = arguments.replicas.unwrap_or(file.replicas);
        file.seed = arguments.seed.unwrap_or(file.seed);
    }
    let (mut missing, mut found) = (Vec::new(), Vec::new());
    for point in points {
        let name = format!("{}.json", stem(&source.name, all, point.number));
        match earlier(&arguments.out.join(name), &source, &point)? {
            Some(results) => found.push(results),
            None => missing.push(point),
        }
    }
    let progress = Progress::new(&source.name, missing.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(point) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(one(&source, all, point, &arguments.out));
            progress.advance();
        }
        done
    };
    let workers = usize::from(arguments.jobs).clamp(1, missing.len().max(1));
    let before = found.len();
    for done in in_parallel((0..workers).map(|_| &work))
        .into_iter()
        .flatten()
    {
        found.push(done?);
    }
    // The files are what was asked for: nothing is lost when nobody reads this.
    let _ = writeln!(
        log,
        "{}: {} points in {}, {before} of them from before",
        source.name,
        found.len(),
        arguments.out.display(),
    );
    let mut claims = found.iter().flat_map(|results| &results.findings.claims);
    Ok(claims.all(|claim| claim.verdict != Verdict::Missed))
}

fn one(source: &Source, all: usize, point: &Point, out: &Path) -> Result<Results, Error> {
    let file = &point.file;
    let rows = conduct(file, file.seed, 1, &Progress::quiet())?;
    let results = Results::of(source, all, point, file.seed, &rows)?;
    results.save(out, &rows)?;
    Ok(results)
}

/// What a point came to earlier, if it was done.
fn earlier(path: &Path, source: &Source, point: &Point) -> Result<Option<Results>, Error> {
    let Ok(bytes) = fs::read(path) else {
        return Ok(None);
    };
    let results: Results = serde_json::from_slice(&bytes).map_err(|error| Error::Results {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    let findings = &results.findings;
    let same = results.text == source.text
        && (findings.seed, findings.replicas) == (point.file.seed, point.file.replicas);
    if same {
        Ok(Some(results))
    } else {
        Err(Error::OtherResults(path.to_owned()))
    }
}
