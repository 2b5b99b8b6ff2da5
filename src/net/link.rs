//! The read and the write loop of a link to a neighbour.
//!
//! Reading hands on every descriptor that has come complete, a bounded turn at a time, and rests as
//! long as the owner of the link says. Writing takes batches from an outbox that the owner bounds,
//! and never copies a payload; it flushes when the outbox has nothing more, so that a stream that
//! compresses does so over many batches. After each turn of either the other links have theirs,
//! however much lies ready.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt, FutureExt};
use thiserror::Error;

use super::fill::poll_fill;
use super::stall::Stall;
use crate::runtime::{self, TimedOut};
use crate::wire::frame::{FrameDecoder, FrameError};
use crate::wire::{Descriptor, HEADER_LEN};

/// Descriptors handed on in one turn.
const TURN: usize = 256;

/// Descriptors that an outbox best gives at once: they go out in one write.
pub const BATCH: usize = 256;

/// Slices given to the system at once: a header and a payload each.
const SLICES: usize = 2 * BATCH;

/// Batches of a writer in one turn: as much as an outbox holds, since what many links bring in their
/// turns may go out over one.
const BATCHES: u32 = 8;

/// How long what was written may wait for a flush while more is written (protocol §14.1).
const UNFLUSHED: Duration = Duration::from_millis(200);

/// How long an outbox is empty before the link counts as at rest.
const REST: Duration = Duration::from_secs(1);

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
/// `on_batch` gets some of those that are complete, in order, may take them, and says how long to
/// rest before more is read: meanwhile the connection holds the neighbour back. A link on
/// which no descriptor completes within `patience` ends.
///
/// # Errors
/// When the link broke or the neighbour did the framing wrong; what came before was handed on.
pub async fn read<R>(
    mut reader: R,
    patience: Duration,
    mut on_batch: impl FnMut(&mut Vec<Descriptor>) -> ControlFlow<(), Duration>,
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
            return if decoder.buffer().is_empty() {
                Ok(())
            } else {
                Err(LinkError::Truncated)
            };
        }
        let mut more = true;
        while more {
            let decoded = decode(&mut decoder, &mut batch);
            if !batch.is_empty() {
                stall.progress();
                let ControlFlow::Continue(rest) = on_batch(&mut batch) else {
                    return Ok(());
                };
                batch.clear();
                if rest.is_zero() {
                    runtime::yield_now().await;
                } else {
                    runtime::sleep(rest).await;
                }
            }
            more = decoded?;
        }
        if decoder.buffer().is_empty() {
            // Whoever keeps a payload keeps this memory; an idle link does not.
            *decoder.buffer() = BytesMut::new();
        }
    }
}

