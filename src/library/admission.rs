//! Which directories may be shared: none that would give away more than its owner thought of.

use std::env;
use std::io;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

/// Directories of keys, which are named as such even though they are hidden as well.
const KEY_FOLDERS: [&str; 6] = [".aws", ".gnupg", ".kube", ".pki", ".password-store", ".ssh"];

/// Directories whose every child is somebody's home.
const HOMES: [&str; 2] = ["/home", "/Users"];

/// The home of the superuser.
const ROOT_HOME: &str = "/root";

/// Why a directory is not shared.
#[derive(Debug, Error)]
pub enum Refused {
    /// It is, or lies in, a hidden directory.
    #[error("{} is hidden and not shared unless forced", path.display())]
    Hidden {
        /// The directory.
        path: PathBuf,
    },
    /// It is a home directory or holds one.
    #[error(
        "{} is or holds a home directory and is not shared unless forced; share a directory in it",
        path.display()
    )]
    Home {
        /// The directory.
        path: PathBuf,
    },
    /// It is, or lies in, a directory of keys.
    #[error("{} is where keys are kept and not shared unless forced", path.display())]
    Keys {
        /// The directory.
        path: PathBuf,
    },
    /// It is not a directory.
    #[error("{} is not a directory; share the directory it lies in", path.display())]
    NotADirectory {
        /// What it is not.
        path: PathBuf,
    },
    /// It is the root of the file system.
    #[error("the whole file system is not shared unless forced; share a directory in it")]
    Root,
    /// It cannot be looked at.
    #[error("cannot share {}: {source}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Whether a directory may be shared. Gives its full path, free of links.
///
/// `forced` lets the user share what is refused for its own good; hidden files in it stay out of
/// the library all the same.
///
/// # Errors
/// When it should not be shared, cannot be looked at, or is not a directory.
pub fn admit(path: &Path, forced: bool) -> Result<PathBuf, Refused> {
    let full = path.canonicalize().map_err(|source| Refused::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    if !full.is_dir() {
        return Err(Refused::NotADirectory { path: full });
    }
    let home = env::home_dir().and_then(|home| home.canonicalize().ok());
    match danger(&full, home.as_deref()) {
        Some(refused) if !forced => Err(refused),
        _ => Ok(full),
    }
}

/// What speaks against sharing a directory, given as a full path.
fn danger(full: &Path, home: Option<&Path>) -> Option<Refused> {
    let path = || full.to_owned();
    let within = |is: fn(&str) -> bool| {
        full.components().any(|part| match part {
            Component::Normal(name) => is(&name.to_string_lossy()),
            _ => false,
        })
    };
    if full.parent().is_none() {
        Some(Refused::Root)
    } else if within(|name| KEY_FOLDERS.contains(&name)) {
        Some(Refused::Keys { path: path() })
    } else if within(|name| name.starts_with('.')) {
        Some(Refused::Hidden { path: path() })
    } else if home.is_some_and(|home| home.starts_with(full)) || is_home(full) {
        Some(Refused::Home { path: path() })
    } else {
        None
    }
}

/// Whether a directory is, by its place, a home or the parent of homes.
fn is_home(full: &Path) -> bool {
    full == Path::new(ROOT_HOME)
        || HOMES
            .iter()
            .map(Path::new)
            .any(|homes| full == homes || full.parent() == Some(homes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn verdict(path: &str) -> &'static str {
        match danger(Path::new(path), Some(Path::new("/srv/people/ann"))) {
            None => "shared",
            Some(Refused::Hidden { .. }) => "hidden",
            Some(Refused::Home { .. }) => "home",
            Some(Refused::Keys { .. }) => "keys",
            Some(Refused::Root) => "root",
            Some(other) => panic!("{other}"),
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_gives_away_too_much_is_refused() {
        for (path, expected) in [
            ("/", "root"),
            ("/srv", "home"),
            ("/srv/people", "home"),
            ("/srv/people/ann", "home"),
            ("/srv/people/ann/music", "shared"),
            ("/srv/people/ann/.ssh", "keys"),
            ("/srv/people/ann/.gnupg/sub", "keys"),
            ("/srv/people/ann/.config/music", "hidden"),
            ("/srv/.cache", "hidden"),
            ("/home", "home"),
            ("/home/bob", "home"),
            ("/home/bob/music", "shared"),
            ("/root", "home"),
            ("/root/music", "shared"),
            ("/usr/share/doc", "shared"),
        ] {
            assert_eq!(verdict(path), expected, "{path}");
        }
    }

    #[test]
    fn force_overrides_refusal_but_not_absence() {
        let parent = tempfile::Builder::new()
            .prefix("visible")
            .tempdir()
            .unwrap();
        let hidden = parent.path().join(".hidden");
        fs::create_dir(&hidden).unwrap();
        assert!(matches!(admit(&hidden, false), Err(Refused::Hidden { .. })));
        assert_eq!(
            admit(&hidden, true).unwrap(),
            hidden.canonicalize().unwrap()
        );
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(
            admit(&file, true),
            Err(Refused::NotADirectory { .. })
        ));
        let none = parent.path().join("none");
        assert!(matches!(
            admit(&none, true),
            Err(Refused::Unreadable { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_disguise_what_it_leads_to() {
        let parent = tempfile::Builder::new()
            .prefix("visible")
            .tempdir()
            .unwrap();
        let hidden = parent.path().join(".hidden");
        fs::create_dir(&hidden).unwrap();
        let link = parent.path().join("music");
        std::os::unix::fs::symlink(&hidden, &link).unwrap();
        assert!(matches!(admit(&link, false), Err(Refused::Hidden { .. })));
        std::os::unix::fs::symlink("/", parent.path().join("all")).unwrap();
        assert!(matches!(
            admit(&parent.path().join("all"), false),
            Err(Refused::Root)
        ));
    }
}
