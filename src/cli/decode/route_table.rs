//! Pieces of query routing tables as JSON.

use bytes::Bytes;
use serde::Serialize;

use super::hex;
use crate::wire::Error;
use crate::wire::route_table_update::{Compressor, RouteTableUpdate};

/// A piece of a table.
#[derive(Debug, Serialize)]
#[serde(tag = "variant", rename_all = "lowercase")]
pub(super) enum Table {
    /// A new one begins.
    Reset { slots: u32, infinity: u8 },
    /// Changes to it.
    Patch {
        sequence: u8,
        of: u8,
        compressor: &'static str,
        entry_bits: u8,
        /// Slots that it speaks of and those that it changes, where all of it is in this piece.
        #[serde(skip_serializing_if = "Option::is_none")]
        slots: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        changed: Option<usize>,
        data: String,
    },
}

/// What the payload of a route table update says.
pub(super) fn describe(payload: &Bytes) -> Result<Table, Error> {
    let update = RouteTableUpdate::decode(payload)?;
    let changes = update.changes();
    Ok(match update {
        RouteTableUpdate::Reset { slots, infinity } => Table::Reset { slots, infinity },
        RouteTableUpdate::Patch {
            sequence,
            of,
            compressor,
            entry_bits,
            data,
        } => Table::Patch {
            sequence,
            of,
            compressor: match compressor {
                Compressor::None => "none",
                Compressor::Zlib => "zlib",
            },
            entry_bits: entry_bits.count(),
            slots: changes.map(|(slots, _)| slots),
            changed: changes.map(|(_, changed)| changed),
            data: hex(&data),
        },
    })
}
