//! GGEP: named extensions in a block that any reader can step over (protocol §9).
//!
//! A block with a broken frame (lengths, ids) is an error. An extension whose frame is sound but
//! whose data does not unpack is left out, like one of an unknown meaning.

use std::fmt;
use std::io::Read;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::bufread::ZlibDecoder;
use nom::bytes::complete::take;
use nom::number::complete::u8 as byte;
use nom::{IResult, Parser};

use super::{Error, cobs};

/// The byte that begins a block.
pub const MAGIC: u8 = 0xc3;

/// The most extensions kept of one descriptor part; more are stepped over.
pub const MAX_EXTENSIONS: usize = 32;

/// The most bytes of one extension's data, and of all inflated data of one block together.
pub const MAX_DATA: usize = 65_535;

/// The most bytes of extensions in a ping, pong or push; servents of today drop more.
pub const MAX_TAIL: usize = 1_536;

const LAST: u8 = 0x80;
const COBS: u8 = 0x40;
const DEFLATE: u8 = 0x20;
const RESERVED: u8 = 0x10;
const ID_LENGTH: u8 = 0x0f;

/// The name of an extension: 1 to 15 bytes, none of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id {
    bytes: [u8; 15],
    length: u8,
}

impl Id {
    /// `<`: XML of a result.
    pub const XML: Self = Self::literal("<");
    /// `6`: an IPv6 address.
    pub const IPV6: Self = Self::literal("6");
    /// `ALT`: addresses that hold the same content.
    pub const ALT: Self = Self::literal("ALT");
    /// `BH`: browsing the host works.
    pub const BH: Self = Self::literal("BH");
    /// `CT`: when a file was first shared.
    pub const CT: Self = Self::literal("CT");
    /// `DU`: average daily uptime.
    pub const DU: Self = Self::literal("DU");
    /// `H`: a typed digest, see [`Urn::from_typed_digest`](super::urn::Urn::from_typed_digest).
    pub const H: Self = Self::literal("H");
    /// `IP`: one's own address as another sees it.
    pub const IP: Self = Self::literal("IP");
    /// `IPP`: packed addresses.
    pub const IPP: Self = Self::literal("IPP");
    /// `LF`: a size beyond 31 bits.
    pub const LF: Self = Self::literal("LF");
    /// `M`: media types wanted.
    pub const M: Self = Self::literal("M");
    /// `PR`: partial files wanted.
    pub const PR: Self = Self::literal("PR");
    /// `PUSH`: push proxies.
    pub const PUSH: Self = Self::literal("PUSH");
    /// `SCP`: packed addresses wanted.
    pub const SCP: Self = Self::literal("SCP");
    /// `SO`: secure out-of-band answers.
    pub const SO: Self = Self::literal("SO");
    /// `TLS`: encrypted connections accepted.
    pub const TLS: Self = Self::literal("TLS");
    /// `TT`: a Tiger root.
    pub const TT: Self = Self::literal("TT");
    /// `u`: a URN without its `urn:`.
    pub const URN: Self = Self::literal("u");
    /// `UP`: an ultrapeer and its free slots.
    pub const UP: Self = Self::literal("UP");
    /// `VC`: vendor code and version.
    pub const VC: Self = Self::literal("VC");
    /// `WH`: a feature query.
    pub const WH: Self = Self::literal("WH");
    /// `XQ`: the whole search text.
    pub const XQ: Self = Self::literal("XQ");

    /// The id made of these bytes, when they are 1 to 15 and none is zero.
    #[must_use]
    pub const fn new(id: &[u8]) -> Option<Self> {
        if id.is_empty() || id.len() > 15 {
            return None;
        }
        let mut bytes = [0; 15];
        let mut at = 0;
        while at < id.len() {
            if id[at] == 0 {
                return None;
            }
            bytes[at] = id[at];
            at += 1;
        }
        // 15 at most, checked above.
        #[expect(clippy::cast_possible_truncation)]
        Some(Self {
            bytes,
            length: id.len() as u8,
        })
    }

    const fn literal(id: &str) -> Self {
        Self::new(id.as_bytes()).expect("the constants above are 1 to 15 bytes")
    }
}

