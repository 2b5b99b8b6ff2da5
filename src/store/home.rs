//! The home directory: its lock, its database file, and what to do when that is damaged.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::{Error, schema};

const DATABASE: &str = "filbert.db";
const LOCK: &str = "filbert.lock";

/// What SQLite keeps beside a database.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

/// Makes the home directory and locks it. The lock holds until the file is dropped.
pub(super) fn lock(home: &Path) -> Result<File, Error> {
    let trouble = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Home { path, source }
    };
    make_private(home).map_err(trouble(home))?;
    let path = home.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(trouble(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            home: home.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(trouble(&path)(source)),
    }
}

/// Opens the database of a locked home and brings it up to date. The second value is a line for
/// the user, when it had to be begun anew.
pub(super) fn open_database(home: &Path) -> Result<(Connection, Option<String>), Error> {
    let path = home.join(DATABASE);
    match open_whole(&path) {
        Err(Error::Database(error)) if is_damage(&error) => {
            let aside = set_aside(&path).map_err(|source| Error::Home {
                path: path.clone(),
                source,
            })?;
            let notice = format!(
                "the database {} was damaged ({error}): it is now {}, and a new one was begun; \
                 shared files will be hashed again",
                path.display(),
                aside.display(),
            );
            Ok((open_whole(&path)?, Some(notice)))
        }
        opened => Ok((opened?, None)),
    }
}

/// Opens the database, looks it through, and brings it up to date.
fn open_whole(path: &Path) -> Result<Connection, Error> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(code, Some(verdict)).into());
    }
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Renames the database and what SQLite keeps beside it, so that its tools can still read it.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = (1_u32..)
        .map(|number| with_suffix(path, &format!(".damaged-{number}")))
        .find(|aside| !aside.exists())
        .ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(path, &aside)?;
    for suffix in SIDE_FILES {
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Makes a directory that only its owner can look into. One that exists stays as it is.
fn make_private(home: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home)
}
