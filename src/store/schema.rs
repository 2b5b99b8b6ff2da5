//! From any older database to today's tables.

use std::path::Path;

use rusqlite::Connection;

use super::{Error, credit, downloads, hashes, hosts, marks, trees, wishes};

/// What makes each version of the database from the one before; `user_version` counts those
/// done. What has been released is never changed: a new version is a new entry.
const MIGRATIONS: &[&[&str]] = &[
    &[marks::TABLE, hashes::TABLE],
    // Hashed once more, for the trees.
    &[trees::TABLE, "DELETE FROM hashes"],
    &[hosts::TABLE],
    &[downloads::TABLE],
    &[downloads::NUMBERED],
    &[credit::TABLE],
    &[wishes::TABLE],
    &[downloads::PARTS],
    &[credit::KEYED],
    &[downloads::SEEDS],
];

/// Brings the database to the last version, each step wholly or not at all.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(done..) else {
        return Err(Error::TooNew {
            path: path.to_owned(),
            found,
            known: MIGRATIONS.len(),
        });
    };
    for (version, tables) in (found + 1..).zip(missing) {
        let step = connection.transaction()?;
        for table in *tables {
            step.execute_batch(table)?;
        }
        step.pragma_update(None, "user_version", version)?;
        step.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> usize {
        let version: u32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        version.try_into().unwrap()
    }

    #[test]
    fn an_empty_database_gets_every_version_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(version(&connection), 0);
        for _ in 0..2 {
            migrate(&mut connection, Path::new("x")).unwrap();
            assert_eq!(version(&connection), MIGRATIONS.len());
        }
        let tables: u32 = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(tables, 7);
    }

    #[test]
    fn a_later_version_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut connection, Path::new("filbert.db")).unwrap_err();
        assert!(matches!(error, Error::TooNew { found: 99, .. }));
        assert!(error.to_string().contains("later filbert"));
        assert_eq!(version(&connection), 99);
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE hashes (other)")
            .unwrap();
        assert!(matches!(
            migrate(&mut connection, Path::new("x")),
            Err(Error::Database(_))
        ));
        assert_eq!(version(&connection), 0);
        assert!(connection.prepare("SELECT * FROM marks").is_err());
    }
}
