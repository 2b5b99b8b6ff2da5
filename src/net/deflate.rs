//! Compression of a link (protocol §14.1): one zlib stream a direction, never ended.
//!
//! Each direction stands alone: [`Deflate`] compresses what is written, [`Inflate`] decompresses
//! what is read. A flush makes everything written so far readable at the other end; the blocks of
//! a handshake are not part of the stream, and where TLS is in use it goes outside.
//!
//! Only the window of the last kilobytes outlives a call: space to work in is on the stack of the
//! poll, so a link that waits holds little. See [`Deflate`] for what it holds when it rests.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use flate2::{Decompress, DecompressError, FlushDecompress, Status};
use futures::{AsyncRead, AsyncWrite};
use thiserror::Error;
use zlib_rs::{DeflateConfig, DeflateError, DeflateFlush};

use super::fill::{MOST, poll_fill};

/// How hard to try, from 1 to 9: what the other servents do too.
pub const LEVEL: u32 = 6;

/// Compressed bytes that may wait for the connection before more is taken in.
const WAITING: usize = MOST;

/// How a zlib stream begins: deflate, a window of up to 32 KiB, no dictionary.
const START: [u8; 2] = [0x78, 0x9c];

/// The window that is used of it, 8 KiB: descriptors repeat what was near, and a link's
/// compressor is its largest piece of memory.
const WINDOW_BITS: i32 = 13;

/// How many symbols a block may have, on the scale of zlib: 2,048. A flush ends a block long before
/// as a rule, and a compressor for more takes 120 KB more.
const MEMORY_LEVEL: i32 = 5;

/// Reads that may give nothing before the other tasks have their turn.
const FRUITLESS: usize = 8;

/// Why a compressed stream cannot go on; the [`io::Error`] of a read or write holds it.
#[derive(Debug, Error)]
pub enum Error {
    /// The neighbour sent what is not a zlib stream.
    #[error("the neighbour's compressed stream is damaged: {0}")]
    Damaged(#[from] DecompressError),
    /// The neighbour's stream cannot be read on, though there is more of it.
    #[error("the neighbour's compressed stream does not go on")]
    Stuck,
    /// Our own compressor failed.
    #[error("cannot compress for the neighbour: {}", .0.as_str())]
    Compress(DeflateError),
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Damaged(_) | Error::Stuck => io::ErrorKind::InvalidData,
            Error::Compress(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Compresses what is written to `W`.
///
/// A flush ends at a byte and needs nothing of what comes later, so the stream may go on there
/// with a fresh compressor. A link that rests makes use of it: *a flush when nothing was written
/// since the last one* lets go of the compressor, some 170 KB, until the next write.
pub struct Deflate<W> {
    writer: W,
    level: i32,
    compress: Option<zlib_rs::Deflate>,
    /// Compressed and on its way.
    waiting: BytesMut,
    /// Something was taken in since the last flush.
    unflushed: bool,
}

impl<W> Deflate<W> {
    /// Compresses at a level from 1 to 9, [`LEVEL`] as a rule; the stream begins with the first
    /// write.
    pub fn new(writer: W, level: u32) -> Self {
        Self {
            writer,
            level: level.clamp(1, 9).cast_signed(),
            compress: None,
            waiting: BytesMut::from(&START[..]),
            unflushed: false,
        }
    }

    /// Runs the compressor once, through `scratch`; says how much it took in, and whether it had
    /// room for all it wanted to give.
    fn step(
        &mut self,
        bytes: &[u8],
        flush: DeflateFlush,
        scratch: &mut [u8],
    ) -> Result<(usize, bool), Error> {
        let level = self.level;
        // Raw: the start was written by hand and the sum at the end never comes, so that one
        // compressor can follow another.
        let compress = self.compress.get_or_insert_with(|| {
            zlib_rs::Deflate::new_with_config(DeflateConfig {
                level,
                window_bits: -WINDOW_BITS,
                mem_level: MEMORY_LEVEL,
                ..DeflateConfig::default()
            })
        });
        let (taken, given) = (compress.total_in(), compress.total_out());
        compress
            .compress(bytes, scratch, flush)
            .map_err(Error::Compress)?;
        let length = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let taken = length(compress.total_in() - taken);
        let given = length(compress.total_out() - given);
        self.waiting.extend_from_slice(&scratch[..given]);
        self.unflushed |= taken > 0;
        Ok((taken, given < scratch.len()))
    }
}

impl<W: AsyncWrite + Unpin> Deflate<W> {
    /// Sends what is compressed.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            match ready!(Pin::new(&mut self.writer).poll_write(cx, &self.waiting))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.waiting.advance(written),
            }
        }
        // A link that waits holds none.
        self.waiting = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Brings everything taken in to the connection.
    fn poll_sync(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unflushed {
            ready!(self.poll_drain(cx))?;
            self.compress = None;
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; MOST];
        while self.unflushed {
            if self.waiting.len() >= WAITING {
                ready!(self.poll_drain(cx))?;
            }
            let (_, done) = self.step(&[], DeflateFlush::SyncFlush, &mut scratch)?;
            self.unflushed = !done;
        }
        self.poll_drain(cx)
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Deflate<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut scratch = [0; MOST];
        let mut total = 0;
        for slice in slices {
            let mut rest = &slice[..];
            while !rest.is_empty() {
                if self.waiting.len() >= WAITING {
                    match self.poll_drain(cx) {
                        Poll::Ready(drained) => drained?,
                        Poll::Pending if total > 0 => return Poll::Ready(Ok(total)),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                let (taken, _) = self.step(rest, DeflateFlush::NoFlush, &mut scratch)?;
                rest = &rest[taken..];
                total += taken;
            }
        }
        Poll::Ready(Ok(total))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sync(cx))?;
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sync(cx))?;
        Pin::new(&mut self.writer).poll_close(cx)
    }
}

impl<W: fmt::Debug> fmt::Debug for Deflate<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deflate").field(&self.writer).finish()
    }
}

