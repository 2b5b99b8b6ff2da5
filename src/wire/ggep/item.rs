//! One extension on the wire: flags, id, length, data.

use bytes::{BufMut, Bytes, BytesMut};
use nom::bytes::complete::take;
use nom::number::complete::u8 as byte;
use nom::{IResult, Parser};

use super::{MAX_DATA, Zeros};
use crate::wire::cobs;
use crate::wire::zlib::{self, Inflated};

pub(super) const LAST: u8 = 0x80;
pub(super) const COBS: u8 = 0x40;
pub(super) const DEFLATE: u8 = 0x20;
const RESERVED: u8 = 0x10;
const ID_LENGTH: u8 = 0x0f;

/// Shorter data is never deflated.
const MIN_DEFLATED: usize = 48;

/// An extension as it stands in the block.
pub(super) struct Item<'a> {
    pub(super) flags: u8,
    pub(super) id: &'a [u8],
    pub(super) data: &'a [u8],
}

pub(super) fn item(input: &[u8]) -> IResult<&[u8], Item<'_>> {
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

pub(super) fn put_length(out: &mut BytesMut, length: usize) {
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

/// How many bytes may still come out of deflated data of one payload.
#[derive(Debug)]
pub(in crate::wire) struct Inflation(usize);

impl Inflation {
    /// What a whole payload may have.
    pub(in crate::wire) const fn new() -> Self {
        Self(MAX_DATA)
    }

    /// The data inflated, or nothing when it does not inflate or to too much.
    fn inflate(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let inflated = zlib::inflate(data, self.0);
        self.0 = match &inflated {
            Inflated::Whole(data) => self.0 - data.len(),
            Inflated::Broken(length) => self.0 - length,
            Inflated::TooMuch => 0,
        };
        inflated.whole()
    }
}

/// The data as meant, or nothing when it does not unpack or is too long. Plain data is a slice
/// of the block.
pub(super) fn unpack(block: &Bytes, item: &Item<'_>, inflation: &mut Inflation) -> Option<Bytes> {
    let mut data = block.slice_ref(item.data);
    if item.flags & COBS != 0 && !data.is_empty() {
        data = cobs::decode(&data).ok()?.into();
    }
    if item.flags & DEFLATE != 0 && !data.is_empty() {
        data = inflation.inflate(&data)?.into();
    }
    (data.len() <= MAX_DATA).then_some(data)
}

/// How data stands in a block: deflated where that is `worth_deflating` and saves bytes, then COBS
/// where it must have no zeros and has some. The flags say which.
pub(super) fn pack(data: &Bytes, zeros: Zeros, worth_deflating: bool) -> (Bytes, u8) {
    let coded = |data: Bytes, flags: u8| match zeros {
        Zeros::Avoided if data.contains(&0) => (cobs::encode(&data).into(), flags | COBS),
        _ => (data, flags),
    };
    let plain = coded(data.clone(), 0);
    if !worth_deflating || data.len() <= MIN_DEFLATED {
        return plain;
    }
    let deflated = coded(zlib::deflate(data).into(), DEFLATE);
    if deflated.0.len() < plain.0.len() {
        deflated
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_match_known_answers() {
        for (value, bytes) in [
            (0, &[0x40][..]),
            (63, &[0x7f]),
            (64, &[0x81, 0x40]),
            (4095, &[0xbf, 0x7f]),
            (4096, &[0x81, 0x80, 0x40]),
            (262_143, &[0xbf, 0xbf, 0x7f]),
        ] {
            let mut out = BytesMut::new();
            put_length(&mut out, usize::try_from(value).unwrap());
            assert_eq!(out, bytes);
            assert_eq!(length(bytes).unwrap(), (&[][..], value));
        }
        for wrong in [&[0x00][..], &[0xc0], &[0x81, 0x81, 0x81], &[0x81], &[]] {
            assert!(length(wrong).is_err(), "{wrong:02x?}");
        }
    }
}
