//! The library: shared directories, and the index of what is in them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::overlay::catalogue::{Catalogue, TableBuilder, Tally};
use crate::wire::query::Query;
use crate::wire::query_hit::Record;
use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::Sha1;

use super::index::{Index, SharedFile};
use super::walk::Skipped;
use super::{HashMemory, Version};

/// What a servent shares: directories, and the files that [`scan`](Self::scan) found in them.
///
/// Which directories may be shared is for [`admit`](super::admit) to say, before they come here.
#[derive(Debug)]
pub struct Library {
    index: Arc<RwLock<Index>>,
    pub(super) memory: Arc<dyn HashMemory>,
    shares: Mutex<Vec<ShareState>>,
    /// Held by the one scan that runs.
    pub(super) scanning: Mutex<()>,
    stopped: AtomicBool,
}

/// A shared directory and how far it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareState {
    /// The directory.
    pub path: PathBuf,
    /// Its own name.
    pub name: String,
    /// How many files in it are shared or about to be.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many of them are hashed, and so shared.
    pub hashed: u64,
    /// How many of them are still to be hashed.
    pub pending: u64,
    /// How many files are left out.
    pub skipped: Skipped,
    /// What is being done with it.
    pub state: Stage,
}

/// How far a shared directory is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not looked at yet.
    Waiting,
    /// Being looked through for files.
    Scanning,
    /// Its new files are being hashed.
    Hashing,
    /// As known as can be.
    Ready,
    /// It cannot be read, so that nothing in it is shared.
    Unreadable,
}

impl Library {
    /// A library of these directories. Nothing is shared before the first
    /// [`scan`](Self::scan).
    #[must_use]
    pub fn new(shares: Vec<PathBuf>, memory: Arc<dyn HashMemory>) -> Self {
        Self {
            index: Arc::default(),
            memory,
            shares: Mutex::new(shares.into_iter().map(ShareState::new).collect()),
            scanning: Mutex::default(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Shares a file no more, for instance as it was found changed. The next scan takes it in
    /// again, as it is then.
    pub fn withdraw(&self, number: u32) {
        let mut index = self.write();
        if let Some(path) = index.by_index(number).map(|file| file.path.clone()) {
            index.remove(&path);
        }
    }

    /// Ends the scan that runs, within a mebibyte, and every later one.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The index, shared with the library.
    #[must_use]
    pub fn index(&self) -> Arc<RwLock<Index>> {
        Arc::clone(&self.index)
    }

    /// A file with this content.
    #[must_use]
    pub fn by_sha1(&self, sha1: &Sha1) -> Option<SharedFile> {
        self.read().by_sha1(sha1).cloned()
    }

    /// The file of a number.
    #[must_use]
    pub fn by_index(&self, number: u32) -> Option<SharedFile> {
        self.read().by_index(number).cloned()
    }

    /// The tiger tree of a shared file, if it is known.
    #[must_use]
    pub fn tree(&self, file: &SharedFile) -> Option<TigerTree> {
        let of_root = TigerTree::of_root(file.size, file.tiger_root);
        of_root.or_else(|| self.memory.recall_tree(file.tiger_root))
    }

    /// The shared directories, in the order they were given.
    #[must_use]
    pub fn shares(&self) -> Vec<ShareState> {
        self.states().clone()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Changes what is said of the share at a place in [`shares`](Self::shares).
    pub(super) fn update(&self, share: usize, change: impl FnOnce(&mut ShareState)) {
        if let Some(state) = self.states().get_mut(share) {
            change(state);
        }
    }

    // No lock here guards more than one call's worth of values, so one that a panic left behind
    // is as good as any.

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn states(&self) -> MutexGuard<'_, Vec<ShareState>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalogue for Library {
    fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    fn answer(&self, query: &Query, limit: usize) -> Vec<Record> {
        self.read().answer(query, limit)
    }

    fn tally(&self) -> Tally {
        self.read().tally()
    }

    fn describe(&self, table: &mut TableBuilder) {
        self.read().describe(table);
    }
}

impl SharedFile {
    /// What tells the file that was hashed from a later one under the same name.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version {
            size: self.size,
            modified_ms: self.modified_ms,
        }
    }
}

impl ShareState {
    fn new(path: PathBuf) -> Self {
        Self {
            name: name_of(&path),
            path,
            files: 0,
            bytes: 0,
            hashed: 0,
            pending: 0,
            skipped: Skipped::default(),
            state: Stage::Waiting,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Scanning => "scanning",
            Self::Hashing => "hashing",
            Self::Ready => "ready",
            Self::Unreadable => "unreadable",
        })
    }
}

/// A directory's own name; the whole path where it has none.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
