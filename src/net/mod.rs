//! Everything with a socket: the one port, the handshake, links, HTTP, TLS.
//!
//! - [`listener`]: the one TCP port; [`sniff`] tells what a stranger on it speaks;
//! - [`dial`]: reaching others; [`tls`]: encryption without authentication;
//! - [`stream`]: a connection, plain or encrypted; [`rewind`] one with bytes put back;
//! - [`handshake`]: the three blocks with which a link begins, and what is agreed on in them;
//! - [`link`]: the read and the write loop of a link to a neighbour; [`deflate`] compresses it;
//! - [`http`]: HTTP both ways over any stream, the only place that names the HTTP library;
//! - [`udp`]: the socket without connections, behind the limits of [`rate`];
//! - [`beacon`]: finding servents on the local network;
//! - [`network`]: keeping to one overlay; [`proof`]: proving its secret.
//!
//! Knows `runtime` and `wire` only; what arrives is handed on as values. A peer that dribbles,
//! floods or falls silent costs its own connection, a bounded buffer and a bounded time.

pub mod beacon;
pub mod deflate;
pub mod dial;
mod fill;
pub mod handshake;
pub mod http;
pub mod link;
pub mod listener;
pub mod network;
#[cfg(feature = "tls")]
pub mod proof;
pub mod rate;
pub mod rewind;
pub mod sniff;
mod stall;
pub mod stream;
#[cfg(feature = "tls")]
pub mod tls;
pub mod udp;

pub use rewind::Rewind;
pub use stream::Stream;

#[cfg(test)]
mod testing {
    use futures::future::try_join;

    use crate::runtime::{TcpListener, TcpStream};

    /// Both ends of a connection over the loopback interface.
    pub(super) async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (here, (there, _)) = try_join(TcpStream::connect(address), listener.accept())
            .await
            .unwrap();
        (here, there)
    }
}
