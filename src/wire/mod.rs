//! Bytes to values and back, as deployed Gnutella clients write and read them.
//!
//! What lives here is stateless and pure: a codec takes bytes and gives a value or an [`Error`],
//! and knows no neighbour, socket or clock. Lengths are checked before anything is allocated.
//! `encode` and `decode` are inverse on values.

pub mod address;
pub mod bye;
pub mod cobs;
pub mod collection;
pub mod datagram;
mod descriptor;
pub mod dime;
mod error;
pub mod frame;
mod gem;
pub mod ggep;
mod guid;
pub mod handshake;
mod header;
pub mod magnet;
mod parse;
pub mod ping;
pub mod pong;
pub mod push;
pub mod qrp_hash;
pub mod query;
pub mod query_hit;
pub mod route_table_update;
pub mod thex;
mod tiger_leaves;
pub mod tiger_tree;
pub mod urn;
pub mod vendor;
pub mod words;
mod zlib;

pub use descriptor::Descriptor;
pub use error::Error;
pub use guid::Guid;
pub use header::{HEADER_LEN, Header, Kind, MAX_PAYLOAD};
