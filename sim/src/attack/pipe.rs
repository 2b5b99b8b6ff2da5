//! One direction of a link: what waits at its sender, what is on its way, and how fast its receiver reads.

use std::collections::VecDeque;

use filbert::overlay::flow::{Pressure, Queue};
use filbert::overlay::rate::Pace;
use filbert::overlay::{Duration, Instant};
use filbert::wire::Descriptor;

/// How long a queue stays full before its servent is told, as in the live node.
const SLOW: Duration = Duration::from_millis(500);

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Pipe {
    queue: Queue,
    flight: VecDeque<Descriptor>,
    latency: Duration,
    /// By whom it is read, and until when it is not.
    pace: Pace,
    rests: Instant,
    full: Option<Instant>,
    level: Pressure,
    pub(super) open: bool,
}

impl Pipe {
    /// One that holds so many bytes, over which a descriptor takes so long.
    pub(super) fn new(capacity: usize, latency: Duration) -> Self {
        Self {
            queue: Queue::new(capacity),
            flight: VecDeque::new(),
            latency,
            pace: Pace::default(),
            rests: Instant::default(),
            full: None,
            level: Pressure::Free,
            open: true,
        }
    }

    /// Puts in a descriptor; what is least important goes where there is too much.
    pub(super) fn push(&mut self, now: Instant, descriptor: Descriptor) {
        self.queue.push(descriptor);
        if self.queue.pressure() == Pressure::Congested {
            self.full.get_or_insert(now);
        }
    }

    /// Whether something waits that may be sent now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.open && !self.queue.is_empty() && self.rests <= now
    }

    /// Takes out what is sent next, as sent: it is on its way from now on.
    pub(super) fn send(&mut self) -> Option<(&Descriptor, Duration)> {
        let descriptor = self.queue.pop()?;
        if self.queue.pressure() == Pressure::Free {
            self.full = None;
        }
        self.flight.push_back(descriptor);
        Some((self.flight.back()?, self.latency))
    }

    /// What the servent that sends is to be told of the pressure, if anything new.
    pub(super) fn news(&mut self, now: Instant) -> Option<Pressure> {
        let slow = self.full.is_some_and(|since| now.since(since) >= SLOW);
        let level = match slow {
            true => Pressure::Congested,
            false => Pressure::Free,
        };
        (level != std::mem::replace(&mut self.level, level)).then_some(level)
    }

    /// The next one arrives; unless the link has ended.
    pub(super) fn arrive(&mut self) -> Option<Descriptor> {
        self.flight.pop_front()
    }

    /// It is read at the pace of its receiver; says until when the sender is held back, if it is, and for
    /// how long it was.
    pub(super) fn read(
        &mut self,
        now: Instant,
        came: &Descriptor,
        per_minute: u32,
    ) -> Option<(Instant, Duration)> {
        let wait = self.pace.wait(now, std::slice::from_ref(came), per_minute);
        if wait == Duration::default() {
            return None;
        }
        self.rests = now + wait;
        Some((self.rests, self.pace.held(now)))
    }

    /// The link ends.
    pub(super) fn close(&mut self) {
        self.open = false;
        self.queue.clear();
        self.flight.clear();
    }
}
