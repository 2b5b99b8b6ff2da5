//! What others gave us and took from us, so that a gift is remembered over a restart.

use std::net::IpAddr;

use data_encoding::HEXLOWER;

use super::{Error, Store};

pub(super) const TABLE: &str = "
    CREATE TABLE credit (
        address TEXT PRIMARY KEY,
        given INTEGER NOT NULL,
        taken INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID";

/// Those who have proven a key are known by it, whatever their address.
pub(super) const KEYED: &str = "ALTER TABLE credit RENAME COLUMN address TO giver";

/// How a key begins where an address may be.
const KEY: &str = "key:";

/// Who gave and took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver {
    /// Where it was seen.
    Address(IpAddr),
    /// The SHA-256 of the public key that it has proven to have.
    Key([u8; 32]),
}

impl Giver {
    fn to_text(self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Key(key) => format!("{KEY}{}", HEXLOWER.encode(&key)),
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        match text.strip_prefix(KEY) {
            Some(key) => {
                let key = HEXLOWER.decode(key.as_bytes()).ok()?;
                key.try_into().ok().map(Self::Key)
            }
            None => text.parse().ok().map(Self::Address),
        }
    }
}

/// What one servent gave and took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Who.
    pub giver: Giver,
    /// Bytes that it gave us.
    pub given: u64,
    /// Bytes that it took from us.
    pub taken: u64,
}

impl Store {
    /// Keeps these and no others.
    ///
    /// # Errors
    /// When the database fails; then the old ones are kept.
    pub fn keep_credit(&self, all: &[Given]) -> Result<(), Error> {
        let mut connection = self.connection();
        let step = connection.transaction()?;
        step.execute("DELETE FROM credit", ())?;
        {
            let mut insert = step.prepare_cached(
                "INSERT OR REPLACE INTO credit (giver, given, taken) VALUES (?1, ?2, ?3)",
            )?;
            for one in all {
                let whole = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
                let (given, taken) = (whole(one.given), whole(one.taken));
                insert.execute((one.giver.to_text(), given, taken))?;
            }
        }
        Ok(step.commit()?)
    }

    /// What was kept, in no order. What cannot be read is left out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn credit(&self) -> Result<Vec<Given>, Error> {
        let connection = self.connection();
        let mut select = connection.prepare_cached("SELECT giver, given, taken FROM credit")?;
        let rows = select.query_map((), |row| {
            let (giver, given, taken): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let bytes = |kept| u64::try_from(kept).unwrap_or(0);
            let giver = Giver::of_text(&giver);
            Ok(giver.map(|giver| Given {
                giver,
                given: bytes(given),
                taken: bytes(taken),
            }))
        })?;
        let all: Result<Vec<_>, _> = rows.collect();
        Ok(all?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gifts_of_an_older_database_are_those_of_addresses() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        let old = "INSERT INTO credit (address, given, taken) VALUES ('20.0.0.1', 5, 7)";
        connection.execute_batch(old).unwrap();
        connection.execute_batch(KEYED).unwrap();
        let giver: String = connection
            .query_row("SELECT giver FROM credit WHERE given = 5", [], |row| {
                row.get(0)
            })
            .unwrap();
        let address = Giver::Address([20, 0, 0, 1].into());
        assert_eq!(Giver::of_text(&giver), Some(address));
        assert_eq!(Giver::of_text("key:12"), None);
    }

    #[test]
    fn gifts_are_remembered() {
        let home = tempfile::tempdir().unwrap();
        let one = |last, given, taken| Given {
            giver: match last {
                3 => Giver::Key([last; 32]),
                _ => Giver::Address([20, 0, 0, last].into()),
            },
            given,
            taken,
        };
        let store = Store::open(home.path()).unwrap().store;
        assert_eq!(store.credit().unwrap(), []);
        store
            .keep_credit(&[one(1, 5, 7), one(2, u64::MAX, 0)])
            .unwrap();
        store
            .keep_credit(&[one(3, 1, 1), one(2, u64::MAX, 0)])
            .unwrap();
        drop(store);
        let store = Store::open(home.path()).unwrap().store;
        let most = i64::MAX.cast_unsigned();
        assert_eq!(store.credit().unwrap(), [one(2, most, 0), one(3, 1, 1)]);
    }
}
