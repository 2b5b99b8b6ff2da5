//! HTTP transfers on the Gnutella port: upload, download, safe file names.
//!
//! Never knows the overlay: sources and files come in as values.

pub mod disk;
pub mod name;
mod part;
mod place;
mod range;
