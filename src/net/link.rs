//! The read and the write loop of a link to a neighbour.
//!
//! Reading hands on every descriptor that has come complete, a batch a read. Writing takes batches
//! from an outbox that the owner of the link bounds, and never copies a payload.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use thiserror::Error;

use super::fill::{MOST, poll_fill};
use super::stall::Stall;
use crate::runtime::{self, TimedOut};
use crate::wire::frame::{FrameDecoder, FrameError};
use crate::wire::{Descriptor, HEADER_LEN};

/// Slices given to the system at once.
const SLICES: usize = 64;

/// Room kept for the next batch; a larger one is let go.
const BATCH: usize = 64;

/// Why no more can be read from a link.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The neighbour sent what no descriptor can be.
    #[error("the neighbour broke the framing: {0}")]
    Frame(#[from] FrameError),
    /// The connection broke.
    #[error("the link broke: {0}")]
    Io(#[from] io::Error),
    /// The neighbour sent no complete descriptor for too long.
    #[error("the neighbour fell silent: {0}")]
    Silent(#[from] TimedOut),
    /// The neighbour closed the link in the middle of a descriptor.
    #[error("the neighbour closed the link within a descriptor")]
    Truncated,
}

/// Reads descriptors until the neighbour closes the link or `on_batch` breaks. Each call of
/// `on_batch` gets all that one read has completed, and may take it; a link on which no descriptor
/// completes within `patience` ends.
///
/// # Errors
/// When the link broke or the neighbour did the framing wrong; what came before was handed on.
pub async fn read<R>(
    mut reader: R,
    patience: Duration,
    mut on_batch: impl FnMut(&mut Vec<Descriptor>) -> ControlFlow<()>,
) -> Result<(), LinkError>
where
    R: AsyncRead + Unpin,
{
    let mut decoder = FrameDecoder::new();
    let mut batch = Vec::new();
    let mut stall = Stall::new(patience);
    loop {
        let length = poll_fn(|cx| match poll_fill(&mut reader, cx, decoder.buffer()) {
            Poll::Ready(read) => Poll::Ready(read.map_err(LinkError::from)),
            Poll::Pending => stall.poll_expired(cx).map(|silent| Err(silent.into())),
        })
        .await?;
        if length == 0 {
            return match decoder.buffer().is_empty() {
                true => Ok(()),
                false => Err(LinkError::Truncated),
            };
        }
        let decoded = decode(&mut decoder, &mut batch);
        if !batch.is_empty() {
            stall.progress();
            if on_batch(&mut batch).is_break() {
                return Ok(());
            }
            batch.clear();
            batch.shrink_to(BATCH);
        }
        decoded?;
        if length == MOST {
            // More lies ready; the other links of this thread shall have their turn first.
            runtime::yield_now().await;
        }
    }
}

fn decode(decoder: &mut FrameDecoder, batch: &mut Vec<Descriptor>) -> Result<(), FrameError> {
    while let Some(descriptor) = decoder.next()? {
        batch.push(descriptor);
    }
    Ok(())
}

/// Where a link's writer finds what to send.
pub trait Outbox {
    /// Appends descriptors to `batch`, in the order to send them; a few dozen at a time keep the
    /// choice of what is urgent with the outbox. Pending as long as there is nothing to send, and
    /// woken when there is.
    fn poll_take(&self, cx: &mut Context<'_>, batch: &mut Vec<Descriptor>) -> Poll<Taken>;
}

/// Whether an outbox goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It does.
    More,
    /// What was taken now is the last; after it the link is closed.
    Closed,
}

/// Sends what `outbox` gives until it closes, then closes the link. A neighbour that takes nothing
/// for as long as `patience` while something is to be sent ends it too.
///
/// # Errors
/// When the link broke, or with [`io::ErrorKind::TimedOut`] the neighbour's reading did.
pub async fn write<W>(mut writer: W, patience: Duration, outbox: impl Outbox) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    let mut batch = Vec::new();
    let mut headers = Vec::new();
    let mut stall = Stall::new(patience);
    loop {
        let taken = poll_fn(|cx| outbox.poll_take(cx, &mut batch)).await;
        headers.clear();
        for Descriptor { header, payload } in &batch {
            let header = header.encode(payload.len());
            headers.push(header.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?);
        }
        let mut pieces = Pieces { headers: &headers, batch: &batch, next: 0, offset: 0 };
        poll_fn(|cx| pieces.poll_write(&mut writer, &mut stall, cx)).await?;
        batch.clear();
        batch.shrink_to(BATCH);
        headers.shrink_to(BATCH);
        if taken == Taken::Closed {
            return runtime::timeout(patience, writer.close()).await?;
        }
    }
}

/// A batch on its way: headers and payloads in turn, and how far it has got.
struct Pieces<'a> {
    headers: &'a [[u8; HEADER_LEN]],
    batch: &'a [Descriptor],
    next: usize,
    offset: usize,
}

impl Pieces<'_> {
    /// The bytes of a piece: even ones are headers, odd ones payloads.
    fn piece(&self, number: usize) -> Option<&[u8]> {
        let descriptor = self.batch.get(number / 2)?;
        Some(match number % 2 {
            0 => &self.headers[number / 2],
            _ => &descriptor.payload,
        })
    }

    /// Writes all that is left and flushes.
    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        writer: &mut W,
        stall: &mut Stall,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            let pieces = (self.next..).map_while(|number| self.piece(number));
            let mut offset = self.offset;
            for (slot, piece) in slices.iter_mut().zip(pieces) {
                *slot = IoSlice::new(&piece[offset..]);
                offset = 0;
                count += 1;
            }
            if count == 0 {
                let flushed = Pin::new(writer).poll_flush(cx);
                return Poll::Ready(ready!(stall.watch(cx, flushed))?);
            }
            let written = Pin::new(&mut *writer).poll_write_vectored(cx, &slices[..count]);
            match ready!(stall.watch(cx, written))?? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.advance(written),
            }
        }
    }

    fn advance(&mut self, written: usize) {
        self.offset += written;
        while let Some(length) = self.piece(self.next).map(<[u8]>::len) {
            if self.offset < length {
                return;
            }
            self.offset -= length;
            self.next += 1;
        }
    }
}
