//! PONG: an address, and how much is shared there (protocol §3.2).

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::{le_u16, le_u32};

use super::Error;
use super::address;
use super::ggep::{Extensions, Id, Zeros};
use super::parse::{self, fixed};

/// From this size on, a power of two in KiB marks an ultrapeer.
const ULTRAPEER_KIBIBYTES: u32 = 8;

/// Where a servent listens and how much it shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The port at which it listens.
    pub port: u16,
    /// Its address.
    pub ip: Ipv4Addr,
    /// How many files it shares.
    pub files: u32,
    /// Their size in KiB; see [`marked_kibibytes`].
    pub kibibytes: u32,
    /// The GGEP extensions.
    pub extensions: Extensions,
}

impl Pong {
    /// Reads a pong.
    ///
    /// # Errors
    /// When it is shorter than 14 bytes, or more follows that is not sound GGEP.
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        let front = (le_u16, parse::ipv4, le_u32, le_u32);
        let (rest, (port, ip, files, kibibytes)) = fixed(payload, front, "pong too short")?;
        let extensions = Extensions::decode_rest(&rest, payload.len() - rest.len())?;
        Ok(Self {
            port,
            ip,
            files,
            kibibytes,
            extensions,
        })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u16_le(self.port);
        out.put_slice(&self.ip.octets());
        out.put_u32_le(self.files);
        out.put_u32_le(self.kibibytes);
        self.extensions.put(&mut out, Zeros::Allowed);
        out.freeze()
    }

    /// Where the servent listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip, self.port)
    }

    /// Whether it is an ultrapeer: by extension `UP`, or by the mark in its size.
    #[must_use]
    pub fn is_ultrapeer(&self) -> bool {
        let marked = self.kibibytes >= ULTRAPEER_KIBIBYTES && self.kibibytes.is_power_of_two();
        marked || self.extensions.get(Id::UP).is_some()
    }

    /// The other hosts it names in extension `IPP`, at most `limit`.
    pub fn hosts(&self, limit: usize) -> impl Iterator<Item = SocketAddrV4> {
        let packed = self.extensions.get(Id::IPP).map_or(&[][..], |data| data);
        address::unpack(packed).take(limit)
    }
}

/// The size field of a pong, in which an ultrapeer is marked by a power of two from 8 on and
/// nobody else may be.
#[must_use]
pub fn marked_kibibytes(kibibytes: u32, ultrapeer: bool) -> u32 {
    if !ultrapeer {
        return if kibibytes == 0 { 0 } else { kibibytes | 1 };
    }
    let above = kibibytes.checked_next_power_of_two().unwrap_or(1 << 31);
    let below = above / 2;
    // The nearer of the two powers around the size, the larger one when both are as near.
    let nearest = if kibibytes.saturating_sub(below) < above.saturating_sub(kibibytes) {
        below
    } else {
        above
    };
    nearest.max(ULTRAPEER_KIBIBYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_tells_who_is_an_ultrapeer() {
        for (kibibytes, ultrapeer, leaf) in [
            (0, 8, 0),
            (7, 8, 7),
            (8, 8, 9),
            (11, 8, 11),
            (12, 16, 13),
            (4096, 4096, 4097),
            (u32::MAX, 1 << 31, u32::MAX),
        ] {
            assert_eq!(
                marked_kibibytes(kibibytes, true),
                ultrapeer,
                "{kibibytes} as ultrapeer"
            );
            assert_eq!(
                marked_kibibytes(kibibytes, false),
                leaf,
                "{kibibytes} as leaf"
            );
        }
    }

    #[test]
    fn a_short_pong_or_one_with_garbage_is_refused() {
        assert!(Pong::decode(&Bytes::from_static(&[1; 13])).is_err());
        assert!(Pong::decode(&Bytes::from_static(&[1; 14])).is_ok());
        let error = Pong::decode(&Bytes::from_static(&[1; 15])).unwrap_err();
        assert_eq!(error.offset, 14);
    }
}
