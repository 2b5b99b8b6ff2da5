//! Where parts meet between two windows, and what lies there for all to read.

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;

use super::Order;
use super::sent::Sent;

/// The meeting place of so many parts.
#[derive(Debug)]
pub(super) struct Hall {
    parts: usize,
    /// Parts that have come to the present meeting.
    arrived: AtomicUsize,
    /// Meetings that were.
    meetings: AtomicUsize,
    /// Whether a part has left for good.
    broken: AtomicBool,
    /// The flood that is next.
    order: Mutex<Option<Order>>,
    /// What each part sent in the present window.
    pub(super) sent: Vec<RwLock<Sent>>,
    /// What each part knows of the time to come.
    notes: Vec<Mutex<Note>>,
}

/// What parts know of the time to come, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// When the last thing happened.
    pub(super) now: u64,
    /// When the next copy arrives, if any does.
    pub(super) next: Option<u64>,
}

/// A part's place at the meetings. Who leaves it by a panic breaks them up, so that nobody waits
/// for ever.
#[derive(Debug)]
pub(super) struct Seat<'h>(&'h Hall);

impl Hall {
    pub(super) fn new(parts: usize) -> Self {
        let nothing = Note { now: 0, next: None };
        Self {
            parts,
            arrived: AtomicUsize::new(0),
            meetings: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            order: Mutex::new(None),
            sent: (0..parts).map(|_| RwLock::new(Sent::new(parts))).collect(),
            notes: (0..parts).map(|_| Mutex::new(nothing)).collect(),
        }
    }

    pub(super) fn sit(&self) -> Seat<'_> {
        Seat(self)
    }

    /// Waits until all parts are here. Whatever one wrote before, all see then.
    ///
    /// Meetings are many and short, so it waits without sleeping; only where there are fewer
    /// cores than parts does it let others have its own.
    ///
    /// # Panics
    /// When a part has left.
    pub(super) fn meet(&self) {
        let meeting = self.meetings.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.parts {
            self.arrived.store(0, Ordering::Relaxed);
            self.meetings
                .store(meeting.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut waited = 0;
        while self.meetings.load(Ordering::Acquire) == meeting {
            assert!(
                !self.broken.load(Ordering::Relaxed),
                "another part of the network has failed"
            );
            if waited < PATIENCE {
                waited += 1;
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }

    /// Says which flood is next, or that none is.
    pub(super) fn announce(&self, order: Option<Order>) {
        *lock(&self.order) = order;
    }

    pub(super) fn announced(&self) -> Option<Order> {
        lock(&self.order).clone()
    }

    /// Tells what this part knows.
    pub(super) fn tell(&self, part: usize, note: Note) {
        *lock(&self.notes[part]) = note;
    }

    /// What all know together.
    pub(super) fn told(&self) -> Note {
        let notes = self.notes.iter().map(|note| *lock(note));
        let both = |one: Note, other: Note| Note {
            now: one.now.max(other.now),
            next: one.next.into_iter().chain(other.next).min(),
        };
        notes.reduce(both).expect("there is a part")
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Whoever panicked with the lock has broken up the meetings, too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often one looks for the others before others may use the core.
const PATIENCE: u32 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::in_parallel;

    #[test]
    fn all_know_what_each_told_before_the_meeting() {
        let hall = &Hall::new(3);
        let work = (0..3).map(|part| {
            move || {
                let _seat = hall.sit();
                (0..50_u64).all(|round| {
                    let number = u64::try_from(part).unwrap();
                    hall.tell(
                        part,
                        Note {
                            now: round * (number + 1),
                            next: (number > 0).then_some(round + number),
                        },
                    );
                    hall.meet();
                    let told = hall.told();
                    hall.meet();
                    told == Note {
                        now: round * 3,
                        next: Some(round + 1),
                    }
                })
            }
        });
        assert_eq!(in_parallel(work), [true; 3]);
    }

    #[test]
    fn nobody_waits_for_one_who_failed() {
        let hall = &Hall::new(2);
        let failed = std::panic::catch_unwind(|| {
            in_parallel((0..2).map(|part| {
                move || {
                    let _seat = hall.sit();
                    assert_ne!(part, 1, "on purpose");
                    hall.meet();
                }
            }))
        });
        assert!(failed.is_err());
    }
}
