//! `filbert hash`: the hashes of files.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::{Context, output, progress};
use crate::library::hash::{Hashes, hash_file};
use crate::wire::magnet::Magnet;
use crate::wire::urn::Urn;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What a file hashes to, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Hashed {
    name: String,
    size: u64,
    sha1: String,
    tth: String,
    urn: String,
    pub(super) magnet: String,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let (hashed, exit) = hash_all(context, &arguments.files);
    if context.json {
        output::json(&hashed)?;
    } else {
        for file in hashed {
            output::line(&format!("{}  {}", file.urn, output::plain(&file.name)))?;
        }
    }
    Ok(exit)
}

/// Hashes what can be read, and says what cannot.
pub(super) fn hash_all(context: &Context, files: &[PathBuf]) -> (Vec<Hashed>, Exit) {
    let mut hashed = Vec::new();
    let mut exit = Exit::Ok;
    for path in files {
        match hash(context, path) {
            Ok(file) => hashed.push(file),
            Err(error) => {
                output::tell(&format!("filbert: {error}"));
                exit = Exit::Error;
            }
        }
    }
    (hashed, exit)
}

fn hash(context: &Context, path: &Path) -> Result<Hashed, crate::library::hash::Error> {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let length = path.metadata().map_or(0, |metadata| metadata.len());
    let bar = progress::bar(context.quiet, &name, length);
    let hashes = hash_file(path, |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    Ok(describe(name, &hashes?))
}

fn describe(name: String, hashes: &Hashes) -> Hashed {
    let (sha1, tiger_root) = (hashes.sha1, hashes.tiger_tree.root());
    let urn = Urn::Bitprint(sha1, tiger_root);
    let magnet = Magnet {
        topics: vec![urn],
        name: Some(name.clone()),
        length: Some(hashes.size),
        exact_sources: Vec::new(),
        acceptable_sources: Vec::new(),
        keywords: None,
    };
    Hashed {
        name,
        size: hashes.size,
        sha1: sha1.to_string(),
        tth: tiger_root.to_string(),
        urn: urn.to_string(),
        magnet: magnet.to_string(),
    }
}
