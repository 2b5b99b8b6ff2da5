//! The kinds of file that a query wants (extension `M`, protocol §4.3).

use bytes::Bytes;

use crate::wire::ggep::{decode_integer, encode_integer};

/// Kinds of file, any of which will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media(u64);

impl Media {
    /// Sound.
    pub const AUDIO: Self = Self(0x04);
    /// Moving pictures.
    pub const VIDEO: Self = Self(0x08);
    /// Text.
    pub const DOCUMENT: Self = Self(0x10);
    /// Pictures.
    pub const IMAGE: Self = Self(0x20);
    /// Programs for Windows.
    pub const WINDOWS_PROGRAM: Self = Self(0x40);
    /// Programs for Unix and Mac.
    pub const UNIX_PROGRAM: Self = Self(0x80);
    /// Torrents.
    pub const TORRENT: Self = Self(0x100);

    /// Each kind and what to call it.
    pub const NAMES: [(Self, &str); 7] = [
        (Self::AUDIO, "audio"),
        (Self::VIDEO, "video"),
        (Self::DOCUMENT, "document"),
        (Self::IMAGE, "image"),
        (Self::WINDOWS_PROGRAM, "windows_program"),
        (Self::UNIX_PROGRAM, "unix_program"),
        (Self::TORRENT, "torrent"),
    ];

    /// The kinds that an extension's data tells; none when it names none.
    #[must_use]
    pub fn from_data(data: &[u8]) -> Option<Self> {
        decode_integer(data).filter(|&mask| mask != 0).map(Self)
    }

    /// The extension's data.
    #[must_use]
    pub fn data(self) -> Bytes {
        encode_integer(self.0)
    }

    /// These kinds and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is wanted.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_a_minimal_integer() {
        let media = Media::UNIX_PROGRAM.and(Media::TORRENT);
        assert_eq!(media.data()[..], [0x80, 0x01]);
        assert_eq!(Media::from_data(&[0x80, 0x01]), Some(media));
        assert_eq!(Media::from_data(&[]), None);
        assert_eq!(Media::from_data(&[1; 9]), None);
    }
}
