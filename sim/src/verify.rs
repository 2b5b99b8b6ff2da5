//! The command `verify`: does again what the results in a folder came of, and compares.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::Error;
use crate::arguments::Verify;
use crate::experiment::plan;
use crate::progress::Progress;
use crate::results::{Results, Source, csv};
use crate::run::{choose, conduct, of_source};

/// Runs the command; `out` is told of each point. Says whether all are the same, byte for byte.
///
/// # Errors
/// When the folder has no results, or one of them is of no experiment.
pub fn run(arguments: &Verify, out: &mut impl Write) -> Result<bool, Error> {
    let mut same = true;
    for (path, before) in Results::read_all(&arguments.folder)? {
        let difference = compare(&path, &before, arguments)?;
        let name = before.stem();
        match difference {
            None => writeln!(out, "same    {name}")?,
            Some(difference) => writeln!(out, "differs {name}: {difference}")?,
        }
        out.flush()?;
        same &= difference.is_none();
    }
    Ok(same)
}

/// In what the files of a point differ from what comes of it now.
fn compare(
    path: &Path,
    before: &Results,
    arguments: &Verify,
) -> Result<Option<&'static str>, Error> {
    let source = Source {
        name: before.experiment.clone(),
        text: before.text.clone(),
    };
    let all = of_source(&source, path, &arguments.files)?;
    let count = all.len();
    let mut point = choose(&source, all, before.point)?;
    point.file.replicas = before.findings.replicas;
    let seed = before.findings.seed;
    let progress = Progress::new(&before.stem(), plan(&point.file).len());
    let rows = conduct(&point.file, seed, arguments.threads.into(), &progress)?;
    let after = Results::of(&source, count, &point, seed, &rows)?;
    let unlike = |ending, bytes: &[u8]| {
        fs::read(path.with_extension(ending)).is_ok_and(|found| found != bytes)
    };
    Ok(if after.version != before.version {
        Some("another version of the simulator did it")
    } else if after.hash != before.hash {
        Some("the rows are others")
    } else if unlike("csv", &csv(&rows)?) {
        Some("the rows in its CSV are not those that it came of")
    } else if unlike("json", &after.json()?) {
        Some("its findings do not follow from its rows")
    } else {
        None
    })
}
