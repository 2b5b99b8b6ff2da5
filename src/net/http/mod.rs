//! HTTP/1.1 both ways over any stream; the one file that names the HTTP library.
//!
//! [`serve`] answers on a stream and [`connect`] asks on one, whoever opened it: after a push the
//! servent that dialled is the server. Every wait has a limit: a head that does not come, a body
//! that stops, a peer that never reads.

mod adapter;
mod body;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite, FutureExt};
use hyper::service::service_fn;
use hyper::{client, server};
use thiserror::Error;

pub use hyper::body::Incoming;
pub use hyper::header::{self, HeaderName, HeaderValue};
pub use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};

use self::adapter::{Clock, Io};
pub use self::body::{Body, Chunks, chunks, read_body};
use crate::runtime::{self, TimedOut};

/// Why an exchange came to nothing.
#[derive(Debug, Error)]
pub enum Error {
    /// The connection broke, or what came is not HTTP.
    #[error("the HTTP exchange broke off: {}", causes(.0))]
    Broken(#[source] hyper::Error),
    /// The peer fell silent.
    #[error("the HTTP peer fell silent: {0}")]
    Silent(#[from] TimedOut),
    /// A body that was to be kept whole is too long for that.
    #[error("the HTTP body has more than {limit} bytes")]
    TooLarge {
        /// What would have been accepted.
        limit: usize,
    },
}

/// How patient an end of a connection is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a whole head may take to arrive: of a request, also between two of them, or of a
    /// response.
    pub head: Duration,
    /// Largest head, in bytes.
    pub head_bytes: usize,
    /// How long the peer may take nothing of what is written to it.
    pub stall: Duration,
    /// Bytes a second that the peer must take, at least, counting only the time for which it keeps
    /// us waiting: when that has lasted as long as a stall may, the connection breaks.
    pub least_rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            stall: Duration::from_secs(30),
            least_rate: 0,
        }
    }
}

/// Answers the requests that arrive on `stream`, one after the other, until the peer closes it.
///
/// # Errors
/// When the connection breaks, the peer does not speak HTTP, or its patience is abused.
pub async fn serve<S, F, R>(stream: S, service: F) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = Response<Body>>,
{
    serve_with(stream, Limits::default(), service).await
}

/// [`serve`] with other limits.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with<S, F, R>(stream: S, limits: Limits, service: F) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = Response<Body>>,
{
    let service = service_fn(move |request| service(request).map(Ok::<_, Infallible>));
    server::conn::http1::Builder::new()
        .timer(Clock)
        .header_read_timeout(limits.head)
        .max_header_size(limits.head_bytes)
        .title_case_headers(true)
        .serve_connection(Io::new(stream, limits), service)
        .await
        .map_err(Error::Broken)
}

/// Takes `stream` as a connection to a server. Nothing is sent before [`Client::send`].
///
/// # Errors
/// When the connection cannot be taken into use.
pub async fn connect<S>(stream: S) -> Result<Client, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    connect_with(stream, Limits::default()).await
}

/// [`connect`] with other limits.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with<S>(stream: S, limits: Limits) -> Result<Client, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = client::conn::http1::Builder::new()
        .title_case_headers(true)
        .max_header_size(limits.head_bytes)
        // Old servents write what they like.
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(Io::new(stream, limits))
        .await
        .map_err(Error::Broken)?;
    runtime::spawn_detached(async {
        if let Err(error) = connection.await {
            log::debug!("HTTP client: {}", causes(&error));
        }
    });
    Ok(Client {
        sender,
        head: limits.head,
    })
}

/// The asking end of a connection. The connection lives as long as this and the body last received.
#[derive(Debug)]
pub struct Client {
    sender: client::conn::http1::SendRequest<Body>,
    head: Duration,
}

impl Client {
    /// Sends a request and waits for the head of the response. The request is sent as it is: its
    /// URI is a path, and `Host` is for the caller to set. The body of the response before must
    /// have been read to its end. After an error the client is of no more use.
    ///
    /// # Errors
    /// When the connection breaks or the response does not come.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        let exchange = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        runtime::timeout(self.head, exchange)
            .await?
            .map_err(Error::Broken)
    }

    /// Whether the connection is gone and a new one is needed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// An error and what lies behind it, in one line.
fn causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
