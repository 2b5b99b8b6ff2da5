//! The header in front of every descriptor (protocol §1.1, §1.2).

use bytes::BufMut;

use super::{Error, Guid};

/// Length of a descriptor header in bytes.
pub const HEADER_LEN: usize = 23;

/// The largest payload of any descriptor, in bytes (protocol §1.1).
pub const MAX_PAYLOAD: usize = 65_535;

/// What a descriptor is: its payload type (protocol §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 0x00: is anybody there?
    Ping,
    /// 0x01: an address, and how much is shared there.
    Pong,
    /// 0x02: why the sender closes the link.
    Bye,
    /// 0x30: a piece of a query routing table.
    RouteTableUpdate,
    /// 0x31 or 0x32: a vendor's message, experimental or standard.
    Vendor {
        /// Whether it came as 0x32, the standard form.
        standard: bool,
    },
    /// 0x40: a request to open a connection back.
    Push,
    /// 0x44: a message of the distributed hash table.
    Dht,
    /// 0x80: a search.
    Query,
    /// 0x81: its answer.
    QueryHit,
    /// Any other type: dropped and counted.
    Other(u8),
}

impl Kind {
    /// The payload type byte.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ping => 0x00,
            Self::Pong => 0x01,
            Self::Bye => 0x02,
            Self::RouteTableUpdate => 0x30,
            Self::Vendor { standard: false } => 0x31,
            Self::Vendor { standard: true } => 0x32,
            Self::Push => 0x40,
            Self::Dht => 0x44,
            Self::Query => 0x80,
            Self::QueryHit => 0x81,
            Self::Other(code) => code,
        }
    }

    /// The kind that a payload type byte stands for.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0x00 => Self::Ping,
            0x01 => Self::Pong,
            0x02 => Self::Bye,
            0x30 => Self::RouteTableUpdate,
            0x31 => Self::Vendor { standard: false },
            0x32 => Self::Vendor { standard: true },
            0x40 => Self::Push,
            0x44 => Self::Dht,
            0x80 => Self::Query,
            0x81 => Self::QueryHit,
            other => Self::Other(other),
        }
    }
}

/// The header of a descriptor, without its payload length, which the payload itself tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Identifier of the descriptor.
    pub guid: Guid,
    /// What the payload is.
    pub kind: Kind,
    /// How many more links it may travel.
    pub ttl: u8,
    /// How many links it has travelled.
    pub hops: u8,
}

impl Header {
    /// Reads a header and the length of the payload that follows it. The length is what the bytes
    /// say, unchecked against any limit.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> (Self, u32) {
        let (guid, rest) = bytes.split_first_chunk().expect("23 bytes hold 16");
        let header = Self {
            guid: Guid::from_bytes(*guid),
            kind: Kind::from_code(rest[0]),
            ttl: rest[1],
            hops: rest[2],
        };
        (
            header,
            u32::from_le_bytes([rest[3], rest[4], rest[5], rest[6]]),
        )
    }

    /// The header's bytes in front of a payload of `length` bytes.
    ///
    /// # Errors
    /// When `length` is above [`MAX_PAYLOAD`].
    pub fn encode(&self, length: usize) -> Result<[u8; HEADER_LEN], Error> {
        if length > MAX_PAYLOAD {
            return Err(Error::new(19, "a payload has at most 65535 bytes"));
        }
        let length = u32::try_from(length).expect("checked above");
        let mut bytes = [0; HEADER_LEN];
        let mut out = &mut bytes[..];
        out.put_slice(self.guid.as_bytes());
        out.put_slice(&[self.kind.code(), self.ttl, self.hops]);
        out.put_u32_le(length);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_byte_has_one_kind() {
        for code in 0..=u8::MAX {
            assert_eq!(Kind::from_code(code).code(), code);
        }
    }

    #[test]
    fn header_bytes_are_those_of_the_protocol() {
        let guid: Guid = "1011121314151617ff191a1b1c1d1e00".parse().unwrap();
        let header = Header {
            guid,
            kind: Kind::Query,
            ttl: 4,
            hops: 1,
        };
        let bytes = header.encode(0x1234).unwrap();
        assert_eq!(bytes[16..], [0x80, 4, 1, 0x34, 0x12, 0, 0]);
        assert_eq!(Header::decode(&bytes), (header, 0x1234));
        assert!(header.encode(MAX_PAYLOAD + 1).is_err());
    }
}
