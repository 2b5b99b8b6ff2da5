//! What others gave us and took from us, so that a gift is remembered over a restart.

use std::net::IpAddr;

use super::{Error, Store};

pub(super) const TABLE: &str = "
    CREATE TABLE credit (
        address TEXT PRIMARY KEY,
        given INTEGER NOT NULL,
        taken INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID";

/// What one servent gave and took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Where it was seen.
    pub address: IpAddr,
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
                "INSERT OR REPLACE INTO credit (address, given, taken) VALUES (?1, ?2, ?3)",
            )?;
            for one in all {
                let whole = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
                let (given, taken) = (whole(one.given), whole(one.taken));
                insert.execute((one.address.to_string(), given, taken))?;
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
        let mut select = connection.prepare_cached("SELECT address, given, taken FROM credit")?;
        let rows = select.query_map((), |row| {
            let (address, given, taken): (String, i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let bytes = |kept| u64::try_from(kept).unwrap_or(0);
            let address = address.parse().ok();
            Ok(address.map(|address| Given {
                address,
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
    fn gifts_are_remembered() {
        let home = tempfile::tempdir().unwrap();
        let one = |last, given, taken| Given {
            address: [20, 0, 0, last].into(),
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
