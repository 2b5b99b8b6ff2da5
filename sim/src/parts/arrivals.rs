//! What arrives at a part: when, and in which order.

use std::mem;

use rand_pcg::Pcg64Mcg;

use super::sent::{Copied, Outgoing, Sender, Sent, in_order};
use crate::calendar::{Calendar, MANY, REGIONS, region_shift};
use crate::latency::Latency;

/// Copies on their way to the servents of one part.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// The part.
    part: usize,
    latency: Latency,
    draws: Draws,
    /// Copies that all parts have sent in this flood.
    sent: u64,
    /// What arrives when; `None` where every latency is the same and all that is on its way
    /// arrives at one time.
    calendar: Option<Calendar<Event>>,
    /// What arrives within the next window, with its time in microseconds, in order.
    due: Vec<(u64, Event)>,
    /// The same before it is put in order.
    unsorted: Vec<(u64, Event)>,
    /// A region of memory is the number of a node without so many low bits.
    shift: u32,
}

/// One copy of a descriptor on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// To whom.
    pub(super) to: u32,
    /// The receiver's link.
    pub(super) link: u32,
    pub(super) copy: Copied,
    /// Its number among all copies of the flood, in the order in which they were sent.
    pub(super) number: u64,
}

/// The latencies of all copies of a flood, of which a part draws some.
#[derive(Debug)]
struct Draws {
    /// Stands at the next copy.
    rng: Pcg64Mcg,
    next: u64,
}

impl Arrivals {
    /// None yet, of a part of so many nodes; `rng` is there until a flood brings its own.
    pub(super) fn new(part: usize, latency: &Latency, nodes: usize, rng: Pcg64Mcg) -> Self {
        let varied = !latency.is_constant();
        Self {
            part,
            latency: latency.clone(),
            draws: Draws { rng, next: 0 },
            sent: 0,
            calendar: varied.then(|| Calendar::new(latency.longest())),
            due: Vec::new(),
            unsorted: Vec::new(),
            shift: region_shift(nodes),
        }
    }

    /// Takes what all parts sent to this one within the last window, each copy with its number and
    /// its latency; all parts do so at the same time. Tells when the next of all copies that this
    /// part waits for arrives.
    ///
    /// `by_region` is the time of that window, if it was one that went region by region.
    pub(super) fn collect(&mut self, sent: &[&Sent], by_region: Option<u64>) -> Option<u64> {
        let draws = sent.iter().find_map(|sent| sent.draws.as_ref());
        if let Some(rng) = draws {
            let rng = rng.clone();
            (self.draws, self.sent) = (Draws { rng, next: 0 }, 0);
        }
        match by_region {
            Some(at) => self.append(at + self.latency.shortest(), sent),
            None => self.merge(sent),
        }
        if let Some(calendar) = &mut self.calendar {
            return calendar.next_at();
        }
        self.due.clear();
        if self.goes_by_region(sent) {
            sort_by_region(&self.unsorted, self.shift, &mut self.due);
            self.unsorted.clear();
        } else {
            mem::swap(&mut self.due, &mut self.unsorted);
        }
        self.due.first().map(|&(at, _)| at)
    }

    /// Whether the window after one in which the parts sent this goes region by region: very many
    /// copies arrive at one time.
    pub(super) fn goes_by_region(&self, sent: &[&Sent]) -> bool {
        let count = sent.iter().map(|sent| sent.count as usize).sum::<usize>();
        self.calendar.is_none() && count >= MANY
    }

    /// What arrives before `end`, the end of the next window. It is to be
    /// [given back](Self::give_back).
    pub(super) fn take_due(&mut self, end: u64) -> Vec<(u64, Event)> {
        if let Some(calendar) = &mut self.calendar {
            while calendar.next_at().is_some_and(|at| at < end) {
                self.due.extend(calendar.pop());
            }
        }
        mem::take(&mut self.due)
    }

    /// Takes back the memory of what has arrived.
    pub(super) fn give_back(&mut self, mut arrived: Vec<(u64, Event)>) {
        arrived.clear();
        self.due = arrived;
    }

    /// Takes copies that were sent region by region and arrive at one time. Parts are ranges of
    /// regions.
    fn append(&mut self, at: u64, sent: &[&Sent]) {
        for sent in sent {
            let copies = sent.copies[self.part].iter();
            let events = copies.map(|copy| (at, copy.numbered(self.sent + u64::from(copy.place))));
            self.unsorted.extend(events);
            self.sent += u64::from(sent.count);
        }
    }

    /// Takes copies in the order in which they were sent in the whole network.
    fn merge(&mut self, sent: &[&Sent]) {
        let mut copies: Vec<_> = sent
            .iter()
            .map(|sent| sent.copies[self.part].iter().peekable())
            .collect();
        let senders: Vec<&[Sender]> = sent.iter().map(|sent| &sent.senders[..]).collect();
        in_order(&senders, |part, sender, first| {
            let end = first + sender.copies;
            while let Some(copy) = copies[part].next_if(|copy| copy.place < end) {
                let number = self.sent + u64::from(copy.place - first);
                let latency = self.draws.latency(&self.latency, number, sender, copy.to);
                let (at, event) = (sender.at + latency, copy.numbered(number));
                match &mut self.calendar {
                    Some(calendar) => calendar.push(at, event),
                    None => self.unsorted.push((at, event)),
                }
            }
            self.sent += u64::from(sender.copies);
        });
    }
}

impl Outgoing {
    #[inline]
    const fn numbered(&self, number: u64) -> Event {
        Event {
            to: self.to,
            link: self.link,
            copy: self.copy,
            number,
        }
    }
}

impl Draws {
    /// The latency of the copy of this number, which is larger than that of the last.
    #[inline]
    fn latency(&mut self, model: &Latency, number: u64, sender: &Sender, to: u32) -> u64 {
        let numbers = model.numbers();
        if numbers > 0 {
            self.rng.advance(u128::from((number - self.next) * numbers));
            self.next = number + 1;
        }
        model.draw(sender.from, to, &mut self.rng)
    }
}

/// Puts events in order by region, and those of one region in the order given.
fn sort_by_region(events: &[(u64, Event)], shift: u32, sorted: &mut Vec<(u64, Event)>) {
    let region = |event: &Event| (event.to >> shift) as usize % REGIONS;
    let mut starts = [0; REGIONS];
    for (_, event) in events {
        starts[region(event)] += 1;
    }
    let mut before = 0;
    for start in &mut starts {
        (*start, before) = (before, before + *start);
    }
    sorted.extend_from_slice(events);
    for event in events {
        let start = &mut starts[region(&event.1)];
        sorted[*start] = *event;
        *start += 1;
    }
}
