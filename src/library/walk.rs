//! Which files a shared directory holds.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::Version;

/// How names of files end that a download has not completed.
const INCOMPLETE: [&str; 5] = ["!ut", "crdownload", "incomplete", "part", "partial"];

/// A file that may be shared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) version: Version,
}

/// How many files are not shared, and why. Hidden files, and what a link to a directory leads
/// to, are passed over without being counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Changed while they were hashed: left to the next scan.
    pub changed: u64,
    /// Named as a download that is not complete.
    pub incomplete: u64,
    /// Named in bytes that are not UTF-8.
    pub not_utf8: u64,
    /// Links to what is hidden or not in the shared directory.
    pub outside: u64,
    /// Files and directories that cannot be read.
    pub unreadable: u64,
}

impl Skipped {
    /// How many in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.changed + self.incomplete + self.not_utf8 + self.outside + self.unreadable
    }

    /// Adds what another count has.
    pub const fn add(&mut self, other: Self) {
        self.changed += other.changed;
        self.incomplete += other.incomplete;
        self.not_utf8 += other.not_utf8;
        self.outside += other.outside;
        self.unreadable += other.unreadable;
    }
}

/// Looks for files in and under `root`, a full path free of links. Each is a candidate, or is
/// left out, and counted in `skipped` where its owner may wonder.
///
/// Links to files are followed as long as they stay in `root`; links to directories are not, as
/// what they lead to is either found anyway or not to be shared.
pub(super) fn candidates(root: &Path, skipped: &mut Skipped) -> impl Iterator<Item = Candidate> {
    WalkDir::new(root)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !is_hidden(entry.file_name()))
        .filter_map(move |entry| {
            let candidate = match entry {
                Ok(entry) => examine(root, entry),
                Err(_) => Err(Some(Reason::Unreadable)),
            };
            match candidate {
                Ok(candidate) => return Some(candidate),
                Err(None) => {}
                Err(Some(Reason::Incomplete)) => skipped.incomplete += 1,
                Err(Some(Reason::NotUtf8)) => skipped.not_utf8 += 1,
                Err(Some(Reason::Outside)) => skipped.outside += 1,
                Err(Some(Reason::Unreadable)) => skipped.unreadable += 1,
            }
            None
        })
}

/// Why a file is left out.
enum Reason {
    Incomplete,
    NotUtf8,
    Outside,
    Unreadable,
}

/// What an entry of a directory is to the library; `Err(None)` where it is no file.
fn examine(root: &Path, entry: DirEntry) -> Result<Candidate, Option<Reason>> {
    let linked = entry.path_is_symlink();
    if linked {
        let target = entry.path().canonicalize();
        let target = target.map_err(|_| Some(Reason::Unreadable))?;
        let inside = target
            .strip_prefix(root)
            .map_err(|_| Some(Reason::Outside))?;
        if inside.iter().any(is_hidden) {
            return Err(Some(Reason::Outside));
        }
    } else if !entry.file_type().is_file() {
        return Err(None);
    }
    let metadata = entry.path().metadata();
    let metadata = metadata.map_err(|_| Some(Reason::Unreadable))?;
    if !metadata.is_file() {
        return Err(None);
    }
    let name = entry.file_name().to_str();
    let name = name.ok_or(Some(Reason::NotUtf8))?.to_owned();
    if is_incomplete(&name) {
        return Err(Some(Reason::Incomplete));
    }
    Ok(Candidate {
        name,
        version: Version::of(&metadata),
        path: entry.into_path(),
    })
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_incomplete(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| {
        INCOMPLETE
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::{TempDir, tempdir};

    use super::*;

    fn tree(paths: &[&str]) -> TempDir {
        let root = tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "content").unwrap();
        }
        root
    }

    fn walk(root: &TempDir) -> (Vec<String>, Skipped) {
        let root = root.path().canonicalize().unwrap();
        let mut skipped = Skipped::default();
        let found = candidates(&root, &mut skipped)
            .map(|file| {
                assert_eq!(
                    file.path.file_name().unwrap().to_str(),
                    Some(&file.name[..])
                );
                assert_eq!(file.version.size, 7);
                file.path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        (found, skipped)
    }

    #[test]
    fn hidden_and_incomplete_files_are_left_out() {
        let root = tree(&[
            "b.txt",
            "a/deep/er.txt",
            ".hidden",
            ".git/config",
            "a/.ssh/id",
            "film.avi.part",
            "film.PARTIAL",
            "part",
        ]);
        let (found, skipped) = walk(&root);
        assert_eq!(found, ["a/deep/er.txt", "b.txt", "part"]);
        let expected = Skipped {
            incomplete: 2,
            ..Skipped::default()
        };
        assert_eq!(skipped, expected);
        assert_eq!(skipped.total(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_only_within_the_root() {
        use std::os::unix::fs::symlink;

        let other = tree(&["secret", "dir/secret"]);
        let root = tree(&["real.txt", ".hidden", "dir/file"]);
        let at = |name: &str| root.path().join(name);
        symlink(at("real.txt"), at("alias.txt")).unwrap();
        symlink(other.path().join("secret"), at("leaving")).unwrap();
        symlink(other.path().join("dir"), at("leaving dir")).unwrap();
        symlink("../real.txt", at("dir/relative")).unwrap();
        symlink(at(".hidden"), at("peek")).unwrap();
        symlink(root.path(), at("dir/loop")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        let (found, skipped) = walk(&root);
        assert_eq!(found, ["alias.txt", "dir/file", "dir/relative", "real.txt"]);
        let expected = Skipped {
            outside: 3,
            unreadable: 1,
            ..Skipped::default()
        };
        assert_eq!(skipped, expected);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_text_are_counted() {
        use std::os::unix::ffi::OsStrExt;

        let root = tree(&["good"]);
        let bad = root.path().join(OsStr::from_bytes(b"bad\xff"));
        // Some file systems take text only; there is nothing to test there.
        if fs::write(bad, "content").is_err() {
            return;
        }
        let (found, skipped) = walk(&root);
        assert_eq!(found, ["good"]);
        assert_eq!((skipped.not_utf8, skipped.total()), (1, 1));
    }

    #[cfg(unix)]
    #[test]
    fn sockets_are_no_files() {
        let root = tree(&["good"]);
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
        assert_eq!(walk(&root), (vec!["good".to_owned()], Skipped::default()));
    }

    #[test]
    fn a_root_that_is_gone_is_unreadable() {
        let root = tree(&[]);
        let path = root.path().canonicalize().unwrap();
        drop(root);
        let mut skipped = Skipped::default();
        assert_eq!(candidates(&path, &mut skipped).count(), 0);
        assert_eq!(skipped.unreadable, 1);
    }
}
