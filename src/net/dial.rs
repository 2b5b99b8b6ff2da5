//! Reaching a servent, with TLS from the first byte where that is known or hoped to work
//! (protocol §14.2).
//!
//! Nothing tells for sure that a servent takes TLS from the first byte: not the address it was
//! heard of with, nor that it went over to TLS inside a handshake once (some that do wait for
//! ever for the rest of a ClientHello). So whoever answers it with silence or anything else is
//! dialled again without, unless there is to be no plain connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

use super::Stream;
use super::handshake::Tls;
use crate::runtime;
#[cfg(feature = "tls")]
use crate::runtime::TcpStream;

/// Time for the answer to a ClientHello, so that a plain connection is there within 3 seconds.
#[cfg(feature = "tls")]
const HELLO: Duration = Duration::from_millis(2_500);

/// Why a servent was not reached.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    /// It does not speak TLS, which is required.
    #[error("no TLS there, which is required: {0}")]
    Tls(io::Error),
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Connect(error) => error,
            Error::Tls(ref cause) => Self::new(cause.kind(), error),
        }
    }
}

/// Opens a connection to the servent at `to`, from the address `from` when one is given, each
/// attempt within `limit`.
///
/// With [`Tls::Offer`] TLS is tried first and a plain connection then: say it of a servent that
/// is said to take TLS, and [`Tls::Off`] of all others, which may still go over to it in the
/// handshake.
///
/// # Errors
/// When nobody answers, or not with the TLS that is required.
pub async fn dial(
    from: Option<IpAddr>,
    to: SocketAddr,
    limit: Duration,
    tls: &Tls,
) -> Result<Stream, Error> {
    let stream = runtime::connect(from, to, limit).await?;
    #[cfg(feature = "tls")]
    if let Some(ends) = tls.ends() {
        return match ends.connector.connect(stream, limit.min(HELLO)).await {
            Ok(stream) => Ok(stream),
            Err(error) if tls.is_required() => Err(Error::Tls(error)),
            Err(error) => {
                log::debug!("{to} does not take TLS, going on without: {error}");
                Ok(again(from, to, limit).await?.into())
            }
        };
    }
    #[cfg(not(feature = "tls"))]
    let Tls::Off = tls;
    Ok(stream.into())
}

#[cfg(feature = "tls")]
async fn again(from: Option<IpAddr>, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    runtime::connect(from, to, limit).await
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::time::Instant;

    use futures::AsyncWriteExt;
    use futures::future::join;

    use super::*;
    use crate::net::tls::{Ends, Identity};
    use crate::runtime::{TcpListener, block_on};

    const LIMIT: Duration = Duration::from_secs(10);

    fn ends() -> Ends {
        Ends::new(&Identity::generate().unwrap()).unwrap()
    }

    /// Dials a port where the first connection is met with what `answer` says, and then nothing.
    async fn dialled(tls: &Tls, answer: &[u8]) -> (Result<Stream, Error>, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let start = Instant::now();
        let meeting = async {
            let (mut met, _) = listener.accept().await.unwrap();
            met.write_all(answer).await.unwrap();
            met
        };
        let (stream, _met) = join(dial(None, address, LIMIT, tls), meeting).await;
        (stream, start.elapsed())
    }

    #[test]
    fn tls_is_spoken_where_it_is_understood() {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let ends = ends();
            let tls = Tls::Require(ends.clone());
            let accepting = async {
                let (stream, _) = listener.accept().await.unwrap();
                ends.acceptor.accept(stream.into()).await.unwrap()
            };
            let (stream, accepted) = join(dial(None, address, LIMIT, &tls), accepting).await;
            assert!(stream.unwrap().is_encrypted() && accepted.is_encrypted());
        });
    }

    #[test]
    fn silence_and_garbage_lead_to_a_plain_connection_within_seconds() {
        block_on(async {
            let tls = Tls::Offer(ends());
            let (stream, took) = dialled(&tls, b"").await;
            assert!(!stream.unwrap().is_encrypted());
            assert!(took < Duration::from_secs(3), "{took:?}");
            let (stream, took) = dialled(&tls, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            assert!(!stream.unwrap().is_encrypted());
            assert!(took < HELLO, "{took:?}");
        });
    }

    #[test]
    fn there_is_no_plain_connection_where_tls_is_required() {
        block_on(async {
            let tls = Tls::Require(ends());
            let (stream, _) = dialled(&tls, b"GNUTELLA/0.6 400 Bad Request\r\n\r\n").await;
            let error = stream.unwrap_err();
            assert!(matches!(error, Error::Tls(_)), "{error}");
        });
    }

    #[test]
    fn without_tls_nothing_is_tried() {
        block_on(async {
            let (stream, took) = dialled(&Tls::Off, b"").await;
            assert!(!stream.unwrap().is_encrypted());
            assert!(took < HELLO, "{took:?}");
        });
    }
}
