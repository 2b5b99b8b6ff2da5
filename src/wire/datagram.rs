//! A descriptor as a UDP datagram, whose payload may be deflated (protocol §13.4).

use bytes::Bytes;

use super::zlib::{deflate, inflate};
use super::{Descriptor, Error, HEADER_LEN, Header, MAX_PAYLOAD};

/// In the TTL of a request: its sender inflates answers.
const INFLATES: u8 = 0x08;

/// In the TTL of an answer: its payload is deflated.
pub const DEFLATED: u8 = 0x80;

/// The one descriptor of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The descriptor, inflated, its TTL without the two bits that speak of deflating.
    pub descriptor: Descriptor,
    /// Whether its sender takes deflated answers.
    pub inflates: bool,
}

impl Datagram {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is not exactly as long as its header says, or its payload does not inflate to at
    /// most [`MAX_PAYLOAD`] bytes. Such a datagram is perhaps of another protocol; it is never
    /// answered.
    pub fn decode(datagram: &Bytes) -> Result<Self, Error> {
        let front = datagram
            .first_chunk::<HEADER_LEN>()
            .ok_or_else(|| Error::new(datagram.len(), "datagram shorter than a header"))?;
        let (mut header, length) = Header::decode(front);
        let mut payload = datagram.slice(HEADER_LEN..);
        if usize::try_from(length) != Ok(payload.len()) {
            return Err(Error::new(19, "datagram not as long as it says"));
        }
        if header.ttl & DEFLATED != 0 {
            payload = inflate(&payload, MAX_PAYLOAD)
                .whole()
                .ok_or(Error::new(HEADER_LEN, "datagram that does not inflate"))?
                .into();
        }
        let inflates = header.ttl & INFLATES != 0;
        header.ttl &= !(INFLATES | DEFLATED);
        let descriptor = Descriptor { header, payload };
        Ok(Self {
            descriptor,
            inflates,
        })
    }

    /// The datagram's bytes. Its payload is deflated when `may_deflate`, which only the answer to
    /// a datagram that [`inflates`](Self::inflates) may be, and when that makes it smaller.
    ///
    /// # Errors
    /// When the payload is above [`MAX_PAYLOAD`].
    pub fn encode(&self, may_deflate: bool) -> Result<Bytes, Error> {
        let Descriptor {
            mut header,
            ref payload,
        } = self.descriptor;
        header.ttl &= !(INFLATES | DEFLATED);
        header.ttl |= if self.inflates { INFLATES } else { 0 };
        let deflated = may_deflate
            .then(|| Bytes::from(deflate(payload)))
            .filter(|deflated| deflated.len() < payload.len());
        header.ttl |= if deflated.is_some() { DEFLATED } else { 0 };
        let payload = deflated.unwrap_or_else(|| payload.clone());
        Descriptor { header, payload }.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Guid, Kind};

    fn datagram(payload: Vec<u8>, inflates: bool) -> Datagram {
        let header = Header {
            guid: Guid::from_bytes([7; 16]),
            kind: Kind::QueryHit,
            ttl: 1,
            hops: 0,
        };
        let payload = payload.into();
        Datagram {
            descriptor: Descriptor { header, payload },
            inflates,
        }
    }

    #[test]
    fn deflating_is_told_in_the_ttl_and_only_done_where_it_saves() {
        let answer = datagram(vec![b'x'; 1_000], false);
        let deflated = answer.encode(true).unwrap();
        assert_eq!((deflated[17], deflated.len() < 100), (129, true));
        assert_eq!(Datagram::decode(&deflated), Ok(answer.clone()));
        let plain = answer.encode(false).unwrap();
        assert_eq!((plain[17], plain.len()), (1, 1_023));
        assert_eq!(Datagram::decode(&plain), Ok(answer));
        let short = datagram(vec![1, 2], true);
        let bytes = short.encode(true).unwrap();
        assert_eq!((bytes[17], bytes.len()), (9, 25));
        assert_eq!(Datagram::decode(&bytes), Ok(short));
    }

    #[test]
    fn what_is_not_one_whole_descriptor_is_refused() {
        let bytes = datagram(vec![1, 2, 3], false).encode(false).unwrap();
        for end in 0..bytes.len() {
            assert!(Datagram::decode(&bytes.slice(..end)).is_err(), "{end}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(Datagram::decode(&longer.into()).is_err());
        let mut claimed = bytes.to_vec();
        claimed[17] |= DEFLATED;
        assert!(Datagram::decode(&claimed.into()).is_err());
        for (length, fits) in [(MAX_PAYLOAD, true), (MAX_PAYLOAD + 1, false)] {
            let payload = deflate(&vec![0; length]);
            let mut bomb = datagram(payload, false).encode(false).unwrap().to_vec();
            bomb[17] |= DEFLATED;
            assert_eq!(Datagram::decode(&bomb.into()).is_ok(), fits, "{length}");
        }
    }
}
