//! GGEP: named extensions in a block that any reader can step over (protocol §9).
//!
//! A block with a broken frame (lengths, ids) is an error. An extension whose frame is sound but
//! whose data does not unpack is left out, like one of an unknown meaning.

mod id;
mod item;

pub use self::id::Id;
pub(super) use self::item::Inflation;
use self::item::{Item, LAST, item, pack, put_length, unpack};
use super::Error;
use bytes::{BufMut, Bytes, BytesMut};

/// The byte that begins a block.
pub const MAGIC: u8 = 0xc3;

/// The most extensions kept of one descriptor part; more are stepped over.
pub const MAX_EXTENSIONS: usize = 32;

/// The most bytes of one extension's data, and of all inflated data of one payload together.
pub const MAX_DATA: usize = 65_535;

/// The most bytes of extensions in a ping, pong or push; servents of today drop more.
pub const MAX_TAIL: usize = 1_536;

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its name.
    pub id: Id,
    /// Its data, unpacked.
    pub data: Bytes,
}

/// Whether the encoder may write zero bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// They may stand in the data, as in pings, pongs, pushes and trailers of hits.
    Allowed,
    /// Data with one is COBS-coded, as in queries and records of hits, where a zero ends the area.
    Avoided,
}

/// Extensions in order, each id once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions(Vec<Extension>);

impl Extensions {
    /// No extensions.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads the block at the start of `block` and tells how many bytes it has.
    ///
    /// # Errors
    /// When the block does not begin with [`MAGIC`] or its frame is broken.
    pub fn decode(block: &Bytes) -> Result<(Self, usize), Error> {
        let mut extensions = Self::new();
        let consumed = extensions.merge(block, &mut Inflation::new())?;
        Ok((extensions, consumed))
    }

    /// The block's bytes; none at all when there is no extension.
    #[must_use]
    pub fn encode(&self, zeros: Zeros) -> Bytes {
        let mut out = BytesMut::new();
        self.put(&mut out, zeros);
        out.freeze()
    }

    /// Adds an extension and tells whether it did: not when one of that id is there already, when
    /// there are [`MAX_EXTENSIONS`], or when the data is above [`MAX_DATA`], which no descriptor
    /// could carry.
    pub fn push(&mut self, id: Id, data: impl Into<Bytes>) -> bool {
        let data = data.into();
        let fits =
            self.0.len() < MAX_EXTENSIONS && data.len() <= MAX_DATA && self.get(id).is_none();
        if fits {
            self.0.push(Extension { id, data });
        }
        fits
    }

    /// Puts an extension in the place of one of that id, or adds it, and tells whether it did.
    pub fn set(&mut self, id: Id, data: impl Into<Bytes>) -> bool {
        self.remove(id);
        self.push(id, data)
    }

    /// Takes an extension out.
    pub fn remove(&mut self, id: impl AsRef<[u8]>) -> Option<Bytes> {
        let at = self
            .0
            .iter()
            .position(|extension| extension.id.as_ref() == id.as_ref())?;
        Some(self.0.remove(at).data)
    }

    /// The data of the extension with this id.
    #[must_use]
    pub fn get(&self, id: impl AsRef<[u8]>) -> Option<&Bytes> {
        self.iter()
            .find(|extension| extension.id.as_ref() == id.as_ref())
            .map(|extension| &extension.data)
    }

    /// Every extension, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Extension> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads one or more blocks that fill `rest`, the part of a payload from `offset` on. Zero
    /// bytes after them are accepted, as some servents end every descriptor with one.
    pub(super) fn decode_rest(rest: &Bytes, offset: usize) -> Result<Self, Error> {
        if rest.len() > MAX_TAIL {
            return Err(Error::new(offset + MAX_TAIL, "extensions above 1536 bytes"));
        }
        let mut extensions = Self::new();
        let mut inflation = Inflation::new();
        let mut at = 0;
        while at < rest.len() {
            if rest[at..].iter().all(|&byte| byte == 0) {
                break;
            }
            at += extensions
                .merge(&rest.slice(at..), &mut inflation)
                .map_err(|error| Error::new(offset + at + error.offset, error.what))?;
        }
        Ok(extensions)
    }

    /// Adds the block at the start of `block`, of which it tells the length.
    pub(super) fn merge(
        &mut self,
        block: &Bytes,
        inflation: &mut Inflation,
    ) -> Result<usize, Error> {
        walk(block, |id, item| {
            if self.0.len() < MAX_EXTENSIONS
                && self.get(id).is_none()
                && let Some(data) = unpack(block, item, inflation)
            {
                self.push(id, data);
            }
        })
    }

