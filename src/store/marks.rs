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
    fn the_last_port_remembered_counts() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.port().unwrap(), None);
        store.remember_port(6346).unwrap();
        store.remember_port(u16::MAX).unwrap();
        assert_eq!(store.port().unwrap(), Some(u16::MAX));
    }
}
