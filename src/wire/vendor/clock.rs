//! GTKG/9 and GTKG/10: how far two clocks are apart. The MUID of both carries two times.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u32, u8 as byte};

use crate::wire::parse::fixed;
use crate::wire::{Error, Guid};

const NTP: u8 = 0x01;

/// A time: seconds since 1970, and microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The seconds.
    pub seconds: u32,
    /// The microseconds beyond them.
    pub micros: u32,
}

impl Stamp {
    /// The two times in a MUID: when the request was sent, and when the reply was.
    #[must_use]
    pub fn pair_of(muid: &Guid) -> (Self, Self) {
        let bits = u128::from_be_bytes(*muid.as_bytes());
        let word = |shift: u32| u32::try_from(bits >> shift & 0xffff_ffff).expect("32 bits");
        let stamp = |shift| Self {
            seconds: word(shift + 32),
            micros: word(shift),
        };
        (stamp(64), stamp(0))
    }

    /// The MUID that carries two times.
    #[must_use]
    pub fn muid(requested: Self, replied: Self) -> Guid {
        let words = [
            requested.seconds,
            requested.micros,
            replied.seconds,
            replied.micros,
        ];
        let bits = words
            .iter()
            .fold(0, |bits, &word| bits << 32 | u128::from(word));
        Guid::from_bytes(bits.to_be_bytes())
    }
}

/// GTKG/10: the answer, whose MUID tells when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSyncReply {
    /// Whether the clock is kept right by NTP.
    pub ntp: bool,
    /// When the request came.
    pub received: Stamp,
}

impl TimeSyncReply {
    pub(super) fn decode(body: &Bytes) -> Result<Self, Error> {
        let stamp = (be_u32, be_u32).map(|(seconds, micros)| Stamp { seconds, micros });
        let (_, (flags, received)) = fixed(body, (byte, stamp), "time sync reply too short")?;
        Ok(Self {
            ntp: ntp(flags),
            received,
        })
    }

    pub(super) fn put(self, out: &mut BytesMut) {
        put_flags(out, self.ntp);
        out.put_u32(self.received.seconds);
        out.put_u32(self.received.micros);
    }
}

/// Whether the flags of either message tell of NTP.
pub(super) const fn ntp(flags: u8) -> bool {
    flags & NTP != 0
}

pub(super) fn put_flags(out: &mut BytesMut, ntp: bool) {
    out.put_u8(if ntp { NTP } else { 0 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_muid_carries_two_times() {
        let stamp = |seconds, micros| Stamp { seconds, micros };
        let pair = (stamp(1_700_000_000, 5), stamp(u32::MAX, 999_999));
        let muid = Stamp::muid(pair.0, pair.1);
        assert_eq!(muid.as_bytes()[..8], [0x65, 0x53, 0xf1, 0, 0, 0, 0, 5]);
        assert_eq!(Stamp::pair_of(&muid), pair);
    }
}
