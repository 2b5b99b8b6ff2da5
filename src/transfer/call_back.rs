//! Sources that nobody can connect to, as the download sees them: somebody further up knows how to
//! have them connect to us (protocol §6).

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use futures::channel::oneshot;
use futures::future::BoxFuture;
use thiserror::Error;

use super::firewalled::{Firewalled, NodeInfo};
use crate::net::handshake::Tls;
use crate::net::{Rewind, Stream};
use crate::wire::Guid;

/// A connection that a source opened to us, on which it answers requests.
pub type Called = Rewind<Stream>;

/// Who knows how sources are reached, and has them connect to us.
pub trait CallBack: Debug + Send + Sync {
    /// How this source is reached.
    fn way(&self, source: SocketAddr) -> Way;

    /// How TLS is spoken with a source that is known to take it, if it is to be.
    fn tls(&self, _source: SocketAddr) -> Option<Tls> {
        None
    }

    /// A source told who hands on pushes to it now, and perhaps who it is.
    fn heard(&self, source: SocketAddr, servent: Option<Guid>, proxies: &[SocketAddrV4]);

    /// Somebody is named that can be called: gives the address under which it is known from now on,
    /// if it is to be asked.
    fn introduced(&self, _alternate: &Firewalled) -> Option<SocketAddr> {
        None
    }

    /// How a source is called, for others who could do so, too.
    fn described(&self, _source: SocketAddr) -> Option<Firewalled> {
        None
    }

    /// How we are called, where nobody can connect to us.
    fn own(&self) -> Option<NodeInfo> {
        None
    }

    /// Somebody at `at` keeps a place for us in its queue, by this number, and may connect to us when
    /// it is our turn (protocol §10.7): gives its connection then. Nothing where too many are waited
    /// for.
    fn queued(&self, _at: IpAddr, _id: &str) -> Option<oneshot::Receiver<Called>> {
        None
    }

    /// Asks a source to connect to us, and gives its connection.
    fn call(&self, source: SocketAddr) -> BoxFuture<'static, Result<Called, Uncalled>>;
}

/// How a source is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// It is dialled; nothing is known by which it could be called.
    #[default]
    Dial,
    /// It is dialled, and called where that fails.
    DialFirst,
    /// It says that nobody can connect to it: it is called, and dialled where that fails, as some
    /// say so in error.
    CallFirst,
    /// Its address means nothing here: it is called only.
    Call,
}

impl Way {
    /// Whether others could be sent there.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Dial | Self::DialFirst)
    }
}

/// Why a source did not connect to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Uncalled {
    /// Nobody can connect to us either, or we do not know at which address.
    #[error("it cannot be pushed: nobody can connect to us either")]
    Unreachable,
    /// Nobody is known who would hand the push on.
    #[error("it cannot be pushed: no way to it is known")]
    NoWay,
    /// It did not come in time.
    #[error("pushed in vain: it does not connect")]
    Silent,
    /// Too many others are waited for.
    #[error("not pushed: too many others are waited for")]
    TooMany,
}
