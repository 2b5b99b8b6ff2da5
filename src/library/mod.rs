//! What this servent shares: the index that answers queries, and its disk side.
//!
//! - [`index`]: shared files by keyword, hash and number, over `word_table`; both are pure;
//! - [`hash`]: SHA-1 and Tiger tree of a file;
//! - [`Library`]: shared directories and the index of what is in them;
//! - `admission`: which directories may be shared; `walk`: which files in them; `scan`: from
//!   directories to an index that is up to date; `memory`: hashes kept between two runs.
//!
//! What reads the disk is behind the feature `node`, blocks, and belongs on the blocking pool. The
//! room knows `wire` and the trait through which the overlay asks; whoever remembers hashes comes
//! in as a [`HashMemory`].

#[cfg(feature = "node")]
mod admission;
#[cfg(feature = "node")]
pub mod hash;
pub mod index;
#[cfg(feature = "node")]
mod memory;
#[cfg(feature = "node")]
mod scan;
#[cfg(feature = "node")]
mod shares;
#[cfg(feature = "node")]
mod walk;
mod word_table;

#[cfg(feature = "node")]
pub use self::{
    admission::{Refused, admit},
    memory::{HashMemory, Hashed, NoMemory, Version},
    scan::{Progress, Scanned},
    shares::{Library, ShareState, Stage},
    walk::Skipped,
};
