//! GTKG/22 and GTKG/23: how a servent is doing.

use bytes::{BufMut, Bytes, BytesMut};
use nom::multi::length_count;
use nom::number::complete::{be_u16, be_u32, u8 as byte};

use super::name::four;
use crate::wire::Error;
use crate::wire::ggep::Extensions;
use crate::wire::parse::fixed;

/// The answer flags behind which a group of fields stands in front of the extensions: bandwidth,
/// drops, hits, processor.
const GROUPS: u32 = 0xf0;

/// GTKG/23: how a servent is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its maker.
    pub vendor: [u8; 4],
    /// 0 when it chooses its role, 1 as a leaf, 2 as an ultrapeer.
    pub mode: u8,
    /// What the groups and extensions at the end tell, in the bits of the request.
    pub answered: u32,
    /// How it runs.
    pub operating: u32,
    /// What it can, at most 255 words.
    pub features: Vec<u32>,
    /// How many ultrapeers it takes as an ultrapeer.
    pub max_ultrapeers: u8,
    /// How many it takes as a leaf.
    pub max_ultrapeers_as_leaf: u8,
    /// How many it has.
    pub ultrapeers: u8,
    /// How many leaves it takes.
    pub max_leaves: u16,
    /// How many it has.
    pub leaves: u16,
    /// The TTL it sends with.
    pub ttl: u8,
    /// The TTL beyond which it cuts.
    pub hard_ttl: u8,
    /// Since when it runs, in seconds since 1970.
    pub started: u32,
    /// Since when it has its address.
    pub address_changed: u32,
    /// The groups and extensions.
    pub rest: Bytes,
}

impl NodeInfo {
    /// The extensions, when no group stands in front of them and they are sound.
    #[must_use]
    pub fn extensions(&self) -> Option<Extensions> {
        if self.answered & GROUPS != 0 {
            return None;
        }
        Extensions::decode_rest(&self.rest, 0).ok()
    }

    pub(super) fn decode(body: &Bytes) -> Result<Self, Error> {
        let front = (
            (four, byte, be_u32, be_u32),
            length_count(byte, be_u32),
            (byte, byte, byte, be_u16, be_u16, byte, byte),
            (be_u32, be_u32),
        );
        let (rest, (who, features, has, times)) = fixed(body, front, "node info reply too short")?;
        let (vendor, mode, answered, operating) = who;
        let (max_ultrapeers, max_ultrapeers_as_leaf, ultrapeers, max_leaves, leaves, ttl, hard) =
            has;
        Ok(Self {
            vendor,
            mode,
            answered,
            operating,
            features,
            max_ultrapeers,
            max_ultrapeers_as_leaf,
            ultrapeers,
            max_leaves,
            leaves,
            ttl,
            hard_ttl: hard,
            started: times.0,
            address_changed: times.1,
            rest,
        })
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        let words = u8::try_from(self.features.len()).unwrap_or(u8::MAX);
        out.put_slice(&self.vendor);
        out.put_u8(self.mode);
        out.put_u32(self.answered);
        out.put_u32(self.operating);
        out.put_u8(words);
        for &word in self.features.iter().take(usize::from(words)) {
            out.put_u32(word);
        }
        out.put_slice(&[
            self.max_ultrapeers,
            self.max_ultrapeers_as_leaf,
            self.ultrapeers,
        ]);
        out.put_u16(self.max_leaves);
        out.put_u16(self.leaves);
        out.put_slice(&[self.ttl, self.hard_ttl]);
        out.put_u32(self.started);
        out.put_u32(self.address_changed);
        out.put_slice(&self.rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ggep::{Id, Zeros};

    #[test]
    fn extensions_are_read_when_no_group_precedes_them() {
        let mut extensions = Extensions::new();
        extensions.push(Id::DU, vec![5]);
        let mut info = NodeInfo {
            vendor: *b"TEST",
            mode: 2,
            features: vec![1, 0x0102_0304],
            max_leaves: 300,
            rest: extensions.encode(Zeros::Allowed),
            ..NodeInfo::default()
        };
        assert_eq!(info.extensions(), Some(extensions));
        let mut out = BytesMut::new();
        info.put(&mut out);
        let bytes = out.freeze();
        assert_eq!(NodeInfo::decode(&bytes), Ok(info.clone()));
        info.answered = 0x10;
        assert_eq!(info.extensions(), None);
        for end in 0..bytes.len() - info.rest.len() {
            assert!(NodeInfo::decode(&bytes.slice(..end)).is_err(), "{end}");
        }
    }
}
