//! The tiger tree of a download as its sources see it: known, being fetched by one of them, or not
//! to be had.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::TigerRoot;

/// Roots that turned out not to be the file's and are remembered.
const DISTRUSTED: usize = 64;

/// What is known of the tree of a file.
#[derive(Debug)]
pub(super) struct Trees {
    size: u64,
    /// How many bytes each of its nodes must cover.
    tile_len: u64,
    /// Whether a tree is of use.
    wanted: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    root: Option<TigerRoot>,
    fetching: bool,
    tree: Option<Arc<TigerTree>>,
    distrusted: Vec<TigerRoot>,
}

/// The one errand for the tree; given back when dropped.
#[derive(Debug)]
pub(super) struct Errand {
    trees: Arc<Trees>,
    pub(super) root: TigerRoot,
}

impl Trees {
    /// A tree of which the root may be known.
    pub(super) fn new(size: u64, tile_len: u64, root: Option<TigerRoot>) -> Self {
        let state = Mutex::new(State {
            root,
            fetching: false,
            tree: None,
            distrusted: Vec::new(),
        });
        Self {
            size,
            tile_len,
            wanted: true,
            state,
        }
    }

    /// No tree, as nothing will be compared with it.
    pub(super) fn unwanted(size: u64, tile_len: u64) -> Self {
        Self {
            wanted: false,
            ..Self::new(size, tile_len, None)
        }
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The tree, once it is there.
    pub(super) fn tree(&self) -> Option<Arc<TigerTree>> {
        self.state().tree.clone()
    }

    /// The root that is wanted, or that the tree has.
    pub(super) fn root(&self) -> Option<TigerRoot> {
        self.state().root
    }

    /// The errand to fetch the tree, if it is wanted and nobody is on it. A source may tell a root,
    /// which counts where none was known.
    pub(super) fn errand(self: &Arc<Self>, told: Option<TigerRoot>) -> Option<Errand> {
        let mut state = self.state();
        if !self.wanted || state.tree.is_some() || state.fetching {
            return None;
        }
        let told = told.filter(|root| !state.distrusted.contains(root));
        let root = state.root.or(told)?;
        state.fetching = true;
        let trees = Arc::clone(self);
        Some(Errand { trees, root })
    }

    /// Takes a tree into use, if its nodes are as long as the tiles.
    pub(super) fn take(&self, tree: TigerTree) -> Option<Arc<TigerTree>> {
        let fits = tree.size() == self.size && tree.node_len() == self.tile_len;
        let mut state = self.state();
        if !self.wanted || !fits || state.tree.is_some() {
            return None;
        }
        let tree = Arc::new(tree);
        state.root = Some(tree.root());
        state.tree = Some(Arc::clone(&tree));
        Some(tree)
    }

    /// Forgets the tree, which is not the file's.
    pub(super) fn distrust(&self) {
        let mut state = self.state();
        state.tree = None;
        if let Some(root) = state.root.take()
            && state.distrusted.len() < DISTRUSTED
        {
            state.distrusted.push(root);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.trees.state().fetching = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tiger_tree::TreeHasher;

    #[test]
    fn one_fetches_it_and_what_was_wrong_is_not_taken_again() {
        let mut hasher = TreeHasher::new();
        hasher.update(&[7; 700_000]);
        let tree = hasher.finish();
        let trees = Arc::new(Trees::new(700_000, 256 * 1024, None));
        assert!(trees.errand(None).is_none());
        let errand = trees.errand(Some(tree.root())).unwrap();
        assert!(trees.errand(Some(tree.root())).is_none());
        drop(errand);
        let _errand = trees.errand(Some(tree.root())).unwrap();
        let other = Trees::new(700_000, 128 * 1024, None);
        assert!(other.take(tree.clone()).is_none());
        assert!(trees.take(tree.clone()).is_some());
        assert_eq!(trees.root(), Some(tree.root()));
        drop(_errand);
        assert!(trees.errand(None).is_none());
        trees.distrust();
        assert!(trees.tree().is_none() && trees.errand(Some(tree.root())).is_none());
    }

    #[test]
    fn one_that_is_not_wanted_is_neither_fetched_nor_taken() {
        let tree = TreeHasher::new().finish();
        let trees = Arc::new(Trees::unwanted(0, tree.node_len()));
        assert!(trees.errand(Some(tree.root())).is_none());
        assert!(trees.take(tree).is_none());
    }
}
