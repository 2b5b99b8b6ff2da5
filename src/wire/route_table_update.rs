//! Updates of a query routing table: RESET and PATCH (protocol §7.2, §7.3).

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::{le_u32, u8 as byte};

use super::Error;
use super::parse::fixed;
use super::zlib::inflate;

/// The largest payload of an update for which a link is kept (protocol §1.3).
pub const MAX_PAYLOAD: usize = 40_960;

/// The most bytes of [`RouteTableUpdate::Patch::data`] that fit into one update.
pub const MAX_DATA: usize = MAX_PAYLOAD - 5;

/// The most bytes of an inflated patch: a byte for each slot of the largest table (protocol §7.2).
const MOST_ENTRIES: usize = 1 << 21;

/// One step of telling a neighbour what words can be found here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTableUpdate {
    /// Begins a new table, in which every slot is absent.
    Reset {
        /// How many slots it has: a power of two.
        slots: u32,
        /// The value of an absent slot, at least 1; smaller values are presence.
        infinity: u8,
    },
    /// A slice of the changes to every slot of the table.
    Patch {
        /// Number of the slice, from 1.
        sequence: u8,
        /// How many slices there are.
        of: u8,
        /// How the slices together are compressed.
        compressor: Compressor,
        /// How many bits tell the change of one slot.
        entry_bits: EntryBits,
        /// The slice.
        data: Bytes,
    },
}

/// How the slices of a patch are compressed, all of them as one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compressor {
    /// 0: not at all.
    None,
    /// 1: by zlib.
    Zlib,
}

/// How many bits of a patch tell the change of one slot. With one bit, a set bit turns presence
/// over; with more, they are a signed difference to the value of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryBits {
    /// One bit.
    One,
    /// Two bits.
    Two,
    /// Four bits.
    Four,
    /// A byte.
    Eight,
}

impl EntryBits {
    /// Their number.
    #[must_use]
    pub const fn count(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    const fn from_count(count: u8) -> Option<Self> {
        match count {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            4 => Some(Self::Four),
            8 => Some(Self::Eight),
            _ => None,
        }
    }
}

impl RouteTableUpdate {
    /// Reads an update.
    ///
    /// # Errors
    /// When it is cut short or longer than [`MAX_PAYLOAD`], of unknown variant or coding, a table
    /// whose size is no power of two, or a slice that is not among those announced.
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::new(
                MAX_PAYLOAD,
                "route table update above 40960 bytes",
            ));
        }
        let (rest, variant) = fixed(payload, byte, "route table update without a variant")?;
        match variant {
            0 => reset(&rest),
            1 => patch(&rest),
            _ => Err((0, "route table update that is neither RESET nor PATCH")),
        }
        .map_err(|(offset, what)| Error::new(offset, what))
    }

    /// Of how many slots a patch speaks and how many of them it changes, where it is a whole one, in
    /// one slice and sound.
    #[must_use]
    pub fn changes(&self) -> Option<(usize, usize)> {
        let Self::Patch {
            of: 1,
            compressor,
            entry_bits,
            data,
            ..
        } = self
        else {
            return None;
        };
        let entries = match compressor {
            Compressor::None => data.to_vec(),
            Compressor::Zlib => inflate(data, MOST_ENTRIES).whole()?,
        };
        let bits = entry_bits.count();
        let mask = u8::MAX >> (8 - bits);
        let changes = |byte: &u8| {
            let shifts = (0..8).step_by(usize::from(bits));
            shifts.filter(|shift| byte >> shift & mask != 0).count()
        };
        let slots = entries.len() * usize::from(8 / bits);
        Some((slots, entries.iter().map(changes).sum()))
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Reset { slots, infinity } => {
                out.put_u8(0);
                out.put_u32_le(*slots);
                out.put_u8(*infinity);
            }
            Self::Patch {
                sequence,
                of,
                compressor,
                entry_bits,
                data,
            } => {
                let compressor = u8::from(*compressor == Compressor::Zlib);
                out.put_slice(&[1, *sequence, *of, compressor, entry_bits.count()]);
                out.put_slice(data);
            }
        }
        out.freeze()
    }
}

