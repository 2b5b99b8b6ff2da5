//! What a neighbour tells of its table, put together (protocol §7.2, §7.3).

use flate2::{Decompress, FlushDecompress, Status};
use thiserror::Error;

use super::Table;
use super::slots::Bitmap;
use crate::overlay::limits::Limits;
use crate::wire::route_table_update::{Compressor, EntryBits, RouteTableUpdate};

/// Puts together the table that one neighbour tells of.
///
/// Between updates it holds no more than the table it gave last; within a sequence of them a bit
/// for each slot and the state of the decompression, never the updates.
#[derive(Debug)]
pub struct Receiver {
    takes_full: bool,
    /// What the next patch changes; nothing before the first reset.
    base: Option<Table>,
    sequence: Option<Box<Sequence>>,
}

/// Why an update is refused: the neighbour misbehaved, and the link is to be closed with a BYE of
/// code [`BYE`](Self::BYE). The table that it told of before stays as it is.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// A patch of a table that was never announced.
    #[error("QRP PATCH before any RESET")]
    NoReset,
    /// A table beyond our limit.
    #[error("QRP table of {slots} slots, where {limit} are the limit")]
    TooLarge {
        /// How many slots were announced.
        slots: u32,
        /// How many may be.
        limit: u32,
    },
    /// A patch out of its turn.
    #[error("QRP PATCH {sequence} came where {expected} was due")]
    OutOfTurn {
        /// Its number.
        sequence: u8,
        /// The number that was due.
        expected: u8,
    },
    /// A patch whose coding or length of sequence is not that of the first.
    #[error("QRP PATCH {sequence} is not coded as the first of its sequence")]
    Changed {
        /// Its number.
        sequence: u8,
    },
    /// More changes than slots.
    #[error("QRP PATCH reaches beyond the {slots} slots of its table")]
    Overflow {
        /// How many slots the table has.
        slots: u32,
    },
    /// Fewer changes than slots.
    #[error("QRP PATCH ends before the last of the {slots} slots of its table")]
    Short {
        /// How many slots the table has.
        slots: u32,
    },
    /// Compressed data that does not decompress, or without an end.
    #[error("QRP PATCH is no whole zlib stream")]
    Zlib,
    /// Every slot is present, so that the neighbour would get everything.
    #[error("QRP table is full")]
    Full,
}

impl Refusal {
    /// The code of the BYE that tells it.
    pub const BYE: u16 = 413;
}

impl Receiver {
    /// For the table of a leaf. A full one is refused, since all it does is to draw queries.
    #[must_use]
    pub const fn leaf() -> Self {
        Self::new(false)
    }

    /// For the table of an ultrapeer, which may be full: its leaves may have all words together.
    #[must_use]
    pub const fn ultrapeer() -> Self {
        Self::new(true)
    }

    const fn new(takes_full: bool) -> Self {
        Self {
            takes_full,
            base: None,
            sequence: None,
        }
    }

    /// Takes the next update, and gives the table when one is complete. Until then the one given
    /// before holds, after a reset too, so that a neighbour that tells all again and again is
    /// not without a table in between. Only a reset to the size that stands for no words is
    /// complete by itself, as nothing need follow it.
    ///
    /// # Errors
    /// When the update breaks the rules. What came of its sequence is forgotten.
    pub fn receive(
        &mut self,
        update: &RouteTableUpdate,
        limits: &Limits,
    ) -> Result<Option<Table>, Refusal> {
        // Taken out, so that it is gone unless it is put back.
        let under_way = self.sequence.take();
        match update {
            RouteTableUpdate::Reset { slots, .. } => self.reset(*slots, limits),
            RouteTableUpdate::Patch {
                sequence,
                of,
                compressor,
                entry_bits,
                data,
            } => {
                let base = self.base.as_ref().ok_or(Refusal::NoReset)?;
                let coding = (*of, *compressor, *entry_bits);
                let mut under_way =
                    under_way.unwrap_or_else(|| Box::new(Sequence::new(base, coding)));
                under_way.receive(*sequence, coding, data)?;
                if sequence < of {
                    self.sequence = Some(under_way);
                    return Ok(None);
                }
                let table = under_way.finish()?;
                if table.is_full() && !self.takes_full {
                    return Err(Refusal::Full);
                }
                self.base = Some(table.clone());
                Ok(Some(table))
            }
        }
    }

