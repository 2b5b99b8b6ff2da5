//! What is kept of a download, so that it goes on after the end of the process.

use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::TigerRoot;

/// Where a download notes what it has. Everything here blocks and is called on the blocking pool.
pub trait Ledger: Send + Sync {
    /// What was noted last.
    fn recall(&self) -> Option<Kept>;

    /// Notes what is there, in place of what was noted before.
    fn note(&self, kept: &Kept);

    /// A tree that was kept.
    fn tree(&self, root: TigerRoot) -> Option<TigerTree>;

    /// Keeps a tree.
    fn keep_tree(&self, tree: &TigerTree);

    /// The file is complete and in its place: nothing need be kept any more.
    fn close(&self);
}

/// What is there of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The root of the tree that verified it; nothing was verified without one.
    pub root: Option<TigerRoot>,
    /// How long the tiles are, in bytes.
    pub tile_len: u64,
    /// Which tiles are there, as [`TileSet`](crate::swarm::tile_set::TileSet) writes them.
    pub tiles: Vec<u8>,
}

/// Keeps nothing: every download begins anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLedger;

impl Ledger for NoLedger {
    fn recall(&self) -> Option<Kept> {
        None
    }

    fn note(&self, _: &Kept) {}

    fn tree(&self, _: TigerRoot) -> Option<TigerTree> {
        None
    }

    fn keep_tree(&self, _: &TigerTree) {}

    fn close(&self) {}
}
