//! What files hashed to, remembered from one run to the next.

use std::fmt::Debug;
use std::path::Path;

use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::{Sha1, TigerRoot};

/// Remembers what files hashed to.
pub trait HashMemory: Debug + Send + Sync {
    /// What the file at `path` hashed to, if it is still the `version` that was hashed.
    fn recall(&self, path: &Path, version: Version) -> Option<Hashed>;

    /// Remembers what a file hashed to, in place of what was known of `path` before.
    fn remember(&self, path: &Path, version: Version, hashed: Hashed);

    /// The tree with this root, if it was kept.
    fn recall_tree(&self, root: TigerRoot) -> Option<TigerTree> {
        let _ = root;
        None
    }

    /// Keeps a tree. One that is its root alone need not be kept.
    fn remember_tree(&self, tree: &TigerTree) {
        let _ = tree;
    }
}

/// What tells a file from its earlier self without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, in milliseconds since 1970.
    pub modified_ms: i64,
}

/// What a file hashed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Its SHA-1.
    pub sha1: Sha1,
    /// The root of its Tiger tree.
    pub tiger_root: TigerRoot,
}

/// Remembers nothing: every file is hashed in every run.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMemory;

impl HashMemory for NoMemory {
    fn recall(&self, _: &Path, _: Version) -> Option<Hashed> {
        None
    }

    fn remember(&self, _: &Path, _: Version, _: Hashed) {}
}
