//! DIME: several records, each with a type, in one body (protocol §11.4).
//!
//! Numbers are big-endian, and every field of a record is padded with zeros to four bytes. What
//! servents send is whole records; one that is split into chunks is refused.

use bytes::{BufMut, Bytes, BytesMut};

use super::Error;

/// The fixed part of a record: flags, and the lengths of what follows.
const HEAD_LEN: usize = 12;
/// Records read from one body; a tree comes in two.
const MAX_RECORDS: usize = 16;

const VERSION: u8 = 0x08;
const VERSION_MASK: u8 = 0xf8;
const FIRST: u8 = 0x04;
const LAST: u8 = 0x02;
const CHUNKED: u8 = 0x01;

/// One record of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What its type is written in.
    pub form: Form,
    /// What others call it, mostly a URI; empty where nobody does.
    pub id: Bytes,
    /// What the data is, in the form said.
    pub kind: Bytes,
    /// The data.
    pub data: Bytes,
}

/// What the type of a record is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A media type, as `text/xml`.
    Media,
    /// An absolute URI.
    Uri,
    /// Any other, by its number below 16.
    Other(u8),
}

/// Reads the records of a body. What follows the last one is left out.
///
/// # Errors
/// When a record is cut off, chunked, of another version, or one of too many.
pub fn decode(body: &Bytes) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    let mut at = 0;
    loop {
        if records.len() == MAX_RECORDS {
            return Err(Error::new(at, "DIME with too many records"));
        }
        let head = body.get(at..at + HEAD_LEN);
        let head = head.ok_or_else(|| Error::new(at, "DIME record without its head"))?;
        let flags = head[0];
        if flags & VERSION_MASK != VERSION {
            return Err(Error::new(at, "DIME of another version"));
        }
        if flags & CHUNKED != 0 {
            return Err(Error::new(at, "DIME record in chunks"));
        }
        let short = |place: usize| usize::from(u16::from_be_bytes([head[place], head[place + 1]]));
        let data_len = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        let data_len = usize::try_from(data_len).unwrap_or(usize::MAX);
        let form = Form::from(head[1] >> 4);
        let (options_len, id_len, kind_len) = (short(2), short(4), short(6));
        at += HEAD_LEN;
        let mut field = |length: usize| {
            let end = at.checked_add(length).filter(|end| *end <= body.len());
            let end = end.ok_or_else(|| Error::new(at, "DIME record cut off"))?;
            let field = body.slice(at..end);
            // The padding of the last field may be missing.
            at = end.next_multiple_of(4).min(body.len());
            Ok(field)
        };
        field(options_len)?;
        records.push(Record {
            form,
            id: field(id_len)?,
            kind: field(kind_len)?,
            data: field(data_len)?,
        });
        if flags & LAST != 0 {
            return Ok(records);
        }
    }
}

/// The body of these records. An id or type above 65,535 bytes, or data above 4 GiB, is cut.
#[must_use]
pub fn encode(records: &[Record]) -> Bytes {
    let mut body = BytesMut::new();
    for (place, record) in records.iter().enumerate() {
        let first = if place == 0 { FIRST } else { 0 };
        let last = if place + 1 == records.len() { LAST } else { 0 };
        let short = |field: &Bytes| u16::try_from(field.len()).unwrap_or(u16::MAX);
        let (id_len, kind_len) = (short(&record.id), short(&record.kind));
        let data_len = u32::try_from(record.data.len()).unwrap_or(u32::MAX);
        body.put_u8(VERSION | first | last);
        body.put_u8(record.form.number() << 4);
        body.put_u16(0);
        body.put_u16(id_len);
        body.put_u16(kind_len);
        body.put_u32(data_len);
        let data_len = usize::try_from(data_len).unwrap_or(usize::MAX);
        for (field, length) in [
            (&record.id, usize::from(id_len)),
            (&record.kind, usize::from(kind_len)),
            (&record.data, data_len),
        ] {
            body.put_slice(&field[..length]);
            body.put_bytes(0, length.next_multiple_of(4) - length);
        }
    }
    body.freeze()
}

impl Form {
    const fn number(self) -> u8 {
        match self {
            Self::Media => 1,
            Self::Uri => 2,
            Self::Other(number) => number & 0x0f,
        }
    }
}

impl From<u8> for Form {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Media,
            2 => Self::Uri,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn record() -> impl Strategy<Value = Record> {
        let bytes = || vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        (0_u8..16, bytes(), bytes(), bytes()).prop_map(|(form, id, kind, data)| Record {
            form: Form::from(form),
            id,
            kind,
            data,
        })
    }

    #[test]
    fn what_is_cut_chunked_or_of_another_version_is_refused() {
        let whole = encode(&[Record {
            form: Form::Media,
            id: Bytes::new(),
            kind: Bytes::from_static(b"text/xml"),
            data: Bytes::from_static(b"12345"),
        }]);
        assert!(decode(&whole).is_ok());
        // The last padding may be missing, nothing else.
        assert!(decode(&whole.slice(..whole.len() - 3)).is_ok());
        for end in 0..whole.len() - 3 {
            assert!(decode(&whole.slice(..end)).is_err(), "{end}");
        }
        for flags in [0x0f, 0x16, 0x06] {
            let mut wrong = whole.to_vec();
            wrong[0] = flags;
            assert!(decode(&wrong.into()).is_err(), "{flags:x}");
        }
        let mut long = whole.to_vec();
        long[8] = 0xff;
        assert!(decode(&long.into()).is_err());
        let endless: Vec<u8> =
            [VERSION, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].repeat(MAX_RECORDS + 1);
        assert!(decode(&endless.into()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(records in vec(record(), 1..5)) {
            prop_assert_eq!(decode(&encode(&records)).unwrap(), records);
        }

        #[test]
        fn nothing_panics(body in vec(any::<u8>(), 0..200)) {
            let _ = decode(&body.into());
        }
    }
}