    /// Appends the block, when there is any extension.
    pub(super) fn put(&self, out: &mut BytesMut, zeros: Zeros) {
        let Some(last) = self.0.len().checked_sub(1) else {
            return;
        };
        out.put_u8(MAGIC);
        for (position, Extension { id, data }) in self.0.iter().enumerate() {
            let (data, packing) = pack(data, zeros, id.is_worth_deflating());
            let last = if position == last { LAST } else { 0 };
            out.put_u8(id.length() | last | packing);
            out.put_slice(id.as_ref());
            put_length(out, data.len());
            out.put_slice(&data);
        }
    }
}

/// Whether a sound block starts here. Its first byte alone may also begin a letter such as "é".
pub(super) fn begins_block(bytes: &[u8]) -> bool {
    walk(bytes, |_, _| ()).is_ok()
}

/// Steps over the extensions of the block at the start of `block`, of which it tells the length.
fn walk(block: &[u8], mut visit: impl FnMut(Id, &Item<'_>)) -> Result<usize, Error> {
    let [MAGIC, rest @ ..] = block else {
        return Err(Error::new(0, "no GGEP block"));
    };
    let mut rest = rest;
    loop {
        let at = block.len() - rest.len();
        let (after, item) = item(rest).map_err(|_| Error::new(at, "malformed GGEP extension"))?;
        let id = Id::new(item.id).ok_or_else(|| Error::new(at, "zero byte in a GGEP id"))?;
        visit(id, &item);
        rest = after;
        if item.flags & LAST != 0 {
            return Ok(block.len() - rest.len());
        }
    }
}

/// Reads an integer in minimal little-endian form: at most 8 bytes, none of them for zero
/// (protocol §9.3).
#[must_use]
pub fn decode_integer(data: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..data.len())?.copy_from_slice(data);
    Some(u64::from_le_bytes(bytes))
}

