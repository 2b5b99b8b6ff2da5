//! What this servent shares: the index that answers queries, and its disk side.
//!
//! [`index`] is pure; what reads the disk is behind the feature `node`.

pub mod index;
#[cfg(feature = "node")]
mod memory;

#[cfg(feature = "node")]
pub use self::memory::{HashMemory, Hashed, NoMemory, Version};