/// Where in the payload something is wrong, and what.
type Wrong = (usize, &'static str);

fn reset(rest: &Bytes) -> Result<RouteTableUpdate, Wrong> {
    const SHORT: &str = "RESET cut short";
    let (rest, (slots, infinity)) =
        fixed(rest, (le_u32, byte), SHORT).map_err(|error| (1 + error.offset, SHORT))?;
    match (slots, infinity) {
        _ if !rest.is_empty() => Err((6, "RESET longer than 6 bytes")),
        _ if !slots.is_power_of_two() => Err((1, "RESET to slots that are no power of two")),
        (_, 0) => Err((5, "RESET with infinity 0")),
        _ => Ok(RouteTableUpdate::Reset { slots, infinity }),
    }
}

fn patch(rest: &Bytes) -> Result<RouteTableUpdate, Wrong> {
    const SHORT: &str = "PATCH cut short";
    let (data, (sequence, of, compressor, entry_bits)) =
        fixed(rest, (byte, byte, byte, byte), SHORT).map_err(|error| (1 + error.offset, SHORT))?;
    if sequence == 0 || sequence > of {
        return Err((1, "PATCH that is not among those of its sequence"));
    }
    let compressor = match compressor {
        0 => Compressor::None,
        1 => Compressor::Zlib,
        _ => return Err((3, "PATCH with an unknown compressor")),
    };
    let Some(entry_bits) = EntryBits::from_count(entry_bits) else {
        return Err((4, "PATCH with entries that are not 1, 2, 4 or 8 bits"));
    };
    Ok(RouteTableUpdate::Patch {
        sequence,
        of,
        compressor,
        entry_bits,
        data,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(payload: &[u8]) -> Result<RouteTableUpdate, Error> {
        RouteTableUpdate::decode(&Bytes::copy_from_slice(payload))
    }

    fn patch_of(entry_bits: EntryBits, data: &'static [u8]) -> RouteTableUpdate {
        RouteTableUpdate::Patch {
            sequence: 1,
            of: 1,
            compressor: Compressor::None,
            entry_bits,
            data: Bytes::from_static(data),
        }
    }

    /// The known answers of protocol §19.2.
    #[test]
    fn updates_have_the_bytes_of_the_protocol() {
        let reset = RouteTableUpdate::Reset {
            slots: 65_536,
            infinity: 7,
        };
        for (update, payload) in [
            (reset, &b"\0\0\0\x01\0\x07"[..]),
            (
                patch_of(EntryBits::Four, b"\0\xa0\0\0"),
                b"\x01\x01\x01\0\x04\0\xa0\0\0",
            ),
            (
                patch_of(EntryBits::Eight, b"\0\0\xfa\0\0\0\0\0"),
                b"\x01\x01\x01\0\x08\0\0\xfa\0\0\0\0\0",
            ),
            (patch_of(EntryBits::One, b"\x20"), b"\x01\x01\x01\0\x01\x20"),
        ] {
            assert_eq!(update.encode(), payload);
            assert_eq!(decode(payload), Ok(update));
        }
    }

    #[test]
    fn a_whole_patch_tells_what_it_changes() {
        let four = b"\0\xa0\x11\0";
        assert_eq!(patch_of(EntryBits::Four, four).changes(), Some((8, 3)));
        assert_eq!(patch_of(EntryBits::One, b"\x21").changes(), Some((8, 2)));
        assert_eq!(patch_of(EntryBits::Two, b"\x21").changes(), Some((4, 2)));
        let zlib = |data: Vec<u8>, of| RouteTableUpdate::Patch {
            sequence: 1,
            of,
            compressor: Compressor::Zlib,
            entry_bits: EntryBits::Eight,
            data: data.into(),
        };
        let data = crate::wire::zlib::deflate(&[0, 0, 0xfa]);
        assert_eq!(zlib(data.clone(), 1).changes(), Some((3, 1)));
        assert_eq!(zlib(data, 2).changes(), None, "one slice of two");
        assert_eq!(zlib(vec![1, 2, 3], 1).changes(), None);
    }

    #[test]
    fn what_no_table_can_be_is_refused_where_it_stands() {
        for (payload, offset) in [
            (&b""[..], 0),
            (b"\x02\0\0\x01\0\x07", 0),
            (b"\0\0\0\x01\0", 5),
            (b"\0\0\0\x01\0\x07\0", 6),
            (b"\0\0\0\0\0\x07", 1),
            (b"\0\x60\xea\0\0\x07", 1),
            (b"\0\0\0\x01\0\0", 5),
            (b"\x01\x01\x01\0", 4),
            (b"\x01\0\x01\0\x04", 1),
            (b"\x01\x02\x01\0\x04", 1),
            (b"\x01\0\0\0\x04", 1),
            (b"\x01\x01\x01\x02\x04", 3),
            (b"\x01\x01\x01\0\x03", 4),
        ] {
            let error = decode(payload).unwrap_err();
            assert_eq!(error.offset, offset, "{}: {error}", payload.escape_ascii());
        }
        let mut long = vec![1, 1, 1, 0, 4];
        long.resize(MAX_PAYLOAD, 0);
        assert!(decode(&long).is_ok());
        long.push(0);
        assert!(decode(&long).is_err());
    }

    fn updates() -> impl Strategy<Value = RouteTableUpdate> {
        let reset = (0..32_u32, 1..=u8::MAX).prop_map(|(bits, infinity)| {
            let slots = 1 << bits;
            RouteTableUpdate::Reset { slots, infinity }
        });
        let compressor = prop::sample::select(vec![Compressor::None, Compressor::Zlib]);
        let entry_bits = prop::sample::select(vec![1, 2, 4, 8]);
        let data = prop::collection::vec(any::<u8>(), 0..300);
        let patch = (1..=u8::MAX, 0..=u8::MAX, compressor, entry_bits, data).prop_map(
            |(sequence, more, compressor, bits, data)| RouteTableUpdate::Patch {
                sequence,
                of: sequence.saturating_add(more),
                compressor,
                entry_bits: EntryBits::from_count(bits).unwrap(),
                data: data.into(),
            },
        );
        prop_oneof![reset, patch]
    }

    proptest! {
        #[test]
        fn updates_are_read_back(update in updates()) {
            prop_assert_eq!(RouteTableUpdate::decode(&update.encode()), Ok(update));
        }

        #[test]
        fn any_bytes_are_read_or_refused(payload in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(update) = decode(&payload) {
                prop_assert_eq!(update.encode(), payload);
            }
        }
    }
}
