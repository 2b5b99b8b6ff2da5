//! What waits for one neighbour, between the core that puts it in and the link that sends it.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures::task::AtomicWaker;

use crate::net::link::{self, Taken};
use crate::overlay::backlog::Backlog;
use crate::overlay::flow::Pressure;
use crate::overlay::{self, Duration};
use crate::wire::bye::Bye;
use crate::wire::{Descriptor, Guid, HEADER_LEN, Header, Kind};

/// A send queue that a task can wait on.
#[derive(Debug)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    waker: AtomicWaker,
    /// When it was made: the origin of its time.
    made: Instant,
}

#[derive(Debug)]
struct Inner {
    queue: Backlog,
    finished: bool,
    /// Something was put in since the link last took; whoever did so wakes it.
    roused: bool,
    sent: u64,
}

impl Outbox {
    /// An empty outbox for at most `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        let inner = Inner {
            queue: Backlog::new(capacity),
            finished: false,
            roused: false,
            sent: 0,
        };
        Self {
            inner: Mutex::new(inner),
            waker: AtomicWaker::new(),
            made: Instant::now(),
        }
    }

    /// Puts in a descriptor; what is least important goes where there is too much. Says whether the
    /// link is to be woken once all is in that comes at the same time: a link that wakes for the
    /// first of many sends few at once.
    #[must_use = "somebody wakes the link"]
    pub(super) fn push(&self, descriptor: Descriptor) -> bool {
        let mut inner = self.lock();
        if inner.finished {
            return false;
        }
        inner.queue.push(descriptor, || self.now());
        !std::mem::replace(&mut inner.roused, true)
    }

    /// Lets the link take what is in.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Forgets what waits, says goodbye and ends the link once that is sent.
    pub(super) fn finish(&self, bye: Option<Bye>) {
        let mut inner = self.lock();
        if inner.finished {
            return;
        }
        inner.finished = true;
        inner.queue.clear();
        if let Some(bye) = bye {
            let header = Header {
                guid: Guid::random(&mut rand::rng()),
                kind: Kind::Bye,
                ttl: 1,
                hops: 0,
            };
            let payload = bye.encode();
            inner
                .queue
                .push(Descriptor { header, payload }, || self.now());
        }
        drop(inner);
        self.waker.wake();
    }

    /// Whether the neighbour keeps up.
    pub(super) fn pressure(&self) -> Pressure {
        self.lock().queue.pressure(|| self.now())
    }

    /// Bytes handed to the link so far, and descriptors dropped because it was too slow.
    pub(super) fn counts(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.sent, inner.queue.dropped())
    }

    fn now(&self) -> overlay::Instant {
        let micros = u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX);
        overlay::Instant::default() + Duration::from_micros(micros)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // The queue is whole between calls, whoever panicked meanwhile.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl link::Outbox for &Outbox {
    fn poll_take(&self, cx: &mut Context<'_>, batch: &mut Vec<Descriptor>) -> Poll<Taken> {
        self.waker.register(cx.waker());
        let mut inner = self.lock();
        inner.roused = false;
        while batch.len() < link::BATCH {
            let Some(descriptor) = inner.queue.pop() else {
                break;
            };
            inner.sent += (HEADER_LEN + descriptor.payload.len()) as u64;
            batch.push(descriptor);
        }
        match (batch.is_empty(), inner.finished) {
            (false, _) => Poll::Ready(Taken::More),
            (true, true) => Poll::Ready(Taken::Closed),
            (true, false) => Poll::Pending,
        }
    }
}
