//! Names of contents: SHA-1, Tiger root, and the URNs made of them (protocol §11.1).
//!
//! Text is base32 without padding, written in upper case and read in any case.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use data_encoding::BASE32_NOPAD_NOCASE;

use super::Error;

/// What a content is called: by its SHA-1, its Tiger root, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urn {
    /// `urn:sha1:…`
    Sha1(Sha1),
    /// `urn:bitprint:….…`: SHA-1 and Tiger root.
    Bitprint(Sha1, TigerRoot),
    /// `urn:tree:tiger:…`
    TigerTree(TigerRoot),
}

impl Urn {
    /// The URN that the data of GGEP `H` stands for: a type byte and a digest (protocol §9.4).
    /// Other kinds of digest and wrong lengths give `None`.
    #[must_use]
    pub fn from_typed_digest(data: &[u8]) -> Option<Self> {
        let (kind, digest) = data.split_first()?;
        match kind {
            1 => Some(Self::Sha1(Sha1(digest.try_into().ok()?))),
            2 if digest.len() == 44 => {
                let (sha1, root) = digest.split_first_chunk()?;
                Some(Self::Bitprint(
                    Sha1(*sha1),
                    TigerRoot(root.try_into().ok()?),
                ))
            }
            _ => None,
        }
    }

    /// The data of GGEP `H` that stands for the URN; none for a Tiger root alone.
    #[must_use]
    pub fn typed_digest(&self) -> Option<Bytes> {
        match self {
            Self::Sha1(sha1) => Some([&[1], &sha1.0[..]].concat().into()),
            Self::Bitprint(sha1, root) => Some([&[2], &sha1.0[..], &root.0].concat().into()),
            Self::TigerTree(_) => None,
        }
    }

    /// The SHA-1, where the URN has one.
    #[must_use]
    pub const fn sha1(&self) -> Option<Sha1> {
        match self {
            Self::Sha1(sha1) | Self::Bitprint(sha1, _) => Some(*sha1),
            Self::TigerTree(_) => None,
        }
    }

    /// The Tiger root, where the URN has one.
    #[must_use]
    pub const fn tiger_root(&self) -> Option<TigerRoot> {
        match self {
            Self::Bitprint(_, root) | Self::TigerTree(root) => Some(*root),
            Self::Sha1(_) => None,
        }
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha1(sha1) => write!(f, "urn:sha1:{sha1}"),
            Self::Bitprint(sha1, root) => write!(f, "urn:bitprint:{sha1}.{root}"),
            Self::TigerTree(root) => write!(f, "urn:tree:tiger:{root}"),
        }
    }
}

impl FromStr for Urn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (space, digest) =
            split_namespace(text).ok_or(Error::new(0, "not a URN of a known kind"))?;
        let at = |error: Error| Error::new(error.offset + text.len() - digest.len(), error.what);
        match space {
            Namespace::Sha1 => digest.parse().map(Self::Sha1).map_err(at),
            Namespace::Bitprint => {
                let (sha1, root) = digest
                    .split_once('.')
                    .ok_or_else(|| at(Error::new(0, "a bitprint has two digests and a dot")))?;
                Ok(Self::Bitprint(
                    sha1.parse().map_err(at)?,
                    root.parse().map_err(at)?,
                ))
            }
            Namespace::TigerTree => digest.parse().map(Self::TigerTree).map_err(at),
        }
    }
}

/// The kinds of URN that this servent understands.
#[derive(Clone, Copy)]
pub(super) enum Namespace {
    Sha1,
    Bitprint,
    TigerTree,
}

/// Splits a URN of a kind known here into that kind and its digest text.
pub(super) fn split_namespace(text: &str) -> Option<(Namespace, &str)> {
    const SPELLINGS: [(&str, Namespace); 7] = [
        ("urn:sha1:", Namespace::Sha1),
        ("urn:bitprint:", Namespace::Bitprint),
        ("urn:tree:tiger:", Namespace::TigerTree),
        ("urn:tree:tiger/:", Namespace::TigerTree),
        ("urn:tree:tiger/1024:", Namespace::TigerTree),
        ("urn:ttroot:", Namespace::TigerTree),
        ("urn:tiger:", Namespace::TigerTree),
    ];
    SPELLINGS.iter().find_map(|(prefix, space)| {
        let (head, digest) = text.split_at_checked(prefix.len())?;
        head.eq_ignore_ascii_case(prefix)
            .then_some((*space, digest))
    })
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $length:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// The digest made of these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The digest's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD_NOCASE.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                // The length is looked at first, so that decoding never sees a long text.
                if text.len() != ($length * 8_usize).div_ceil(5) {
                    return Err(Error::new(0, $what));
                }
                let mut bytes = [0; $length];
                BASE32_NOPAD_NOCASE
                    .decode_mut(text.as_bytes(), &mut bytes)
                    .map_err(|partial| Error::new(partial.error.position, "not base32"))?;
                Ok(Self(bytes))
            }
        }
    };
}

