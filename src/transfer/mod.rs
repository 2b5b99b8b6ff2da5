//! HTTP transfers on the Gnutella port: upload, download, safe file names.
//!
//! Never knows the overlay: sources and files come in as values. What a stranger wrote enters
//! through five pure files only ([`name`], `request`, [`push_request`], `range` and `mesh`), and never
//! becomes a path before it has passed [`name`]. The disk is touched on the blocking pool only.

mod announce;
#[cfg(test)]
mod attempt;
pub mod call_back;
pub mod disk;
pub mod download;
pub mod exchange;
pub mod firewalled;
pub mod folder;
mod mesh;
pub mod name;
mod part;
mod place;
pub mod push_request;
mod range;
mod request;
#[cfg(test)]
mod scripted;
mod slots;
pub mod source;
pub mod throttle;
mod trees;
pub mod upload;
pub mod web_seed;
mod writer;

pub use crate::swarm::schedule;

/// What this servent calls itself in `Server` and `User-Agent`.
pub(crate) const AGENT: &str = concat!("Filbert/", env!("CARGO_PKG_VERSION"));
