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

/// Numbers that stay, and what the user settled. Sizes and names may be unknown.
pub(super) const NUMBERED: &str = "
    CREATE TABLE numbered_downloads (
        sha1 BLOB PRIMARY KEY,
        id INTEGER NOT NULL,
        size INTEGER,
        name TEXT,
        directory ANY NOT NULL,
        root BLOB,
        proven INTEGER NOT NULL,
        priority INTEGER NOT NULL DEFAULT 0,
        paused INTEGER NOT NULL DEFAULT 0,
        failure TEXT,
        failure_kind TEXT,
        sources TEXT NOT NULL,
        tile_root BLOB,
        tile_len INTEGER NOT NULL DEFAULT 0,
        tiles BLOB NOT NULL DEFAULT x''
    ) STRICT, WITHOUT ROWID;
    INSERT INTO numbered_downloads
        (sha1, id, size, name, directory, root, proven, sources, tile_root, tile_len, tiles)
        SELECT sha1, row_number() OVER (ORDER BY sha1), size, name, directory, root, proven,
            sources, tile_root, tile_len, tiles FROM downloads;
    DROP TABLE downloads;
    ALTER TABLE numbered_downloads RENAME TO downloads";

/// Downloads of files of a collection know of which.
pub(super) const PARTS: &str = "ALTER TABLE downloads ADD COLUMN part_of INTEGER";

/// Downloads know which web servers have the file: their URLs, one a line.
pub(super) const SEEDS: &str =
    "ALTER TABLE downloads ADD COLUMN web_seeds TEXT NOT NULL DEFAULT ''";

/// The mark of the highest number that a download had.
const LAST: &str = "last_download";

