//! Reading into a growing buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures::AsyncRead;

/// The most that one read gives.
pub(super) const MOST: usize = 16 * 1024;

/// Appends what one read gives to `buffer` and says how much that was.
///
/// The space to read into is on the stack of the poll: a connection that waits holds none.
pub(super) fn poll_fill<R: AsyncRead + Unpin>(
    reader: &mut R,
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let mut scratch = [0; MOST];
    let length = ready!(Pin::new(reader).poll_read(cx, &mut scratch))?;
    buffer.extend_from_slice(&scratch[..length]);
    Poll::Ready(Ok(length))
}
