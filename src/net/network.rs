//! Keeping to one overlay: the public one, or one with a name and perhaps a secret.
//!
//! The *name* of an overlay is no secret: it travels as `X-Network` in the first block of each
//! side, and whoever names another one, or none, is refused before anything is given out. A
//! *secret* never travels: each side proves it in `X-Network-Proof`, for this one connection only
//! ([`proof`](super::proof)). A proof needs TLS from the first byte; an upgrade within the
//! handshake comes too late for it. HTTP requests carry the same two headers.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use super::Stream;
use super::http::{HeaderMap, HeaderName, HeaderValue};
#[cfg(feature = "tls")]
use super::proof::{Exported, Secret, proof, verify};
use crate::wire::handshake::Headers;

/// The header that names the overlay.
pub const NETWORK: &str = "X-Network";
/// The header that proves the secret.
pub const PROOF: &str = "X-Network-Proof";

/// The longest name of an overlay, in bytes.
pub const MAX_NAME: usize = 64;

/// Why something cannot be the name or the secret of an overlay.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    /// Not a name.
    #[error(
        "the name of a network has 1 to 64 printable ASCII characters and no blank at its ends"
    )]
    Name,
    /// Nothing is no secret.
    #[error("the secret of the network is empty")]
    EmptySecret,
}

/// Why a servent is not let into an overlay; what it is told, too.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Stranger {
    /// It is in another overlay, or in none.
    #[error("Not a member of this network")]
    Elsewhere,
    /// It could not prove the secret on this connection.
    #[error("Secret of this network not proven")]
    Unproven,
}

/// The overlay with a name that a servent belongs to. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    name: Arc<str>,
    #[cfg(feature = "tls")]
    secret: Option<Secret>,
}

impl Network {
    /// The overlay `name`, open to all who name it too.
    ///
    /// # Errors
    /// When it is no name.
    pub fn new(name: &str) -> Result<Self, Unfit> {
        let printable = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if name.is_empty() || name.len() > MAX_NAME || !printable || name.trim() != name {
            return Err(Unfit::Name);
        }
        Ok(Self {
            name: name.into(),
            #[cfg(feature = "tls")]
            secret: None,
        })
    }

    /// Keeps it to those who know `secret`. Keeps a core busy for a moment, on purpose.
    ///
    /// # Errors
    /// When there is none.
    #[cfg(feature = "tls")]
    pub fn with_secret(mut self, secret: &str) -> Result<Self, Unfit> {
        if secret.is_empty() {
            return Err(Unfit::EmptySecret);
        }
        self.secret = Some(Secret::new(&self.name, secret));
        Ok(self)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a secret to it, and so no connection without TLS from the first byte.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.secret.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// The headers by which this side of a connection shows that it belongs here.
    #[must_use]
    pub fn headers(&self, side: &Side) -> Vec<(&'static str, String)> {
        let named = std::iter::once((NETWORK, self.name.to_string()));
        named
            .chain(self.proof(side).map(|proof| (PROOF, proof)))
            .collect()
    }

    /// [`headers`](Self::headers) into the head of a request or response.
    pub fn put(&self, side: &Side, head: &mut HeaderMap) {
        for (name, value) in self.headers(side) {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                head.insert(name, value);
            }
        }
    }

    #[cfg(feature = "tls")]
    fn proof(&self, side: &Side) -> Option<String> {
        let both = self.secret.as_ref().zip(side.exported.as_ref());
        both.map(|(secret, exported)| proof(secret, exported, side.end))
    }

    #[cfg(not(feature = "tls"))]
    const fn proof(&self, _: &Side) -> Option<String> {
        None
    }

    #[cfg(feature = "tls")]
    fn is_proven(&self, side: &Side, given: Option<&str>) -> bool {
        let Some(secret) = &self.secret else {
            return true;
        };
        let both = side.exported.as_ref().zip(given);
        both.is_some_and(|(exported, given)| verify(secret, exported, side.end.other(), given))
    }

    #[cfg(not(feature = "tls"))]
    const fn is_proven(&self, _: &Side, _: Option<&str>) -> bool {
        true
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("name", &self.name)
            .field("is_secret", &self.is_secret())
            .finish()
    }
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one that dialled.
    Asking,
    /// The one that was dialled.
    Answering,
}

impl End {
    /// The one at the other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Asking => Self::Answering,
            Self::Answering => Self::Asking,
        }
    }
}

/// Our side of one connection, as far as belonging to an overlay goes.
#[derive(Clone, Debug)]
pub struct Side {
    /// Which end we are.
    pub end: End,
    /// By which key the other one has proven who it is, as [`Stream::proven_key`] has it.
    pub key: Option<[u8; 32]>,
    /// Where the other one is, if the system still knows.
    pub peer: Option<IpAddr>,
    #[cfg(feature = "tls")]
    exported: Option<Exported>,
}

impl Side {
    /// The `end` of `stream` that we hold, before anything was said on it.
    #[must_use]
    pub fn of(stream: &Stream, end: End) -> Self {
        Self {
            end,
            key: stream.proven_key(),
            peer: stream.peer_addr().ok().map(|peer| peer.ip().to_canonical()),
            #[cfg(feature = "tls")]
            exported: Exported::of(stream),
        }
    }

    fn check<'a>(
        &self,
        network: Option<&Network>,
        said: impl Fn(&str) -> Option<Cow<'a, str>>,
    ) -> Result<(), Stranger> {
        let named = said(NETWORK);
        if named.as_deref() != network.map(Network::name) {
            return Err(Stranger::Elsewhere);
        }
        match network {
            Some(network) if !network.is_proven(self, said(PROOF).as_deref()) => {
                Err(Stranger::Unproven)
            }
            _ => Ok(()),
        }
    }

    /// Whether the other side belongs to our overlay, `None` for the public one, going by the
    /// block it sent in a handshake.
    ///
    /// # Errors
    /// When it does not; it should be told no more than that.
    pub fn check_block(&self, network: Option<&Network>, block: &Headers) -> Result<(), Stranger> {
        self.check(network, |name| block.get(name))
    }

    /// The same, going by the headers of a request or response.
    ///
    /// # Errors
    /// As [`check_block`](Self::check_block).
    pub fn check_http(&self, network: Option<&Network>, head: &HeaderMap) -> Result<(), Stranger> {
        self.check(network, |name| {
            let value = head.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::testing::pair;
    use crate::runtime::block_on;

    #[test]
    fn a_name_is_short_and_printable() {
        for name in ["a", "the club", &"x".repeat(MAX_NAME)] {
            assert_eq!(Network::new(name).unwrap().name(), name);
        }
        for name in ["", " a", "a ", "a\r\nb", "ü", &"x".repeat(MAX_NAME + 1)] {
            assert_eq!(Network::new(name).err(), Some(Unfit::Name), "{name:?}");
        }
    }

    #[test]
    fn the_public_and_the_named_refuse_each_other() {
        block_on(async {
            let (here, _there) = pair().await;
            let side = Side::of(&here.into(), End::Answering);
            let club = Network::new("club").unwrap();
            let said: Headers = club.headers(&side).into_iter().collect();
            assert_eq!(side.check_block(Some(&club), &said), Ok(()));
            for (ours, said) in [
                (None, &said),
                (Some(&club), &Headers::new()),
                (Some(&Network::new("pub").unwrap()), &said),
            ] {
                assert_eq!(side.check_block(ours, said), Err(Stranger::Elsewhere));
            }
            assert_eq!(side.check_block(None, &Headers::new()), Ok(()));
        });
    }
}
