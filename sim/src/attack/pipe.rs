//! One direction of a link: what waits at its sender, what is on its way, and how fast its receiver reads.

use std::collections::VecDeque;

use filbert::overlay::backlog::Backlog;
use filbert::overlay::flow::Pressure;
use filbert::overlay::rate::Pace;
use filbert::overlay::{Duration, Instant};
use filbert::wire::Descriptor;

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Pipe {
    queue: Backlog,
    flight: VecDeque<Descriptor>,
    latency: Duration,
    /// By whom it is read, and until when it is not.
    pace: Pace,
    rests: Instant,
    level: Pressure,
    pub(super) open: bool,
}

impl Pipe {
    /// One that holds so many bytes, over which a descriptor takes so long.
    pub(super) fn new(capacity: usize, latency: Duration) -> Self {
        Self {
            queue: Backlog::new(capacity),
            flight: VecDeque::new(),
            latency,
            pace: Pace::default(),
            rests: Instant::default(),
            level: Pressure::Free,
            open: true,
        }
    }

    /// Puts in a descriptor; what is least important goes where there is too much.
    pub(super) fn push(&mut self, now: Instant, descriptor: Descriptor) {
        self.queue.push(descriptor, || now);
    }

    /// Whether something waits that may be sent now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.open && !self.queue.is_empty() && self.rests <= now
    }

    /// Takes out what is sent next, as sent: it is on its way from now on.
    pub(super) fn send(&mut self) -> Option<(&Descriptor, Duration)> {
        let descriptor = self.queue.pop()?;
        self.flight.push_back(descriptor);
        Some((self.flight.back()?, self.latency))
    }

    /// What the servent that sends is to be told of the pressure, if anything new.
    pub(super) fn news(&mut self, now: Instant) -> Option<Pressure> {
        let level = self.queue.pressure(|| now);
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
