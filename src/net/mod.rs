//! Everything with a socket: the one port, the handshake, links, HTTP, TLS.
//!
//! - [`rewind`]: a stream with bytes put back;
//! - [`http`]: HTTP both ways over any stream, the only file that names the HTTP library.
//!
//! Knows `runtime` and `wire` only; what arrives is handed on as values. A peer that dribbles,
//! floods or falls silent costs its own connection, a bounded buffer and a bounded time.

pub mod http;
pub mod rewind;
mod stall;

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
