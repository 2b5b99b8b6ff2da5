//! Downloads that are not complete: what is fetched, from whom, to where, and what is there of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row};

use crate::wire::urn::{Sha1, TigerRoot};

use super::paths::{Key, path_of};
use super::{Error, Store};

pub(super) const TABLE: &str = "
    CREATE TABLE downloads (
        sha1 BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        name TEXT NOT NULL,
        directory ANY NOT NULL,
        root BLOB,
        proven INTEGER NOT NULL,
        sources TEXT NOT NULL,
        tile_root BLOB,
        tile_len INTEGER NOT NULL DEFAULT 0,
        tiles BLOB NOT NULL DEFAULT x''
    ) STRICT, WITHOUT ROWID";

/// A download that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The content.
    pub sha1: Sha1,
    /// Its size in bytes.
    pub size: u64,
    /// The name it will have.
    pub name: String,
    /// The folder it will lie in.
    pub directory: PathBuf,
    /// The root of its tiger tree, if it is known.
    pub root: Option<TigerRoot>,
    /// Whether who asked for it vouches for that root.
    pub proven: bool,
    /// Who had it.
    pub sources: Vec<SocketAddr>,
}

/// What is there of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// The root of the tree that verified it, if one did.
    pub root: Option<TigerRoot>,
    /// How long a tile is, in bytes.
    pub tile_len: u64,
    /// Which are there, a bit each.
    pub tiles: Vec<u8>,
}

impl Store {
    /// Keeps a download; what is there of it stays noted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_download(&self, download: &Unfinished) -> Result<(), Error> {
        let sources: Vec<String> = download.sources.iter().map(ToString::to_string).collect();
        self.connection().execute(
            "INSERT INTO downloads (sha1, size, name, directory, root, proven, sources)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET size = excluded.size, name = excluded.name,
                directory = excluded.directory, root = excluded.root,
                proven = excluded.proven, sources = excluded.sources",
            (
                download.sha1.as_bytes(),
                download.size.cast_signed(),
                &download.name,
                Key(&download.directory),
                download.root.as_ref().map(TigerRoot::as_bytes),
                download.proven,
                sources.join(" "),
            ),
        )?;
        Ok(())
    }

    /// The downloads that are kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, Error> {
        let connection = self.connection();
        let mut statement = connection
            .prepare("SELECT sha1, size, name, directory, root, proven, sources FROM downloads")?;
        let rows = statement.query_map([], unfinished)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes what is there of a download that is kept.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_tiles(&self, sha1: Sha1, tiles: &Tiles) -> Result<(), Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "UPDATE downloads SET tile_root = ?2, tile_len = ?3, tiles = ?4 WHERE sha1 = ?1",
        )?;
        statement.execute((
            sha1.as_bytes(),
            tiles.root.as_ref().map(TigerRoot::as_bytes),
            tiles.tile_len.cast_signed(),
            &tiles.tiles,
        ))?;
        Ok(())
    }

    /// What was noted last of a download.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tiles(&self, sha1: Sha1) -> Result<Option<Tiles>, Error> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT tile_root, tile_len, tiles FROM downloads WHERE sha1 = ?1")?;
        let tiles = statement.query_row([sha1.as_bytes()], |row| {
            Ok(Tiles {
                root: row.get::<_, Option<_>>(0)?.map(TigerRoot::from_bytes),
                tile_len: row.get::<_, i64>(1)?.cast_unsigned(),
                tiles: row.get(2)?,
            })
        });
        Ok(tiles.optional()?)
    }

    /// Forgets a download, for instance as it is complete.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_download(&self, sha1: Sha1) -> Result<(), Error> {
        self.connection()
            .execute("DELETE FROM downloads WHERE sha1 = ?1", [sha1.as_bytes()])?;
        Ok(())
    }
}

fn unfinished(row: &Row<'_>) -> rusqlite::Result<Unfinished> {
    let sources: String = row.get(6)?;
    Ok(Unfinished {
        sha1: Sha1::from_bytes(row.get(0)?),
        size: row.get::<_, i64>(1)?.cast_unsigned(),
        name: row.get(2)?,
        directory: path_of(row.get_ref(3)?),
        root: row.get::<_, Option<_>>(4)?.map(TigerRoot::from_bytes),
        proven: row.get(5)?,
        sources: sources
            .split(' ')
            .filter_map(|source| source.parse().ok())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download(byte: u8) -> Unfinished {
        Unfinished {
            sha1: Sha1::from_bytes([byte; 20]),
            size: 5_000_000_000,
            name: "a b.ogg".to_owned(),
            directory: PathBuf::from("/downloads/of mine"),
            root: Some(TigerRoot::from_bytes([byte; 24])),
            proven: true,
            sources: vec!["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()],
        }
    }

    #[test]
    fn a_download_is_kept_over_a_reopening_with_what_is_there_of_it() {
        let home = tempfile::tempdir().unwrap();
        let tiles = Tiles {
            root: None,
            tile_len: 1_024,
            tiles: vec![1, 2, 3],
        };
        {
            let store = Store::open(home.path()).unwrap().store;
            store.keep_download(&download(1)).unwrap();
            store.keep_download(&download(2)).unwrap();
            store.note_tiles(download(1).sha1, &tiles).unwrap();
        }
        let store = Store::open(home.path()).unwrap().store;
        assert_eq!(store.unfinished().unwrap(), [download(1), download(2)]);
        assert_eq!(store.tiles(download(1).sha1).unwrap(), Some(tiles.clone()));
        // Asked for again, with other sources: what is there stays.
        let again = Unfinished {
            sources: Vec::new(),
            root: None,
            ..download(1)
        };
        store.keep_download(&again).unwrap();
        assert_eq!(store.unfinished().unwrap()[0], again);
        assert_eq!(store.tiles(again.sha1).unwrap(), Some(tiles));
        store.forget_download(again.sha1).unwrap();
        assert_eq!(store.unfinished().unwrap(), [download(2)]);
        assert_eq!(store.tiles(again.sha1).unwrap(), None);
    }
}
