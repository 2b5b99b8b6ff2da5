//! How a neighbour is told of a table (protocol §7.3, §7.4).

use std::io::Write;

use bytes::Bytes;
use flate2::write::ZlibEncoder;

use super::Table;
use crate::wire::route_table_update::{Compressor, EntryBits, MAX_DATA, RouteTableUpdate};

/// The value of an absent slot, as we announce it.
const INFINITY: u8 = 7;

/// Four bits that make an absent slot present: 1 - [`INFINITY`].
const APPEAR: u8 = 0xa;

/// Four bits that make a present slot absent.
const VANISH: u8 = 0x6;

/// Bytes of a patch in one update, unless that makes too many.
const SLICE: usize = 4_096;

/// What to send to a neighbour that has `old` from us, so that it has `new`: nothing when they
/// are the same, a patch when they are of one size, a reset and a patch otherwise. Only slots
/// that change are told to do so, as some turn a slot over whatever the difference is.
#[must_use]
pub fn updates(old: Option<&Table>, new: &Table) -> Vec<RouteTableUpdate> {
    let mut updates = Vec::new();
    let old = old.filter(|old| old.bits() == new.bits());
    if old.is_none() {
        updates.push(RouteTableUpdate::Reset {
            slots: new.slots(),
            infinity: INFINITY,
        });
    }
    if old != Some(new) {
        let data = deflate(&differences(old, new));
        let slice = SLICE.max(data.len().div_ceil(usize::from(u8::MAX)));
        debug_assert!(
            slice <= MAX_DATA,
            "the largest table has 1 MiB of differences"
        );
        let of = u8::try_from(data.len().div_ceil(slice)).expect("at most 255 such slices");
        let slices = (1..=of).zip((0..data.len()).step_by(slice));
        updates.extend(slices.map(|(sequence, from)| RouteTableUpdate::Patch {
            sequence,
            of,
            compressor: Compressor::Zlib,
            entry_bits: EntryBits::Four,
            data: data.slice(from..data.len().min(from + slice)),
        }));
    }
    updates
}

/// Four bits for each slot, the first in the upper half of a byte.
fn differences(old: Option<&Table>, new: &Table) -> Vec<u8> {
    let mut bytes = vec![0; (new.slots() as usize).div_ceil(2)];
    let mut put = |slot: u32, change: u8| {
        bytes[slot as usize / 2] |= change << (4 * (1 - slot % 2));
    };
    new.for_each(|slot| {
        if !old.is_some_and(|old| old.has_slot(slot)) {
            put(slot, APPEAR);
        }
    });
    if let Some(old) = old {
        old.for_each(|slot| {
            if !new.has_slot(slot) {
                put(slot, VANISH);
            }
        });
    }
    bytes
}

fn deflate(bytes: &[u8]) -> Bytes {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("a vector takes every byte")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::query_routing::TableBuilder;

    fn table(name: &str, bits: u8) -> Table {
        let mut builder = TableBuilder::default();
        builder.name(name);
        Table::merged([&builder.build()], bits)
    }

    /// The known answers of protocol §19.2.
    #[test]
    fn differences_are_those_of_the_protocol() {
        let (none, test) = (Table::empty(3), table("test", 3));
        assert_eq!(differences(None, &test), [0, 0xa0, 0, 0]);
        assert_eq!(differences(Some(&test), &none), [0, 0x60, 0, 0]);
        assert_eq!(
            differences(Some(&test), &table("test qrp", 3)),
            [0, 0, 0, 0x0a]
        );
    }

    #[test]
    fn a_table_of_another_size_is_begun_anew() {
        let (small, large) = (table("test", 16), table("test", 17));
        let reset = |updates: &[RouteTableUpdate]| match updates[0] {
            RouteTableUpdate::Reset { slots, infinity } => Some((slots, infinity)),
            RouteTableUpdate::Patch { .. } => None,
        };
        assert_eq!(reset(&updates(None, &small)), Some((65_536, 7)));
        assert_eq!(reset(&updates(Some(&small), &large)), Some((131_072, 7)));
        let patch = updates(Some(&small), &table("test qrp", 16));
        assert_eq!((reset(&patch), patch.len()), (None, 1));
        assert!(updates(Some(&small), &small.clone()).is_empty());
    }

    #[test]
    fn the_largest_table_fits_into_one_sequence() {
        let mut state = 1_u32;
        let products = (0..1_000_000).map(|_| {
            state = state.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            state
        });
        let table = Table::of_products(products.collect());
        assert_eq!(table.bits(), Table::MAX_SHARED_BITS);
        let updates = updates(None, &table);
        let bytes: usize = updates
            .iter()
            .map(|update| update.encode().len() + 23)
            .sum();
        assert!(bytes < crate::overlay::limits::Limits::default().queue_bytes);
        assert!(updates.len() <= 256);
        for update in updates {
            assert!(update.encode().len() <= 4_200);
        }
    }
}
