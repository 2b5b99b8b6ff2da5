//! Servents that were heard of, so that the next start knows whom to dial.

use std::net::SocketAddr;

use rusqlite::Row;

use crate::wire::Guid;

use super::{Error, Store};

pub(super) const TABLE: &str = "
    CREATE TABLE hosts (
        address TEXT PRIMARY KEY,
        source INTEGER NOT NULL,
        verified INTEGER NOT NULL,
        heard INTEGER NOT NULL,
        ultrapeer INTEGER,
        uptime INTEGER NOT NULL,
        free_leaves INTEGER,
        free_ultrapeers INTEGER,
        servent BLOB,
        tls INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID";

/// A servent that was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who told of it: 0 a query hit, 1 a pong, 2 a handshake or the user.
    pub source: u8,
    /// Whether a handshake with it succeeded.
    pub verified: bool,
    /// When it was last heard of, in seconds since 1970.
    pub heard: i64,
    /// Whether it is an ultrapeer, where that is known.
    pub ultrapeer: Option<bool>,
    /// Its average daily uptime in seconds.
    pub uptime: u32,
    /// Its free places for leaves and for ultrapeers, where it told them.
    pub free: Option<(u8, u8)>,
    /// Its GUID, where it told it.
    pub servent: Option<Guid>,
    /// Whether it takes TLS.
    pub tls: bool,
}

impl Store {
    /// Keeps these hosts and no others.
    ///
    /// # Errors
    /// When the database fails; then the old ones are kept.
    pub fn keep_hosts(&self, hosts: &[Host]) -> Result<(), Error> {
        let mut connection = self.connection();
        let step = connection.transaction()?;
        step.execute("DELETE FROM hosts", ())?;
        {
            let mut insert = step.prepare_cached(
                "INSERT OR REPLACE INTO hosts (address, source, verified, heard, ultrapeer, uptime,
                     free_leaves, free_ultrapeers, servent, tls)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for host in hosts {
                insert.execute((
                    host.address.to_string(),
                    host.source,
                    host.verified,
                    host.heard,
                    host.ultrapeer,
                    host.uptime,
                    host.free.map(|(leaves, _)| leaves),
                    host.free.map(|(_, ultrapeers)| ultrapeers),
                    host.servent.as_ref().map(Guid::as_bytes),
                    host.tls,
                ))?;
            }
        }
        Ok(step.commit()?)
    }

    /// The hosts kept, in no order. What cannot be read as one is left out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn hosts(&self) -> Result<Vec<Host>, Error> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT address, source, verified, heard, ultrapeer, uptime, free_leaves,
                 free_ultrapeers, servent, tls
             FROM hosts",
        )?;
        let rows = select.query_map((), |row| Ok(read(row).ok().flatten()))?;
        let hosts: Result<Vec<_>, _> = rows.collect();
        Ok(hosts?.into_iter().flatten().collect())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<Host>> {
    let address: String = row.get(0)?;
    let Ok(address) = address.parse() else {
        return Ok(None);
    };
    let free: (Option<u8>, Option<u8>) = (row.get(6)?, row.get(7)?);
    let servent: Option<[u8; 16]> = row.get(8)?;
    Ok(Some(Host {
        address,
        source: row.get(1)?,
        verified: row.get(2)?,
        heard: row.get(3)?,
        ultrapeer: row.get(4)?,
        uptime: row.get(5)?,
        free: free.0.zip(free.1),
        servent: servent.map(Guid::from_bytes),
        tls: row.get(9)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_kept_last_are_there_again() {
        let store = Store::in_memory().unwrap();
        let bare = Host {
            address: "[2001:db8::1]:6346".parse().unwrap(),
            source: 1,
            verified: false,
            heard: -5,
            ultrapeer: None,
            uptime: 0,
            free: None,
            servent: None,
            tls: false,
        };
        let known = Host {
            address: "192.0.2.1:6346".parse().unwrap(),
            source: 2,
            verified: true,
            ultrapeer: Some(true),
            uptime: 86_400,
            free: Some((0, 255)),
            servent: Some(Guid::from_bytes([7; 16])),
            tls: true,
            ..bare
        };
        store.keep_hosts(&[bare]).unwrap();
        assert_eq!(store.hosts().unwrap(), [bare]);
        store.keep_hosts(&[known, bare]).unwrap();
        let hosts = store.hosts().unwrap();
        assert!(hosts.len() == 2 && hosts.contains(&known) && hosts.contains(&bare));
        store.keep_hosts(&[]).unwrap();
        assert!(store.hosts().unwrap().is_empty());
    }

    #[test]
    fn a_row_that_is_no_host_is_left_out() {
        let store = Store::in_memory().unwrap();
        let wrong = "INSERT INTO hosts VALUES ('nowhere', 0, 0, 0, NULL, 0, NULL, NULL, NULL, 0),
                         ('192.0.2.1:1', 0, 0, 0, NULL, 0, NULL, NULL, x'00', 0)";
        store.connection().execute(wrong, ()).unwrap();
        assert!(store.hosts().unwrap().is_empty());
    }
}
