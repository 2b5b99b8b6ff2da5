//! Work shared out among threads.

use std::thread;

/// Does each piece of work on a thread of its own, and gives the results in the order given.
/// A single piece is done here.
pub fn in_parallel<T: Send, W: FnOnce() -> T + Send>(mut work: impl Iterator<Item = W>) -> Vec<T> {
    let Some(first) = work.next() else {
        return Vec::new();
    };
    let Some(second) = work.next() else {
        return vec![first()];
    };
    let work = [first, second].into_iter().chain(work);
    thread::scope(|scope| {
        let threads: Vec<_> = work.map(|work| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, T>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}
