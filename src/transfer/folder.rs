//! The folder of a collection: found or made, with the text of the collection in it, by which it is
//! known again.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::disk::{self, Error, tried};
use super::place;

/// Folders of one name that are looked at before it is given up.
const MAX_NUMBER: u32 = 9_999;

/// The folder in `directory` for the collection `name` with this text, which lies in it as
/// `text_name` then: the one it has already, or the first of `name`, `name (1)` … that is free. Both
/// names must be safe (see [`super::name`]).
///
/// # Errors
/// When the disk refuses.
pub fn open(directory: &Path, name: &str, text_name: &str, text: &[u8]) -> Result<PathBuf, Error> {
    disk::make_folder(directory)?;
    for number in 0..=MAX_NUMBER {
        let folder = match number {
            0 => directory.join(name),
            _ => directory.join(format!("{name} ({number})")),
        };
        match fs::create_dir(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let known = fs::read(folder.join(text_name)).is_ok_and(|known| known == text);
                if known {
                    return Ok(folder);
                }
                // An empty one may be what a crash left.
                if !is_empty(&folder) {
                    continue;
                }
            }
            Err(error) => return Err(Error::new("make the folder", &folder, error)),
        }
        write(&folder.join(text_name), text)?;
        disk::sync_folder(directory)?;
        return Ok(folder);
    }
    let error = ErrorKind::AlreadyExists.into();
    Err(Error::new("make the folder", &directory.join(name), error))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Writes a file whole or not at all, in place of what was there.
///
/// # Errors
/// When the disk refuses.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    disk::make_folder(folder)?;
    let temporary = path.with_extension("filbert");
    File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(tried("write", path))?;
    disk::sync_folder(folder)
}

/// Puts one more copy of a complete file into `folder` as `name`, which must be safe.
///
/// # Errors
/// When the disk refuses.
pub fn copy(file: &Path, folder: &Path, name: &str) -> Result<PathBuf, Error> {
    disk::make_folder(folder)?;
    let placed = place::copy_in(file, folder, name)?;
    disk::sync_folder(folder)?;
    Ok(placed)
}

/// Moves a complete file into `folder` as `name`, which must be safe.
///
/// # Errors
/// When the disk refuses.
pub fn deliver(file: &Path, folder: &Path, name: &str) -> Result<PathBuf, Error> {
    disk::make_folder(folder)?;
    place::place(file, folder, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_again_by_its_text_and_others_are_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let open = |text: &[u8]| open(home.path(), "songs", "songs.collection", text).unwrap();
        let first = open(b"one");
        assert_eq!(first, home.path().join("songs"));
        assert_eq!(open(b"one"), first);
        let second = open(b"two");
        assert_eq!(second, home.path().join("songs (1)"));
        assert_eq!(fs::read(second.join("songs.collection")).unwrap(), b"two");
        assert_eq!(open(b"two"), second);
        fs::create_dir(home.path().join("songs (2)")).unwrap();
        assert_eq!(open(b"three"), home.path().join("songs (2)"));
    }

    #[test]
    fn a_copy_takes_nothing_away_and_overwrites_nothing() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a");
        fs::write(&file, b"nut").unwrap();
        let folder = home.path().join("folder");
        let placed = copy(&file, &folder, "b.txt").unwrap();
        assert_eq!(placed, folder.join("b.txt"));
        let again = copy(&file, &folder, "b.txt").unwrap();
        assert_eq!(again, folder.join("b (1).txt"));
        assert_eq!(fs::read(&file).unwrap(), fs::read(&again).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }
}
