//! The notes of a download, in the store of the node.

use std::sync::Arc;

use crate::store::Store;
use crate::store::downloads::Tiles;
use crate::transfer::download::{Kept, Ledger};
use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::{Sha1, TigerRoot};

/// The notes of one download. A store that fails costs what would have been resumed, not the
/// download: it is only said in the log.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) store: Arc<Store>,
    pub(super) sha1: Sha1,
    /// Whether more follows when the file is complete, as with a collection.
    pub(super) stays: bool,
}

impl Notes {
    fn warn<T>(&self, outcome: Result<T, crate::store::Error>) -> Option<T> {
        outcome
            .inspect_err(|error| log::warn!("the download of {} is not noted: {error}", self.sha1))
            .ok()
    }
}

impl Ledger for Notes {
    fn recall(&self) -> Option<Kept> {
        let tiles = self.warn(self.store.tiles(self.sha1)).flatten()?;
        Some(Kept {
            root: tiles.root,
            tile_len: tiles.tile_len,
            tiles: tiles.tiles,
        })
    }

    fn note(&self, kept: &Kept) {
        let tiles = Tiles {
            root: kept.root,
            tile_len: kept.tile_len,
            tiles: kept.tiles.clone(),
        };
        self.warn(self.store.note_tiles(self.sha1, &tiles));
    }

    fn tree(&self, root: TigerRoot) -> Option<TigerTree> {
        self.warn(self.store.tree(root)).flatten()
    }

    fn keep_tree(&self, tree: &TigerTree) {
        self.warn(self.store.keep_tree(tree));
    }

    fn close(&self) {
        if !self.stays {
            self.warn(self.store.forget_download(self.sha1));
        }
    }
}
