//! The names of vendor messages: who made one up, its number there, and its version.

use std::fmt;

use bytes::{BufMut, BytesMut};
use nom::number::complete::{be_u32, le_u16};
use nom::{IResult, Parser};

/// The name of a vendor message, "LIME/21v1".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The four letters of the vendor that defined it; zeros for messages of no vendor.
    pub vendor: [u8; 4],
    /// Its number among those of that vendor.
    pub selector: u16,
    /// Its version.
    pub version: u16,
}

impl Name {
    /// Which messages the sender reads.
    pub const MESSAGES_SUPPORTED: Self = Self::new(NONE, 0, 0);
    /// What the sender can, narrow versions.
    pub const FEATURES: Self = Self::new(NONE, 10, 0);
    /// What the sender can, also wide versions.
    pub const WIDE_FEATURES: Self = Self::new(NONE, 10, 1);
    /// How far a query may have come.
    pub const HOPS_FLOW: Self = Self::new(BEAR, 4, 1);
    /// Try to connect to me.
    pub const TCP_CONNECT_BACK: Self = Self::new(BEAR, 7, 1);
    /// How many results have you?
    pub const GUIDANCE_REQUEST: Self = Self::new(BEAR, 11, 1);
    /// So many results.
    pub const GUIDANCE: Self = Self::new(BEAR, 12, 1);
    /// Ping me over UDP with the GUID within.
    pub const UDP_CONNECT_BACK_V1: Self = Self::new(GTKG, 7, 1);
    /// Ping me over UDP with the MUID of this.
    pub const UDP_CONNECT_BACK: Self = Self::new(GTKG, 7, 2);
    /// What time is it?
    pub const TIME_SYNC_REQUEST: Self = Self::new(GTKG, 9, 1);
    /// So late.
    pub const TIME_SYNC_REPLY: Self = Self::new(GTKG, 10, 1);
    /// No more push proxying.
    pub const PUSH_PROXY_CANCEL: Self = Self::new(GTKG, 21, 1);
    /// Tell me about you.
    pub const NODE_INFO_REQUEST: Self = Self::new(GTKG, 22, 1);
    /// What there is to tell.
    pub const NODE_INFO_REPLY: Self = Self::new(GTKG, 23, 1);
    /// Which neighbours have you?
    pub const CRAWLER_PING: Self = Self::new(LIME, 5, 1);
    /// These neighbours.
    pub const CRAWLER_PONG: Self = Self::new(LIME, 6, 1);
    /// Try to connect to that one.
    pub const TCP_CONNECT_BACK_REDIRECT: Self = Self::new(LIME, 7, 1);
    /// Ping that one over UDP.
    pub const UDP_CONNECT_BACK_REDIRECT: Self = Self::new(LIME, 8, 1);
    /// Send me so many of the results that wait.
    pub const OUT_OF_BAND_CLAIM: Self = Self::new(LIME, 11, 2);
    /// The same, with a token.
    pub const OUT_OF_BAND_CLAIM_SECURE: Self = Self::new(LIME, 11, 3);
    /// So many results wait.
    pub const OUT_OF_BAND_OFFER_V1: Self = Self::new(LIME, 12, 1);
    /// The same, and whether UDP reaches me unasked.
    pub const OUT_OF_BAND_OFFER: Self = Self::new(LIME, 12, 2);
    /// The same, to be claimed with a token.
    pub const OUT_OF_BAND_OFFER_SECURE: Self = Self::new(LIME, 12, 3);
    /// Do not ask out of band in my place.
    pub const OUT_OF_BAND_VETO: Self = Self::new(LIME, 13, 1);
    /// Be my push proxy.
    pub const PUSH_PROXY_REQUEST: Self = Self::new(LIME, 21, 1);
    /// The same, newer.
    pub const PUSH_PROXY_REQUEST_V2: Self = Self::new(LIME, 21, 2);
    /// I am, at this port.
    pub const PUSH_PROXY_ACK_V1: Self = Self::new(LIME, 22, 1);
    /// I am, at this address.
    pub const PUSH_PROXY_ACK: Self = Self::new(LIME, 22, 2);
    /// Have you this file?
    pub const HEAD_PING: Self = Self::new(LIME, 23, 1);
    /// The same, to be answered in GGEP.
    pub const HEAD_PING_V2: Self = Self::new(LIME, 23, 2);
    /// How it is with that file.
    pub const HEAD_PONG: Self = Self::new(LIME, 24, 1);
    /// The same, in GGEP.
    pub const HEAD_PONG_V2: Self = Self::new(LIME, 24, 2);

    /// The message of that vendor, number and version.
    #[must_use]
    pub const fn new(vendor: [u8; 4], selector: u16, version: u16) -> Self {
        Self {
            vendor,
            selector,
            version,
        }
    }

    pub(super) fn put(self, out: &mut BytesMut) {
        out.put_slice(&self.vendor);
        out.put_u16_le(self.selector);
        out.put_u16_le(self.version);
    }
}

/// Who defined messages that are everybody's.
const NONE: [u8; 4] = [0; 4];
const BEAR: [u8; 4] = *b"BEAR";
const GTKG: [u8; 4] = *b"GTKG";
const LIME: [u8; 4] = *b"LIME";

pub(super) fn name(input: &[u8]) -> IResult<&[u8], Name> {
    (four, le_u16, le_u16)
        .map(|(vendor, selector, version)| Name::new(vendor, selector, version))
        .parse(input)
}

/// Four bytes, as of a vendor or a feature.
pub(super) fn four(input: &[u8]) -> IResult<&[u8], [u8; 4]> {
    be_u32.map(u32::to_be_bytes).parse(input)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vendor {
            NONE => f.write_str("null")?,
            vendor => write!(f, "{}", vendor.escape_ascii())?,
        }
        write!(f, "/{}v{}", self.selector, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_everybody_writes_them() {
        for (name, text) in [
            (Name::PUSH_PROXY_REQUEST, "LIME/21v1"),
            (Name::MESSAGES_SUPPORTED, "null/0v0"),
            (Name::UDP_CONNECT_BACK, "GTKG/7v2"),
            (Name::new(*b"A\0B\xff", 1, 65_535), "A\\x00B\\xff/1v65535"),
        ] {
            assert_eq!(name.to_string(), text);
        }
    }
}
