//! What passes over links: sending in turn, arriving, and what servents are told of their links.

use filbert::overlay::{Duration, Input, Link, Recipients};
use filbert::wire::{Descriptor, HEADER_LEN};

use super::{Event, Told, Uplink, World};

impl World<'_> {
    /// A descriptor arrives over the pipe of a slot.
    pub(super) fn arrive(&mut self, from: u32, slot: u32) {
        let before = self.graph.slots_before(from);
        let pipe = &mut self.pipes[before + slot as usize];
        let Some(descriptor) = pipe.arrive() else {
            // The link ended meanwhile.
            return;
        };
        let to = self.graph.neighbours(from)[slot as usize];
        let link = Link(self.graph.mirrors(from)[slot as usize]);
        let limits = &self.tiers[0].0.limits;
        let per_minute = limits.descriptors_per_minute;
        let mut overrun = false;
        if let Some((until, held)) = pipe.read(self.now, &descriptor, per_minute) {
            self.calendar.push(until.as_micros(), Event::Open(from));
            overrun = held >= limits.held_back;
        }
        if self.attackers.nodes[to as usize] {
            self.meet(to, link, &descriptor);
        } else {
            self.take(to, link, &descriptor);
        }
        if overrun {
            self.pending.push((to, Told::Overrun(link)));
        }
    }

    /// A servent closes a link: what waits or travels on it is lost, and both ends are told.
    pub(super) fn close(&mut self, node: u32, link: Link) {
        let graph = self.graph;
        let slot = link.0 as usize;
        let there = graph.neighbours(node)[slot];
        let back = graph.mirrors(node)[slot];
        let here = graph.slots_before(node) + slot;
        if !self.pipes[here].open {
            return;
        }
        let over = graph.slots_before(there) + back as usize;
        self.pipes[here].close();
        self.pipes[over].close();
        self.pending.push((node, Told::Closed(link)));
        self.pending.push((there, Told::Closed(Link(back))));
    }

    /// Tells servents what became of their links, until there is nothing more to tell.
    pub(super) fn tell(&mut self) {
        while let Some((node, told)) = self.pending.pop() {
            let input = match told {
                Told::Closed(link) => Input::Closed { link },
                Told::Overrun(link) => Input::Overrun { link },
                Told::Pressure(link, level) => Input::Pressure { link, level },
            };
            self.enter(node, input, None);
        }
    }

    /// Puts a descriptor into the queues of some links of a servent.
    pub(super) fn send(&mut self, node: u32, to: &Recipients, descriptor: &Descriptor) {
        let before = self.graph.slots_before(node);
        let degree = self.graph.neighbours(node).len();
        let links = (0..).map(Link).take(degree);
        for (slot, link) in links.enumerate().filter(|&(_, link)| to.include(link)) {
            let pipe = &mut self.pipes[before + slot];
            if pipe.open {
                pipe.push(self.now, descriptor.clone());
                if let Some(level) = pipe.news(self.now) {
                    self.pending.push((node, Told::Pressure(link, level)));
                }
            }
        }
        self.transmit(node);
    }

    /// Lets an idle uplink send what is next in turn.
    pub(super) fn transmit(&mut self, node: u32) {
        let Uplink { turn, busy } = self.uplinks[node as usize];
        if busy {
            return;
        }
        let before = self.graph.slots_before(node);
        let degree = self.graph.neighbours(node).len();
        let mut slots = (0..degree).map(|place| (turn + place) % degree);
        let Some(slot) = slots.find(|&slot| self.pipes[before + slot].is_ready(self.now)) else {
            return;
        };
        let pipe = &mut self.pipes[before + slot];
        let Some((descriptor, latency)) = pipe.send() else {
            return;
        };
        let bytes = (HEADER_LEN + descriptor.payload.len()) as u64;
        let up = self.up[usize::from(self.attackers.nodes[node as usize])];
        let sent = self.now + Duration::from_micros(bytes * 1_000_000 / up);
        if let Some(level) = pipe.news(self.now) {
            let link = Link(u32::try_from(slot).expect("a link"));
            self.pending.push((node, Told::Pressure(link, level)));
        }
        self.uplinks[node as usize] = Uplink {
            turn: slot + 1,
            busy: true,
        };
        let slot = u32::try_from(slot).expect("a link");
        let arrives = sent + latency;
        self.calendar.push(sent.as_micros(), Event::Sent(node));
        self.calendar
            .push(arrives.as_micros(), Event::Arrive(node, slot));
    }
}
