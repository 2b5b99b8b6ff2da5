//! What a servent wants of every link, whoever is at its other end.

use std::time::Duration;

use crate::net::deflate;
#[cfg(feature = "tls")]
use crate::net::tls::Ends;

/// What a servent wants of every link.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Compresses at this level where the other side can decompress, and offers to decompress.
    pub deflate: Option<u32>,
    /// The longest that a handshake may take, TLS included.
    pub limit: Duration,
    /// Whether to go over to TLS.
    pub tls: Tls,
}

impl Default for Policy {
    /// Compressed, not encrypted, within 20 seconds (protocol §2.2).
    fn default() -> Self {
        Self {
            deflate: Some(deflate::LEVEL),
            limit: Duration::from_secs(20),
            tls: Tls::Off,
        }
    }
}

/// What a servent makes of TLS.
#[derive(Clone, Debug, Default)]
pub enum Tls {
    /// Links are plain, unless they came encrypted.
    #[default]
    Off,
    /// Links are encrypted where the other side can.
    #[cfg(feature = "tls")]
    Offer(Ends),
    /// There are no plain links.
    #[cfg(feature = "tls")]
    Require(Ends),
}

impl Tls {
    /// Whether a link may become encrypted.
    #[must_use]
    pub const fn is_offered(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Whether a link must not stay plain.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        match self {
            Self::Off => false,
            #[cfg(feature = "tls")]
            Self::Offer(_) => false,
            #[cfg(feature = "tls")]
            Self::Require(_) => true,
        }
    }

    /// What it takes to encrypt, if that is wanted.
    #[cfg(feature = "tls")]
    pub(in crate::net) const fn ends(&self) -> Option<&Ends> {
        match self {
            Self::Off => None,
            Self::Offer(ends) | Self::Require(ends) => Some(ends),
        }
    }
}
