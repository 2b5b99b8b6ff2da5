//! Transfers as state machines: what to fetch from whom next, decided without a socket, a file, a
//! clock or a thread.
//!
//! - [`download`]: one file from many sources at once, verified tile by tile;
//! - [`mesh`]: who else has a file, as an uploader tells others;
//! - [`upload_queue`]: who of those that ask us has a slot, and who waits at which place;
//! - [`credit`]: what others gave and took, and what that is worth in the queue;
//! - [`pace`]: a limit on bytes a second; [`schedule`]: limits by the time of day;
//! - [`tile_set`]: which tiles of a file somebody has.
//!
//! A driver tells what happens as [`download::Input`] and carries out what comes back as
//! [`download::Output`]. Time is a span since an origin of the driver's choice. A source is known
//! by the address where it serves.

pub mod credit;
pub mod download;
pub mod mesh;
pub mod pace;
pub mod schedule;
pub mod tile_set;
pub mod upload_queue;
