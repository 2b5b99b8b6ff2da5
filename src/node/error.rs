//! What a node could not do, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Why a node did not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The home directory cannot be used.
    #[error("cannot use the home directory {}: {cause}", path.display())]
    Home {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A shared directory holds the home.
    #[error(
        "{} holds the home of this servent, {}, with its keys: share a directory beside it, or \
         choose another --home",
        share.display(),
        home.display()
    )]
    HomeShared {
        /// The shared directory.
        share: PathBuf,
        /// The home.
        home: PathBuf,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// A directory cannot be shared.
    #[error(transparent)]
    Share(#[from] crate::library::Refused),
    /// The port cannot be listened on.
    #[error("cannot listen on {address}: {cause}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The TLS identity cannot be used.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Identity(#[from] crate::net::tls::Error),
    /// A recording cannot be begun.
    #[error("cannot record into {}: {cause}; name a file that is not there yet", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Beacons of the local network cannot be heard.
    #[error("cannot look for servents on the local network: {cause}")]
    Lan {
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// TLS that is needed to prove a secret was not to be used.
    #[cfg(feature = "tls")]
    #[error(
        "the network has a secret, which takes TLS on every link: leave out --tls, or require it"
    )]
    SecretWithoutTls,
    /// A servent cannot be reached.
    #[error("cannot reach {address}: {why}")]
    Unreachable {
        /// The servent.
        address: SocketAddr,
        /// What went wrong.
        why: String,
    },
    /// A servent and this one do not become neighbours.
    #[error("no link with {address}: {why}")]
    Handshake {
        /// The servent.
        address: SocketAddr,
        /// What it said, or what was wrong.
        why: String,
    },
    /// A servent shows no list of what it shares.
    #[error("no list of {address}: {why}")]
    NoList {
        /// The servent.
        address: SocketAddr,
        /// What went wrong.
        why: String,
    },
    /// There is nothing to search for.
    #[error("cannot search for {text:?}: {why}")]
    Query {
        /// What was asked.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No result has this number.
    #[error("no result has the number {0}: search again, or look at `filbert results`")]
    NoSuchResult(u64),
    /// What was named has no SHA-1 to verify it by.
    #[error("{0} names no SHA-1, so the file could not be verified: use a link that does")]
    Unverifiable(String),
    /// Too many downloads.
    #[error("there are {0} downloads already: wait until one is complete, or remove one")]
    TooManyDownloads(usize),
    /// No download has this number.
    #[error("there is no download {0}: `filbert downloads` lists them")]
    NoSuchDownload(u64),
    /// A file is no collection that can be trusted.
    #[error("{}: {cause}", path.display())]
    Collection {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: super::collection::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Too many wishes.
    #[error("there are {0} wishes already: remove one with `filbert wish rm`")]
    TooManyWishes(usize),
    /// No wish has this number.
    #[error("there is no wish {0}: `filbert wish ls` lists them")]
    NoSuchWish(u64),
}
