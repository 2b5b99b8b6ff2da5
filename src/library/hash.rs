//! SHA-1 and Tiger tree of a file, in one pass.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha1::Digest;
use thiserror::Error;

use crate::wire::tiger_tree::{TigerTree, TreeHasher};
use crate::wire::urn::Sha1;

use super::{Hashed, Version};

/// How much is read at a time.
const BUFFER_LEN: usize = 1 << 20;

/// What a file hashed to.
#[derive(Clone, Debug)]
pub struct Hashes {
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, in milliseconds since 1970.
    pub modified_ms: i64,
    /// Its SHA-1.
    pub sha1: Sha1,
    /// Its Tiger tree.
    pub tiger_tree: TigerTree,
}

/// Why a file could not be hashed.
#[derive(Debug, Error)]
pub enum Error {
    /// It was written to meanwhile.
    #[error("{} changed while it was read; try again when it is complete", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It is a directory, a pipe, a device.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What it is not.
        path: PathBuf,
    },
    /// The caller wanted no more.
    #[error("stopped before {} was read to its end", path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
    },
    /// It could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Hashes a file. `progress` is told how many more bytes were read, about a mebibyte at a time.
///
/// # Errors
/// When it is not a file, cannot be read, or changes meanwhile.
pub fn hash_file(path: &Path, mut progress: impl FnMut(u64)) -> Result<Hashes, Error> {
    FileHasher::new().hash(path, |bytes| {
        progress(bytes);
        ControlFlow::Continue(())
    })
}

/// Hashes one file after another through the same buffer.
#[derive(Debug)]
pub struct FileHasher {
    buffer: Box<[u8]>,
}

impl FileHasher {
    /// A hasher with its buffer of a mebibyte.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_LEN].into_boxed_slice(),
        }
    }

    /// Hashes a file. `progress` is told how many more bytes were read, and may break off.
    ///
    /// # Errors
    /// When it is not a file, cannot be read, or changes meanwhile, or `progress` broke off.
    pub fn hash(
        &mut self,
        path: &Path,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Hashes, Error> {
        let unreadable = |source| Error::Unreadable {
            path: path.to_owned(),
            source,
        };
        // Asked before it is opened, since opening a pipe waits for its other end.
        if !path.metadata().map_err(unreadable)?.is_file() {
            return Err(Error::NotAFile {
                path: path.to_owned(),
            });
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let before = Version::of(&file.metadata().map_err(unreadable)?);

        let changed = || Error::Changed {
            path: path.to_owned(),
        };

        let mut sha1 = sha1::Sha1::new();
        let mut tree = TreeHasher::new();
        let mut size = 0;
        loop {
            let read = match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => &self.buffer[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            sha1.update(read);
            tree.update(read);
            size += read.len() as u64;
            // Not followed to an end that may never come.
            if size > before.size {
                return Err(changed());
            }
            if progress(read.len() as u64).is_break() {
                return Err(Error::Stopped {
                    path: path.to_owned(),
                });
            }
        }

        let after = Version::of(&file.metadata().map_err(unreadable)?);
        if before != after || size != after.size {
            return Err(changed());
        }
        Ok(Hashes {
            size,
            modified_ms: after.modified_ms,
            sha1: Sha1::from_bytes(sha1.finalize().into()),
            tiger_tree: tree.finish(),
        })
    }
}

impl Default for FileHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hashes {
    /// What tells the file that was hashed from a later one under the same name.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version {
            size: self.size,
            modified_ms: self.modified_ms,
        }
    }

    /// The hashes alone.
    #[must_use]
    pub fn hashed(&self) -> Hashed {
        Hashed {
            sha1: self.sha1,
            tiger_root: self.tiger_tree.root(),
        }
    }
}

impl Version {
    /// The version of a file, from what the file system says of it. Where that keeps no time of
    /// the last write, the size alone decides.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified_ms: metadata.modified().map_or(0, milliseconds),
        }
    }
}

/// Milliseconds since 1970, negative before.
fn milliseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(error) => i64::try_from(error.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::time::Duration;

    use tempfile::tempdir;

    use crate::wire::urn::Urn;

    use super::*;

    #[test]
    fn both_hashes_match_known_answers() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("hello");
        fs::write(&path, "hello world").unwrap();
        let hashes = hash_file(&path, |_| {}).unwrap();
        let Hashed { sha1, tiger_root } = hashes.hashed();
        assert_eq!(
            Urn::Bitprint(sha1, tiger_root).to_string(),
            "urn:bitprint:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN.\
             ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI"
        );
        assert_eq!(hashes.size, 11);
        assert_eq!(hashes.version(), Version::of(&path.metadata().unwrap()));

        fs::write(&path, "").unwrap();
        let hashed = hash_file(&path, |_| {}).unwrap().hashed();
        let sha1 = "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ";
        assert_eq!(hashed.sha1.to_string(), sha1);
        let root = "LWPNACQDBZRYXW3VHJVCJ64QBZNGHOHHHZWCLNQ";
        assert_eq!(hashed.tiger_root.to_string(), root);
    }

    #[test]
    fn progress_adds_up_and_the_buffer_does_not_show() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("large");
        let content: Vec<u8> = (0..=250).cycle().take(2 * BUFFER_LEN + 1234).collect();
        fs::write(&path, &content).unwrap();
        let mut told = 0;
        let hashes = hash_file(&path, |bytes| told += bytes).unwrap();
        assert_eq!(told, content.len() as u64);
        let sha1 = Sha1::from_bytes(sha1::Sha1::digest(&content).into());
        assert_eq!(hashes.sha1, sha1);
        let mut tree = TreeHasher::new();
        tree.update(&content);
        assert_eq!(hashes.tiger_tree.root(), tree.finish().root());
    }

    #[test]
    fn a_file_that_grows_meanwhile_is_refused() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("growing");
        fs::write(&path, vec![0; BUFFER_LEN + 1]).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        let error =
            hash_file(&path, |_| file.write_all(&vec![1; BUFFER_LEN]).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Changed { .. }), "{error}");
    }

    #[test]
    fn a_file_written_over_meanwhile_is_refused() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("touched");
        fs::write(&path, "same size").unwrap();
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        let error = hash_file(&path, |_| file.set_modified(later).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Changed { .. }), "{error}");
    }

    #[test]
    fn what_is_no_file_is_named() {
        let dir = tempdir().unwrap();
        let error = hash_file(dir.path(), |_| {}).unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{error}");
        let error = hash_file(&dir.path().join("none"), |_| {}).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains("none"));
    }

    #[test]
    fn hashing_can_be_broken_off() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("large");
        fs::write(&path, vec![0; 3 * BUFFER_LEN]).unwrap();
        let mut told = 0;
        let error = FileHasher::new()
            .hash(&path, |bytes| {
                told += bytes;
                ControlFlow::Break(())
            })
            .unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
        assert!(told < 3 * BUFFER_LEN as u64);
    }

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(
            milliseconds(UNIX_EPOCH - Duration::from_millis(1500)),
            -1500
        );
        assert_eq!(milliseconds(UNIX_EPOCH + Duration::from_millis(1500)), 1500);
    }
}
