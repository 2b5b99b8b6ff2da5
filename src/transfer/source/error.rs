//! Why a source did not give what it was asked for, and what the download makes of it.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::net::http;
use crate::net::network::Stranger;
use crate::swarm::download::{QueuePlace, Trouble};
use crate::transfer::call_back::Uncalled;

/// Characters of a source's own words that an error repeats.
const QUOTE: usize = 80;

/// Why a source did not give the file.
#[derive(Debug, Error)]
pub enum Error {
    /// No connection came about.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// It did not connect to us either.
    #[error("{0}")]
    Uncalled(Uncalled),
    /// It did not answer, or stopped in the middle of the file.
    #[error("no byte for {0:?}")]
    Silent(Duration),
    /// The connection ended too early, or what came was not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It has no place for us now.
    #[error("busy (status {status})")]
    Busy {
        /// The status it answered.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It keeps a place for us in its queue.
    #[error("queued there{}", told(*place))]
    Queued {
        /// Our place.
        place: QueuePlace,
        /// When it wants to be asked again.
        poll: Duration,
    },
    /// It does not have these bytes yet.
    #[error("it does not have these bytes yet")]
    Unavailable,
    /// It does not have the file, or not for us.
    #[error("refused with status {status}")]
    Refused {
        /// The status it answered.
        status: u16,
    },
    /// The bytes it offers are not the ones asked for.
    #[error("asked for bytes from {asked}, it offers {offered:?}")]
    WrongRange {
        /// The first byte asked for.
        asked: u64,
        /// What it says it sends.
        offered: String,
    },
    /// Its file has another size.
    #[error("its file has {theirs} bytes instead of {expected}")]
    WrongSize {
        /// What it says.
        theirs: u64,
        /// What was expected.
        expected: u64,
    },
    /// It belongs to another overlay.
    #[error("{0}")]
    Stranger(Stranger),
    /// It names another content than the one asked for.
    #[error("it offers other content: {0:?}")]
    WrongContent(String),
    /// Its answer is packed in a way that was not asked for.
    #[error("it packs its answer, which was not asked for: {0:?}")]
    Packed(String),
    /// It sends us elsewhere, where we do not go.
    #[error("it sends us elsewhere, where we do not go: {0:?}")]
    Elsewhere(String),
    /// It sent more than it had announced.
    #[error("it sent more than it announced")]
    TooMuch,
    /// Everything it sent was written, and the whole is not the file asked for.
    #[error("its bytes are not the file asked for")]
    WrongBytes,
}

/// A place in words.
fn told(place: QueuePlace) -> String {
    match (place.position, place.length) {
        (Some(position), Some(length)) => format!(" at {position} of {length}"),
        (Some(position), None) => format!(" at {position}"),
        _ => String::new(),
    }
}

impl Error {
    /// What the download makes of it.
    pub(in crate::transfer) const fn trouble(&self) -> Trouble {
        match self {
            Self::Connect(_) | Self::Uncalled(_) => Trouble::Unreachable,
            Self::Silent(_) => Trouble::Silent,
            Self::Broken(_) => Trouble::Broken,
            Self::Busy { retry_after, .. } => Trouble::Busy {
                retry_after: *retry_after,
            },
            Self::Queued { place, poll } => Trouble::Queued {
                place: *place,
                poll: *poll,
            },
            Self::Unavailable => Trouble::Unavailable,
            Self::Refused { .. } | Self::Elsewhere(_) => Trouble::Refused,
            Self::WrongRange { .. }
            | Self::WrongSize { .. }
            | Self::Stranger(_)
            | Self::WrongContent(_)
            | Self::Packed(_)
            | Self::TooMuch
            | Self::WrongBytes => Trouble::Different,
        }
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Silent(limit) => Self::Silent(limit.0),
            other => Self::Broken(quote(&other.to_string())),
        }
    }
}

/// A stranger's words, short enough for an error.
pub(super) fn quote(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(QUOTE)
        .collect()
}
