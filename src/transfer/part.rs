//! The unfinished file of a download: as long as the whole from the beginning, with holes where
//! nothing was written yet. What is there, only the download knows. Everything here blocks; it
//! belongs on the blocking pool.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::disk::{self, Error, tried};
use super::place;

/// Bytes read at once to verify.
const VERIFY_CHUNK: usize = 256 * 1024;
/// Earlier writes that are hashed with a later one, at most, so that none takes long.
const CAUGHT_UP: usize = 2;

/// An unfinished file, locked against other downloads while open.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    path: PathBuf,
    size: u64,
    /// Whether it was there, of the right size, before it was opened.
    found: bool,
    hashed: Hashed,
}

/// The SHA-1 of what was written from the beginning on, so far, so that little is left to read at
/// the end. Only what was written while the file was open counts, and only as long as it is not
/// written over.
#[derive(Debug, Default)]
struct Hashed {
    hasher: Sha1,
    /// Bytes that are in it.
    end: u64,
    /// Writes beyond these, from their first byte to the one after their last.
    beyond: BTreeMap<u64, u64>,
}

impl Part {
    /// Opens `<folder>/<stem>.part`, or makes it, for a file of `size` bytes.
    pub(super) fn open(folder: &Path, stem: &str, size: u64) -> Result<Self, Error> {
        disk::make_folder(folder)?;
        let path = at(folder, stem);
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
        if len != size {
            file.set_len(size).map_err(tried("write", &path))?;
        }
        Ok(Self {
            file,
            path,
            size,
            found: len == size,
            hashed: Hashed::default(),
        })
    }

    /// Whether an earlier run had left it.
    pub(super) const fn was_found(&self) -> bool {
        self.found
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `bytes` from the byte `at` on, and hashes what can be hashed already.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.put(at, bytes)?;
        self.hash_on(at, bytes).map_err(tried("read", &self.path))
    }

    /// Writes `bytes` from the byte `at` on, and leaves the hash for later.
    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        if at < self.hashed.end {
            self.hashed = Hashed::default();
        }
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(tried("write", &self.path))
    }

    /// Hashes what was written just now, if it goes on where the hash ends, and some of what goes on
    /// there since an earlier write.
    fn hash_on(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let end = at + bytes.len() as u64;
        if at == self.hashed.end {
            self.hashed.hasher.update(bytes);
            self.hashed.end = end;
        } else if at > self.hashed.end {
            self.hashed.beyond.insert(at, end);
        }
        for _ in 0..CAUGHT_UP {
            let Some(end) = self.hashed.beyond.remove(&self.hashed.end) else {
                break;
            };
            self.hash_to(end)?;
        }
        Ok(())
    }

    /// Hashes what is in the file, up to the byte `end`.
    fn hash_to(&mut self, end: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.hashed.end))?;
        let mut left = end.saturating_sub(self.hashed.end);
        let mut chunk = vec![0; VERIFY_CHUNK];
        while left > 0 {
            let wanted = usize::try_from(left).map_or(VERIFY_CHUNK, |left| left.min(VERIFY_CHUNK));
            self.file.read_exact(&mut chunk[..wanted])?;
            self.hashed.hasher.update(&chunk[..wanted]);
            self.hashed.end += wanted as u64;
            left -= wanted as u64;
        }
        Ok(())
    }

    /// These bytes of the file.
    pub(super) fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let length = range.end.saturating_sub(range.start);
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(range.start))
            .and_then(|_| (&self.file).take(length).read_to_end(&mut bytes))
            .map_err(tried("read", &self.path))?;
        Ok(bytes)
    }

    /// The SHA-1 of the whole, of which what was not hashed as it was written is read from the file.
    /// What was written reaches the disk meanwhile, as it has to before the file is
    /// [placed](Self::place).
    pub(super) fn sha1(&mut self) -> Result<[u8; 20], Error> {
        let (file, path) = (self.file.try_clone(), self.path.clone());
        let file = file.map_err(tried("open", &self.path))?;
        std::thread::scope(|scope| {
            let syncing = scope.spawn(move || file.sync_data().map_err(tried("sync", &path)));
            let digest = self.digest().map_err(tried("read", &self.path));
            syncing.join().expect("syncing does not panic")?;
            digest
        })
    }

    /// Has all that was written reach the disk.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.file.sync_data().map_err(tried("sync", &self.path))
    }

    /// Moves the whole file into `folder` under `name` or its first free number.
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

    /// The SHA-1 of the whole. Asked again, it is read from the file from the beginning on.
    fn digest(&mut self) -> io::Result<[u8; 20]> {
        let whole = self.hash_to(self.size);
        let hashed = std::mem::take(&mut self.hashed);
        whole.map(|()| hashed.hasher.finalize().into())
    }
}

