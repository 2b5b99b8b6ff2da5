//! Query routing: who has the words of a query, so that nobody else is asked (protocol §7).
//!
//! A [`Table`] tells which words can be found somewhere, by their hashes. [`updates()`] tells our
//! own to a neighbour, a [`Receiver`] takes what a neighbour tells, [`NeighbourTables`] keeps
//! the tables of many and finds those that a query, [`LookedUp`] once, matches.
//!
//! What a stranger can make grow here: a received table, to a bit for each of the
//! [`table_slots`](super::limits::Limits::table_slots) it may have; while it comes in, the same
//! again and the window of its compression.

mod builder;
mod looked_up;
mod neighbour_tables;
mod receiver;
mod slots;
mod table;
mod updates;

pub use builder::TableBuilder;
pub use looked_up::LookedUp;
pub use neighbour_tables::NeighbourTables;
pub use receiver::{Receiver, Refusal};
pub use table::Table;
pub use updates::updates;
