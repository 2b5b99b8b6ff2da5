//! Wishes: searches that are kept, and asked again until they have what they want.

use std::path::PathBuf;

use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::wire::query::Media;
use crate::wire::urn::Sha1;

use super::paths::{Key, path_of};
use super::{Error, Store};

pub(super) const TABLE: &str = "
    CREATE TABLE wishes (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        media BLOB NOT NULL,
        least INTEGER,
        most INTEGER,
        fetch INTEGER NOT NULL,
        directory ANY,
        asked INTEGER NOT NULL,
        fetched TEXT NOT NULL
    ) STRICT";

/// The mark of the highest number that a wish had.
const LAST: &str = "last_wish";

/// A wish as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number, which no other wish gets.
    pub id: u64,
    /// What is asked.
    pub text: String,
    /// Only files of these kinds.
    pub media: Option<Media>,
    /// The smallest size, in bytes.
    pub least: Option<u64>,
    /// The largest size, in bytes.
    pub most: Option<u64>,
    /// How many files it fetches by itself.
    pub fetch: u32,
    /// The folder for them.
    pub directory: Option<PathBuf>,
    /// How often it was asked.
    pub asked: u64,
    /// The contents it began to fetch.
    pub fetched: Vec<Sha1>,
}

impl Store {
    /// Keeps a wish under a number of its own, which it gives; the one it came with does not count.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_wish(&self, wish: &Kept) -> Result<u64, Error> {
        let mut connection = self.connection();
        let step = connection.transaction()?;
        let id: i64 = step.query_row(
            "SELECT max(ifnull((SELECT max(id) FROM wishes), 0),
                ifnull((SELECT value FROM marks WHERE name = ?1), 0)) + 1",
            [LAST],
            |row| row.get(0),
        )?;
        step.execute(
            "INSERT INTO wishes (id, text, media, least, most, fetch, directory, asked, fetched)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                id,
                &wish.text,
                wish.media
                    .map_or_else(Vec::new, |media| media.data().to_vec()),
                wish.least.map(u64::cast_signed),
                wish.most.map(u64::cast_signed),
                wish.fetch,
                wish.directory.as_deref().map(Key),
                wish.asked.cast_signed(),
                listed(&wish.fetched),
            ),
        )?;
        step.execute(
            "INSERT INTO marks (name, value) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET value = excluded.value",
            (LAST, id),
        )?;
        step.commit()?;
        Ok(id.cast_unsigned())
    }

    /// Notes how often a wish was asked, and what it began to fetch.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_wish(&self, id: u64, asked: u64, fetched: &[Sha1]) -> Result<(), Error> {
        self.connection().execute(
            "UPDATE wishes SET asked = ?2, fetched = ?3 WHERE id = ?1",
            (id.cast_signed(), asked.cast_signed(), listed(fetched)),
        )?;
        Ok(())
    }

    /// The wishes that are kept, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn wishes(&self) -> Result<Vec<Kept>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT id, text, media, least, most, fetch, directory, asked, fetched
             FROM wishes ORDER BY id",
        )?;
        let rows = statement.query_map([], kept)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets a wish.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_wish(&self, id: u64) -> Result<(), Error> {
        self.connection()
            .execute("DELETE FROM wishes WHERE id = ?1", [id.cast_signed()])?;
        Ok(())
    }
}

fn listed(hashes: &[Sha1]) -> String {
    let hashes: Vec<String> = hashes.iter().map(ToString::to_string).collect();
    hashes.join(" ")
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let (media, fetched): (Vec<u8>, String) = (row.get(2)?, row.get(8)?);
    let size =
        |place| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(place)?.map(i64::cast_unsigned));
    let directory = match row.get_ref(6)? {
        ValueRef::Null => None,
        directory => Some(path_of(directory)),
    };
    Ok(Kept {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        text: row.get(1)?,
        media: Media::from_data(&media),
        least: size(3)?,
        most: size(4)?,
        fetch: row.get(5)?,
        directory,
        asked: row.get::<_, i64>(7)?.cast_unsigned(),
        fetched: fetched
            .split(' ')
            .filter_map(|sha1| sha1.parse().ok())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_kept_with_what_became_of_it_and_its_number_is_given_once() {
        let home = tempfile::tempdir().unwrap();
        let mut wish = Kept {
            id: 0,
            text: "hazel song".to_owned(),
            media: Some(Media::AUDIO.and(Media::VIDEO)),
            least: Some(5),
            most: None,
            fetch: 2,
            directory: Some(PathBuf::from("/mine")),
            asked: 0,
            fetched: Vec::new(),
        };
        {
            let store = Store::open(home.path()).unwrap().store;
            wish.id = store.add_wish(&wish).unwrap();
            (wish.asked, wish.fetched) = (3, vec![Sha1::from_bytes([7; 20])]);
            store.note_wish(wish.id, wish.asked, &wish.fetched).unwrap();
        }
        let store = Store::open(home.path()).unwrap().store;
        assert_eq!(store.wishes().unwrap(), [wish.clone()]);
        store.forget_wish(wish.id).unwrap();
        assert_eq!(store.wishes().unwrap(), []);
        let bare = Kept {
            media: None,
            directory: None,
            ..wish.clone()
        };
        assert!(store.add_wish(&bare).unwrap() > wish.id);
        let kept = store.wishes().unwrap();
        assert_eq!((kept[0].media, &kept[0].directory), (None, &None));
    }
}