/// Removes the unfinished file `<folder>/<stem>.part`, if there is one.
pub(super) fn discard(folder: &Path, stem: &str) -> Result<(), Error> {
    let path = at(folder, stem);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(tried("remove", &path)),
    }
}

fn at(folder: &Path, stem: &str) -> PathBuf {
    folder.join(format!("{stem}.part"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn is_filled_anywhere_survives_and_is_placed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("incomplete");
        let mut part = Part::open(&folder, "ABC", 6).unwrap();
        assert!(!part.was_found());
        part.write(3, b"def").unwrap();
        drop(part);
        let mut part = Part::open(&folder, "ABC", 6).unwrap();
        assert!(part.was_found());
        assert_eq!(part.read(2..5).unwrap(), b"\0de");
        part.write(0, b"abc").unwrap();
        let after: [u8; 20] = Sha1::digest(b"abcdef").into();
        assert_eq!(part.sha1().unwrap(), after);
        let placed = part.place(&home.path().join("new/to"), "a.txt").unwrap();
        assert_eq!(fs::read(placed).unwrap(), b"abcdef");
        assert!(!folder.join("ABC.part").exists());
    }

    #[test]
    fn any_order_of_writes_gives_the_hash_of_what_is_there() {
        let home = tempfile::tempdir().unwrap();
        let whole: [u8; 20] = Sha1::digest(b"abcdef").into();
        for order in [
            [0, 1, 2, 3, 4, 5],
            [5, 4, 3, 2, 1, 0],
            [1, 2, 3, 4, 5, 0],
            [3, 0, 4, 1, 5, 2],
        ] {
            let mut part = Part::open(home.path(), "ABC", 6).unwrap();
            for at in order {
                part.write(at, &[b'a' + u8::try_from(at).unwrap()]).unwrap();
            }
            assert_eq!(part.sha1().unwrap(), whole, "{order:?}");
            part.remove().unwrap();
        }
    }

    #[test]
    fn what_is_written_over_is_hashed_as_it_is_now() {
        let home = tempfile::tempdir().unwrap();
        let mut part = Part::open(home.path(), "ABC", 6).unwrap();
        for (at, bytes) in [(0, "xbc"), (3, "def"), (0, "abc")] {
            part.write(at, bytes.as_bytes()).unwrap();
        }
        let whole: [u8; 20] = Sha1::digest(b"abcdef").into();
        assert_eq!(part.sha1().unwrap(), whole);
        // Whatever became of it since, it is not taken for what was written.
        fs::write(part.path(), "abcdeX").unwrap();
        let other: [u8; 20] = Sha1::digest(b"abcdeX").into();
        assert_eq!(part.sha1().unwrap(), other);
    }

    #[test]
    fn what_an_earlier_run_wrote_is_read() {
        let home = tempfile::tempdir().unwrap();
        let mut part = Part::open(home.path(), "ABC", 6).unwrap();
        part.write(0, b"abc").unwrap();
        drop(part);
        let mut part = Part::open(home.path(), "ABC", 6).unwrap();
        part.write(3, b"def").unwrap();
        let whole: [u8; 20] = Sha1::digest(b"abcdef").into();
        assert_eq!(part.sha1().unwrap(), whole);
    }

    #[test]
    fn one_of_another_size_is_of_another_file() {
        let home = tempfile::tempdir().unwrap();
        for left in [&b"too long"[..], b"short"] {
            fs::write(home.path().join("ABC.part"), left).unwrap();
            assert!(!Part::open(home.path(), "ABC", 7).unwrap().was_found());
        }
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