digest!(
    /// The SHA-1 of a content.
    Sha1,
    20,
    "a SHA-1 has 32 base32 characters"
);

digest!(
    /// The root of a content's tiger tree (protocol §11.2).
    TigerRoot,
    24,
    "a Tiger root has 39 base32 characters"
);

#[cfg(test)]
mod tests {
    use sha1::Digest;

    use super::*;

    const HELLO: &str = "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN";
    const HELLO_ROOT: &str = "ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI";

    #[test]
    fn sha1_in_base32_matches_known_answers() {
        let content_a = "a".repeat(1024);
        for (content, base32) in [
            ("", "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"),
            ("abc", "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5"),
            ("hello world", HELLO),
            (
                "The quick brown fox jumps over the lazy dog",
                "F7KODRT2FUUPZ3MET3Q3W5XHHENZH2YS",
            ),
            (&content_a, "R3FFKRRR36PK2FCRBYNHBLSIY4HZXE4E"),
        ] {
            let sha1 = Sha1::from_bytes(sha1::Sha1::digest(content).into());
            assert_eq!(sha1.to_string(), base32);
            assert_eq!(base32.to_lowercase().parse(), Ok(sha1));
        }
    }

    #[test]
    fn every_spelling_of_a_urn_is_read() {
        let sha1: Sha1 = HELLO.parse().unwrap();
        let root: TigerRoot = HELLO_ROOT.parse().unwrap();
        let bitprint = format!("urn:bitprint:{HELLO}.{HELLO_ROOT}");
        assert_eq!(bitprint.parse(), Ok(Urn::Bitprint(sha1, root)));
        assert_eq!(Urn::Bitprint(sha1, root).to_string(), bitprint);
        assert_eq!(
            bitprint.to_lowercase().parse(),
            Ok(Urn::Bitprint(sha1, root))
        );
        assert_eq!(format!("URN:SHA1:{HELLO}").parse(), Ok(Urn::Sha1(sha1)));
        for space in ["tree:tiger:", "tree:tiger/:", "ttroot:", "tiger:"] {
            assert_eq!(
                format!("urn:{space}{HELLO_ROOT}").parse(),
                Ok(Urn::TigerTree(root))
            );
        }
    }

    #[test]
    fn malformed_urns_say_where() {
        let wrong = |text: &str| text.parse::<Urn>().unwrap_err();
        assert_eq!(wrong("urn:md5:x").offset, 0);
        assert_eq!(wrong("urn:sha1:").offset, 9);
        assert_eq!(
            wrong("urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRX1").offset,
            9 + 31
        );
        assert!(format!("urn:bitprint:{HELLO}").parse::<Urn>().is_err());
        assert!(
            "urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXé"
                .parse::<Urn>()
                .is_err()
        );
    }

    #[test]
    fn typed_digests_are_urns() {
        let sha1: Sha1 = HELLO.parse().unwrap();
        let root: TigerRoot = HELLO_ROOT.parse().unwrap();
        let typed = |kind: u8, parts: &[&[u8]]| [&[kind][..], &parts.concat()].concat();
        let h = typed(1, &[sha1.as_bytes()]);
        assert_eq!(Urn::from_typed_digest(&h), Some(Urn::Sha1(sha1)));
        assert_eq!(Urn::from_typed_digest(&h[..20]), None);
        let h = typed(2, &[sha1.as_bytes(), root.as_bytes()]);
        assert_eq!(Urn::from_typed_digest(&h), Some(Urn::Bitprint(sha1, root)));
        assert_eq!(Urn::from_typed_digest(&typed(3, &[&[0; 16]])), None);
        assert_eq!(Urn::from_typed_digest(&[]), None);
    }
}
