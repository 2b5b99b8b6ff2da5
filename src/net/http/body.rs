//! Bodies: what is sent after a head, and what comes after one.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, Stream, StreamExt, TryStreamExt};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use super::{Error, Limits};
use crate::net::stall::Stall;
use crate::runtime;

/// How long [`read_body`] waits for a whole body.
const WHOLE_BODY: Duration = Duration::from_secs(60);

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

/// What is sent after a head: bytes at hand, or a stream of them.
pub struct Body(Source);

enum Source {
    Whole(Bytes),
    Stream {
        chunks: BoxStream<'static, io::Result<Bytes>>,
        left: Option<u64>,
    },
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Source::Whole(Bytes::new()))
    }

    /// The bytes of `chunks`, sent as they come. With a `length` it is announced as
    /// `Content-Length`, and a stream that ends early breaks the connection; without, the body is
    /// sent in chunked coding, or to the end of the connection.
    pub fn stream<C>(chunks: C, length: Option<u64>) -> Self
    where
        C: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        Self(Source::Stream {
            chunks: chunks.boxed(),
            left: length,
        })
    }
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        Self(Source::Whole(bytes.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Body").field(&self.size_hint()).finish()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = match &mut self.0 {
            Source::Whole(bytes) if bytes.is_empty() => None,
            Source::Whole(bytes) => Some(Ok(std::mem::take(bytes))),
            Source::Stream { chunks, left } => {
                let chunk = ready!(chunks.poll_next_unpin(cx));
                if let (Some(Ok(bytes)), Some(left)) = (&chunk, left) {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                chunk
            }
        };
        Poll::Ready(chunk.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream {
                left: Some(left), ..
            } => SizeHint::with_exact(*left),
            Source::Stream { left: None, .. } => SizeHint::default(),
        }
    }
}