/// Takes out what is complete, as much as one turn may have; says whether there may be more.
fn decode(decoder: &mut FrameDecoder, batch: &mut Vec<Descriptor>) -> Result<bool, FrameError> {
    while batch.len() < TURN {
        match decoder.next()? {
            Some(descriptor) => batch.push(descriptor),
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// Where a link's writer finds what to send.
pub trait Outbox {
    /// Appends descriptors to `batch`, in the order to send them; no more than [`BATCH`] at a time
    /// keep the choice of what is urgent with the outbox. Pending as long as there is nothing to
    /// send, and woken when there is.
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
/// What was written is flushed as soon as the outbox has nothing more, and while it has, every 200
/// milliseconds. A second flush tells a `writer` that keeps memory that the link is at rest.
///
/// # Errors
/// When the link broke, or with [`io::ErrorKind::TimedOut`] the neighbour's reading did.
pub async fn write<W>(mut writer: W, patience: Duration, outbox: impl Outbox) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    let mut batch = Vec::new();
    let mut headers = Vec::new();
    let mut stalls = Stalls {
        writing: Stall::new(patience),
        rest: Stall::new(REST),
    };
    let mut flushed = Instant::now();
    let mut batches = 0;
    loop {
        let more = poll_fn(|cx| outbox.poll_take(cx, &mut batch)).now_or_never();
        let taken = match more {
            Some(taken) => taken,
            None => {
                // A link with nothing to send holds no room for it.
                (batch, headers) = (Vec::new(), Vec::new());
                flush(&mut writer, &mut stalls.writing).await?;
                let taken = next(&mut writer, &mut stalls, &outbox, &mut batch).await?;
                flushed = Instant::now();
                taken
            }
        };
        headers.clear();
        for Descriptor { header, payload } in &batch {
            let header = header.encode(payload.len());
            headers
                .push(header.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?);
        }
        let mut pieces = Pieces {
            headers: &headers,
            batch: &batch,
            next: 0,
            offset: 0,
        };
        poll_fn(|cx| pieces.poll_write(&mut writer, &mut stalls.writing, cx)).await?;
        batch.clear();
        if taken == Taken::Closed {
            return runtime::timeout(patience, writer.close()).await?;
        }
        if flushed.elapsed() >= UNFLUSHED {
            flush(&mut writer, &mut stalls.writing).await?;
            flushed = Instant::now();
        }
        batches += 1;
        if batches % BATCHES == 0 {
            runtime::yield_now().await;
        }
    }
}

async fn flush<W: AsyncWrite + Unpin>(writer: &mut W, stall: &mut Stall) -> io::Result<()> {
    poll_fn(|cx| {
        let flushed = Pin::new(&mut *writer).poll_flush(cx);
        stall.watch(cx, flushed)
    })
    .await?
}

/// Waits for the next batch, and lets the link rest when there is none for long.
async fn next<W: AsyncWrite + Unpin>(
    writer: &mut W,
    stalls: &mut Stalls,
    outbox: &impl Outbox,
    batch: &mut Vec<Descriptor>,
) -> io::Result<Taken> {
    let soon = poll_fn(|cx| match outbox.poll_take(cx, batch) {
        Poll::Ready(taken) => Poll::Ready(Some(taken)),
        Poll::Pending => stalls.rest.poll_expired(cx).map(|_| None),
    })
    .await;
    stalls.rest.progress();
    if let Some(taken) = soon {
        return Ok(taken);
    }
    flush(writer, &mut stalls.writing).await?;
    Ok(poll_fn(|cx| outbox.poll_take(cx, batch)).await)
}

/// What a writer waits for.
struct Stalls {
    /// The neighbour takes nothing.
    writing: Stall,
    /// There is nothing to send.
    rest: Stall,
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

    /// Writes all that is left.
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
                return Poll::Ready(Ok(()));
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use bytes::Bytes;
    use futures::future::join;
    use futures::io::Cursor;
    use futures::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::deflate::{self, Deflate, Inflate};
    use crate::net::testing::pair;
    use crate::runtime::block_on;
    use crate::wire::{Guid, Header, Kind};

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(50);

    fn descriptor(kind: Kind, length: usize) -> Descriptor {
        let mark = u8::try_from(length % 251).unwrap();
        Descriptor {
            header: Header {
                guid: Guid::from_bytes([mark; 16]),
                kind,
                ttl: 3,
                hops: 1,
            },
            payload: vec![mark; length].into(),
        }
    }

    /// More descriptors than slices, empty payloads and large ones among them.
    fn many() -> Vec<Descriptor> {
        let hits = [30_000, 0, 1, 65_535].map(|length| descriptor(Kind::QueryHit, length));
        let pings = (0..200).map(|number| descriptor(Kind::Ping, number % 3));
        hits.into_iter().chain(pings).collect()
    }

    /// Gives its descriptors a few at a time, then closes.
    struct Stack(RefCell<VecDeque<Descriptor>>);

    impl Outbox for Stack {
        fn poll_take(&self, _: &mut Context<'_>, batch: &mut Vec<Descriptor>) -> Poll<Taken> {
            let mut left = self.0.borrow_mut();
            let some = left.len().min(150);
            batch.extend(left.drain(..some));
            Poll::Ready(if left.is_empty() {
                Taken::Closed
            } else {
                Taken::More
            })
        }
    }

    /// Gives its descriptor and then nothing, without an end.
    struct Once(RefCell<Option<Descriptor>>);

    impl Outbox for Once {
        fn poll_take(&self, _: &mut Context<'_>, batch: &mut Vec<Descriptor>) -> Poll<Taken> {
            match self.0.borrow_mut().take() {
                Some(descriptor) => {
                    batch.push(descriptor);
                    Poll::Ready(Taken::More)
                }
                None => Poll::Pending,
            }
        }
    }

    /// Counts what is done to it.
    #[derive(Default)]
    struct Flushes {
        bytes: usize,
        count: usize,
    }

    impl AsyncWrite for Flushes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.bytes += bytes.len();
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.count += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Never has enough.
    struct Flood(Descriptor);

    impl Outbox for Flood {
        fn poll_take(&self, _: &mut Context<'_>, batch: &mut Vec<Descriptor>) -> Poll<Taken> {
            batch.extend([self.0.clone(), self.0.clone()]);
            Poll::Ready(Taken::More)
        }
    }

    /// Reads `bytes` and gives the batches and how it ended.
    fn batches(bytes: &[u8]) -> (Vec<Vec<Descriptor>>, Result<(), LinkError>) {
        let mut batches = Vec::new();
        let reading = read(Cursor::new(bytes), LONG, |batch| {
            batches.push(std::mem::take(batch));
            ControlFlow::Continue(Duration::ZERO)
        });
        let end = block_on(reading);
        (batches, end)
    }

    #[test]
    fn what_one_end_writes_the_other_reads() {
        block_on(async {
            let (here, there) = pair().await;
            let outbox = Stack(RefCell::new(many().into()));
            let mut received = Vec::new();
            let reading = read(there, LONG, |batch| {
                received.append(batch);
                ControlFlow::Continue(Duration::ZERO)
            });
            let (written, read) = join(write(here, LONG, outbox), reading).await;
            written.unwrap();
            read.unwrap();
            assert_eq!(received, many());
        });
    }

    #[test]
    fn a_compressed_link_carries_the_same_without_a_flush_for_each_batch() {
        block_on(async {
            let (here, there) = pair().await;
            let outbox = Stack(RefCell::new(many().into()));
            let mut received = Vec::new();
            let reading = read(Inflate::new(there), LONG, |batch| {
                received.append(batch);
                ControlFlow::Continue(Duration::ZERO)
            });
            let writing = write(Deflate::new(here, deflate::LEVEL), LONG, outbox);
            let (written, read) = join(writing, reading).await;
            written.unwrap();
            read.unwrap();
            assert_eq!(received, many());
        });
        let mut flushes = Flushes::default();
        let outbox = Stack(RefCell::new(many().into()));
        block_on(write(&mut flushes, LONG, outbox)).unwrap();
        let plain: usize = many()
            .iter()
            .map(|one| HEADER_LEN + one.payload.len())
            .sum();
        assert_eq!(flushes.bytes, plain);
        assert_eq!(flushes.count, 0);
    }

    #[test]
    fn what_waits_for_nothing_more_is_flushed_at_once_and_a_rest_is_told() {
        block_on(async {
            let mut flushes = Flushes::default();
            let outbox = Once(RefCell::new(Some(descriptor(Kind::Ping, 3))));
            let writing = write(&mut flushes, LONG, outbox).now_or_never();
            assert!(writing.is_none());
            assert_eq!((flushes.bytes, flushes.count), (HEADER_LEN + 3, 1));

            let outbox = Once(RefCell::new(Some(descriptor(Kind::Ping, 3))));
            let writing = write(&mut flushes, LONG, outbox);
            runtime::timeout(REST + SHORT, writing).await.unwrap_err();
            assert_eq!(flushes.count, 3);
        });
    }

    #[test]
    fn every_descriptor_of_a_read_comes_in_one_batch() {
        let all: Vec<_> = (0..9)
            .map(|length| descriptor(Kind::Ping, length))
            .collect();
        let bytes: Vec<_> = all.iter().flat_map(|one| one.encode().unwrap()).collect();
        let (batches, end) = batches(&bytes);
        end.unwrap();
        assert_eq!(batches, [all]);
    }

    #[test]
    fn what_came_before_a_fault_is_handed_on() {
        let good = descriptor(Kind::Ping, 5);
        let bytes = good.encode().unwrap();
        let faults = [
            [&bytes[..], &[0xff; 23]].concat(),
            [&bytes[..], &bytes[..22]].concat(),
        ];
        let [framing, cut] = faults.map(|bytes| batches(&bytes));
        assert_eq!(framing.0, [[good.clone()]]);
        assert!(matches!(framing.1, Err(LinkError::Frame(_))), "{framing:?}");
        assert_eq!(cut.0, [[good]]);
        assert!(matches!(cut.1, Err(LinkError::Truncated)), "{cut:?}");
    }

    #[test]
    fn the_receiver_of_batches_can_end_the_link() {
        let bytes = descriptor(Kind::Ping, 0).encode().unwrap();
        let reading = read(Cursor::new(&bytes), LONG, |_| ControlFlow::Break(()));
        block_on(reading).unwrap();
    }

    #[test]
    fn bytes_that_complete_no_descriptor_are_silence() {
        block_on(async {
            let (mut here, there) = pair().await;
            let whole = descriptor(Kind::QueryHit, 60_000).encode().unwrap();
            let dribbling = async {
                for byte in whole {
                    here.write_all(&[byte]).await?;
                    runtime::sleep(Duration::from_millis(1)).await;
                }
                io::Result::Ok(())
            };
            let reading = read(there, SHORT, |_| ControlFlow::Continue(Duration::ZERO));
            let (dribbled, read) = join(dribbling, reading).await;
            assert!(dribbled.is_err());
            assert!(matches!(read, Err(LinkError::Silent(_))), "{read:?}");
        });
    }

    #[test]
    fn a_neighbour_that_never_reads_ends_the_link() {
        block_on(async {
            let (here, there) = pair().await;
            let flood = Flood(descriptor(Kind::QueryHit, 60_000));
            let error = write(here, SHORT, flood).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            drop(there);
        });
    }

    #[test]
    fn the_last_batch_is_sent_before_the_link_closes() {
        block_on(async {
            let (here, mut there) = pair().await;
            let bye = descriptor(Kind::Bye, 40);
            let outbox = Stack(RefCell::new(VecDeque::from([bye.clone()])));
            write(here, LONG, outbox).await.unwrap();
            let mut bytes = Vec::new();
            there.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(Bytes::from(bytes), bye.encode().unwrap());
        });
    }

    #[test]
    fn an_impossible_payload_is_an_error_not_a_panic() {
        let outbox = Stack(RefCell::new([descriptor(Kind::QueryHit, 65_536)].into()));
        let error = block_on(write(Cursor::new(Vec::new()), LONG, outbox)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
