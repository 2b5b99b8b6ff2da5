//! The embedded database under the home directory, one file a table family.
//!
//! - [`marks`]: single values, such as the servent's GUID;
//! - [`hosts`]: servents that were heard of;
//! - [`credit`]: what others gave and took;
//! - [`hashes`]: what files hashed to, so that they are hashed once;
//! - [`trees`]: tiger trees by their root;
//! - [`downloads`]: downloads that are not complete; [`wishes`]: searches that are kept;
//! - `schema`: from any older database to today's tables;
//! - `home`: the directory, its lock, and what to do when the database is damaged.
//!
//! The only room that names the database. Calls are short but touch the disk: they belong on the
//! blocking pool. A commit survives the end of the process at any moment; a power loss may take
//! the last ones but never damages what was there before.

pub mod credit;
pub mod downloads;
pub mod hashes;
mod home;
pub mod hosts;
pub mod marks;
mod paths;
mod schema;
pub mod trees;
pub mod wishes;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use thiserror::Error;

/// The database of one servent, open and locked until dropped.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    /// Held, not used: the lock goes with the file. A store in memory has none.
    lock: Option<File>,
}

/// A store that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// One line for the user, when a damaged database had to be set aside.
    pub notice: Option<String>,
}

/// Why the store could not do what was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The database failed, mostly for a reason of the disk.
    #[error("the database failed: {0}; see whether the disk is full or read-only")]
    Database(#[from] rusqlite::Error),
    /// The home directory could not be made or read.
    #[error("cannot use {} as home: {source}; choose another with --home", path.display())]
    Home {
        /// The file or directory in question.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has this home.
    #[error(
        "{} is in use by another filbert; stop that one, or choose another home with --home",
        home.display()
    )]
    InUse {
        /// The home directory.
        home: PathBuf,
    },
    /// The database was written by a later version.
    #[error(
        "{} was written by a later filbert (version {found} of the database, known up to \
         {known}); update filbert, or choose another home with --home",
        path.display()
    )]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// The version found in it.
        found: i64,
        /// The last version known here.
        known: usize,
    },
}

impl Store {
    /// Opens the store in the home directory `home`, which is made if need be. A database that
    /// is damaged is set aside, and a new one begun.
    ///
    /// # Errors
    /// When another process has the home, the directory cannot be used, or the database is of a
    /// later version.
    pub fn open(home: &Path) -> Result<Opened, Error> {
        let lock = home::lock(home)?;
        let (connection, notice) = home::open_database(home)?;
        let store = Self {
            connection: Mutex::new(connection),
            lock: Some(lock),
        };
        Ok(Opened { store, notice })
    }

    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    /// When there is not even memory for it.
    pub fn in_memory() -> Result<Self, Error> {
        let mut connection = Connection::open_in_memory()?;
        schema::migrate(&mut connection, Path::new(":memory:"))?;
        Ok(Self {
            connection: Mutex::new(connection),
            lock: None,
        })
    }

    /// Lets another process have the home. What is still written here goes on: the database has a
    /// lock of its own for each change.
    pub fn release(&self) {
        if let Some(Err(error)) = self.lock.as_ref().map(File::unlock) {
            log::warn!("the home stays locked until this process ends: {error}");
        }
    }

    /// The connection. One that a panic left behind is as good as any: SQLite rolls back what was
    /// not committed.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::tempdir;

    use super::*;

    #[test]
    fn one_process_a_home() {
        let home = tempdir().unwrap();
        let first = Store::open(home.path()).unwrap();
        let error = Store::open(home.path()).unwrap_err();
        assert!(matches!(&error, Error::InUse { home: at } if at == home.path()));
        assert!(error.to_string().contains("in use by another filbert"));
        first.store.release();
        let second = Store::open(home.path()).unwrap();
        drop(first);
        assert!(Store::open(home.path()).is_err());
        drop(second);
        Store::open(home.path()).unwrap();
    }

    #[test]
    fn a_home_is_made_with_its_parents() {
        let parent = tempdir().unwrap();
        let home = parent.path().join("share/filbert");
        assert_eq!(Store::open(&home).unwrap().notice, None);
        assert!(home.join("filbert.db").is_file());
    }

    #[test]
    fn a_file_as_home_is_an_error() {
        let parent = tempdir().unwrap();
        let home = parent.path().join("file");
        fs::write(&home, "").unwrap();
        let error = Store::open(&home).unwrap_err();
        assert!(matches!(error, Error::Home { .. }), "{error}");
    }

    #[test]
    fn a_damaged_database_is_set_aside_with_a_notice() {
        let home = tempdir().unwrap();
        for round in 1..=2 {
            fs::write(
                home.path().join("filbert.db"),
                "not a database at all".repeat(99),
            )
            .unwrap();
            let Opened { store, notice } = Store::open(home.path()).unwrap();
            let notice = notice.expect("a damaged database is not passed over in silence");
            let aside = format!("filbert.db.damaged-{round}");
            assert!(
                notice.contains(&aside) && !notice.contains('\n'),
                "{notice}"
            );
            assert!(home.path().join(aside).is_file());
            store.servent_guid().unwrap();
        }
    }

    #[test]
    fn damage_inside_a_good_file_is_found() {
        let home = tempdir().unwrap();
        let store = Store::open(home.path()).unwrap().store;
        store.servent_guid().unwrap();
        drop(store);
        let path = home.path().join("filbert.db");
        let mut bytes = fs::read(&path).unwrap();
        assert!(bytes.len() > 4096);
        bytes[4096..].fill(0xa5);
        fs::write(&path, bytes).unwrap();
        let opened = Store::open(home.path()).unwrap();
        assert!(opened.notice.is_some());
        assert!(home.path().join("filbert.db.damaged-1").is_file());
    }

    #[test]
    fn what_was_written_is_there_after_reopening() {
        let home = tempdir().unwrap();
        let guid = {
            let store = Store::open(home.path()).unwrap().store;
            store.remember_port(7001).unwrap();
            store.servent_guid().unwrap()
        };
        let Opened { store, notice } = Store::open(home.path()).unwrap();
        assert_eq!(notice, None);
        assert_eq!(store.servent_guid().unwrap(), guid);
        assert_eq!(store.port().unwrap(), Some(7001));
    }
}
