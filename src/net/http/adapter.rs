//! Our streams and our clock as the HTTP library wants them.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};

use super::Limits;
use crate::net::stall::Stall;
use crate::runtime;

/// Bytes taken from the socket at once.
const SCRATCH: usize = 16 * 1024;

/// A stream of the `futures` traits as the HTTP library wants it.
///
/// Reading goes through a buffer of our own, since the library lends memory that is not
/// initialised; that is no slower, and safe.
pub(super) struct Io<S> {
    stream: S,
    scratch: Box<[u8]>,
    stall: Stall,
    taking: Taking,
}

/// How fast the peer takes what is ready for it.
struct Taking {
    limits: Limits,
    /// How long it kept us waiting, and how many bytes it took, since this was last looked at.
    waited: Duration,
    bytes: u64,
    waits: Option<Instant>,
}

impl Taking {
    /// Passes on what writing gave; an error when it goes too slowly.
    fn watch(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let Poll::Ready(outcome) = written else {
            self.waits.get_or_insert_with(Instant::now);
            return Poll::Pending;
        };
        if let (Some(since), Ok(count)) = (self.waits.take(), &outcome) {
            self.waited += since.elapsed();
            self.bytes += *count as u64;
        }
        if self.waited >= self.limits.stall {
            let wanted = u128::from(self.limits.least_rate) * self.waited.as_millis() / 1_000;
            if u128::from(self.bytes) < wanted {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
        Poll::Ready(outcome)
    }
}

impl<S> Io<S> {
    pub(super) fn new(stream: S, limits: Limits) -> Self {
        Self {
            stream,
            scratch: vec![0; SCRATCH].into(),
            stall: Stall::new(limits.stall),
            taking: Taking {
                limits,
                waited: Duration::ZERO,
                bytes: 0,
                waits: None,
            },
        }
    }
}

impl<S: AsyncRead + Unpin> Read for Io<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            stream, scratch, ..
        } = &mut *self;
        let room = buffer.remaining().min(scratch.len());
        let length = ready!(Pin::new(stream).poll_read(cx, &mut scratch[..room]))?;
        buffer.put_slice(&scratch[..length]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for Io<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let written = self.taking.watch(written);
        Poll::Ready(ready!(self.stall.watch(cx, written))?)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let written = self.taking.watch(written);
        Poll::Ready(ready!(self.stall.watch(cx, written))?)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        Poll::Ready(ready!(self.stall.watch(cx, flushed))?)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_close(cx);
        Poll::Ready(ready!(self.stall.watch(cx, closed))?)
    }
}

/// The library's timer, over the runtime's.
pub(super) struct Clock;

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Nap(Box::pin(runtime::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

struct Nap(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl Sleep for Nap {}
