//! `filbert collection`: signed sets of files.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::output::{self, Align};
use super::{Context, progress, size};
use crate::library::hash::hash_file;
use crate::node;
use crate::node::collection::{Error, Signer, read};
use crate::wire::collection::{Collection, EXTENSION, Key, Member};
use crate::wire::urn::Urn;

/// What stands for itself in the path of a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put files together and sign that, with a key made once and kept in the home
    Create(Create),
    /// Check a collection and show what it says
    Show {
        /// The collection
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// What to call it
    name: String,
    /// The files; of a folder those that lie directly in it, under its name
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where to write it; NAME.collection in this folder without
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A folder on the web that holds the same files under the same names; may be given again
    #[arg(long = "from", value_name = "URL")]
    from: Vec<String>,
}

/// A collection, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    signer: String,
    key: String,
    size: u64,
    files: Vec<ShownFile>,
}

#[derive(Debug, Serialize)]
struct ShownFile {
    path: String,
    size: u64,
    sha1: String,
    tth: String,
    urn: String,
    web_seeds: Vec<String>,
}

pub(super) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Create(create) => make(context, create),
        Command::Show { file } => {
            let (manifest, _) = read(&file).map_err(failed)?;
            show(context, manifest.collection, &manifest.key)
        }
    }
}

fn make(context: &Context, create: Create) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for (file, path) in listed(&create.files)? {
        files.push(member(context, &file, path, &create.from)?);
    }
    let signer = Signer::load(&context.home).map_err(failed)?;
    let collection = Collection {
        name: create.name,
        files,
    };
    let text = signer.sign(&collection).map_err(|error| {
        let why = match error {
            Error::Flaw(flaw) => {
                let said = text_line(&collection, &signer.key(), flaw.line);
                format!("{}{said}", flaw.what)
            }
            other => other.to_string(),
        };
        Failure::new(Exit::Usage, format!("no collection can be made: {why}"))
    })?;
    let output = create
        .output
        .unwrap_or_else(|| format!("{}.{EXTENSION}", collection.name).into());
    let written = File::create_new(&output).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let message = format!("cannot write {}: {error}", output.display());
        Failure::new(Exit::Error, message)
    })?;
    if context.json {
        return show(context, collection, &signer.key());
    }
    context.tell(&format!(
        "filbert: {} files, {}, signed by {}; share it together with them",
        collection.files.len(),
        size::human(collection.size()),
        signer.key().fingerprint()
    ));
    output::line(&output::plain(&output.display().to_string()))?;
    Ok(Exit::Ok)
}

/// The files, each with its path in the collection.
fn listed(named: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Failure> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::new(
            Exit::Error,
            format!("cannot read {}: {error}", path.display()),
        )
    };
    let mut files = Vec::new();
    for path in named {
        let name = name_of(path)?;
        if !path.is_dir() {
            files.push((path.clone(), name));
            continue;
        }
        let mut within = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
            let file = entry.map_err(|error| unreadable(path, &error))?.path();
            // What is hidden or lies deeper is no part of it.
            let inner = name_of(&file)?;
            if file.is_file() && !inner.starts_with('.') {
                within.push((file, format!("{name}/{inner}")));
            }
        }
        within.sort();
        files.extend(within);
    }
    Ok(files)
}

fn name_of(path: &Path) -> Result<String, Failure> {
    let whole = super::home::absolute(path)?;
    let name = whole.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        let message = format!("{} has no name in Unicode to be found by", path.display());
        Failure::new(Exit::Usage, message)
    })
}

fn member(
    context: &Context,
    file: &Path,
    path: String,
    from: &[String],
) -> Result<Member, Failure> {
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = progress::bar(context.quiet, &path, length);
    let hashes = hash_file(file, |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let hashes = hashes.map_err(|error| Failure::new(Exit::Error, error.to_string()))?;
    if hashes.size == 0 {
        let message = format!(
            "{} is empty, so nobody could fetch it: leave it out",
            file.display()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let escaped = utf8_percent_encode(&path, PATH).to_string();
    let place = |folder: &String| format!("{}/{escaped}", folder.trim_end_matches('/'));
    Ok(Member {
        size: hashes.size,
        sha1: hashes.sha1,
        root: hashes.tiger_tree.root(),
        web_seeds: from.iter().map(place).collect(),
        path,
    })
}

/// What stands in a line that is refused.
fn text_line(collection: &Collection, key: &Key, line: usize) -> String {
    let text = collection.text(key);
    let line = text.lines().nth(line.saturating_sub(1));
    line.map_or_else(String::new, |line| format!(": {}", output::plain(line)))
}

fn show(context: &Context, collection: Collection, key: &Key) -> Result<Exit, Failure> {
    let size = collection.size();
    if context.json {
        let file = |file: Member| ShownFile {
            sha1: file.sha1.to_string(),
            tth: file.root.to_string(),
            urn: Urn::Bitprint(file.sha1, file.root).to_string(),
            path: file.path,
            size: file.size,
            web_seeds: file.web_seeds,
        };
        let shown = Shown {
            name: collection.name,
            signer: key.fingerprint(),
            key: key.to_string(),
            size,
            files: collection.files.into_iter().map(file).collect(),
        };
        output::json(&shown)?;
        return Ok(Exit::Ok);
    }
    context.tell(&format!(
        "filbert: {}: {} files, {}, signed by {}",
        output::plain(&collection.name),
        collection.files.len(),
        size::human(size),
        key.fingerprint()
    ));
    let columns = [
        ("size", Align::Right),
        ("path", Align::Left),
        ("sha1", Align::Left),
    ];
    let row = |file: &Member| {
        vec![
            size::human(file.size),
            output::plain(&file.path),
            file.sha1.to_string(),
        ]
    };
    output::table(
        &columns,
        &collection.files.iter().map(row).collect::<Vec<_>>(),
    )?;
    Ok(Exit::Ok)
}

fn failed(error: node::Error) -> Failure {
    let exit = match error {
        node::Error::Collection { .. } => Exit::Verification,
        _ => Exit::Error,
    };
    Failure::new(exit, error.to_string())
}
