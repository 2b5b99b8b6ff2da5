//! What the extensions of pongs and pings say of a servent (protocol §3.1, §3.2).

use bytes::Bytes;

/// `UP`: an ultrapeer's free slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// The version of its ultrapeer protocol, which nobody reads.
    pub version: u8,
    /// Free slots for leaves; 255 for that many or more.
    pub leaves: u8,
    /// Free slots for ultrapeers.
    pub ultrapeers: u8,
}

impl Slots {
    /// The slots of an ultrapeer of today, the numbers cut to what fits.
    #[must_use]
    pub fn new(leaves: usize, ultrapeers: usize) -> Self {
        let cut = |slots: usize| u8::try_from(slots).unwrap_or(u8::MAX);
        Self {
            version: 2,
            leaves: cut(leaves),
            ultrapeers: cut(ultrapeers),
        }
    }

    /// The slots that an extension's data tells.
    #[must_use]
    pub const fn from_data(data: &[u8]) -> Option<Self> {
        match *data {
            [version, leaves, ultrapeers, ..] => Some(Self {
                version,
                leaves,
                ultrapeers,
            }),
            _ => None,
        }
    }

    /// The extension's data.
    #[must_use]
    pub fn data(self) -> Bytes {
        Bytes::copy_from_slice(&[self.version, self.leaves, self.ultrapeers])
    }
}

/// `VC`: who made a servent, and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The maker's four letters.
    pub vendor: [u8; 4],
    /// The version before its dot, at most 15.
    pub major: u8,
    /// The version behind it, at most 15.
    pub minor: u8,
}

impl Maker {
    /// The maker that an extension's data tells; one without a version has 0.0.
    #[must_use]
    pub fn from_data(data: &[u8]) -> Option<Self> {
        let (vendor, version) = data.split_first_chunk()?;
        let version = version.first().copied().unwrap_or(0);
        Some(Self {
            vendor: *vendor,
            major: version >> 4,
            minor: version & 0x0f,
        })
    }

    /// The extension's data.
    #[must_use]
    pub fn data(self) -> Bytes {
        let version = self.major.min(15) << 4 | self.minor.min(15);
        [&self.vendor[..], &[version]].concat().into()
    }

    /// The maker's letters as text.
    #[must_use]
    pub fn vendor_text(self) -> String {
        self.vendor.escape_ascii().to_string()
    }
}

/// `SCP`: which packed hosts are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostWish {
    /// Those with free slots for ultrapeers rather than leaves.
    pub ultrapeer_slots: bool,
    /// The asker speaks TLS.
    pub tls: bool,
    /// IPv6 hosts too.
    pub ipv6: bool,
    /// No IPv4 hosts, which implies IPv6.
    pub no_ipv4: bool,
}

impl HostWish {
    /// The wish that an extension's data tells; without a byte it is for any hosts.
    #[must_use]
    pub fn from_data(data: &[u8]) -> Self {
        let flags = data.first().copied().unwrap_or(0);
        let has = |flag: u8| flags & flag != 0;
        Self {
            ultrapeer_slots: has(0x01),
            tls: has(0x02),
            ipv6: has(0x04) || has(0x08),
            no_ipv4: has(0x08),
        }
    }

    /// The extension's data.
    #[must_use]
    pub fn data(self) -> Bytes {
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let flags = flag(self.ultrapeer_slots, 0x01)
            | flag(self.tls, 0x02)
            | flag(self.ipv6 || self.no_ipv4, 0x04)
            | flag(self.no_ipv4, 0x08);
        Bytes::copy_from_slice(&[flags])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_tells_what_it_was_made_of() {
        let slots = Slots::new(300, 5);
        assert_eq!(slots.data()[..], [2, 255, 5]);
        assert_eq!(Slots::from_data(&slots.data()), Some(slots));
        assert_eq!(Slots::from_data(&[1, 2]), None);
        let maker = Maker::from_data(b"GTKG\x83").unwrap();
        assert_eq!(
            (maker.major, maker.minor, &maker.data()[..]),
            (8, 3, &b"GTKG\x83"[..])
        );
        assert_eq!(Maker::from_data(b"GTKG").unwrap().major, 0);
        assert_eq!(Maker::from_data(b"GTK"), None);
        for flags in 0..16 {
            let wish = HostWish::from_data(&[flags]);
            assert_eq!(HostWish::from_data(&wish.data()), wish);
        }
        assert_eq!(HostWish::from_data(&[]), HostWish::default());
        assert_eq!(HostWish::from_data(&[5]).data()[..], [5]);
    }
}
