//! What can go wrong on this servent's own disk, told apart by what the user can do about it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// Why the disk did not do what a transfer needs. Never a source's fault.
#[derive(Debug, Error)]
pub enum Error {
    /// The disk, or the user's quota on it, is full.
    #[error("no space is left for {}: free some and fetch again, what is there is kept", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// There is space, which the settings leave to others.
    #[error(
        "{} has {free} bytes left, and the settings keep {keep} free: free some; what is there is kept and it goes on by itself",
        path.display()
    )]
    KeptFree {
        /// The folder that was to be written in.
        path: PathBuf,
        /// Bytes that are left.
        free: u64,
        /// Bytes that are to be left.
        keep: u64,
    },
    /// The folder, or the file in it, may not be written.
    #[error("{} cannot be written ({cause}): choose a folder that exists and is yours", path.display())]
    Unwritable {
        /// What could not be written.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another download holds the same unfinished file.
    #[error("{} is being written by another download: wait for it or stop it", path.display())]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// Anything else.
    #[error("could not {action} {}: {cause}", path.display())]
    Failed {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl Error {
    /// Sorts what the system said when `action` was tried on `path`.
    pub(super) fn new(action: &'static str, path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        match cause.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { path },
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory => Self::Unwritable { path, cause },
            _ => Self::Failed {
                action,
                path,
                cause,
            },
        }
    }
}

/// For `map_err`: sorts what the system said when `action` was tried on `path`.
pub(super) fn tried(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::new(action, path, cause)
}

/// Makes a folder and those above it.
pub(super) fn make_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|cause| match cause.kind() {
        // A file stands where the folder should be.
        ErrorKind::AlreadyExists => Error::Unwritable {
            path: folder.to_owned(),
            cause,
        },
        _ => Error::new("make the folder", folder, cause),
    })
}

/// Makes a folder, and makes sure that a file can be made in it.
pub(super) fn check_writable(folder: &Path) -> Result<(), Error> {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    make_folder(folder)?;
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let probe = folder.join(format!(".{}-{number}.filbert", std::process::id()));
    File::create_new(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(tried("write in", folder))
}

/// Makes sure that so many bytes stay free on the disk of a folder when more are written there.
pub(super) fn leave_free(folder: &Path, keep: u64, bytes: u64) -> Result<(), Error> {
    match free(folder) {
        Some(free) if keep > 0 && free < keep.saturating_add(bytes) => Err(Error::KeptFree {
            path: folder.to_owned(),
            free,
            keep,
        }),
        // A disk that does not say is full when it says so.
        _ => Ok(()),
    }
}

/// Bytes that may still be written on the disk of a folder.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
const fn free(_: &Path) -> Option<u64> {
    None
}

/// Makes the names in a folder survive a loss of power. Windows does it by itself and cannot be
/// asked to.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(tried("sync the folder", folder))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_closed_folder() {
        let sorted = |kind: ErrorKind| Error::new("write", Path::new("x"), kind.into());
        assert!(matches!(
            sorted(ErrorKind::StorageFull),
            Error::NoSpace { .. }
        ));
        assert!(matches!(
            sorted(ErrorKind::QuotaExceeded),
            Error::NoSpace { .. }
        ));
        assert!(matches!(
            sorted(ErrorKind::PermissionDenied),
            Error::Unwritable { .. }
        ));
        assert!(matches!(
            sorted(ErrorKind::ReadOnlyFilesystem),
            Error::Unwritable { .. }
        ));
        assert!(matches!(
            sorted(ErrorKind::Interrupted),
            Error::Failed { .. }
        ));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_to_stay_free_stays() {
        let home = tempfile::tempdir().unwrap();
        let left = |keep, bytes| leave_free(home.path(), keep, bytes);
        assert!(left(0, u64::MAX).is_ok() && left(1, 1).is_ok());
        let error = left(1 << 60, 1).unwrap_err();
        assert!(matches!(error, Error::KeptFree { .. }), "{error}");
        assert!(left(1, u64::MAX).is_err(), "nothing wraps around");
        assert!(leave_free(&home.path().join("gone"), 1, 1).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_systems_own_full_disk_is_known() {
        use std::io::Write;
        let path = Path::new("/dev/full");
        let Ok(mut full) = fs::OpenOptions::new().write(true).open(path) else {
            return;
        };
        let error = full
            .write_all(b"x")
            .map_err(tried("write", path))
            .unwrap_err();
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_unwritable() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, b"").unwrap();
        for folder in [file.clone(), file.join("below")] {
            let error = make_folder(&folder).unwrap_err();
            assert!(matches!(error, Error::Unwritable { .. }), "{error}");
        }
    }
}
