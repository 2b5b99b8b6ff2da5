//! Properties of query routing between two servents: a table told is the table received, whatever
//! came before; and nothing that a stranger sends makes one panic or grow.

use bytes::Bytes;
use filbert::overlay::limits::Limits;
use filbert::overlay::query_routing::{Receiver, Table, TableBuilder, updates};
use filbert::wire::route_table_update::{Compressor, EntryBits, RouteTableUpdate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Tables of every size, from no word to all.
fn tables() -> impl Strategy<Value = Table> {
    let share = (0..60_usize, any::<u32>()).prop_map(|(files, seed)| {
        let mut builder = TableBuilder::default();
        for file in 0..files {
            builder.name(&format!("word{} common title{seed}", file * file));
        }
        builder.build()
    });
    (share, select(vec![0, 3, 4, 6, 9, 14, 16, 17, 21]))
        .prop_map(|(table, bits)| Table::merged([&table], bits))
}

/// The update as it arrives.
fn sent(update: &RouteTableUpdate) -> RouteTableUpdate {
    RouteTableUpdate::decode(&update.encode()).unwrap()
}

fn any_updates() -> impl Strategy<Value = RouteTableUpdate> {
    let reset = (0..24_u32, any::<u8>()).prop_map(|(bits, infinity)| {
        let slots = 1 << bits;
        RouteTableUpdate::Reset { slots, infinity }
    });
    let entry_bits = select(vec![
        EntryBits::One,
        EntryBits::Two,
        EntryBits::Four,
        EntryBits::Eight,
    ]);
    let compressor = select(vec![Compressor::None, Compressor::Zlib]);
    let data = vec(any::<u8>(), 0..64);
    let patch = (1..4_u8, 1..4_u8, compressor, entry_bits, data).prop_map(
        |(sequence, of, compressor, entry_bits, data)| RouteTableUpdate::Patch {
            sequence,
            of,
            compressor,
            entry_bits,
            data: data.into(),
        },
    );
    prop_oneof![1 => reset, 3 => patch]
}

/// Changes one byte of an update, if what comes of it is still one.
fn damage(update: &mut RouteTableUpdate, at: &Index, byte: u8) {
    let mut payload = update.encode().to_vec();
    let at = at.index(payload.len());
    payload[at] = byte;
    if let Ok(damaged) = RouteTableUpdate::decode(&Bytes::from(payload)) {
        *update = damaged;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_told_is_what_arrives(tables in vec(tables(), 1..6)) {
        let mut receiver = Receiver::ultrapeer();
        let mut known: Option<Table> = None;
        for table in tables {
            let updates = updates(known.as_ref(), &table);
            prop_assert_eq!(updates.is_empty(), known.as_ref() == Some(&table));
            for update in &updates {
                if let Some(table) = receiver.receive(&sent(update), &Limits::default()).unwrap() {
                    known = Some(table);
                }
            }
            prop_assert_eq!(known.as_ref(), Some(&table));
            prop_assert!(!receiver.is_busy());
        }
    }

    #[test]
    fn a_stranger_cannot_make_it_panic(updates in vec(any_updates(), 0..40)) {
        let mut receiver = Receiver::leaf();
        for update in &updates {
            if let Ok(Some(table)) = receiver.receive(update, &Limits::default()) {
                prop_assert!(table.present() <= table.slots());
            }
        }
    }

    #[test]
    fn damaged_updates_do_no_harm(
        tables in vec(tables(), 1..3),
        damages in vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..8),
    ) {
        let mut all: Vec<_> = tables.iter().flat_map(|table| updates(None, table)).collect();
        for (which, at, byte) in damages {
            let which = which.index(all.len());
            damage(&mut all[which], &at, byte);
        }
        let mut receiver = Receiver::ultrapeer();
        for update in &all {
            if receiver.receive(update, &Limits::default()).is_err() {
                prop_assert!(!receiver.is_busy());
            }
        }
    }
}

fn zlib(bytes: &[u8]) -> Bytes {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

/// A bomb, tables begun and never ended, and the largest table over and over: no more than a bit
/// for each slot, twice, and the state of one decompression.
#[test]
fn memory_is_bounded_by_the_slots_announced() {
    let slots: u32 = 1 << 16;
    let most = 2 * u64::from(slots) / 8 + (64 << 10);
    let reset = RouteTableUpdate::Reset { slots, infinity: 7 };
    let patch = |sequence, of, data| RouteTableUpdate::Patch {
        sequence,
        of,
        compressor: Compressor::Zlib,
        entry_bits: EntryBits::Eight,
        data,
    };
    let bomb = zlib(&vec![0; 30 << 20]);
    assert!(bomb.len() < 40_000);
    let whole = zlib(
        &(0..slots)
            .map(|n| if n % 3 == 0 { 0xfa } else { 0 })
            .collect::<Vec<_>>(),
    );
    let begun = whole.slice(..whole.len() / 2);
    let limits = Limits::default();
    let mut receiver = Receiver::leaf();
    let used = allocation_counter::measure(|| {
        for _ in 0..20 {
            receiver.receive(&reset, &limits).unwrap();
            receiver
                .receive(&patch(1, 1, bomb.clone()), &limits)
                .unwrap_err();
            receiver.receive(&reset, &limits).unwrap();
            receiver
                .receive(&patch(1, 2, begun.clone()), &limits)
                .unwrap();
            receiver.receive(&reset, &limits).unwrap();
            receiver
                .receive(&patch(1, 1, whole.clone()), &limits)
                .unwrap();
        }
    });
    assert!(used.bytes_max <= most, "{} of {most} bytes", used.bytes_max);
    let kept = u64::try_from(used.bytes_current).unwrap();
    assert!(kept <= u64::from(slots) / 8 + 128, "{kept} bytes when idle");
}
