//! The user's settings: one TOML file that is read at start and never written.
//!
//! Every cap of the overlay is in it by its name, under `[limits]`, with the default where the
//! file is silent, under `[hosts]` where to hear of other servents, and under `[transfers]` what
//! transfers may take. A name that nothing is
//! called by, a value of the wrong kind or out of its bounds is an error that shows the line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::overlay::limits::Limits;

mod transfers;

pub use transfers::{GiveBack, Limit, Span, TimeOfDay, Transfers, parse_size};

/// The file's name within its directory.
pub const NAME: &str = "filbert.toml";

/// What the user settled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to hear of other servents.
    pub hosts: Hosts,
    /// The caps of the servent.
    pub limits: Limits,
    /// What transfers may take.
    pub transfers: Transfers,
}

/// Where to hear of other servents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hosts {
    /// UDP host caches, to be asked when there is hardly anybody left to dial (protocol §12.2).
    pub udp_caches: Vec<HostPort>,
}

/// A name or address with a port, `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort(String);

impl TryFrom<String> for HostPort {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let sound = |(host, port): (&str, &str)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        match text.rsplit_once(':').is_some_and(sound) {
            true => Ok(Self(text)),
            false => Err(format!("`{text}` is not HOST:PORT")),
        }
    }
}

impl From<HostPort> for String {
    fn from(HostPort(text): HostPort) -> Self {
        text
    }
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The file is there and cannot be read.
    #[error("cannot read the settings in {path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file says something that is no setting.
    #[error("{path}: {message}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What, with the line.
        message: String,
    },
}

/// A setting, as people ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name, `limits.neighbours`.
    pub name: String,
    /// Its value, as TOML.
    pub value: String,
    /// Where that comes from.
    pub origin: Origin,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file says so.
    File,
}

impl Config {
    /// The settings in the file at `path`; the defaults where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or says what is no setting.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = read(path)?;
        let wrong = |message: String| Error::Wrong {
            path: path.to_owned(),
            message,
        };
        let config: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        config
            .limits
            .check()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(config)
    }

    /// Every setting by name, and whether the file at `path` set it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn settings(path: &Path) -> Result<Vec<Setting>, Error> {
        let config = Self::load(path)?;
        let said: toml::Table = toml::from_str(&read(path)?).unwrap_or_default();
        let all = toml::Table::try_from(&config).unwrap_or_default();
        let mut settings = Vec::new();
        collect(&mut settings, "", &all, Some(&said));
        Ok(settings)
    }
}

/// The text of the file; nothing where there is none.
fn read(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(cause) => Err(Error::Unreadable {
            path: path.to_owned(),
            cause,
        }),
    }
}

fn collect(
    settings: &mut Vec<Setting>,
    prefix: &str,
    all: &toml::Table,
    said: Option<&toml::Table>,
) {
    for (key, value) in all {
        let name = format!("{prefix}{key}");
        let given = said.and_then(|said| said.get(key));
        match value {
            toml::Value::Table(inner) => {
                let said = given.and_then(toml::Value::as_table);
                collect(settings, &format!("{name}."), inner, said);
            }
            value => settings.push(Setting {
                name,
                value: value.to_string(),
                origin: match given {
                    Some(_) => Origin::File,
                    None => Origin::Default,
                },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::Duration;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn what_the_file_leaves_out_is_as_by_default() {
        let (_directory, path) = file("[limits]\nleaves = 40\nretry_busy = 1.5\n");
        let limits = Config::load(&path).unwrap().limits;
        assert_eq!(limits.leaves, 40);
        assert_eq!(limits.retry_busy, Duration::from_millis(1_500));
        assert_eq!(limits.neighbours, Limits::default().neighbours);
        let nowhere = Config::load(&path.with_extension("none")).unwrap();
        assert_eq!(nowhere, Config::default());
    }

    #[test]
    fn host_caches_are_named_with_their_ports() {
        let (_directory, path) = file("[hosts]\nudp_caches = [\"cache.example:3558\"]\n");
        let caches = Config::load(&path).unwrap().hosts.udp_caches;
        let names: Vec<String> = caches.into_iter().map(String::from).collect();
        assert_eq!(names, ["cache.example:3558"]);
    }

    #[test]
    fn what_is_no_setting_is_shown_with_its_line() {
        for (text, part) in [
            ("[limits]\nleafs = 40\n", "leafs"),
            ("[limits]\nleaves = -1\n", "line 2"),
            ("[limits]\nretry_busy = -1\n", "not negative"),
            ("[limits\n", "line 1"),
            ("[limits]\ntable_slots = 5000000\n", "table_slots"),
            ("[hosts]\nudp_caches = [\"cache.example\"]\n", "line 2"),
            ("[hosts]\nudp_caches = [\":6346\"]\n", "not HOST:PORT"),
        ] {
            let (_directory, path) = file(text);
            let said = Config::load(&path).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
            assert!(said.contains(NAME), "{said}");
        }
    }

    #[test]
    fn every_setting_tells_where_it_comes_from() {
        let (_directory, path) = file("[limits]\nleaves = 40\n");
        let settings = Config::settings(&path).unwrap();
        let of = |name: &str| settings.iter().find(|setting| setting.name == name);
        let leaves = of("limits.leaves").unwrap();
        assert_eq!((leaves.value.as_str(), leaves.origin), ("40", Origin::File));
        assert_eq!(of("limits.dials").unwrap().origin, Origin::Default);
    }
}