    fn reset(&mut self, slots: u32, limits: &Limits) -> Result<Option<Table>, Refusal> {
        let limit = limits.table_slots.min(1 << Table::MAX_BITS);
        if slots > limit {
            return Err(Refusal::TooLarge { slots, limit });
        }
        let bits = u8::try_from(slots.checked_ilog2().unwrap_or(0)).expect("below 32");
        let table = Table::empty(bits);
        self.base = Some(table.clone());
        Ok(Some(table).filter(Table::is_tiny))
    }

    /// Whether a sequence has begun and not ended.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.sequence.is_some()
    }
}

/// How many patches are in a sequence, and how they are coded.
type Coding = (u8, Compressor, EntryBits);

/// A sequence of patches that is coming in.
#[derive(Debug)]
struct Sequence {
    coding: Coding,
    expected: u8,
    inflate: Option<Decompress>,
    bits: u8,
    /// The first slot of the next byte.
    slot: u32,
    bitmap: Bitmap,
}

impl Sequence {
    fn new(base: &Table, coding: Coding) -> Self {
        Self {
            coding,
            expected: 1,
            inflate: (coding.1 == Compressor::Zlib).then(|| Decompress::new(true)),
            bits: base.bits(),
            slot: 0,
            bitmap: base.to_bitmap(),
        }
    }

    const fn slots(&self) -> u32 {
        1 << self.bits
    }

    fn receive(&mut self, sequence: u8, coding: Coding, data: &[u8]) -> Result<(), Refusal> {
        let expected = self.expected;
        if sequence != expected {
            return Err(Refusal::OutOfTurn { sequence, expected });
        }
        if coding != self.coding {
            return Err(Refusal::Changed { sequence });
        }
        self.expected = expected.saturating_add(1);
        match self.inflate.take() {
            None if self.coding.1 == Compressor::None => self.apply(data),
            None if data.is_empty() => Ok(()),
            None => Err(Refusal::Zlib),
            Some(inflate) => self.inflate(inflate, data),
        }
    }

    /// Applies what comes out of compressed data. The stream is put back unless it ends.
    fn inflate(&mut self, mut inflate: Decompress, mut data: &[u8]) -> Result<(), Refusal> {
        let mut out = [0; 4_096];
        loop {
            let (taken, given) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(data, &mut out, FlushDecompress::None)
                .map_err(|_| Refusal::Zlib)?;
            let size = |bytes: u64| usize::try_from(bytes).expect("within the buffers");
            let (taken, given) = (
                size(inflate.total_in() - taken),
                size(inflate.total_out() - given),
            );
            self.apply(&out[..given])?;
            data = &data[taken..];
            match status {
                Status::StreamEnd if data.is_empty() => return Ok(()),
                Status::StreamEnd => return Err(Refusal::Zlib),
                Status::Ok | Status::BufError => {
                    if data.is_empty() && given < out.len() {
                        self.inflate = Some(inflate);
                        return Ok(());
                    }
                    if taken == 0 && given == 0 {
                        return Err(Refusal::Zlib);
                    }
                }
            }
        }
    }

    /// Changes the slots that the bytes tell of.
    fn apply(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let slots = self.slots();
        let width = self.coding.2.count();
        let entries = u32::from(8 / width);
        for &byte in bytes {
            if self.slot >= slots {
                return Err(Refusal::Overflow { slots });
            }
            // The upper bits of what is left tell the next slot; their first is its sign.
            let (mut rest, mut slot) = (byte, self.slot);
            while rest != 0 && slot < slots {
                match (self.coding.2, rest & 0x80 != 0) {
                    (EntryBits::One, true) => self.bitmap.flip(slot),
                    (EntryBits::One, false) => {}
                    (_, true) => self.bitmap.insert(slot),
                    (_, false) if rest >> (8 - width) != 0 => self.bitmap.remove(slot),
                    (_, false) => {}
                }
                rest = rest.checked_shl(u32::from(width)).unwrap_or(0);
                slot += 1;
            }
            self.slot += entries;
        }
        Ok(())
    }

