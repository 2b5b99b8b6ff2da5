//! Why bytes did not parse.

use thiserror::Error;

/// Why bytes did not parse: always the fault of the bytes, never of this servent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{what} at byte {offset}")]
pub struct Error {
    /// Where, in bytes from the start of what was decoded.
    pub offset: usize,
    /// What is wrong there, as a short phrase ("query without a NUL").
    pub what: &'static str,
}

impl Error {
    /// An error at `offset` bytes from the start of what was decoded.
    #[must_use]
    pub const fn new(offset: usize, what: &'static str) -> Self {
        Self { offset, what }
    }
}
