//! Noticing that a peer makes no progress.

use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::runtime::{self, TimedOut};

/// A limit on how long one kind of operation may stay pending without a single success.
///
/// The timer exists only while something is pending, so a stream that flows costs none.
pub(super) struct Stall {
    limit: Duration,
    timer: Option<BoxFuture<'static, ()>>,
}

impl Stall {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Passes on what an operation gave; when it has been pending for the limit, gives an error.
    pub(super) fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<T>,
    ) -> Poll<Result<T, TimedOut>> {
        if let Poll::Ready(output) = outcome {
            self.timer = None;
            return Poll::Ready(Ok(output));
        }
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| runtime::sleep(limit).boxed());
        ready!(timer.poll_unpin(cx));
        self.timer = None;
        Poll::Ready(Err(TimedOut(limit)))
    }
}

impl fmt::Debug for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stall").field(&self.limit).finish()
    }
}
