//! Waiting for something to change without asking again and again.

use std::sync::{Mutex, PoisonError};

use futures::channel::oneshot;

/// Wakes whoever waits for a change.
#[derive(Debug, Default)]
pub(super) struct Changes {
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Changes {
    /// Wakes all who wait now.
    pub(super) fn notify(&self) {
        let waiting = std::mem::take(&mut *self.lock());
        for waiter in waiting {
            // Who stopped waiting does not mind.
            let _gone = waiter.send(());
        }
    }

    /// A wait that ends with the next change after this call. Look at the state between taking it
    /// and awaiting it, and no change is missed.
    pub(super) fn next(&self) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.retain(|waiter| !waiter.is_canceled());
        waiting.push(sender);
        async move {
            let _woken = receiver.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
