//! The names of extensions.

use std::fmt;

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
    /// `ALT_TLS`: which addresses of `ALT` accept encrypted connections.
    pub const ALT_TLS: Self = Self::literal("ALT_TLS");
    /// `BH`: browsing the host works.
    pub const BH: Self = Self::literal("BH");
    /// `CT`: when a file was first shared.
    pub const CT: Self = Self::literal("CT");
    /// `DU`: average daily uptime.
    pub const DU: Self = Self::literal("DU");
    /// `GUE`: the version of unicast search.
    pub const GUE: Self = Self::literal("GUE");
    /// `H`: a typed digest, read by
    /// [`Urn::from_typed_digest`](crate::wire::urn::Urn::from_typed_digest).
    pub const H: Self = Self::literal("H");
    /// `IP`: one's own address as another sees it.
    pub const IP: Self = Self::literal("IP");
    /// `IPP`: packed addresses.
    pub const IPP: Self = Self::literal("IPP");
    /// `IPP_TLS`: which addresses of `IPP` accept encrypted connections.
    pub const IPP_TLS: Self = Self::literal("IPP_TLS");
    /// `LF`: a size beyond 31 bits.
    pub const LF: Self = Self::literal("LF");
    /// `M`: media types wanted.
    pub const M: Self = Self::literal("M");
    /// `NP`: no ultrapeer is to ask for answers out of band in one's place.
    pub const NP: Self = Self::literal("NP");
    /// `PR`: partial files wanted.
    pub const PR: Self = Self::literal("PR");
    /// `PUSH`: push proxies.
    pub const PUSH: Self = Self::literal("PUSH");
    /// `PUSH_TLS`: which push proxies accept encrypted connections.
    pub const PUSH_TLS: Self = Self::literal("PUSH_TLS");
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
    /// `UDPHC`: a host cache that answers pings.
    pub const UDPHC: Self = Self::literal("UDPHC");
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

    /// How many bytes it has.
    pub(super) const fn length(self) -> u8 {
        self.length
    }

    /// Whether the data is of a sort that servents deflate: long text and long lists.
    pub(super) fn is_worth_deflating(self) -> bool {
        const LONG: [&[u8]; 9] = [
            b"XQ", b"PHC", b"IPP6", b"DHTIPP6", b"ALT6", b"PUSH6", b"GGEP", b"UA", b"VMSG",
        ];
        LONG.contains(&self.as_ref())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_has_no_zero() {
        assert_eq!(Id::new(b"GTKG.TLS").unwrap().to_string(), "GTKG.TLS");
        assert!(Id::new(&[b'x'; 15]).is_some());
        assert_eq!(Id::new(&[b'x'; 16]), None);
        assert_eq!(Id::new(b""), None);
        assert_eq!(Id::new(b"A\0"), None);
    }
}
