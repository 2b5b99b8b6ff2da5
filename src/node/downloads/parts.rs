//! The files of a collection: which are there, which are fetched, which are missing.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::run::Obstacle;
use crate::library::hash::hash_file;
use crate::node::state::{Failure, FailureKind};
use crate::runtime;
use crate::transfer::folder;
use crate::wire::collection::Member;
use crate::wire::urn::Sha1;

/// How far the files of a collection are.
pub(super) struct Parts<'a> {
    pub(super) files: &'a [Member],
    pub(super) folder: PathBuf,
    /// Those that are neither there nor being fetched.
    pub(super) missing: Vec<usize>,
    /// Those that are fetched, with the number of the download, and whether it was made for this.
    pub(super) fetched: BTreeMap<usize, (u64, bool)>,
    /// Where a content is that is complete.
    pub(super) there: HashMap<Sha1, PathBuf>,
    pub(super) done: usize,
    pub(super) bytes: u64,
    failed: Option<(usize, Failure)>,
    failures: usize,
}

/// How the download of a file ended.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    Done(PathBuf),
    Failed(Failure),
    /// It is not in the list any more.
    Gone,
}

/// Whether a file is there with this content.
pub(super) fn has_content(path: &Path, sha1: Sha1) -> bool {
    hash_file(path, |_| ()).is_ok_and(|hashes| hashes.sha1 == sha1)
}

impl<'a> Parts<'a> {
    /// Looks at what is there already.
    pub(super) async fn find(files: &'a [Member], folder: PathBuf) -> Self {
        let mut parts = Self {
            files,
            folder,
            missing: Vec::new(),
            fetched: BTreeMap::new(),
            there: HashMap::new(),
            done: 0,
            bytes: 0,
            failed: None,
            failures: 0,
        };
        // The first one is taken from the end.
        for at in (0..files.len()).rev() {
            if !parts.is_there(at).await {
                parts.missing.push(at);
            }
        }
        parts
    }

    /// Whether a file is complete in its place; takes note of it then.
    async fn is_there(&mut self, at: usize) -> bool {
        let (folder, name) = self.place(at);
        let Member { size, sha1, .. } = self.files[at];
        let path = folder.join(name);
        let look = move || {
            let long = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == size);
            (long && has_content(&path, sha1)).then_some(path)
        };
        let found = runtime::spawn_blocking(look).await;
        found.map(|path| self.complete(at, path)).is_some()
    }

    /// The folder and the name of a file.
    pub(super) fn place(&self, at: usize) -> (PathBuf, String) {
        let (folder, name) = self.files[at].parts();
        let within = folder.map_or_else(|| self.folder.clone(), |sub| self.folder.join(sub));
        (within, name.to_owned())
    }

    fn complete(&mut self, at: usize, path: PathBuf) {
        self.done += 1;
        self.bytes += self.files[at].size;
        self.there.entry(self.files[at].sha1).or_insert(path);
    }

    /// Puts a file in its place whose content is there already.
    pub(super) async fn copy(&mut self, at: usize) -> Result<(), Obstacle> {
        let Some(from) = self.there.get(&self.files[at].sha1).cloned() else {
            return Ok(());
        };
        let (folder, name) = self.place(at);
        let copied = runtime::spawn_blocking(move || folder::copy(&from, &folder, &name));
        let path = copied.await?;
        self.complete(at, path);
        Ok(())
    }

    /// Takes note of what became of a download.
    pub(super) async fn end(&mut self, at: usize, ended: Ended) -> Result<(), Obstacle> {
        let own = self.fetched.remove(&at).is_some_and(|(_, own)| own);
        let failure = match ended {
            Ended::Done(path) if own => {
                self.complete(at, path);
                return Ok(());
            }
            Ended::Done(path) => {
                self.there.insert(self.files[at].sha1, path);
                return self.copy(at).await;
            }
            Ended::Failed(failure) => failure,
            // It was, perhaps, as it was done: the list has room for so many only.
            Ended::Gone if self.is_there(at).await => return Ok(()),
            Ended::Gone => Failure {
                kind: FailureKind::NoSource,
                message: "it was taken from the list".to_owned(),
            },
        };
        self.failures += 1;
        self.failed.get_or_insert((at, failure));
        Ok(())
    }

    pub(super) fn outcome(self) -> Result<(), Obstacle> {
        let Some((at, failure)) = self.failed else {
            return Ok(());
        };
        let message = format!(
            "{} of {} files are not there, {} for one: {}",
            self.failures,
            self.files.len(),
            self.files[at].path,
            failure.message
        );
        Err(Obstacle::end(failure.kind, message))
    }
}