/// A download that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its number, which no other download gets.
    pub id: u64,
    /// The content.
    pub sha1: Sha1,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// The name it will have, if one is known.
    pub name: Option<String>,
    /// The folder it will lie in.
    pub directory: PathBuf,
    /// The root of its tiger tree, if it is known.
    pub root: Option<TigerRoot>,
    /// Whether who asked for it vouches for that root.
    pub proven: bool,
    /// Who had it.
    pub sources: Vec<SocketAddr>,
    /// The URLs of web servers that have it.
    pub web_seeds: Vec<String>,
    /// What goes first: the higher, the earlier.
    pub priority: i8,
    /// Whether the user stopped it.
    pub paused: bool,
    /// Why it will not go on by itself: what kind of trouble, in the words of who kept it, and what
    /// people are told.
    pub failure: Option<(String, String)>,
    /// The number of the collection that it is part of.
    pub part_of: Option<u64>,
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
        let failure = download.failure.as_ref();
        let mut connection = self.connection();
        let step = connection.transaction()?;
        step.execute(
            "INSERT INTO downloads (sha1, id, size, name, directory, root, proven, sources,
                priority, paused, failure_kind, failure, part_of, web_seeds)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT DO UPDATE SET id = excluded.id, size = excluded.size,
                name = excluded.name, directory = excluded.directory, root = excluded.root,
                proven = excluded.proven, sources = excluded.sources,
                priority = excluded.priority, paused = excluded.paused,
                failure_kind = excluded.failure_kind, failure = excluded.failure,
                part_of = excluded.part_of, web_seeds = excluded.web_seeds",
            (
                download.sha1.as_bytes(),
                download.id.cast_signed(),
                download.size.map(u64::cast_signed),
                &download.name,
                Key(&download.directory),
                download.root.as_ref().map(TigerRoot::as_bytes),
                download.proven,
                sources.join(" "),
                download.priority,
                download.paused,
                failure.map(|(kind, _)| kind),
                failure.map(|(_, message)| message),
                download.part_of.map(u64::cast_signed),
                download.web_seeds.join("\n"),
            ),
        )?;
        step.execute(
            "INSERT INTO marks (name, value) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
            (LAST, download.id.cast_signed()),
        )?;
        step.commit()?;
        Ok(())
    }

    /// The highest number that a download had that was kept; 0 before the first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn last_download(&self) -> Result<u64, Error> {
        let connection = self.connection();
        let last: i64 = connection.query_row(
            "SELECT max(ifnull((SELECT max(id) FROM downloads), 0),
                ifnull((SELECT value FROM marks WHERE name = ?1), 0))",
            [LAST],
            |row| row.get(0),
        )?;
        Ok(last.cast_unsigned())
    }

    /// The downloads that are kept, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT sha1, id, size, name, directory, root, proven, sources, priority, paused,
                failure_kind, failure, part_of, web_seeds FROM downloads ORDER BY id",
        )?;
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
    let sources: String = row.get(7)?;
    let seeds: String = row.get(13)?;
    let (kind, message): (Option<String>, Option<String>) = (row.get(10)?, row.get(11)?);
    Ok(Unfinished {
        sha1: Sha1::from_bytes(row.get(0)?),
        id: row.get::<_, i64>(1)?.cast_unsigned(),
        size: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
        name: row.get(3)?,
        directory: path_of(row.get_ref(4)?),
        root: row.get::<_, Option<_>>(5)?.map(TigerRoot::from_bytes),
        proven: row.get(6)?,
        sources: sources
            .split(' ')
            .filter_map(|source| source.parse().ok())
            .collect(),
        web_seeds: seeds.lines().map(str::to_owned).collect(),
        priority: row.get(8)?,
        paused: row.get(9)?,
        failure: kind.zip(message),
        part_of: row.get::<_, Option<i64>>(12)?.map(i64::cast_unsigned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download(byte: u8) -> Unfinished {
        Unfinished {
            id: u64::from(byte),
            sha1: Sha1::from_bytes([byte; 20]),
            size: Some(5_000_000_000),
            name: Some("a b.ogg".to_owned()),
            directory: PathBuf::from("/downloads/of mine"),
            root: Some(TigerRoot::from_bytes([byte; 24])),
            proven: true,
            sources: vec!["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()],
            web_seeds: vec!["http://a/".to_owned(), "http://b:8/?c".to_owned()],
            priority: -1,
            paused: true,
            failure: None,
            part_of: (byte == 2).then_some(1),
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
            failure: Some(("disk".to_owned(), "it is gone".to_owned())),
            ..download(1)
        };
        store.keep_download(&again).unwrap();
        assert_eq!(store.unfinished().unwrap()[0], again);
        assert_eq!(store.tiles(again.sha1).unwrap(), Some(tiles));
        store.forget_download(again.sha1).unwrap();
        assert_eq!(store.unfinished().unwrap(), [download(2)]);
        assert_eq!(store.tiles(again.sha1).unwrap(), None);
    }

    #[test]
    fn a_number_is_given_once() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.last_download().unwrap(), 0);
        store.keep_download(&download(7)).unwrap();
        store.keep_download(&download(3)).unwrap();
        store.forget_download(download(7).sha1).unwrap();
        assert_eq!(store.last_download().unwrap(), 7);
        let unknown = Unfinished {
            size: None,
            name: None,
            ..download(9)
        };
        store.keep_download(&unknown).unwrap();
        assert_eq!(store.unfinished().unwrap(), [download(3), unknown]);
    }

    #[test]
    fn downloads_of_an_older_database_get_numbers() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        for byte in [2_u8, 1] {
            connection
                .execute(
                    "INSERT INTO downloads (sha1, size, name, directory, proven, sources)
                     VALUES (?1, 5, 'a', '/x', 0, '')",
                    [[byte; 20]],
                )
                .unwrap();
        }
        connection.execute_batch(NUMBERED).unwrap();
        let numbered = "SELECT group_concat(id || name || size) FROM downloads";
        let all: String = connection
            .query_row(numbered, [], |row| row.get(0))
            .unwrap();
        assert_eq!(all, "1a5,2a5");
        connection.execute_batch(PARTS).unwrap();
        let parts = "SELECT count(part_of) FROM downloads";
        let none: i64 = connection.query_row(parts, [], |row| row.get(0)).unwrap();
        assert_eq!(none, 0);
        connection.execute_batch(SEEDS).unwrap();
        let seeds = "SELECT group_concat(web_seeds, '') FROM downloads";
        let seeds: String = connection.query_row(seeds, [], |row| row.get(0)).unwrap();
        assert_eq!(seeds, "");
    }
}