impl AsRef<[u8]> for Id {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_ref().escape_ascii())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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
        let consumed = extensions.merge(block)?;
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
        let mut at = 0;
        while at < rest.len() {
            if rest[at..].iter().all(|&byte| byte == 0) {
                break;
            }
            at += extensions
                .merge(&rest.slice(at..))
                .map_err(|error| Error::new(offset + at + error.offset, error.what))?;
        }
        Ok(extensions)
    }

    /// Adds the block at the start of `block`, of which it tells the length.
    pub(super) fn merge(&mut self, block: &Bytes) -> Result<usize, Error> {
        if block.first() != Some(&MAGIC) {
            return Err(Error::new(0, "no GGEP block"));
        }
        let mut rest = &block[1..];
        let mut budget = MAX_DATA;
        loop {
            let at = block.len() - rest.len();
            let (after, item) =
                item(rest).map_err(|_| Error::new(at, "malformed GGEP extension"))?;
            rest = after;
            let id = Id::new(item.id).ok_or(Error::new(at, "zero byte in a GGEP id"))?;
            if self.0.len() < MAX_EXTENSIONS
                && let Some(data) = unpack(block, &item, &mut budget)
            {
                self.push(id, data);
            }
            if item.flags & LAST != 0 {
                return Ok(block.len() - rest.len());
            }
        }
    }

    /// Appends the block, when there is any extension.
    pub(super) fn put(&self, out: &mut BytesMut, zeros: Zeros) {
        let Some(last) = self.0.len().checked_sub(1) else {
            return;
        };
        out.put_u8(MAGIC);
        for (position, Extension { id, data }) in self.0.iter().enumerate() {
            let coded = zeros == Zeros::Avoided && data.contains(&0);
            let data = if coded {
                cobs::encode(data).into()
            } else {
                data.clone()
            };
            let mut flags = id.length;
            flags |= if position == last { LAST } else { 0 };
            flags |= if coded { COBS } else { 0 };
            out.put_u8(flags);
            out.put_slice(id.as_ref());
            put_length(out, data.len());
            out.put_slice(&data);
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

/// An extension as it stands in the block.
struct Item<'a> {
    flags: u8,
    id: &'a [u8],
    data: &'a [u8],
}

fn item(input: &[u8]) -> IResult<&[u8], Item<'_>> {
    let (input, flags) = byte.parse(input)?;
    if flags & RESERVED != 0 || flags & ID_LENGTH == 0 {
        return malformed(input);
    }
    let (input, id) = take(flags & ID_LENGTH).parse(input)?;
    let (input, length) = length(input)?;
    let (input, data) = take(length).parse(input)?;
    Ok((input, Item { flags, id, data }))
}

/// One to three bytes of six bits, most significant first; bit 7 says that more follow, bit 6
/// that none do.
fn length(mut input: &[u8]) -> IResult<&[u8], u32> {
    let mut length = 0;
    for _ in 0..3 {
        let (rest, part) = byte.parse(input)?;
        input = rest;
        length = length << 6 | u32::from(part & 0x3f);
        match part & 0xc0 {
            0x40 => return Ok((input, length)),
            0x80 => {}
            _ => break,
        }
    }
    malformed(input)
}

fn malformed<T>(input: &[u8]) -> IResult<&[u8], T> {
    let error = nom::error::Error::new(input, nom::error::ErrorKind::Verify);
    Err(nom::Err::Error(error))
}

fn put_length(out: &mut BytesMut, length: usize) {
    // At most 65 535 bytes and their COBS codes: below 2^18.
    let sixth = |shift: u32| u8::try_from(length >> shift & 0x3f).expect("six bits");
    if length >= 1 << 12 {
        out.put_u8(0x80 | sixth(12));
    }
    if length >= 1 << 6 {
        out.put_u8(0x80 | sixth(6));
    }
    out.put_u8(0x40 | sixth(0));
}

/// The data as meant, or nothing when it does not unpack or is too long. Plain data is a slice
/// of the block.
fn unpack(block: &Bytes, item: &Item<'_>, budget: &mut usize) -> Option<Bytes> {
    let mut data = block.slice_ref(item.data);
    if item.flags & COBS != 0 && !data.is_empty() {
        data = cobs::decode(&data).ok()?.into();
    }
    if item.flags & DEFLATE != 0 && !data.is_empty() {
        let mut inflated = Vec::new();
        let limit = u64::try_from(*budget + 1).ok()?;
        ZlibDecoder::new(&data[..])
            .take(limit)
            .read_to_end(&mut inflated)
            .ok()?;
        *budget = budget.checked_sub(inflated.len())?;
        data = inflated.into();
    }
    (data.len() <= MAX_DATA).then_some(data)
}