/// Decompresses what is read from `R`.
///
/// No more is decompressed than the reader has room for: however much a few bytes may stand for,
/// they cost one read's worth of compressed bytes. The end of the connection and the end of the
/// stream are both the end.
pub struct Inflate<R> {
    reader: R,
    decompress: Decompress,
    /// Read and not yet decompressed.
    waiting: Bytes,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing more comes.
    Ended,
    /// There may be more to give without reading.
    Full,
    /// Everything read was given; more must be read.
    Hungry,
}

impl<R> Inflate<R> {
    /// Decompresses the stream that begins with the first byte of `reader`.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            decompress: Decompress::new(true),
            waiting: Bytes::new(),
            state: State::Hungry,
        }
    }

    /// Decompresses into `buffer`, which is not empty; says how much that was.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let (taken, given) = (self.decompress.total_in(), self.decompress.total_out());
        let status = self
            .decompress
            .decompress(&self.waiting, buffer, FlushDecompress::None)?;
        let length = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let taken = length(self.decompress.total_in() - taken);
        let given = length(self.decompress.total_out() - given);
        self.waiting.advance(taken);
        if status == Status::StreamEnd {
            self.state = State::Ended;
            self.waiting = Bytes::new();
        } else if given < buffer.len() {
            if self.waiting.is_empty() {
                self.state = State::Hungry;
            } else if taken + given == 0 {
                return Err(Error::Stuck);
            }
        }
        if self.waiting.is_empty() {
            // Lets go of the memory behind it.
            self.waiting = Bytes::new();
        }
        Ok(given)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Inflate<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        for _ in 0..FRUITLESS {
            if self.state == State::Hungry {
                let mut read = BytesMut::new();
                self.state = match ready!(poll_fill(&mut self.reader, cx, &mut read))? {
                    0 => State::Ended,
                    _ => State::Full,
                };
                self.waiting = read.freeze();
            }
            if self.state == State::Ended {
                return Poll::Ready(Ok(0));
            }
            let given = self.step(buffer)?;
            if given > 0 {
                return Poll::Ready(Ok(given));
            }
        }
        // A stream of nothing but flushes shall not keep the thread.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R: fmt::Debug> fmt::Debug for Inflate<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inflate").field(&self.reader).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::io::Cursor;
    use futures::{AsyncReadExt, AsyncWriteExt};
    use proptest::prelude::*;

    use super::*;
    use crate::net::testing::pair;
    use crate::runtime::block_on;

    /// What one end writes and flushes piece by piece.
    fn deflated(pieces: &[&[u8]]) -> Vec<u8> {
        let mut deflate = Deflate::new(Cursor::new(Vec::new()), LEVEL);
        block_on(async {
            for piece in pieces {
                deflate.write_all(piece).await.unwrap();
                deflate.flush().await.unwrap();
            }
        });
        deflate.writer.into_inner()
    }

    /// Reads to the end with a buffer of `size`.
    fn inflated(bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut inflate = Inflate::new(Cursor::new(bytes));
        let mut all = Vec::new();
        let mut buffer = vec![0; size];
        block_on(async {
            loop {
                match inflate.read(&mut buffer).await? {
                    0 => return Ok(all),
                    length => all.extend_from_slice(&buffer[..length]),
                }
            }
        })
    }

    /// A zlib stream as others make it, with an end.
    fn foreign(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;

        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(9));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Bytes that do not compress well.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn a_flush_brings_everything_to_the_other_end_at_once() {
        block_on(async {
            let (here, there) = pair().await;
            let mut deflate = Deflate::new(here, LEVEL);
            let mut inflate = Inflate::new(there);
            for word in ["one", "two", "three"] {
                deflate.write_all(word.as_bytes()).await.unwrap();
                deflate.flush().await.unwrap();
                let mut heard = vec![0; word.len()];
                inflate.read_exact(&mut heard).await.unwrap();
                assert_eq!(heard, word.as_bytes());
            }
            deflate.write_all(b"last").await.unwrap();
            deflate.close().await.unwrap();
            let mut heard = Vec::new();
            inflate.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"last");
        });
    }

    #[test]
    fn the_stream_is_zlib_and_has_no_end() {
        use std::io::Read;

        let bytes = deflated(&[b"some descriptors", b"", b"and more of them"]);
        assert_eq!(bytes[..2], START);
        assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
        let mut all = Vec::new();
        // Another reader of zlib understands it, and misses the end.
        let end = flate2::read::ZlibDecoder::new(&bytes[..]).read_to_end(&mut all);
        assert_eq!(all, b"some descriptorsand more of them");
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_link_at_rest_holds_no_compressor_and_goes_on_later() {
        block_on(async {
            let mut deflate = Deflate::new(Cursor::new(Vec::new()), LEVEL);
            deflate.write_all(b"before ").await.unwrap();
            deflate.flush().await.unwrap();
            assert!(deflate.compress.is_some());
            deflate.flush().await.unwrap();
            assert!(deflate.compress.is_none());
            deflate.write_all(b"after").await.unwrap();
            deflate.flush().await.unwrap();
            let bytes = deflate.writer.into_inner();
            assert_eq!(inflated(&bytes, 100).unwrap(), b"before after");
        });
    }

    #[test]
    fn a_bomb_gives_what_is_asked_for_and_no_more() {
        let bomb = foreign(&vec![0; 4 << 20]);
        assert!(bomb.len() < 5_000);
        block_on(async {
            let mut inflate = Inflate::new(Cursor::new(&bomb));
            let mut buffer = [1; 100];
            for _ in 0..1000 {
                assert_eq!(inflate.read(&mut buffer).await.unwrap(), buffer.len());
                assert!(inflate.waiting.len() <= MOST);
            }
            let used = inflate.decompress.total_in();
            assert!(used < 2_000, "{used}");
        });
    }

    #[test]
    fn a_stream_of_nothing_gives_other_tasks_their_turn() {
        // Flushes only: an endless one would keep a thread for ever.
        let nothing = [&START[..], &[0, 0, 0, 0xff, 0xff].repeat(100_000)].concat();
        block_on(async {
            let mut inflate = Inflate::new(Cursor::new(&nothing));
            let mut buffer = [0; 10];
            let first = poll_fn(|cx| {
                let read = Pin::new(&mut inflate).poll_read(cx, &mut buffer);
                Poll::Ready(read.is_pending())
            });
            assert!(first.await);
            assert_eq!(inflate.read(&mut [0; 10]).await.unwrap(), 0);
        });
    }

    #[test]
    fn damage_is_an_error_that_says_so() {
        for bytes in [&b"GNUTELLA"[..], &[0x78, 0x9c, 0xff, 0xff]] {
            let error = inflated(bytes, 100).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let source = error.get_ref().unwrap().downcast_ref::<Error>();
            assert!(matches!(source, Some(Error::Damaged(_))), "{error}");
        }
    }

    #[test]
    fn the_end_of_the_stream_is_the_end() {
        let ended = [foreign(b"all there is"), b"behind it".to_vec()].concat();
        assert_eq!(inflated(&ended, 5).unwrap(), b"all there is");
        assert!(inflated(&[], 5).unwrap().is_empty());
    }

    #[test]
    fn a_neighbour_that_does_not_read_stops_the_writer() {
        block_on(async {
            let (here, _there) = pair().await;
            let mut deflate = Deflate::new(here, LEVEL);
            let noise = noise(100_000);
            let stopped = poll_fn(|cx| {
                let slices = [IoSlice::new(&noise), IoSlice::new(&noise)];
                for _ in 0..1_000 {
                    match Pin::new(&mut deflate).poll_write_vectored(cx, &slices) {
                        Poll::Ready(written) => assert!(written.unwrap() > 0),
                        Poll::Pending => return Poll::Ready(true),
                    }
                }
                Poll::Ready(false)
            });
            assert!(stopped.await);
            assert!(deflate.waiting.len() <= 2 * WAITING);
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_goes_in_comes_out(
            pieces in prop::collection::vec((0..40_000_usize, any::<bool>()), 0..6),
            size in 50..20_000_usize,
        ) {
            let pieces: Vec<_> = pieces
                .into_iter()
                .map(|(length, noisy)| if noisy { noise(length) } else { vec![7; length] })
                .collect();
            let slices: Vec<_> = pieces.iter().map(|piece| &piece[..]).collect();
            prop_assert_eq!(inflated(&deflated(&slices), size).unwrap(), pieces.concat());
        }
    }
}
