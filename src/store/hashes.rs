//! What files hashed to, so that a file is hashed once and again only when it has changed.
//!
//! Sizes are kept in a signed number, as SQLite has no other; no file is that large.

use std::path::Path;

use log::warn;
use rusqlite::OptionalExtension;

use crate::library::{HashMemory, Hashed, Version};
use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::{Sha1, TigerRoot};

use super::paths::Key;
use super::{Error, Store};

pub(super) const TABLE: &str = "
    CREATE TABLE hashes (
        path ANY PRIMARY KEY,
        size INTEGER NOT NULL,
        modified_ms INTEGER NOT NULL,
        sha1 BLOB NOT NULL,
        tiger_root BLOB NOT NULL
    ) STRICT, WITHOUT ROWID";

/// A database that fails costs a rehash, not the sharing of a file: it is only said in the log.
impl HashMemory for Store {
    fn recall(&self, path: &Path, version: Version) -> Option<Hashed> {
        self.hashes_of(path, version).unwrap_or_else(|error| {
            warn!("the hashes of {} are not known: {error}", path.display());
            None
        })
    }

    fn remember(&self, path: &Path, version: Version, hashed: Hashed) {
        if let Err(error) = self.set_hashes(path, version, hashed) {
            warn!("the hashes of {} are not kept: {error}", path.display());
        }
    }

    fn recall_tree(&self, root: TigerRoot) -> Option<TigerTree> {
        self.tree(root).unwrap_or_else(|error| {
            warn!("the tree of {root} is not known: {error}");
            None
        })
    }

    fn remember_tree(&self, tree: &TigerTree) {
        if let Err(error) = self.keep_tree(tree) {
            warn!("the tree of {} is not kept: {error}", tree.root());
        }
    }
}

impl Store {
    fn hashes_of(&self, path: &Path, version: Version) -> Result<Option<Hashed>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT sha1, tiger_root FROM hashes
             WHERE path = ?1 AND size = ?2 AND modified_ms = ?3",
        )?;
        let hashed = statement
            .query_row(
                (Key(path), version.size.cast_signed(), version.modified_ms),
                |row| {
                    Ok(Hashed {
                        sha1: Sha1::from_bytes(row.get(0)?),
                        tiger_root: TigerRoot::from_bytes(row.get(1)?),
                    })
                },
            )
            .optional()?;
        Ok(hashed)
    }

    fn set_hashes(&self, path: &Path, version: Version, hashed: Hashed) -> Result<(), Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "INSERT OR REPLACE INTO hashes (path, size, modified_ms, sha1, tiger_root)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        statement.execute((
            Key(path),
            version.size.cast_signed(),
            version.modified_ms,
            hashed.sha1.as_bytes(),
            hashed.tiger_root.as_bytes(),
        ))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Version = Version {
        size: 5_000_000_000,
        modified_ms: -1,
    };

    fn hashed(byte: u8) -> Hashed {
        Hashed {
            sha1: Sha1::from_bytes([byte; 20]),
            tiger_root: TigerRoot::from_bytes([byte; 24]),
        }
    }

    #[test]
    fn hashes_are_remembered_over_a_reopening() {
        let home = tempfile::tempdir().unwrap();
        let path = Path::new("/shared/song.ogg");
        {
            let store = Store::open(home.path()).unwrap().store;
            store.remember(path, VERSION, hashed(1));
        }
        let store = Store::open(home.path()).unwrap().store;
        assert_eq!(store.recall(path, VERSION), Some(hashed(1)));
        assert_eq!(store.recall(Path::new("/shared/other.ogg"), VERSION), None);
    }

    #[test]
    fn a_changed_file_is_not_known() {
        let store = Store::in_memory().unwrap();
        let path = Path::new("/shared/song.ogg");
        store.remember(path, VERSION, hashed(1));
        let longer = Version { size: 1, ..VERSION };
        let later = Version {
            modified_ms: 0,
            ..VERSION
        };
        assert_eq!(store.recall(path, longer), None);
        assert_eq!(store.recall(path, later), None);
        store.remember(path, later, hashed(2));
        assert_eq!(store.recall(path, VERSION), None);
        assert_eq!(store.recall(path, later), Some(hashed(2)));
    }

    #[cfg(unix)]
    #[test]
    fn paths_need_not_be_text() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let store = Store::in_memory().unwrap();
        let path = Path::new(OsStr::from_bytes(b"/shared/\xff/song.ogg"));
        store.remember(path, VERSION, hashed(3));
        assert_eq!(store.recall(path, VERSION), Some(hashed(3)));
    }
}
