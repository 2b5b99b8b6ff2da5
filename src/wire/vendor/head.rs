//! LIME/23 and LIME/24: whether a servent has a file, and what it knows of others that have.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::multi::length_data;
use nom::number::complete::{be_u16, i8 as signed, u8 as byte};

use super::name::four;
use crate::wire::address::{self, Reach};
use crate::wire::ggep::{Extensions, Id, MAGIC, Zeros};
use crate::wire::parse::fixed;
use crate::wire::urn::Urn;
use crate::wire::{Error, Guid};

const RANGES: u8 = 0x01;
const ALTERNATES: u8 = 0x02;
const PUSH_ALTERNATES: u8 = 0x04;
const FIREWALL_ALTERNATES: u8 = 0x08;
const GGEP: u8 = 0x10;

const COMPLETE: u8 = 1;
const PARTIAL: u8 = 2;
const HELD: u8 = 0x03;
const FIREWALLED: u8 = 0x04;
const DOWNLOADING: u8 = 0x08;

/// In the capabilities of a pong: encrypted connections are accepted.
const TLS: u8 = 0x01;

const CODE_ID: Id = literal(b"C");
const CAPABILITIES_ID: Id = literal(b"F");
const VENDOR_ID: Id = literal(b"V");
const QUEUE_ID: Id = literal(b"Q");
const RANGES_ID: Id = literal(b"R");
const PUSH_ALTERNATES_ID: Id = literal(b"P");
const ALTERNATES_ID: Id = literal(b"A");
const ALTERNATES_TLS_ID: Id = literal(b"T");

/// The queue status of a servent that uploads to nobody more.
pub const BUSY: i8 = 0x7f;

/// LIME/23: asks for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadPing {
    /// 1, or 2 to be answered in GGEP.
    pub version: u16,
    /// Whether to tell the parts there are of it.
    pub ranges: bool,
    /// Whether to tell where else it is.
    pub alternates: bool,
    /// Whether to tell which servents behind firewalls have it.
    pub push_alternates: bool,
    /// Whether to tell which of them transfer from firewall to firewall.
    pub firewall_alternates: bool,
    /// The file.
    pub urn: Urn,
    /// The GGEP extensions.
    pub extensions: Extensions,
}

impl HeadPing {
    /// The leaf that a push proxy is to hand this on to.
    #[must_use]
    pub fn leaf(&self) -> Option<Guid> {
        let guid = self.extensions.get(Id::PUSH)?;
        guid[..].try_into().ok().map(Guid::from_bytes)
    }

    pub(super) fn decode(body: &Bytes, version: u16) -> Result<Self, Error> {
        let (rest, flags) = fixed(body, byte, "HEAD ping too short")?;
        let end = rest.iter().position(|&byte| byte == MAGIC || byte == 0);
        let (text, block) = rest.split_at(end.unwrap_or(rest.len()));
        let urn = str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(Error::new(1, "HEAD ping without a URN"))?;
        let extensions = match flags & GGEP != 0 && !block.is_empty() {
            true => Extensions::decode_rest(&rest.slice_ref(block), body.len() - block.len())?,
            false => Extensions::new(),
        };
        Ok(Self {
            version,
            ranges: flags & RANGES != 0,
            alternates: flags & ALTERNATES != 0,
            push_alternates: flags & PUSH_ALTERNATES != 0,
            firewall_alternates: flags & FIREWALL_ALTERNATES != 0,
            urn,
            extensions,
        })
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        let flags = flags(&[
            (self.ranges, RANGES),
            (self.alternates, ALTERNATES),
            (self.push_alternates, PUSH_ALTERNATES),
            (self.firewall_alternates, FIREWALL_ALTERNATES),
            (!self.extensions.is_empty(), GGEP),
        ]);
        out.put_u8(flags);
        out.put_slice(self.urn.to_string().as_bytes());
        self.extensions.put(out, Zeros::Allowed);
    }
}

/// How much of a file a servent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// None of it.
    None,
    /// All of it.
    Complete,
    /// A part of it.
    Partial,
}

/// LIME/24: how it is with a file.
///
/// Version 1 tells nothing more than that when there is none of it, no IPv6 and no TLS, and its
/// ranges end below 4 GiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadPong {
    /// 1, or 2 for the one in GGEP.
    pub version: u16,
    /// How much is there.
    pub holding: Holding,
    /// Whether the servent must be pushed.
    pub firewalled: bool,
    /// Whether it downloads the file at this time.
    pub downloading: bool,
    /// Whether it accepts encrypted connections.
    pub tls: bool,
    /// Its maker.
    pub vendor: Option<[u8; 4]>,
    /// [`BUSY`], or how many wait for an upload, or below zero how many slots are free.
    pub queue: Option<i8>,
    /// The parts there are, first and last byte.
    pub ranges: Vec<(u32, u32)>,
    /// Servents behind firewalls that have it, packed.
    pub push_alternates: Bytes,
    /// Where else it is.
    pub alternates: Vec<Reach>,
}

