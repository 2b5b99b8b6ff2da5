//! Single values that a servent keeps: its GUID and its port.

use rusqlite::OptionalExtension;
use rusqlite::types::FromSql;

use crate::wire::Guid;

use super::{Error, Store};

pub(super) const TABLE: &str = "
    CREATE TABLE marks (
        name TEXT PRIMARY KEY,
        value ANY NOT NULL
    ) STRICT, WITHOUT ROWID";

const GUID: &str = "servent_guid";
const PORT: &str = "port";
const SINCE: &str = "first_start";
const UPTIME: &str = "uptime";

/// How long a servent was up, in all its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// When it first was, in seconds since 1970.
    pub since: i64,
    /// Seconds that it was up since then.
    pub total: u64,
}

impl Store {
    /// The servent's GUID, drawn at the first call and the same ever after.
    ///
    /// # Errors
    /// When the database fails.
    pub fn servent_guid(&self) -> Result<Guid, Error> {
        if let Some(bytes) = self.mark(GUID)? {
            return Ok(Guid::from_bytes(bytes));
        }
        let guid = Guid::random(&mut rand::rng());
        self.connection().execute(
            "INSERT INTO marks (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            (GUID, guid.as_bytes()),
        )?;
        // Read back, since another thread may have been quicker.
        Ok(self.mark(GUID)?.map_or(guid, Guid::from_bytes))
    }

    /// The port the servent listened on last, if it was remembered.
    ///
    /// # Errors
    /// When the database fails.
    pub fn port(&self) -> Result<Option<u16>, Error> {
        self.mark(PORT)
    }

    /// Remembers the port the servent listens on.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remember_port(&self, port: u16) -> Result<(), Error> {
        self.connection().execute(
            "INSERT INTO marks (name, value) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET value = excluded.value",
            (PORT, port),
        )?;
        Ok(())
    }

    /// How long the servent was up, if that was remembered.
    ///
    /// # Errors
    /// When the database fails.
    pub fn uptime(&self) -> Result<Option<Uptime>, Error> {
        let since: Option<i64> = self.mark(SINCE)?;
        let total: Option<i64> = self.mark(UPTIME)?;
        Ok(since.zip(total).map(|(since, total)| Uptime {
            since,
            total: u64::try_from(total).unwrap_or(0),
        }))
    }

    /// Remembers that the servent was up for so many seconds more, until `now` in seconds since
    /// 1970.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_uptime(&self, now: i64, seconds: u64) -> Result<Uptime, Error> {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let before = self.uptime()?.unwrap_or_else(|| Uptime {
            since: now.saturating_sub(seconds),
            total: 0,
        });
        let total = before.total.saturating_add_signed(seconds);
        for (name, value) in [
            (SINCE, before.since),
            (UPTIME, i64::try_from(total).unwrap_or(i64::MAX)),
        ] {
            self.connection().execute(
                "INSERT INTO marks (name, value) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                (name, value),
            )?;
        }
        Ok(Uptime { total, ..before })
    }

    fn mark<T: FromSql>(&self, name: &str) -> Result<Option<T>, Error> {
        let value = self
            .connection()
            .query_row("SELECT value FROM marks WHERE name = ?1", [name], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guid_is_drawn_once() {
        let store = Store::in_memory().unwrap();
        let guid = store.servent_guid().unwrap();
        assert!(!guid.is_zero());
        assert_eq!(store.servent_guid().unwrap(), guid);
        assert_ne!(Store::in_memory().unwrap().servent_guid().unwrap(), guid);
    }

    #[test]
    fn uptimes_of_all_runs_are_added_up() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.uptime().unwrap(), None);
        store.add_uptime(1_000, 60).unwrap();
        store.add_uptime(9_000, 30).unwrap();
        let expected = Uptime {
            since: 940,
            total: 90,
        };
        assert_eq!(store.uptime().unwrap(), Some(expected));
    }

    #[test]
    fn the_last_port_remembered_counts() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.port().unwrap(), None);
        store.remember_port(6346).unwrap();
        store.remember_port(u16::MAX).unwrap();
        assert_eq!(store.port().unwrap(), Some(u16::MAX));
    }
}
