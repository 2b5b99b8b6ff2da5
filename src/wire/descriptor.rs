//! A descriptor: header and payload, the unit that travels the overlay (protocol §1).

use bytes::{BufMut, Bytes, BytesMut};

use super::{Error, HEADER_LEN, Header};

/// A header and its payload, which is shared, not copied, when the descriptor is cloned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Who, what, and how far.
    pub header: Header,
    /// The payload's bytes, not yet understood.
    pub payload: Bytes,
}

impl Descriptor {
    /// The whole descriptor as bytes.
    ///
    /// # Errors
    /// When the payload is above [`MAX_PAYLOAD`](super::MAX_PAYLOAD).
    pub fn encode(&self) -> Result<Bytes, Error> {
        let mut out = BytesMut::with_capacity(HEADER_LEN + self.payload.len());
        out.put_slice(&self.header.encode(self.payload.len())?);
        out.put_slice(&self.payload);
        Ok(out.freeze())
    }
}