impl HeadPong {
    /// A pong that tells the holding alone.
    #[must_use]
    pub const fn new(version: u16, holding: Holding) -> Self {
        Self {
            version,
            holding,
            firewalled: false,
            downloading: false,
            tls: false,
            vendor: None,
            queue: None,
            ranges: Vec::new(),
            push_alternates: Bytes::new(),
            alternates: Vec::new(),
        }
    }

    pub(super) fn decode(body: &Bytes, version: u16) -> Result<Self, Error> {
        match version {
            1 => Self::decode_fields(body),
            _ => Self::decode_extensions(body),
        }
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        match self.version {
            0 | 1 => self.put_fields(out),
            _ => self.extensions().put(out, Zeros::Allowed),
        }
    }

    fn decode_fields(body: &Bytes) -> Result<Self, Error> {
        let (rest, (flags, code)) = fixed(body, (byte, byte), "HEAD pong too short")?;
        let mut pong = Self::new(1, Holding::None);
        pong.read_code(code, 1)?;
        if pong.holding == Holding::None {
            return Ok(pong);
        }
        let at = |rest: &Bytes, error: Error| {
            Error::new(body.len() - rest.len() + error.offset, error.what)
        };
        let front = (four, signed);
        let (mut rest, (vendor, queue)) =
            fixed(&rest, front, "HEAD pong too short").map_err(|error| at(&rest, error))?;
        pong.vendor = Some(vendor);
        pong.queue = Some(queue);
        for flag in [RANGES, PUSH_ALTERNATES, ALTERNATES] {
            if flags & flag == 0 {
                continue;
            }
            let list = length_data(be_u16).map(|list: &[u8]| Bytes::copy_from_slice(list));
            let (after, list) = fixed(&rest, list, "HEAD pong with a list cut short")
                .map_err(|error| at(&rest, error))?;
            rest = after;
            match flag {
                RANGES => pong.ranges = read_ranges(&list),
                PUSH_ALTERNATES => pong.push_alternates = list,
                _ => pong.alternates = address::unpack_reaches(&list, &[]).collect(),
            }
        }
        Ok(pong)
    }

    fn decode_extensions(body: &Bytes) -> Result<Self, Error> {
        let (extensions, _) = Extensions::decode(body)?;
        let first = |id: Id| extensions.get(id)?.first().copied();
        let list = |id: Id| extensions.get(id).cloned().unwrap_or_default();
        let mut pong = Self::new(2, Holding::None);
        let code = first(CODE_ID).ok_or(Error::new(0, "HEAD pong without a code"))?;
        pong.read_code(code, 0)?;
        pong.tls = first(CAPABILITIES_ID).is_some_and(|flags| flags & TLS != 0);
        // Some add a fifth byte to the four letters, their version.
        pong.vendor = list(VENDOR_ID).first_chunk().copied();
        pong.queue = first(QUEUE_ID).map(u8::cast_signed);
        pong.ranges = read_ranges(&list(RANGES_ID));
        pong.push_alternates = list(PUSH_ALTERNATES_ID);
        pong.alternates =
            address::reaches_in(&extensions, ALTERNATES_ID, ALTERNATES_TLS_ID).collect();
        Ok(pong)
    }

    fn read_code(&mut self, code: u8, offset: usize) -> Result<(), Error> {
        self.holding = match code & HELD {
            0 => Holding::None,
            COMPLETE => Holding::Complete,
            PARTIAL => Holding::Partial,
            _ => return Err(Error::new(offset, "HEAD pong of a code unknown")),
        };
        self.firewalled = code & FIREWALLED != 0;
        self.downloading = code & DOWNLOADING != 0;
        Ok(())
    }

    fn code(&self) -> u8 {
        let held = match self.holding {
            Holding::None => 0,
            Holding::Complete => COMPLETE,
            Holding::Partial => PARTIAL,
        };
        held | flags(&[
            (self.firewalled, FIREWALLED),
            (self.downloading, DOWNLOADING),
        ])
    }

    fn put_fields(&self, out: &mut BytesMut) {
        let told = flags(&[
            (!self.ranges.is_empty(), RANGES),
            (!self.push_alternates.is_empty(), PUSH_ALTERNATES),
            (!self.alternates.is_empty(), ALTERNATES),
        ]);
        if self.holding == Holding::None {
            out.put_slice(&[0, self.code()]);
            return;
        }
        out.put_slice(&[told, self.code()]);
        out.put_slice(&self.vendor.unwrap_or_default());
        out.put_i8(self.queue.unwrap_or(BUSY));
        let (alternates, _) = address::pack_reaches(&self.alternates);
        let ranges = packed_ranges(&self.ranges);
        for (list, entry) in [(&ranges, 8), (&self.push_alternates, 1), (&alternates, 6)] {
            if !list.is_empty() {
                // As many whole entries as the length can tell.
                let most = usize::from(u16::MAX) / entry * entry;
                let list = &list[..list.len().min(most)];
                out.put_u16(u16::try_from(list.len()).expect("cut above"));
                out.put_slice(list);
            }
        }
    }

    fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.push(CODE_ID, vec![self.code()]);
        if let Some(queue) = self.queue {
            extensions.push(QUEUE_ID, vec![queue.cast_unsigned()]);
        }
        if let Some(vendor) = self.vendor {
            extensions.push(VENDOR_ID, vendor.to_vec());
        }
        if self.tls {
            extensions.push(CAPABILITIES_ID, vec![TLS]);
        }
        for (id, list) in [
            (RANGES_ID, packed_ranges(&self.ranges)),
            (PUSH_ALTERNATES_ID, self.push_alternates.clone()),
        ] {
            if !list.is_empty() {
                extensions.push(id, list);
            }
        }
        let lists = (ALTERNATES_ID, ALTERNATES_TLS_ID);
        address::set_reaches(&mut extensions, lists.0, lists.1, &self.alternates);
        extensions
    }
}

fn read_ranges(packed: &[u8]) -> Vec<(u32, u32)> {
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |word, &byte| word << 8 | u32::from(byte))
    };
    let range = |bytes: &[u8]| (word(&bytes[..4]), word(&bytes[4..]));
    packed.chunks_exact(8).map(range).collect()
}

fn packed_ranges(ranges: &[(u32, u32)]) -> Bytes {
    let mut out = BytesMut::new();
    for &(start, end) in ranges {
        out.put_u32(start);
        out.put_u32(end);
    }
    out.freeze()
}

fn flags(list: &[(bool, u8)]) -> u8 {
    list.iter()
        .filter(|(on, _)| *on)
        .fold(0, |flags, (_, flag)| flags | flag)
}

const fn literal(id: &[u8]) -> Id {
    Id::new(id).expect("one letter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl Fn(&mut BytesMut)) -> Bytes {
        let mut out = BytesMut::new();
        put(&mut out);
        out.freeze()
    }

    fn ping(extensions: Extensions) -> HeadPing {
        HeadPing {
            version: 1,
            ranges: true,
            alternates: true,
            push_alternates: false,
            firewall_alternates: true,
            urn: "urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN".parse().unwrap(),
            extensions,
        }
    }

    #[test]
    fn a_ping_may_be_for_a_leaf() {
        let plain = ping(Extensions::new());
        let bytes = written(|out| plain.put(out));
        assert_eq!((bytes[0], bytes.len()), (0x0b, 42));
        assert_eq!(HeadPing::decode(&bytes, 1), Ok(plain));
        let mut extensions = Extensions::new();
        extensions.push(Id::PUSH, vec![7; 16]);
        let relayed = ping(extensions);
        assert_eq!(relayed.leaf(), Some(Guid::from_bytes([7; 16])));
        let bytes = written(|out| relayed.put(out));
        assert_eq!(bytes[0], 0x1b);
        assert_eq!(HeadPing::decode(&bytes, 1), Ok(relayed));
        for wrong in [&b""[..], b"\x1f", b"\x1furn:sha1:AAAA", b"\x1f\xffurn"] {
            assert!(HeadPing::decode(&Bytes::from_static(wrong), 1).is_err());
        }
    }

    #[test]
    fn lists_of_a_pong_are_told_by_flags_or_extensions() {
        let mut pong = HeadPong {
            version: 1,
            firewalled: true,
            vendor: Some(*b"TEST"),
            queue: Some(-20),
            ranges: vec![(0, 99), (200, 299)],
            push_alternates: Bytes::from_static(b"pushed"),
            alternates: vec![Reach {
                address: "198.51.100.7:6346".parse().unwrap(),
                tls: false,
            }],
            ..HeadPong::new(1, Holding::Partial)
        };
        let bytes = written(|out| pong.put(out));
        assert_eq!(bytes[..7], b"\x07\x06TEST\xec"[..]);
        assert_eq!(HeadPong::decode(&bytes, 1), Ok(pong.clone()));
        for end in 0..bytes.len() {
            assert!(HeadPong::decode(&bytes.slice(..end), 1).is_err(), "{end}");
        }
        pong.version = 2;
        pong.tls = true;
        pong.alternates[0].tls = true;
        assert_eq!(HeadPong::decode(&written(|out| pong.put(out)), 2), Ok(pong));
        let none = HeadPong::new(1, Holding::None);
        assert_eq!(written(|out| none.put(out))[..], [0, 0]);
        assert!(HeadPong::decode(&Bytes::from_static(&[0, 3]), 1).is_err());
    }
}
