//! Noticing that a peer makes no progress.

use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::runtime::{self, TimedOut};

/// A limit on how long something may stay pending without progress.
///
/// Progress does not touch the timer: when it rings, it is set anew for what is left of the limit.
/// So a busy stream costs one timer a limit, and one that never waits costs none.
pub(super) struct Stall {
    limit: Duration,
    since: Option<Instant>,
    timer: Option<BoxFuture<'static, ()>>,
}

impl Stall {
    pub(super) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            timer: None,
        }
    }

    /// Starts the wait afresh.
    pub(super) const fn progress(&mut self) {
        self.since = None;
    }

    /// To be asked while waiting: ready when the wait has lasted for the limit.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<TimedOut> {
        let since = *self.since.get_or_insert_with(Instant::now);
        loop {
            let left = self.limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Poll::Ready(TimedOut(self.limit));
            }
            let timer = self
                .timer
                .get_or_insert_with(|| runtime::sleep(left).boxed());
            ready!(timer.poll_unpin(cx));
            self.timer = None;
        }
    }

    /// Passes on what an operation gave, which is progress; an error when it has been pending for
    /// the limit.
    pub(super) fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<T>,
    ) -> Poll<Result<T, TimedOut>> {
        match outcome {
            Poll::Ready(output) => {
                self.progress();
                Poll::Ready(Ok(output))
            }
            Poll::Pending => self.poll_expired(cx).map(Err),
        }
    }
}

impl fmt::Debug for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stall").field(&self.limit).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::runtime::block_on;

    const LIMIT: Duration = Duration::from_millis(20);

    #[test]
    fn only_a_wait_without_progress_expires() {
        block_on(async {
            let mut stall = Stall::new(LIMIT);
            let start = Instant::now();
            let mut progressed = false;
            let expired = poll_fn(|cx| {
                // The first ring finds that there was progress on the way.
                if !progressed && start.elapsed() >= LIMIT {
                    progressed = true;
                    stall.progress();
                }
                stall.poll_expired(cx)
            });
            assert_eq!(expired.await, TimedOut(LIMIT));
            assert!(start.elapsed() >= 2 * LIMIT);

            let done = poll_fn(|cx| stall.watch(cx, Poll::Ready(7)));
            assert_eq!(done.await, Ok(7));
            let never = poll_fn(|cx| stall.watch(cx, Poll::<()>::Pending));
            assert_eq!(never.await, Err(TimedOut(LIMIT)));
        });
    }
}
