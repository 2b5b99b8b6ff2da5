//! The unfinished file of a download: it grows from the front, and its length is what resuming
//! needs to know. Everything here blocks; it belongs on the blocking pool.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::disk::{self, Error, tried};
use super::place;

/// Bytes read at once to verify.
const VERIFY_CHUNK: usize = 256 * 1024;

/// An unfinished file, locked against other downloads while open.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    /// Bytes that are there; the file may have more after a write that failed half-way.
    len: u64,
}

impl Part {
    /// Opens `<folder>/<stem>.part`, or makes it, for a file of `size` bytes. One that is longer
    /// cannot be a beginning of that file and is emptied.
    pub(super) fn open(folder: &Path, stem: &str, size: u64) -> Result<Self, Error> {
        disk::make_folder(folder)?;
        let path = folder.join(format!("{stem}.part"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(tried("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path }),
            // A file system without locks: the verification at the end still holds.
            Err(TryLockError::Error(error)) => {
                log::debug!("no lock on {}: {error}", path.display())
            }
        }
        let len = file.metadata().map_err(tried("open", &path))?.len();
        let mut part = Self { file, path, len };
        if len > size {
            part.clear()?;
        }
        Ok(part)
    }

    /// Bytes that are there.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Adds `bytes` at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file
            .seek(SeekFrom::Start(self.len))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(tried("write", &self.path))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        self.file.set_len(0).map_err(tried("empty", &self.path))?;
        self.len = 0;
        Ok(())
    }

    /// The SHA-1 of what is there, read from the file.
    pub(super) fn sha1(&mut self) -> Result<[u8; 20], Error> {
        self.digest().map_err(tried("read", &self.path))
    }

    /// Moves the whole, verified file into `folder` under `name` or its first free number.
    pub(super) fn place(self, folder: &Path, name: &str) -> Result<PathBuf, Error> {
        disk::make_folder(folder)?;
        self.file.sync_all().map_err(tried("sync", &self.path))?;
        // Closed first: some systems do not move an open file.
        drop(self.file);
        place::place(&self.path, folder, name)
    }

    /// Removes the file, for which no source is left that could be believed.
    pub(super) fn remove(self) -> Result<(), Error> {
        drop(self.file);
        std::fs::remove_file(&self.path).map_err(tried("remove", &self.path))
    }

    fn digest(&mut self) -> io::Result<[u8; 20]> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut hasher = Sha1::new();
        let mut left = self.len;
        let mut chunk = vec![0; VERIFY_CHUNK];
        while left > 0 {
            let wanted = usize::try_from(left).map_or(VERIFY_CHUNK, |left| left.min(VERIFY_CHUNK));
            self.file.read_exact(&mut chunk[..wanted])?;
            hasher.update(&chunk[..wanted]);
            left -= wanted as u64;
        }
        Ok(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn grows_survives_and_is_placed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("incomplete");
        let mut part = Part::open(&folder, "ABC", 6).unwrap();
        assert_eq!(part.len(), 0);
        part.append(b"abc").unwrap();
        drop(part);
        let mut part = Part::open(&folder, "ABC", 6).unwrap();
        assert_eq!(part.len(), 3);
        let before: [u8; 20] = Sha1::digest(b"abc").into();
        assert_eq!(part.sha1().unwrap(), before);
        part.append(b"def").unwrap();
        let after: [u8; 20] = Sha1::digest(b"abcdef").into();
        assert_eq!(part.sha1().unwrap(), after);
        let placed = part.place(&home.path().join("new/to"), "a.txt").unwrap();
        assert_eq!(fs::read(placed).unwrap(), b"abcdef");
        assert!(!folder.join("ABC.part").exists());
    }

    #[test]
    fn one_that_is_too_long_starts_over() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("ABC.part"), b"too long").unwrap();
        let part = Part::open(home.path(), "ABC", 7).unwrap();
        assert_eq!(part.len(), 0);
        assert_eq!(fs::read(home.path().join("ABC.part")).unwrap(), b"");
    }

    #[test]
    fn belongs_to_one_download() {
        let home = tempfile::tempdir().unwrap();
        let part = Part::open(home.path(), "ABC", 7).unwrap();
        let second = Part::open(home.path(), "ABC", 7);
        assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
        part.remove().unwrap();
        assert!(Part::open(home.path(), "ABC", 7).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_typed() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = Part::open(&file, "ABC", 7).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error}");
    }
}
