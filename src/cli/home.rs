//! Where the state is, and homes that last as long as a command.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::exit::{Exit, Failure};
use crate::api::Access;
use crate::config;

/// Where the daemon's things are.
#[derive(Debug)]
pub(super) struct Places {
    /// Its state.
    pub(super) home: PathBuf,
    /// The user's settings.
    pub(super) settings: PathBuf,
}

/// The places of the home that was named, or of this user, as absolute paths.
pub(super) fn resolve(named: Option<PathBuf>) -> Result<Places, Failure> {
    if let Some(home) = named.filter(|home| !home.as_os_str().is_empty()) {
        let home = absolute(&home)?;
        let settings = home.join(config::NAME);
        return Ok(Places { home, settings });
    }
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        let message = format!("no place for the daemon's state ({error}): use --home DIR");
        Failure::new(Exit::Error, message)
    })?;
    Ok(Places {
        home: absolute(&strategy.data_dir().join("filbert"))?,
        settings: absolute(&strategy.config_dir().join("filbert").join(config::NAME))?,
    })
}

/// `path` as seen from the root.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let message = format!("\"{}\" is no usable path: {error}", path.display());
        Failure::new(Exit::Usage, message)
    })
}

/// A home that goes with this value.
#[derive(Debug)]
pub(super) struct TemporaryHome(PathBuf);

impl TemporaryHome {
    pub(super) fn create() -> io::Result<Self> {
        // A name nobody can know beforehand.
        let path = std::env::temp_dir().join(format!("filbert-{}", Access::fresh_token()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryHome {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            log::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}
