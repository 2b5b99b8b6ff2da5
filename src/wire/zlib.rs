//! Deflated data in zlib's format, inflated within bounds.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// The data inflated, when all of it is sound and at most `limit` bytes come out.
pub(super) fn inflate(data: &[u8], limit: usize) -> Inflated {
    let mut inflated = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let sound = ZlibDecoder::new(data)
        .take(most)
        .read_to_end(&mut inflated)
        .is_ok();
    match sound {
        _ if inflated.len() > limit => Inflated::TooMuch,
        true => Inflated::Whole(inflated),
        false => Inflated::Broken(inflated.len()),
    }
}

/// What became of deflated data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inflated {
    /// All of it.
    Whole(Vec<u8>),
    /// It is not sound; so many bytes came out first.
    Broken(usize),
    /// More would come out than may.
    TooMuch,
}

impl Inflated {
    /// The data, when it is whole.
    pub(super) fn whole(self) -> Option<Vec<u8>> {
        match self {
            Self::Whole(data) => Some(data),
            Self::Broken(_) | Self::TooMuch => None,
        }
    }
}

/// The data deflated, which may be longer than it was.
pub(super) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("memory takes every write");
    encoder.finish().expect("memory takes every write")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_back_within_its_limit() {
        let data = b"many words ".repeat(20);
        let deflated = deflate(&data);
        assert!(deflated.len() < data.len());
        assert_eq!(inflate(&deflated, 220), Inflated::Whole(data));
        assert_eq!(inflate(&deflated, 219), Inflated::TooMuch);
        assert!(inflate(&deflated[..20], 220).whole().is_none());
        assert_eq!(inflate(b"no zlib", 220), Inflated::Broken(0));
        assert_eq!(inflate(&deflate(b""), 0), Inflated::Whole(Vec::new()));
    }
}
