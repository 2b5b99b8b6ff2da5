//! What an experiment came to, on disk: two files a point, `NAME.csv` with its rows and
//! `NAME.json` with everything else, from which it can be told, repeated and shown.
//!
//! Each appears whole or not at all, the JSON last: where it is, the point is done.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::Error;
use crate::experiment::{Findings, Instead, Point, Row, Table};

/// A point of an experiment, and what came of it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Results {
    /// The name of the experiment: that of its file.
    pub experiment: String,
    /// Which point of its sweep this is, from 0.
    pub point: usize,
    /// How many it has.
    pub points: usize,
    /// What is set at this point.
    pub settings: BTreeMap<String, String>,
    /// The simulator that did it.
    pub version: String,
    /// SHA-1 of the rows as CSV, in hexadecimal.
    pub hash: String,
    /// What the rows say.
    #[serde(flatten)]
    pub findings: Findings,
    /// The experiment's file.
    pub text: String,
}

/// An experiment's file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name without folder and ending.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let stem = path.file_stem().unwrap_or_default();
        Ok(Self {
            name: stem.to_string_lossy().into_owned(),
            text,
        })
    }
}

impl Results {
    /// What a point came to.
    ///
    /// # Errors
    /// When rows cannot be written as CSV, or a table that they are compared with cannot be read.
    pub fn of(
        source: &Source,
        points: usize,
        point: &Point,
        seed: u64,
        rows: &[Row],
    ) -> Result<Self, Error> {
        Ok(Self {
            experiment: source.name.clone(),
            point: point.number,
            points,
            settings: point.settings.iter().cloned().collect(),
            version: VERSION.to_owned(),
            hash: hash(&csv(rows)?),
            findings: Findings::of(&point.file, &Table::of(&point.file)?, seed, rows),
            text: source.text.clone(),
        })
    }

    /// The name of its files, without ending.
    #[must_use]
    pub fn stem(&self) -> String {
        stem(&self.experiment, self.points, self.point)
    }

    /// The bytes of its JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn json(&self) -> Result<Vec<u8>, Error> {
        let mut json = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Puts both files into a folder, which is made where there is none.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn save(&self, folder: &Path, rows: &[Row]) -> Result<(), Error> {
        let path = |ending| folder.join(format!("{}.{ending}", self.stem()));
        place(&path("csv"), &csv(rows)?)?;
        place(&path("json"), &self.json()?)
    }

    /// Reads the results in a folder, by experiment and point; other files are let alone.
    ///
    /// # Errors
    /// When the folder or a file cannot be read, a JSON file is no result, or there is none.
    pub fn read_all(folder: &Path) -> Result<Vec<(PathBuf, Self)>, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Read { path, source }
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
            if path.extension().is_none_or(|ending| ending != "json")
                || path.file_name().is_none_or(hidden)
            {
                continue;
            }
            let bytes = fs::read(&path).map_err(failed(&path))?;
            let results = serde_json::from_slice(&bytes).map_err(|error| Error::Results {
                path: path.clone(),
                problem: error.to_string(),
            })?;
            found.push((path, results));
        }
        if found.is_empty() {
            return Err(Error::NoResults(folder.to_owned()));
        }
        found.sort_by(|(_, one): &(_, Self), (_, other)| {
            (&one.experiment, one.point).cmp(&(&other.experiment, other.point))
        });
        Ok(found)
    }
}

/// The name of a point's files, without ending.
#[must_use]
pub fn stem(experiment: &str, points: usize, point: usize) -> String {
    if points == 1 {
        experiment.to_owned()
    } else {
        format!("{experiment}-{point:05}")
    }
}

/// Rows as CSV, with a header.
///
/// # Errors
/// When a row cannot be written.
pub fn csv(rows: &[Row]) -> Result<Vec<u8>, Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        match row.instead.as_deref() {
            Some(Instead::Swarm(swarm)) => writer.serialize(swarm),
            Some(Instead::Living(living)) => writer.serialize(living),
            Some(Instead::Attack(attack)) => writer.serialize(attack),
            Some(Instead::Gia(gia)) => writer.serialize(gia),
            None => writer.serialize(row),
        }
        .map_err(io::Error::other)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(bytes)
}

/// The hash of rows as CSV.
#[must_use]
pub fn hash(csv: &[u8]) -> String {
    let digest = Sha1::digest(csv);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file under another name first, so that it is whole or not there.
///
/// # Errors
/// When it cannot be written.
pub fn place(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = folder.join(format!(".{name}.{}", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&unfinished, bytes))
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
}

/// The version of this simulator.
const VERSION: &str = env!("CARGO_PKG_VERSION");
