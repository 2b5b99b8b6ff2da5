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

    /// The kinds that a file of this name is of, by its extension; none where that says nothing.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        let extension = extension.to_ascii_lowercase();
        let of = |(_, extensions): &&(Self, &[&str])| extensions.contains(&&*extension);
        EXTENSIONS.iter().find(of).map(|(media, _)| *media)
    }

    /// The kind called so in [`NAMES`](Self::NAMES).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(media, _)| *media)
    }

    /// Whether a file of this name is of one of these kinds.
    #[must_use]
    pub fn takes(self, name: &str) -> bool {
        Self::of_name(name).is_some_and(|media| self.0 & media.0 != 0)
    }

    /// Whether all of `other` is wanted.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// By which extension, in lower case, a file is known to be of which kinds.
const EXTENSIONS: &[(Media, &[&str])] = &[
    (
        Media::AUDIO,
        &[
            "aac", "aif", "aiff", "ape", "au", "flac", "it", "m4a", "m4b", "mid", "midi", "mka",
            "mod", "mp2", "mp3", "mpc", "oga", "ogg", "opus", "ra", "s3m", "spx", "wav", "wma",
            "wv", "xm",
        ],
    ),
    (
        Media::VIDEO,
        &[
            "3gp", "asf", "avi", "divx", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpe", "mpeg",
            "mpg", "ogm", "ogv", "qt", "rm", "rmvb", "swf", "ts", "vob", "webm", "wmv",
        ],
    ),
    (
        Media::DOCUMENT,
        &[
            "azw3", "cbr", "cbz", "chm", "csv", "djvu", "doc", "docx", "epub", "fb2", "htm",
            "html", "lit", "md", "mobi", "nfo", "odp", "ods", "odt", "pdf", "ppt", "pptx", "ps",
            "rtf", "tex", "txt", "xls", "xlsx", "xml",
        ],
    ),
    (
        Media::IMAGE,
        &[
            "avif", "bmp", "gif", "heic", "ico", "jpe", "jpeg", "jpg", "pcx", "png", "psd", "svg",
            "tga", "tif", "tiff", "webp", "xcf",
        ],
    ),
    // Archives may hold programs of either sort.
    (
        Media::WINDOWS_PROGRAM.and(Media::UNIX_PROGRAM),
        &["7z", "img", "iso", "jar", "rar", "zip"],
    ),
    (
        Media::WINDOWS_PROGRAM,
        &["bat", "cab", "com", "dll", "exe", "msi"],
    ),
    (
        Media::UNIX_PROGRAM,
        &[
            "apk", "bin", "bz2", "deb", "dmg", "gz", "hqx", "pkg", "rpm", "run", "sh", "sit",
            "tar", "tbz2", "tgz", "txz", "xz", "z", "zst",
        ],
    ),
    (Media::TORRENT, &["torrent"]),
];

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

    #[test]
    fn a_name_tells_its_kind() {
        assert_eq!(Media::of_name("Song.MP3"), Some(Media::AUDIO));
        assert!(Media::UNIX_PROGRAM.takes("linux.iso") && Media::WINDOWS_PROGRAM.takes("x.zip"));
        assert!(Media::AUDIO.and(Media::VIDEO).takes("film.mkv"));
        assert!(!Media::AUDIO.takes("film.mkv") && !Media::AUDIO.takes("mp3"));
        assert_eq!(Media::of_name("README"), None);
        for (media, name) in Media::NAMES {
            assert_eq!(Media::named(name), Some(media));
        }
    }
}
