//! A stream with bytes put back in front of it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures::{AsyncRead, AsyncWrite};

/// A stream that first gives back the bytes that were read too far, then goes on.
#[derive(Debug)]
pub struct Rewind<S> {
    front: Bytes,
    stream: S,
}

impl<S> Rewind<S> {
    /// `stream` with `front` put back.
    pub const fn new(front: Bytes, stream: S) -> Self {
        Self { front, stream }
    }

    /// Puts bytes back in front of whatever is still to be read.
    pub fn put_back(&mut self, bytes: Bytes) {
        if self.front.is_empty() {
            self.front = bytes;
        } else if !bytes.is_empty() {
            self.front = [bytes, self.front.split_off(0)].concat().into();
        }
    }

    /// The bytes in front and the stream beneath.
    pub fn into_parts(self) -> (Bytes, S) {
        (self.front, self.stream)
    }

    /// The stream beneath, to ask for its addresses; reading from it would skip the bytes in front.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S> From<S> for Rewind<S> {
    fn from(stream: S) -> Self {
        Self::new(Bytes::new(), stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.front.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = buffer.len().min(self.front.len());
        self.front.copy_to_slice(&mut buffer[..length]);
        if self.front.is_empty() {
            // Lets go of the memory behind it.
            self.front = Bytes::new();
        }
        Poll::Ready(Ok(length))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::AsyncReadExt;
    use futures::io::Cursor;

    use super::*;
    use crate::runtime::block_on;

    #[test]
    fn bytes_put_back_come_first_and_in_order() {
        let mut stream = Rewind::new(Bytes::from_static(b"two "), Cursor::new(*b"three"));
        stream.put_back(Bytes::from_static(b"one "));
        stream.put_back(Bytes::new());
        let mut text = String::new();
        block_on(stream.read_to_string(&mut text)).unwrap();
        assert_eq!(text, "one two three");
    }

    #[test]
    fn a_small_buffer_takes_the_front_in_pieces() {
        let mut stream = Rewind::new(Bytes::from_static(b"abc"), Cursor::new(*b"d"));
        for wanted in [&b"ab"[..], b"c", b"d", b""] {
            let mut buffer = [0; 2];
            let length = block_on(stream.read(&mut buffer)).unwrap();
            assert_eq!(&buffer[..length], wanted);
        }
    }
}
