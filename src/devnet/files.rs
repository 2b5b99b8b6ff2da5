//! What the servents of a devnet share: files of the user, or made up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::Error;
use crate::library::hash::hash_file;
use crate::library::index::SharedFile;
use crate::wire::query::Query;
use crate::wire::words::{canonical, words};

/// Files that can be shared in a devnet, and how many cannot.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// By path.
    pub(super) files: Vec<SharedFile>,
    /// Empty, without a usable word in the name, with the contents of another, or unreadable.
    pub(super) skipped: usize,
}

/// Looks through directories. Hidden files are passed over, as a library does.
///
/// # Errors
/// When a directory cannot be read.
pub(super) fn collect(directories: &[PathBuf]) -> Result<Collected, Error> {
    let mut paths = BTreeSet::new();
    for directory in directories {
        let unreadable = |cause: io::Error| Error::Share {
            path: directory.clone(),
            cause,
        };
        let root = directory.canonicalize().map_err(unreadable)?;
        fs::read_dir(&root).map_err(unreadable)?;
        let visible = |entry: &walkdir::DirEntry| {
            entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
        };
        let entries = WalkDir::new(&root)
            .into_iter()
            .filter_entry(visible)
            .flatten();
        paths.extend(
            entries
                .filter(|entry| entry.file_type().is_file())
                .map(|e| e.into_path()),
        );
    }
    let mut collected = Collected::default();
    let mut seen = BTreeMap::new();
    for path in paths {
        let Some(file) = usable(&path) else {
            collected.skipped += 1;
            continue;
        };
        if seen.insert(file.sha1, ()).is_some() {
            collected.skipped += 1;
        } else {
            collected.files.push(file);
        }
    }
    Ok(collected)
}

/// The file, when it can be searched and fetched.
fn usable(path: &Path) -> Option<SharedFile> {
    let name = path.file_name()?.to_str()?.to_owned();
    let canonical = canonical(&name);
    Query::keywords(&words(&canonical).collect::<Vec<_>>().join(" ")).ok()?;
    let hashes = hash_file(path, |_| {}).ok()?;
    (hashes.size > 0).then(|| SharedFile {
        index: 1,
        path: path.to_owned(),
        name,
        size: hashes.size,
        modified_ms: 0,
        sha1: hashes.sha1,
        tiger_root: hashes.tiger_tree.root(),
    })
}

/// Puts a file into a servent's shared directory, under a directory of its own so that names do
/// not meet: a second link to the same bytes where the file system allows, else a copy.
pub(super) fn hand_out(file: &Path, name: &str, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let target = directory.join(name);
    fs::hard_link(file, &target).or_else(|_| fs::copy(file, &target).map(drop))
}

/// Makes up a few files, for where there is nothing else to share.
pub(super) fn make_up(directory: &Path) -> io::Result<()> {
    const NAMES: [&str; 12] = [
        "orchard in october.txt",
        "hazel and filbert.txt",
        "walnut grove songs.txt",
        "almond blossom diary.txt",
        "chestnut roasting guide.txt",
        "pecan pie recipe.txt",
        "cashew trade history.txt",
        "pistachio harvest notes.txt",
        "macadamia field survey.txt",
        "brazil nut expedition.txt",
        "acorn planting calendar.txt",
        "beech forest sketches.txt",
    ];
    fs::create_dir_all(directory)?;
    NAMES.into_iter().try_for_each(|name| {
        let line = format!("This is {name:?}, made up so that there is something to find.\n");
        fs::write(directory.join(name), line.repeat(500))
    })
}