/// An integer in minimal little-endian form; zero is one zero byte.
#[must_use]
pub fn encode_integer(value: u64) -> Bytes {
    let bytes = value.to_le_bytes();
    let length = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(1, |last| last + 1);
    Bytes::copy_from_slice(&bytes[..length])
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::item::{COBS, DEFLATE};
    use super::*;
    use crate::wire::cobs;

    fn decode(bytes: &[u8]) -> Result<(Extensions, usize), Error> {
        Extensions::decode(&Bytes::copy_from_slice(bytes))
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// A block with one extension "A".
    fn block(flags: u8, data: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::from(&[MAGIC, LAST | flags | 1, b'A'][..]);
        put_length(&mut out, data.len());
        out.put_slice(data);
        out.to_vec()
    }

    #[test]
    fn a_block_is_read_to_its_last_extension() {
        let scp = [0xc3, 0x83, 0x53, 0x43, 0x50, 0x41, 0x01];
        let (extensions, consumed) = decode(&[&scp[..], b"more"].concat()).unwrap();
        assert_eq!(
            (consumed, &extensions.get("SCP").unwrap()[..]),
            (7, &[1][..])
        );
        assert_eq!(extensions.encode(Zeros::Allowed), &scp[..]);
        assert_eq!(extensions.get("scp"), None);
        assert!(Extensions::new().encode(Zeros::Avoided).is_empty());
    }

    #[test]
    fn zeros_are_coded_where_they_must_not_stand() {
        let mut extensions = Extensions::new();
        assert!(extensions.push(Id::LF, encode_integer(5_000_000_000)));
        let coded = extensions.encode(Zeros::Avoided);
        assert_eq!(coded[..], *b"\xc3\xc2LF\x46\x01\x05\xf2\x05\x2a\x01");
        let plain = extensions.encode(Zeros::Allowed);
        assert_eq!(plain[..], *b"\xc3\x82LF\x45\x00\xf2\x05\x2a\x01");
        assert_eq!(decode(&coded), Ok((extensions.clone(), coded.len())));
        assert_eq!(decode(&plain), Ok((extensions, plain.len())));
    }

    #[test]
    fn broken_frames_are_errors_that_say_where() {
        for (bytes, offset) in [
            (&b""[..], 0),
            (b"x", 0),
            (b"\xc3", 1),
            (b"\xc3\x80", 1),
            (b"\xc3\x91A\x40", 1),
            (b"\xc3\x83AB", 1),
            (b"\xc3\x81A\x42x", 1),
            (b"\xc3\x82A\x00\x40", 1),
            (b"\xc3\x01A\x41x\x81B\x41", 5),
        ] {
            assert_eq!(decode(bytes).unwrap_err().offset, offset, "{bytes:02x?}");
        }
    }

    #[test]
    fn the_first_of_a_duplicate_wins() {
        let (extensions, consumed) = decode(b"\xc3\x01A\x41x\x01A\x41y\x81B\x40").unwrap();
        assert_eq!(
            (extensions.get("A").unwrap().as_ref(), consumed),
            (&b"x"[..], 12)
        );
        assert_eq!(extensions.iter().count(), 2);
        let mut extensions = extensions;
        assert!(!extensions.push(Id::new(b"A").unwrap(), "z"));
        assert_eq!(extensions.remove("A").as_deref(), Some(&b"x"[..]));
        assert_eq!(extensions.remove("A"), None);
    }

    #[test]
    fn packed_data_is_unpacked_within_bounds() {
        let text = b"many words many words many words";
        let deflated = zlib(text);
        assert_eq!(
            decode(&block(DEFLATE, &deflated))
                .unwrap()
                .0
                .get("A")
                .unwrap()[..],
            text[..]
        );
        let both = block(DEFLATE | COBS, &cobs::encode(&deflated));
        assert_eq!(decode(&both).unwrap().0.get("A").unwrap()[..], text[..]);
        assert!(
            decode(&block(DEFLATE, &zlib(&[0; MAX_DATA])))
                .unwrap()
                .0
                .get("A")
                .is_some()
        );
        for useless in [
            block(DEFLATE, &zlib(&[0; MAX_DATA + 1])),
            block(DEFLATE, b"no zlib"),
            block(COBS, &[9, 1]),
            block(0, &[1; MAX_DATA + 1]),
        ] {
            let (extensions, consumed) = decode(&useless).unwrap();
            assert_eq!((extensions.is_empty(), consumed), (true, useless.len()));
        }
    }

    #[test]
    fn long_text_is_deflated_where_that_saves() {
        let text = Bytes::from(b"many words many words ".repeat(4));
        for (id, data, deflated) in [
            (Id::XQ, text.clone(), true),
            (Id::XQ, text.slice(..48), false),
            (Id::XQ, (1..=255).collect(), false),
            (Id::H, text, false),
        ] {
            let mut extensions = Extensions::new();
            extensions.push(id, data.clone());
            for zeros in [Zeros::Allowed, Zeros::Avoided] {
                let block = extensions.encode(zeros);
                assert_eq!(block[1] & DEFLATE != 0, deflated, "{id} {data:?}");
                assert_eq!(decode(&block).unwrap().0, extensions);
            }
        }
    }

    #[test]
    fn inflated_data_has_one_budget_for_a_payload() {
        let bomb = zlib(&[0; 40_000]);
        let mut bytes = BytesMut::from(&[MAGIC][..]);
        for (flags, id) in [(0, b'A'), (0, b'B'), (LAST, b'C')] {
            bytes.put_slice(&[flags | DEFLATE | 1, id]);
            put_length(&mut bytes, bomb.len());
            bytes.put_slice(&bomb);
        }
        let (extensions, _) = decode(&bytes).unwrap();
        assert_eq!(extensions.iter().count(), 1);
    }

    #[test]
    fn extensions_beyond_the_most_kept_are_stepped_over() {
        let mut bytes = vec![MAGIC];
        for id in 1..=40_u8 {
            bytes.extend([if id == 40 { LAST | 1 } else { 1 }, id, 0x40]);
        }
        let (extensions, consumed) = decode(&bytes).unwrap();
        assert_eq!(
            (extensions.iter().count(), consumed),
            (MAX_EXTENSIONS, bytes.len())
        );
    }

    #[test]
    fn the_rest_of_a_payload_is_blocks_and_perhaps_a_nul() {
        let rest = |bytes: &'static [u8]| Extensions::decode_rest(&Bytes::from_static(bytes), 14);
        let extensions = rest(b"\xc3\x81A\x40\xc3\x81B\x40\0").unwrap();
        assert_eq!(extensions.iter().count(), 2);
        assert_eq!(rest(b"\xc3\x81A\x40junk").unwrap_err().offset, 18);
        let long = Bytes::from(vec![0; MAX_TAIL + 1]);
        assert!(Extensions::decode_rest(&long, 0).is_err());
    }

    #[test]
    fn integers_are_minimal() {
        for (value, bytes) in [
            (0, &[0][..]),
            (3600, &[0x10, 0x0e]),
            (256, &[0, 1]),
            (u64::MAX, &[0xff; 8]),
        ] {
            assert_eq!(encode_integer(value), bytes);
            assert_eq!(decode_integer(bytes), Some(value));
        }
        assert_eq!(decode_integer(&[]), Some(0));
        assert_eq!(decode_integer(&[5, 0, 0]), Some(5));
        assert_eq!(decode_integer(&[1; 9]), None);
    }
}
