//! PONG: an address, and how much is shared there (protocol §3.2).

mod values;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::{le_u16, le_u32};

pub use self::values::{HostWish, Maker, Slots};
use super::Error;
use super::address::{self, Reach};
use super::ggep::{Extensions, Id, Zeros, decode_integer, encode_integer};
use super::parse::{self, fixed};

/// The most hosts that a pong is given; servents of today read 10 or 30.
pub const MAX_HOSTS: usize = 30;

/// The longest daily uptime: the whole day, in seconds.
const DAY: u64 = 86_400;

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

    /// With extension `UP`, that of an ultrapeer.
    #[must_use]
    pub fn with_slots(mut self, slots: Slots) -> Self {
        self.extensions.set(Id::UP, slots.data());
        self
    }

    /// With extension `DU`, the average daily uptime in seconds.
    #[must_use]
    pub fn with_daily_uptime(mut self, seconds: u32) -> Self {
        let seconds = u64::from(seconds).min(DAY);
        self.extensions.set(Id::DU, encode_integer(seconds));
        self
    }

    /// With extension `VC`, the maker and version.
    #[must_use]
    pub fn with_maker(mut self, maker: Maker) -> Self {
        self.extensions.set(Id::VC, maker.data());
        self
    }

    /// With extension `GUE`, the version of unicast search.
    #[must_use]
    pub fn with_guess(mut self, major: u8, minor: u8) -> Self {
        let version = major.min(15) << 4 | minor.min(15);
        self.extensions.set(Id::GUE, vec![version]);
        self
    }

    /// With extensions `IPP` and `IPP_TLS`, the first [`MAX_HOSTS`] of these hosts.
    #[must_use]
    pub fn with_hosts(mut self, hosts: &[Reach]) -> Self {
        let hosts = &hosts[..hosts.len().min(MAX_HOSTS)];
        address::set_reaches(&mut self.extensions, Id::IPP, Id::IPP_TLS, hosts);
        self
    }

    /// With extension `IP`, the asker's address as it is seen here.
    #[must_use]
    pub fn with_echo(mut self, asker: SocketAddr) -> Self {
        self.extensions.set(Id::IP, address::pack_one(asker));
        self
    }

    /// With extension `TLS`: encrypted connections are accepted.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.extensions.set(Id::TLS, Bytes::new());
        self
    }

    /// With extension `UDPHC`, that of a host cache, under a name or none.
    #[must_use]
    pub fn with_host_cache(mut self, name: Option<&str>) -> Self {
        let name = name.unwrap_or_default().as_bytes();
        self.extensions.set(Id::UDPHC, Bytes::copy_from_slice(name));
        self
    }

    /// An ultrapeer's free slots.
    #[must_use]
    pub fn slots(&self) -> Option<Slots> {
        Slots::from_data(self.extensions.get(Id::UP)?)
    }

    /// The average daily uptime in seconds, at most a day.
    #[must_use]
    pub fn daily_uptime(&self) -> Option<u32> {
        let seconds = decode_integer(self.extensions.get(Id::DU)?)?;
        u32::try_from(seconds.min(DAY)).ok()
    }

    /// The maker and version.
    #[must_use]
    pub fn maker(&self) -> Option<Maker> {
        Maker::from_data(self.extensions.get(Id::VC)?)
    }

    /// The version of unicast search, major and minor; 0.1 where it is not told.
    #[must_use]
    pub fn guess(&self) -> Option<(u8, u8)> {
        let version = self.extensions.get(Id::GUE)?.first().copied();
        let version = version.unwrap_or(0x01);
        Some((version >> 4, version & 0x0f))
    }

    /// One's own address as the servent sees it.
    #[must_use]
    pub fn echo(&self) -> Option<SocketAddr> {
        address::unpack_one(self.extensions.get(Id::IP)?)
    }

    /// Whether encrypted connections are accepted.
    #[must_use]
    pub fn accepts_tls(&self) -> bool {
        let old = self.extensions.get("GTKG.TLS");
        self.extensions.get(Id::TLS).or(old).is_some()
    }

    /// The name of the host cache that this is; empty when it has none but its address.
    #[must_use]
    pub fn host_cache(&self) -> Option<&str> {
        str::from_utf8(self.extensions.get(Id::UDPHC)?).ok()
    }

    /// The hosts of [`hosts`](Self::hosts) with what is known of their encryption.
    pub fn reaches(&self, limit: usize) -> impl Iterator<Item = Reach> {
        address::reaches_in(&self.extensions, Id::IPP, Id::IPP_TLS).take(limit)
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
    fn extensions_are_read_as_they_were_written() {
        let bare = Pong::decode(&Bytes::from_static(&[1; 14])).unwrap();
        let address = |host: u16| SocketAddrV4::new(Ipv4Addr::from_bits(7), host);
        let hosts: Vec<Reach> = (0..40)
            .map(|host| Reach {
                address: address(host),
                tls: host % 3 == 0,
            })
            .collect();
        let maker = Maker::from_data(b"TEST\x12").unwrap();
        let echo = "[2001:db8::1]:6346".parse().unwrap();
        let pong = bare
            .clone()
            .with_slots(Slots::new(20, 5))
            .with_daily_uptime(90_000)
            .with_maker(maker)
            .with_guess(0, 2)
            .with_hosts(&hosts)
            .with_echo(echo)
            .with_tls()
            .with_host_cache(Some("cache.example:6346"));
        let pong = Pong::decode(&pong.encode()).unwrap();
        assert_eq!(pong.slots(), Some(Slots::new(20, 5)));
        assert_eq!(
            (pong.daily_uptime(), pong.maker()),
            (Some(86_400), Some(maker))
        );
        assert_eq!((pong.guess(), pong.echo()), (Some((0, 2)), Some(echo)));
        assert_eq!(pong.reaches(100).collect::<Vec<_>>(), hosts[..MAX_HOSTS]);
        assert_eq!(pong.reaches(3).count(), 3);
        assert!(pong.accepts_tls() && pong.is_ultrapeer());
        assert_eq!(pong.host_cache(), Some("cache.example:6346"));
        let none = pong.with_hosts(&[]).with_host_cache(None);
        assert_eq!((none.hosts(10).count(), none.host_cache()), (0, Some("")));
        assert!(bare.slots().is_none() && bare.maker().is_none() && !bare.accepts_tls());
    }

    #[test]
    fn a_short_pong_or_one_with_garbage_is_refused() {
        assert!(Pong::decode(&Bytes::from_static(&[1; 13])).is_err());
        assert!(Pong::decode(&Bytes::from_static(&[1; 14])).is_ok());
        let error = Pong::decode(&Bytes::from_static(&[1; 15])).unwrap_err();
        assert_eq!(error.offset, 14);
    }
}