    fn finish(self) -> Result<Table, Refusal> {
        let slots = self.slots();
        if self.slot < slots {
            return Err(Refusal::Short { slots });
        }
        if self.inflate.is_some() {
            return Err(Refusal::Zlib);
        }
        Ok(Table::from_bitmap(self.bits, self.bitmap))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::overlay::query_routing::{TableBuilder, updates};

    fn reset(slots: u32) -> RouteTableUpdate {
        let infinity = 7;
        RouteTableUpdate::Reset { slots, infinity }
    }

    fn patch(sequence: u8, of: u8, entry_bits: EntryBits, data: &[u8]) -> RouteTableUpdate {
        RouteTableUpdate::Patch {
            sequence,
            of,
            compressor: Compressor::None,
            entry_bits,
            data: Bytes::copy_from_slice(data),
        }
    }

    fn zlib(sequence: u8, of: u8, data: &[u8]) -> RouteTableUpdate {
        let mut update = patch(sequence, of, EntryBits::Four, data);
        if let RouteTableUpdate::Patch { compressor, .. } = &mut update {
            *compressor = Compressor::Zlib;
        }
        update
    }

    fn receive(
        receiver: &mut Receiver,
        update: &RouteTableUpdate,
    ) -> Result<Option<Table>, Refusal> {
        receiver.receive(update, &Limits::default())
    }

    fn present(table: &Table) -> Vec<u32> {
        let mut slots = Vec::new();
        table.for_each(|slot| slots.push(slot));
        slots
    }

    /// The table of 8 slots after these patches.
    fn after(patches: &[(EntryBits, &[u8])]) -> Vec<u32> {
        let mut receiver = Receiver::leaf();
        let mut table = receive(&mut receiver, &reset(8)).unwrap().unwrap();
        for (entry_bits, data) in patches {
            let update = patch(1, 1, *entry_bits, data);
            table = receive(&mut receiver, &update).unwrap().unwrap();
        }
        present(&table)
    }

    #[test]
    fn only_the_sign_of_a_change_counts() {
        use EntryBits::{Eight, Four, Two};
        for (entry_bits, add, take) in [
            (Four, &[0x0f, 0xa0, 0, 0x8c][..], &[0, 0x10, 0, 0x06][..]),
            (
                Eight,
                &[0, 0xff, 0xfa, 0, 0, 0, 0x80, 0x81],
                &[0, 0, 1, 0, 0, 0, 0, 0x7f],
            ),
            (
                Two,
                &[0b00_11_10_00, 0b00_00_11_10],
                &[0b00_00_01_00, 0b00_00_00_01],
            ),
        ] {
            assert_eq!(after(&[(entry_bits, add)]), [1, 2, 6, 7]);
            assert_eq!(after(&[(entry_bits, add), (entry_bits, add)]), [1, 2, 6, 7]);
            assert_eq!(after(&[(entry_bits, add), (entry_bits, take)]), [1, 6]);
            assert_eq!(after(&[(entry_bits, take)]), [0; 0]);
        }
    }

    #[test]
    fn one_bit_turns_a_slot_over() {
        let flip = (EntryBits::One, &[0b0110_0011][..]);
        assert_eq!(after(&[flip]), [1, 2, 6, 7]);
        assert_eq!(after(&[flip, (EntryBits::One, &[0b0010_0001])]), [1, 6]);
        assert_eq!(after(&[flip, flip]), [0; 0]);
    }

    #[test]
    fn tables_smaller_than_a_byte_are_read() {
        for (slots, entry_bits, data) in [
            (1, EntryBits::One, &[0x80][..]),
            (1, EntryBits::Four, &[0xaa]),
            (2, EntryBits::Two, &[0xc0]),
        ] {
            let mut receiver = Receiver::ultrapeer();
            receive(&mut receiver, &reset(slots)).unwrap();
            let table = receive(&mut receiver, &patch(1, 1, entry_bits, data)).unwrap();
            assert_eq!(present(&table.unwrap()), [0]);
        }
    }

    /// What comes of a reset to 64 slots and these updates, the last of which matters.
    fn last(updates: &[RouteTableUpdate]) -> Result<Option<Table>, Refusal> {
        let mut receiver = Receiver::leaf();
        assert_eq!(receive(&mut receiver, &reset(64)), Ok(None));
        let (last, before) = updates.split_last().unwrap();
        for update in before {
            assert_eq!(receive(&mut receiver, update), Ok(None));
        }
        let result = receive(&mut receiver, last);
        assert!(result.is_ok() || !receiver.is_busy());
        result
    }

    #[test]
    fn what_breaks_the_rules_is_refused_with_its_reason() {
        use EntryBits::{Four, One};
        let slots = 64;
        let half = || patch(1, 2, Four, &[0; 16]);
        for (updates, refusal) in [
            (
                vec![patch(2, 2, Four, &[0; 16])],
                Refusal::OutOfTurn {
                    sequence: 2,
                    expected: 1,
                },
            ),
            (
                vec![half(), half()],
                Refusal::OutOfTurn {
                    sequence: 1,
                    expected: 2,
                },
            ),
            (
                vec![half(), patch(2, 3, Four, &[0; 16])],
                Refusal::Changed { sequence: 2 },
            ),
            (
                vec![half(), patch(2, 2, One, &[0; 16])],
                Refusal::Changed { sequence: 2 },
            ),
            (
                vec![half(), zlib(2, 2, &[0; 16])],
                Refusal::Changed { sequence: 2 },
            ),
            (
                vec![half(), patch(2, 2, Four, &[0; 15])],
                Refusal::Short { slots },
            ),
            (
                vec![half(), patch(2, 2, Four, &[0; 17])],
                Refusal::Overflow { slots },
            ),
            (
                vec![patch(1, 2, Four, &[0; 33])],
                Refusal::Overflow { slots },
            ),
            (vec![patch(1, 1, Four, &[0xaa; 32])], Refusal::Full),
            (vec![patch(1, 1, One, &[0xff; 8])], Refusal::Full),
            (vec![zlib(1, 1, b"garbage")], Refusal::Zlib),
            (vec![zlib(1, 1, b"")], Refusal::Short { slots }),
        ] {
            assert_eq!(last(&updates), Err(refusal));
        }
        let mut receiver = Receiver::leaf();
        assert_eq!(receive(&mut receiver, &half()), Err(Refusal::NoReset));
        let refusal = Refusal::TooLarge {
            slots: 1 << 22,
            limit: 1 << 21,
        };
        assert_eq!(receive(&mut receiver, &reset(1 << 22)), Err(refusal));
    }

    #[test]
    fn a_compressed_patch_is_one_whole_stream() {
        let mut builder = TableBuilder::default();
        builder.name("red sunset overture");
        let table = Table::merged([&builder.build()], 6);
        let all = updates(None, &table);
        let RouteTableUpdate::Patch { data, .. } = &all[1] else {
            panic!("a reset and a patch");
        };
        let end = data.len();
        let halves = [
            zlib(1, 3, &data[..9]),
            zlib(2, 3, &data[9..]),
            zlib(3, 3, b""),
        ];
        assert_eq!(last(&halves), Ok(Some(table)));
        assert_eq!(last(&[zlib(1, 1, &data[..end - 1])]), Err(Refusal::Zlib));
        let longer = [&data[..], b"x"].concat();
        assert_eq!(last(&[zlib(1, 1, &longer)]), Err(Refusal::Zlib));
        assert_eq!(
            last(&[zlib(1, 2, data), zlib(2, 2, b"x")]),
            Err(Refusal::Zlib)
        );
        let larger = updates(None, &Table::empty(7));
        assert_eq!(last(&larger[1..]), Err(Refusal::Overflow { slots: 64 }));
    }

    #[test]
    fn a_refused_patch_leaves_the_table_as_it_is() {
        let mut receiver = Receiver::leaf();
        receive(&mut receiver, &reset(16)).unwrap();
        let eight = |byte| patch(1, 1, EntryBits::Four, &[byte; 8]);
        let table = receive(&mut receiver, &eight(0xa0)).unwrap().unwrap();
        assert_eq!(receive(&mut receiver, &eight(0xaa)), Err(Refusal::Full));
        assert_eq!(receive(&mut receiver, &eight(0)), Ok(Some(table)));
    }

    #[test]
    fn a_reset_ends_what_was_under_way() {
        let mut receiver = Receiver::ultrapeer();
        receive(&mut receiver, &reset(64)).unwrap();
        receive(&mut receiver, &patch(1, 2, EntryBits::One, &[1])).unwrap();
        assert!(receiver.is_busy());
        assert_eq!(receive(&mut receiver, &reset(16)), Ok(None));
        assert!(!receiver.is_busy());
        let full = receive(&mut receiver, &patch(1, 1, EntryBits::One, &[0xff; 2])).unwrap();
        assert!(full.unwrap().is_full());
        let empty = receive(&mut receiver, &reset(8)).unwrap();
        assert_eq!(empty.map(|table| table.present()), Some(0));
    }
}
