//! Where a verified file goes: under its safe name, beside what is there already.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::disk::{self, Error, tried};
use super::name::numbered;

/// Files of one name that a folder may hold before it is given up.
const MAX_NUMBER: u32 = 9_999;

/// Moves `part`, verified and synced, into `folder` as `name`, or as `name (1)`, `name (2)` … where
/// that is taken. Nothing is ever overwritten, and the name appears only with the whole file
/// behind it. `name` must be safe (see [`super::name`]).
pub(super) fn place(part: &Path, folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let placed = match claim(part, folder, name) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => carry(part, folder, name)?,
        other => other.map_err(tried("move the file into", folder))?,
    };
    disk::sync_folder(folder)?;
    Ok(placed)
}

/// Copies `part` from another file system to a dot-temporary in `folder`, then claims a name.
fn carry(part: &Path, folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let placed = copy_in(part, folder, name)?;
    discard(part);
    Ok(placed)
}

/// Puts one more copy of a file into `folder`, by way of a dot-temporary; the names are as with
/// [`place`].
pub(super) fn copy_in(file: &Path, folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{stem}.filbert"));
    copy(file, &temporary)
        .and_then(|()| claim(&temporary, folder, name))
        // What is left of the copy is of no use.
        .inspect_err(|_| discard(&temporary))
        .map_err(tried("copy the file into", folder))
}

/// Copies the bytes of one file to a new one and syncs it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut source = File::open(from)?;
    let mut target = File::create_new(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}

/// Gives `from` the first free name in `folder`, on the same file system.
fn claim(from: &Path, folder: &Path, name: &str) -> io::Result<PathBuf> {
    for number in 0..=MAX_NUMBER {
        let to = folder.join(numbered(name, number));
        match take(from, &to) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Ok(()) => return Ok(to),
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Moves `from` to `to` unless something is there.
fn take(from: &Path, to: &Path) -> io::Result<()> {
    // A link fails where the name exists, which a rename does not; where the file system knows no
    // links, an empty file reserves the name.
    match fs::hard_link(from, to) {
        Ok(()) => {
            discard(from);
            Ok(())
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::AlreadyExists | ErrorKind::CrossesDevices | ErrorKind::NotFound
            ) =>
        {
            Err(error)
        }
        Err(_) => {
            File::create_new(to)?;
            fs::rename(from, to).inspect_err(|_| discard(to))
        }
    }
}

/// Removes what is no longer needed; if that fails the file is in nobody's way.
fn discard(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn!("could not remove {}: {error}", path.display());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(home: &Path, contents: &[u8]) -> PathBuf {
        let path = home.join("SHA.part");
        fs::write(&path, contents).unwrap();
        path
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_clash_is_numbered_and_nothing_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("to");
        fs::create_dir(&folder).unwrap();
        for contents in [b"one", b"two", b"six"] {
            place(&part(home.path(), contents), &folder, "a.txt").unwrap();
        }
        assert_eq!(names(&folder), ["a (1).txt", "a (2).txt", "a.txt"]);
        assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"one");
        assert_eq!(fs::read(folder.join("a (2).txt")).unwrap(), b"six");
        assert_eq!(names(home.path()), ["to"], "the part is gone");
    }

    #[test]
    fn a_dangling_link_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("to");
        fs::create_dir(&folder).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(home.path().join("elsewhere"), folder.join("a.txt")).unwrap();
        let placed = place(&part(home.path(), b"one"), &folder, "a.txt").unwrap();
        #[cfg(unix)]
        assert_eq!(placed, folder.join("a (1).txt"));
        assert!(placed.exists() && !home.path().join("elsewhere").exists());
    }

    #[test]
    fn carried_to_another_file_system() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("to");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.txt"), b"old").unwrap();
        fs::write(folder.join(".SHA.filbert"), b"left by a crash, and longer").unwrap();
        let placed = carry(&part(home.path(), b"new"), &folder, "a.txt").unwrap();
        assert_eq!(placed, folder.join("a (1).txt"));
        assert_eq!(fs::read(placed).unwrap(), b"new");
        assert_eq!(names(&folder), ["a (1).txt", "a.txt"]);
        assert_eq!(names(home.path()), ["to"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn really_another_file_system() {
        use std::os::unix::fs::MetadataExt;
        let home = tempfile::tempdir().unwrap();
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
            return;
        };
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        if device(home.path()) == device(folder.path()) {
            return;
        }
        let placed = place(&part(home.path(), b"new"), folder.path(), "a.txt").unwrap();
        assert_eq!(fs::read(placed).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_typed_and_the_part_kept() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, b"").unwrap();
        let part = part(home.path(), b"one");
        let error = place(&part, &file, "a.txt").unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
        let error = carry(&part, &file, "a.txt").unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
        assert_eq!(fs::read(part).unwrap(), b"one");
    }
}
