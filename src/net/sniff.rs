//! What a stranger on the one port speaks (protocol §2.1).
//!
//! The first bytes decide, no more of them are awaited than that takes, and they are put back for
//! whoever goes on. Only a `GIV` is read here to its end, since nothing follows it until we ask.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::AsyncReadExt;
use thiserror::Error;

#[cfg(feature = "tls")]
use super::tls::Acceptor;
use super::{Rewind, Stream};
use crate::runtime::{self, TimedOut};
use crate::wire::Guid;

/// The longest first line that is waited for.
const LONGEST: usize = 1024;

/// How a Gnutella handshake begins.
const GNUTELLA: &[u8] = b"GNUTELLA CONNECT/";
/// How HTTP requests begin.
const HTTP: [&[u8]; 3] = [b"GET ", b"HEAD ", b"OPTIONS "];
/// How the answer to a push begins.
const GIV: &[u8] = b"GIV ";
/// How TLS begins: a handshake record of any version.
const TLS: &[u8] = &[0x16, 0x03];

/// What a connection turned out to be.
#[derive(Debug)]
pub enum Opening {
    /// A servent that wants to be a neighbour; its handshake is still to be read.
    Gnutella(Rewind<Stream>),
    /// An HTTP request; all of it is still to be read.
    Http(Rewind<Stream>),
    /// The answer to one of our pushes; an HTTP request may be sent on it.
    Giv {
        /// The index of the file it is about, of information only.
        index: u32,
        /// The servent that gives.
        servent: Guid,
        /// The connection.
        stream: Rewind<Stream>,
    },
    /// Something that is not served here: connect-backs, chat, other networks.
    Other,
}

/// Why a connection was never understood.
#[derive(Debug, Error)]
pub enum SniffError {
    /// The peer closed it or the network broke it.
    #[error("the connection ended before saying what it is: {0}")]
    Ended(#[from] io::Error),
    /// A `GIV` line that does not say who gives.
    #[error("the peer sent a malformed GIV line: {0:?}")]
    MalformedGiv(String),
    /// The peer said too little in too much time.
    #[error("the peer did not say what it wants: {0}")]
    Silent(#[from] TimedOut),
    /// The peer's first line does not end.
    #[error("the peer's first line has more than {LONGEST} bytes")]
    TooLong,
}

/// Tells strangers apart.
#[derive(Clone, Debug)]
pub struct Sniffer {
    patience: Duration,
    #[cfg(feature = "tls")]
    tls: Option<Acceptor>,
}

impl Default for Sniffer {
    /// Waits 20 seconds and refuses TLS.
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(20),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Sniffer {
    /// How long a stranger may take to say what it wants, TLS included.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Accepts TLS, and what is inside counts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, acceptor: Acceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }

    /// Reads as much as it takes to know what a connection is.
    ///
    /// # Errors
    /// When the peer does not say it in time, in bounds, or at all.
    pub async fn sniff(&self, stream: impl Into<Stream>) -> Result<Opening, SniffError> {
        runtime::timeout(self.patience, self.open(stream.into())).await?
    }

    async fn open(&self, stream: Stream) -> Result<Opening, SniffError> {
        match first(stream).await? {
            #[cfg(feature = "tls")]
            (Said::Tls, front, Stream::Plain(stream)) => {
                let Some(acceptor) = &self.tls else {
                    return Ok(Opening::Other);
                };
                let inside = acceptor.accept(Rewind::new(front, stream)).await?;
                let (said, front, stream) = first(inside).await?;
                opening(said, front, stream)
            }
            (said, front, stream) => opening(said, front, stream),
        }
    }
}

/// What the first bytes say.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Gnutella,
    Http,
    /// A whole GIV of this length.
    Giv(usize),
    Tls,
    Other,
}

/// Reads until the first bytes say something.
async fn first(mut stream: Stream) -> Result<(Said, Bytes, Stream), SniffError> {
    let mut buffer = [0; LONGEST];
    let mut length = 0;
    loop {
        if let Some(said) = said(&buffer[..length]) {
            return Ok((said, Bytes::copy_from_slice(&buffer[..length]), stream));
        }
        if length == LONGEST {
            return Err(SniffError::TooLong);
        }
        match stream.read(&mut buffer[length..]).await? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            more => length += more,
        }
    }
}

/// What `bytes` say; nothing while more of them could still say something else.
fn said(bytes: &[u8]) -> Option<Said> {
    if bytes.starts_with(GNUTELLA) {
        Some(Said::Gnutella)
    } else if HTTP.iter().any(|method| bytes.starts_with(method)) {
        Some(Said::Http)
    } else if bytes.starts_with(TLS) {
        Some(Said::Tls)
    } else if bytes.starts_with(GIV) {
        giv_end(bytes).map(Said::Giv)
    } else {
        let known = HTTP.into_iter().chain([GNUTELLA, GIV, TLS]);
        let possible = known.into_iter().any(|start| start.starts_with(bytes));
        (!possible).then_some(Said::Other)
    }
}

/// The end of a GIV line and of the blank line behind it, which must not be left for HTTP.
fn giv_end(bytes: &[u8]) -> Option<usize> {
    let line = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    let carriage_return = usize::from(*bytes.get(line)? == b'\r');
    let end = line + carriage_return;
    // Whatever is not a blank line is left, for HTTP to complain about.
    Some(if *bytes.get(end)? == b'\n' {
        end + 1
    } else {
        line
    })
}

fn opening(said: Said, mut front: Bytes, stream: Stream) -> Result<Opening, SniffError> {
    Ok(match said {
        Said::Gnutella => Opening::Gnutella(Rewind::new(front, stream)),
        Said::Http => Opening::Http(Rewind::new(front, stream)),
        Said::Giv(length) => {
            let text = front.split_to(length);
            let text = String::from_utf8_lossy(&text);
            let Some((index, servent)) = giv(text.trim_end()) else {
                return Err(SniffError::MalformedGiv(text.trim_end().to_owned()));
            };
            let stream = Rewind::new(front, stream);
            Opening::Giv {
                index,
                servent,
                stream,
            }
        }
        Said::Tls | Said::Other => Opening::Other,
    })
}

/// Index and servent of `GIV <index>:<GUID in hex>/<name>`.
fn giv(line: &str) -> Option<(u32, Guid)> {
    let (index, rest) = line.strip_prefix("GIV ")?.split_once(':')?;
    let (servent, _name) = rest.split_once('/')?;
    Some((index.parse().ok()?, servent.parse().ok()?))
}
