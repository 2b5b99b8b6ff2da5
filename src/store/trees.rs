//! Tiger trees of what is shared or being fetched, by their root.
//!
//! A tree that is its root alone, as that of every small file, is not kept.

use rusqlite::OptionalExtension;

use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::TigerRoot;

use super::{Error, Store};

pub(super) const TABLE: &str = "
    CREATE TABLE trees (
        root BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        level INTEGER NOT NULL,
        nodes BLOB NOT NULL
    ) STRICT, WITHOUT ROWID";

impl Store {
    /// The tree with this root, if it was kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tree(&self, root: TigerRoot) -> Result<Option<TigerTree>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT size, level, nodes FROM trees WHERE root = ?1")?;
        let row: Option<(i64, u32, Vec<u8>)> = statement
            .query_row([root.as_bytes()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let tree = row.and_then(|(size, level, nodes)| {
            TigerTree::new(size.cast_unsigned(), level, nodes.as_chunks().0.to_vec())
        });
        // What the disk made of it must still be what was asked for.
        Ok(tree.filter(|tree| tree.root() == root))
    }

    /// Keeps a tree, unless it is its root alone.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_tree(&self, tree: &TigerTree) -> Result<(), Error> {
        if tree.nodes().len() < 2 {
            return Ok(());
        }
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "INSERT OR REPLACE INTO trees (root, size, level, nodes) VALUES (?1, ?2, ?3, ?4)",
        )?;
        statement.execute((
            tree.root().as_bytes(),
            tree.size().cast_signed(),
            tree.level(),
            tree.nodes().as_flattened(),
        ))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::tiger_tree::TreeHasher;

    use super::*;

    #[test]
    fn a_tree_is_kept_over_a_reopening_and_a_damaged_one_is_not_given() {
        let home = tempfile::tempdir().unwrap();
        let mut hasher = TreeHasher::new();
        hasher.update(&[7; 700_000]);
        let tree = hasher.finish();
        Store::open(home.path())
            .unwrap()
            .store
            .keep_tree(&tree)
            .unwrap();
        let store = Store::open(home.path()).unwrap().store;
        assert_eq!(store.tree(tree.root()).unwrap(), Some(tree.clone()));
        assert_eq!(store.tree(TigerRoot::from_bytes([1; 24])).unwrap(), None);
        let wrong = "UPDATE trees SET nodes = zeroblob(length(nodes))";
        store.connection().execute(wrong, []).unwrap();
        assert_eq!(store.tree(tree.root()).unwrap(), None);
    }
}
