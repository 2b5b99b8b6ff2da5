//! Descriptors out of a stream of bytes, however it is cut (protocol §1).

use bytes::{Buf, BytesMut};
use thiserror::Error;

use super::{Descriptor, HEADER_LEN, Header, Kind, MAX_PAYLOAD};

/// Takes descriptors out of the bytes read from a link.
///
/// Append what was read to [`buffer`](Self::buffer), then call [`next`](Self::next) until it has
/// no more. Payloads are slices of what was read; nothing is copied or set aside for a descriptor
/// before its length is known to be within limits.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
}

impl FrameDecoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to append what was read.
    pub const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole descriptor, or `None` when more must be read first.
    ///
    /// # Errors
    /// When a header announces a payload above the limit of its kind. The stream has no mark at
    /// which to find the next descriptor, so the link must be closed.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would not go on after None"
    )]
    pub fn next(&mut self) -> Result<Option<Descriptor>, FrameError> {
        let Some(bytes) = self.buffer.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let (header, length) = Header::decode(bytes);
        let limit = payload_limit(header.kind);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > limit {
            return Err(FrameError {
                kind: header.kind,
                length,
                limit,
            });
        }
        let whole = HEADER_LEN + length;
        if self.buffer.len() < whole {
            self.buffer.reserve(whole - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(HEADER_LEN);
        let payload = self.buffer.split_to(length).freeze();
        Ok(Some(Descriptor { header, payload }))
    }
}

/// A descriptor that announces more than any of its kind may have.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{kind:?} of {length} bytes, where {limit} are the limit")]
pub struct FrameError {
    /// What it is.
    pub kind: Kind,
    /// How long it says to be, in bytes.
    pub length: usize,
    /// How long it may be.
    pub limit: usize,
}

/// The largest payload of a kind for which a link is kept (protocol §1.3).
#[must_use]
pub const fn payload_limit(kind: Kind) -> usize {
    match kind {
        Kind::Query => 1_024,
        Kind::Bye => super::bye::MAX_PAYLOAD,
        Kind::QueryHit => MAX_PAYLOAD,
        _ => 40_960,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind, length: u32) -> Vec<u8> {
        let mut bytes = vec![7; 16];
        bytes.extend([kind.code(), 1, 0]);
        bytes.extend(length.to_le_bytes());
        bytes
    }

    #[test]
    fn a_length_beyond_its_limit_is_refused_before_the_payload() {
        for kind in [
            Kind::Query,
            Kind::Bye,
            Kind::QueryHit,
            Kind::Ping,
            Kind::Other(0xcd),
        ] {
            let limit = payload_limit(kind);
            let mut decoder = FrameDecoder::new();
            decoder
                .buffer()
                .extend_from_slice(&header(kind, u32::try_from(limit).unwrap()));
            assert_eq!(decoder.next(), Ok(None));
            for length in [u32::try_from(limit).unwrap() + 1, u32::MAX, 0x8000_0000] {
                let mut decoder = FrameDecoder::new();
                decoder.buffer().extend_from_slice(&header(kind, length));
                let error = decoder.next().unwrap_err();
                assert_eq!((error.kind, error.limit), (kind, limit));
                assert!(decoder.buffer().capacity() < 1_024);
            }
        }
    }

    #[test]
    fn payloads_are_slices_of_what_was_read() {
        let mut decoder = FrameDecoder::new();
        let mut bytes = header(Kind::Bye, 3);
        bytes.extend(b"\xc8\x00\x00");
        bytes.extend(header(Kind::Ping, 0));
        decoder.buffer().extend_from_slice(&bytes);
        let read = decoder.buffer().as_ptr().addr();
        let bye = decoder.next().unwrap().unwrap();
        assert_eq!(bye.payload.as_ptr().addr(), read + HEADER_LEN);
        assert_eq!(decoder.next().unwrap().unwrap().header.kind, Kind::Ping);
        assert_eq!(decoder.next(), Ok(None));
    }
}
