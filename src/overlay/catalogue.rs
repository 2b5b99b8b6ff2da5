//! How a servent asks what it shares.

pub use super::query_routing::TableBuilder;
use crate::wire::query::Query;
use crate::wire::query_hit::Record;

/// What a servent shares, as the overlay needs to know it.
pub trait Catalogue {
    /// Whether nothing is shared, so that queries need not be understood to be answered.
    fn is_empty(&self) -> bool;

    /// The files that match `query` (protocol §4.5), at most `limit`.
    fn answer(&self, query: &Query, limit: usize) -> Vec<Record>;

    /// How much is shared, as pongs tell it.
    fn tally(&self) -> Tally;

    /// Puts the names of what is shared into a query routing table (protocol §7.5).
    fn describe(&self, table: &mut TableBuilder);
}

/// How much is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of files.
    pub files: u32,
    /// Their size in KiB, rounded down.
    pub kibibytes: u32,
}

/// The catalogue of a servent that shares nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Catalogue for Nothing {
    fn is_empty(&self) -> bool {
        true
    }

    fn answer(&self, _: &Query, _: usize) -> Vec<Record> {
        Vec::new()
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }

    fn describe(&self, _: &mut TableBuilder) {}
}
