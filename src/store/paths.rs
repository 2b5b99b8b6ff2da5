//! Paths as the database has them: text where they are text, so that people can read them, and bytes
//! where they are not.

use std::path::{Path, PathBuf};

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// A path to write or to look for.
pub(super) struct Key<'a>(pub(super) &'a Path);

impl ToSql for Key<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self.0.to_str() {
            Some(text) => ValueRef::Text(text.as_bytes()),
            None => ValueRef::Blob(self.0.as_os_str().as_encoded_bytes()),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// A path that was read. What is no path here is none.
pub(super) fn path_of(value: ValueRef<'_>) -> PathBuf {
    match value {
        #[cfg(unix)]
        ValueRef::Blob(bytes) => {
            use std::os::unix::ffi::OsStrExt;
            PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
        }
        ValueRef::Text(bytes) => PathBuf::from(String::from_utf8_lossy(bytes).into_owned()),
        _ => PathBuf::new(),
    }
}
