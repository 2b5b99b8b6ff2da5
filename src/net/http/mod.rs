//! HTTP/1.1 both ways over any stream; the one place that names the HTTP library.
//!
//! [`serve`] answers on a stream and [`connect`] asks on one, whoever opened it: after a push the
//! servent that dialled is the server. Every wait has a limit: a head that does not come, a body
//! that stops, a peer that never reads.

mod adapter;
mod body;

use std::convert::Infallible;
use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{Stream, TryStreamExt};
use futures::{AsyncRead, AsyncWrite, FutureExt};
use hyper::body::Body as _;
use hyper::service::service_fn;
use hyper::{client, server};
use thiserror::Error;

use self::adapter::{Clock, Io};
use super::stall::Stall;
use crate::runtime::{self, TimedOut};

pub use self::body::Body;

pub use hyper::body::Incoming;
pub use hyper::header::{self, HeaderName, HeaderValue};
pub use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};

/// How long [`read_body`] waits for a whole body.
const WHOLE_BODY: Duration = Duration::from_secs(60);

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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            stall: Duration::from_secs(30),
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
        .serve_connection(Io::new(stream, limits.stall), service)
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
        .handshake(Io::new(stream, limits.stall))
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

/// The whole of a body that is known to be small.
///
/// # Errors
/// When it has more than `limit` bytes, breaks off, or takes more than a minute.
pub async fn read_body(body: Incoming, limit: usize) -> Result<Bytes, Error> {
    runtime::timeout(WHOLE_BODY, async {
        let mut chunks = chunks(body);
        let mut whole = BytesMut::new();
        while let Some(chunk) = chunks.try_next().await? {
            if chunk.len() > limit - whole.len() {
                return Err(Error::TooLarge { limit });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    })
    .await?
}

/// The bytes of a body as they come; an error when none come for half a minute.
#[must_use]
pub fn chunks(body: Incoming) -> Chunks {
    Chunks {
        body,
        stall: Stall::new(Limits::default().stall),
    }
}

/// The bytes of a body as they come.
#[derive(Debug)]
pub struct Chunks {
    body: Incoming,
    stall: Stall,
}

impl Chunks {
    /// The same with another limit on silence.
    #[must_use]
    pub fn within(self, stall: Duration) -> Self {
        Self {
            stall: Stall::new(stall),
            ..self
        }
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frame = Pin::new(&mut self.body).poll_frame(cx);
            match ready!(self.stall.watch(cx, frame)) {
                Err(silent) => return Poll::Ready(Some(Err(silent.into()))),
                Ok(None) => return Poll::Ready(None),
                Ok(Some(Err(error))) => return Poll::Ready(Some(Err(Error::Broken(error)))),
                Ok(Some(Ok(frame))) => {
                    // Trailers say nothing that is needed here.
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
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

#[cfg(test)]
mod tests {
    use futures::future::{join, pending, ready};
    use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, stream};

    use super::*;
    use crate::net::testing::pair;
    use crate::runtime::{TcpStream, block_on, spawn};

    const FILE: &[u8] = b"0123456789abcdefghij";

    /// What a servent answers: a piece of `FILE` for a range, all of it without.
    async fn file(request: Request<Incoming>) -> Response<Body> {
        let response = Response::builder().header(header::CONTENT_LENGTH, FILE.len());
        match request.headers().get(header::RANGE) {
            _ if request.method() == Method::HEAD => response.body(Body::empty()),
            None => response.body(Body::from(FILE)),
            Some(range) => {
                assert_eq!(range, "bytes=10-14");
                Response::builder()
                    .status(StatusCode::PARTIAL_CONTENT)
                    .header(header::CONTENT_RANGE, "bytes 10-14/20")
                    .body(Body::from(&FILE[10..15]))
            }
        }
        .unwrap()
    }

    fn get(path: &str) -> Request<Body> {
        Request::get(path).body(Body::empty()).unwrap()
    }

    /// A server that reads one request and writes `response`; it keeps the stream it gives back.
    async fn answer(mut stream: TcpStream, response: &[u8]) -> TcpStream {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            request.extend(byte);
        }
        stream.write_all(response).await.unwrap();
        stream
    }

    fn patient(limit: u64) -> Limits {
        let limit = Duration::from_millis(limit);
        Limits {
            head: limit,
            stall: limit,
            ..Limits::default()
        }
    }

    #[test]
    fn ranges_and_heads_one_after_the_other_on_one_connection() {
        block_on(async {
            let (here, there) = pair().await;
            let server = spawn(serve(there, file));
            let mut client = connect(here).await.unwrap();

            let mut request = get("/get/1/file");
            let range = HeaderValue::from_static("bytes=10-14");
            request.headers_mut().insert(header::RANGE, range);
            let response = client.send(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
            assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes 10-14/20");
            assert_eq!(response.headers()[header::CONTENT_LENGTH], "5");
            assert_eq!(read_body(response.into_body(), 5).await.unwrap(), "abcde");

            let head = Request::head("/").body(Body::empty()).unwrap();
            let response = client.send(head).await.unwrap();
            assert_eq!(response.headers()[header::CONTENT_LENGTH], "20");
            assert_eq!(read_body(response.into_body(), 0).await.unwrap(), "");

            let response = client.send(get("/")).await.unwrap();
            assert_eq!(read_body(response.into_body(), 99).await.unwrap(), FILE);
            drop(client);
            server.await.unwrap();
        });
    }

    #[test]
    fn a_stream_is_sent_as_it_comes() {
        block_on(async {
            for (length, announced) in [(Some(6), Some("6")), (None, None)] {
                let (here, there) = pair().await;
                let server = serve(there, |_| {
                    let chunks = stream::iter(["abc", "def"].map(|text| Ok(text.into())));
                    ready(Response::new(Body::stream(chunks, length)))
                });
                let asking = async {
                    let mut client = connect(here).await.unwrap();
                    let response = client.send(get("/")).await.unwrap();
                    let header = response.headers().get(header::CONTENT_LENGTH);
                    assert_eq!(header.map(|value| value.to_str().unwrap()), announced);
                    read_body(response.into_body(), 6).await.unwrap()
                };
                let (served, body) = join(server, asking).await;
                served.unwrap();
                assert_eq!(body, "abcdef");
            }
        });
    }

    #[test]
    fn a_stream_that_ends_early_is_noticed() {
        block_on(async {
            let (here, there) = pair().await;
            let server = spawn(serve(there, |_| {
                let chunks = stream::iter([Ok(Bytes::from_static(b"abc"))]);
                ready(Response::new(Body::stream(chunks, Some(4))))
            }));
            let mut client = connect(here).await.unwrap();
            let exchange = async {
                let response = client.send(get("/")).await?;
                read_body(response.into_body(), 9).await
            };
            let error = exchange.await.unwrap_err();
            assert!(matches!(error, Error::Broken(_)), "{error}");
            assert!(server.await.is_err());
        });
    }

    #[test]
    fn heads_that_do_not_come_are_not_waited_for() {
        block_on(async {
            for start in ["", "GET / HT", "GET / HTTP/1.1\r\nHost"] {
                let (mut here, there) = pair().await;
                here.write_all(start.as_bytes()).await.unwrap();
                let served = serve_with(there, patient(20), file).await;
                let error = served.unwrap_err();
                assert!(matches!(error, Error::Broken(_)), "{start:?}: {error}");
            }
        });
    }

    #[test]
    fn an_idle_kept_connection_ends() {
        block_on(async {
            let (mut here, there) = pair().await;
            here.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let served = serve_with(there, patient(50), file).await;
            assert!(served.is_err());
            let mut answer = String::new();
            here.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.contains("\r\nContent-Length: 20\r\n"), "{answer}");
        });
    }

    #[test]
    fn endless_headers_are_cut_off() {
        block_on(async {
            let (mut here, there) = pair().await;
            let server = spawn(serve(there, file));
            here.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
            while here.write_all(b"X-More: and more\r\n").await.is_ok() {}
            let error = server.await.unwrap_err();
            assert!(matches!(error, Error::Broken(_)), "{error}");
        });
    }

    #[test]
    fn a_peer_that_never_reads_is_given_up() {
        block_on(async {
            let (mut here, there) = pair().await;
            here.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let served = serve_with(there, patient(50), |_| {
                let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65_536])));
                ready(Response::new(Body::stream(endless, None)))
            });
            let error = served.await.unwrap_err().to_string();
            assert!(error.contains("no answer within 50ms"), "{error}");
        });
    }

    #[test]
    fn a_response_that_stops_is_given_up() {
        block_on(async {
            let (here, mut there) = pair().await;
            let mut client = connect_with(here, patient(20)).await.unwrap();
            let error = client.send(get("/")).await.unwrap_err();
            assert!(matches!(error, Error::Silent(_)), "{error}");
            drop(client);
            there.read_to_end(&mut Vec::new()).await.unwrap();

            let (here, there) = pair().await;
            let start = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
            let server = spawn(answer(there, start));
            let mut client = connect(here).await.unwrap();
            let body = client.send(get("/")).await.unwrap().into_body();
            let mut chunks = chunks(body);
            assert_eq!(chunks.next().await.unwrap().unwrap(), "abc");
            let mut chunks = chunks.within(Duration::from_millis(20));
            let error = chunks.next().await.unwrap().unwrap_err();
            assert!(matches!(error, Error::Silent(_)), "{error}");
            drop(server.await);
        });
    }

    #[test]
    fn old_servents_without_lengths_are_read_to_the_end() {
        block_on(async {
            let (here, there) = pair().await;
            let old = b"HTTP/1.0 503 Busy\r\nServer : Old/1.0\r\nbad name: x\r\n\r\nqueue full";
            let mut client = connect(here).await.unwrap();
            let answering = answer(there, old).map(drop);
            let (response, ()) = join(client.send(get("/")), answering).await;
            let response = response.unwrap();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::SERVER], "Old/1.0");
            let body = read_body(response.into_body(), 99).await.unwrap();
            assert_eq!(body, "queue full");
        });
    }

    #[test]
    fn a_large_body_is_not_kept() {
        block_on(async {
            let (here, there) = pair().await;
            let server = spawn(serve(there, file));
            let mut client = connect(here).await.unwrap();
            let body = client.send(get("/")).await.unwrap().into_body();
            let error = read_body(body, 19).await.unwrap_err();
            assert!(matches!(error, Error::TooLarge { limit: 19 }), "{error}");
            drop(client);
            server.await.unwrap();
        });
    }

    #[test]
    fn a_body_that_is_let_go_ends_the_connection() {
        block_on(async {
            let (here, there) = pair().await;
            let server = spawn(serve(there, |_| {
                let start = stream::iter([Ok(Bytes::from_static(b"abc"))]);
                let chunks = start.chain(stream::once(pending()));
                ready(Response::new(Body::stream(chunks, Some(9))))
            }));
            let mut client = connect(here).await.unwrap();
            let response = client.send(get("/")).await.unwrap();
            drop((client, response));
            server.await.unwrap_err();
        });
    }
}
