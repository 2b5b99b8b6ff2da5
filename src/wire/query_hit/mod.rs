//! QUERY HIT: the answer to a search (protocol §5).

mod flaw;
mod record;
mod trailer;

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::{le_u16, le_u32, u8 as byte};

pub use self::flaw::{Flaw, Received, flaw};
pub use self::record::Record;
pub use self::trailer::Trailer;
use super::ggep::Inflation;
use super::parse::{self, fixed};
use super::{Error, Guid};

/// The largest payload of a hit that is read; servents of today drop larger ones.
pub const MAX_PAYLOAD: usize = 16_384;

/// The most records that every servent reads in one hit.
pub const MAX_RECORDS: usize = 10;

/// The payload above which a hit should be sent and another begun.
pub const GOOD_PAYLOAD: usize = 2_016;

/// Length of a hit's fixed parts: the fields in front of the records and the GUID at the end.
const FIXED_LEN: usize = FRONT_LEN + GUID_LEN;
const FRONT_LEN: usize = 11;
const GUID_LEN: usize = 16;

/// The answer of one servent to a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryHit {
    /// The port at which the servent listens.
    pub port: u16,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its upload speed in kbit/s.
    pub speed: u32,
    /// The files: at least one, at most 255 ([`MAX_RECORDS`] for every servent to read it).
    pub results: Vec<Record>,
    /// What the servent says of itself.
    pub trailer: Option<Trailer>,
    /// The servent's GUID.
    pub servent: Guid,
}

impl QueryHit {
    /// Reads a hit.
    ///
    /// # Errors
    /// When the payload is above [`MAX_PAYLOAD`] or too short, has no record, has fewer than
    /// announced, or its trailer goes beyond it (protocol §5.5).
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::new(MAX_PAYLOAD, "query hit above 16384 bytes"));
        }
        let servent = servent_of(payload).ok_or(Error::new(0, "query hit too short"))?;
        let body = payload.slice(..payload.len() - GUID_LEN);
        let front = (byte, le_u16, parse::ipv4, le_u32);
        let (mut rest, (count, port, ip, speed)) = fixed(&body, front, "query hit too short")?;
        if count == 0 {
            return Err(Error::new(0, "query hit without a record"));
        }
        let mut inflation = Inflation::new();
        let results = (0..count)
            .map(|_| Record::take(&mut rest, body.len(), &mut inflation))
            .collect::<Result<_, _>>()?;
        let trailer = match rest.is_empty() {
            true => None,
            false => Some(Trailer::decode(
                &rest,
                body.len() - rest.len(),
                &mut inflation,
            )?),
        };
        Ok(Self {
            port,
            ip,
            speed,
            results,
            trailer,
            servent,
        })
    }

    /// The payload. Records above the 255th are left out.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let count = u8::try_from(self.results.len()).unwrap_or(u8::MAX);
        let mut out = BytesMut::new();
        out.put_u8(count);
        out.put_u16_le(self.port);
        out.put_slice(&self.ip.octets());
        out.put_u32_le(self.speed);
        for record in self.results.iter().take(usize::from(count)) {
            record.put(&mut out);
        }
        if let Some(trailer) = &self.trailer {
            trailer.put(&mut out);
        }
        out.put_slice(self.servent.as_bytes());
        out.freeze()
    }

    /// How many bytes the payload has without its records.
    #[must_use]
    pub fn encoded_len_without_records(&self) -> usize {
        let mut trailer = BytesMut::new();
        if let Some(value) = &self.trailer {
            value.put(&mut trailer);
        }
        FIXED_LEN + trailer.len()
    }

    /// Where the servent listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip, self.port)
    }
}

/// The GUID of the servent that made a hit, without reading the rest: enough to route pushes.
#[must_use]
pub fn servent_of(payload: &[u8]) -> Option<Guid> {
    let (front, guid) = payload.split_last_chunk()?;
    (front.len() >= FRONT_LEN).then(|| Guid::from_bytes(*guid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(results: Vec<Record>, trailer: Option<Trailer>) -> QueryHit {
        let servent = Guid::from_bytes([7; 16]);
        let ip = Ipv4Addr::new(192, 0, 2, 10);
        QueryHit {
            port: 6346,
            ip,
            speed: 512,
            results,
            trailer,
            servent,
        }
    }

    fn record(index: u32) -> Record {
        Record::new(index, 11, format!("hello {index}.txt"), None, None)
    }

    #[test]
    fn lengths_tell_where_to_cut() {
        let mut trailer = Trailer {
            vendor: *b"TEST",
            ..Trailer::default()
        };
        trailer.push = Some(false);
        let hit = hit(vec![record(1), record(22)], Some(trailer));
        let records: usize = hit.results.iter().map(Record::encoded_len).sum();
        assert_eq!(
            hit.encode().len(),
            hit.encoded_len_without_records() + records
        );
    }

    #[test]
    fn the_servent_is_known_without_reading_the_rest() {
        let payload = hit(vec![record(1)], None).encode();
        assert_eq!(servent_of(&payload), Some(Guid::from_bytes([7; 16])));
        assert_eq!(servent_of(&payload[payload.len() - 26..]), None);
        assert_eq!(servent_of(&[]), None);
    }

    #[test]
    fn records_must_fill_what_is_announced() {
        let good = hit(vec![record(1), record(2)], None);
        let mut payload = good.encode().to_vec();
        assert_eq!(QueryHit::decode(&payload.clone().into()), Ok(good));
        payload[0] = 3;
        assert!(QueryHit::decode(&payload.clone().into()).is_err());
        payload[0] = 0;
        assert!(QueryHit::decode(&payload.into()).is_err());
        assert!(QueryHit::decode(&Bytes::from(vec![1; MAX_PAYLOAD + 1])).is_err());
    }

    #[test]
    fn more_records_than_the_count_can_tell_are_left_out() {
        let many = hit((1..=300).map(record).collect(), None);
        assert_eq!(QueryHit::decode(&many.encode()).unwrap().results.len(), 255);
    }
}
