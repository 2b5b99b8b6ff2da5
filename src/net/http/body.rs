//! What is sent after a head.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use hyper::body::{Body as _, Frame, SizeHint};

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
