//! The end of a node, which every task of it can wait for.

use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::Shared;

/// Tells all tasks of a node to end.
#[derive(Debug)]
pub(super) struct Stop {
    sender: Mutex<Option<oneshot::Sender<()>>>,
    receiver: Stopped,
}

/// Ends when the node is told to stop.
pub(super) type Stopped = Shared<oneshot::Receiver<()>>;

impl Stop {
    pub(super) fn new() -> Self {
        let (sender, receiver) = oneshot::channel();
        Self {
            sender: Mutex::new(Some(sender)),
            receiver: receiver.shared(),
        }
    }

    /// Stops the node. Again: nothing.
    pub(super) fn stop(&self) {
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }

    pub(super) fn stopped(&self) -> Stopped {
        self.receiver.clone()
    }
}
