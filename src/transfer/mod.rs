//! HTTP transfers on the Gnutella port: upload, download, safe file names.
//!
//! Never knows the overlay: sources and files come in as values.

pub mod disk;
pub mod download;
pub mod name;
mod part;
mod place;
mod range;
mod request;
#[cfg(test)]
mod scripted;
mod slots;
pub mod source;
mod writer;

/// What this servent calls itself in `Server` and `User-Agent`.
pub(crate) const AGENT: &str = concat!("Filbert/", env!("CARGO_PKG_VERSION"));
