//! Servents as the network has them: what one always is, and what there is of it while it is there.

use std::collections::VecDeque;

use filbert::overlay::host_cache::Remembered;
use filbert::overlay::{Duration, Instant, Link, Servent};
use filbert::wire::Guid;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::connections::Tie;
use super::spec::Spec;

/// What a servent is, whether it is there or not.
#[derive(Clone, Debug)]
pub(super) struct Traits {
    pub(super) guid: Guid,
    /// Whether nobody can connect to it.
    pub(super) hidden: bool,
    /// Bytes that it sends in a second; 0 is any number.
    pub(super) up: u32,
    /// Whether it is in the second part of a network in two.
    pub(super) beyond: bool,
    /// Its sessions so far.
    pub(super) sessions: u32,
    /// What it knew of others when it last left, and when that was.
    pub(super) remembered: Option<Box<(u64, Vec<Remembered>)>>,
}

/// A servent that is there.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) servent: Servent,
    /// Its links, rising.
    pub(super) ties: Vec<Tie>,
    pub(super) next_link: u32,
    /// What makes it wait, where it cannot send at will.
    pub(super) uplink: Option<Box<Uplink>>,
    /// To whom it sent datagrams last, who may therefore answer even where it is hidden.
    pub(super) asked: VecDeque<u32>,
}

/// What a servent may send.
#[derive(Debug)]
pub(super) struct Uplink {
    /// Bytes in a second.
    pub(super) rate: u32,
    /// When all that left it is sent, in microseconds.
    pub(super) free: u64,
    /// Links for which something waits, in turn.
    pub(super) turns: VecDeque<Link>,
    /// Whether it will be told when it is free.
    pub(super) awaited: bool,
}

impl Traits {
    /// What chance makes of the servent of this number. Which numbers are drawn is the same for all
    /// variants.
    pub(super) fn draw(spec: &Spec, node: u32, rng: &mut Pcg64Mcg) -> Self {
        let guid = Guid::random(rng);
        let [hidden, up, beyond]: [f64; 3] = rng.random();
        let is_seed = node < spec.seeds;
        let weights = spec.capacities.iter().map(|one| one.weight);
        let mut place = up * weights.sum::<f64>();
        let mut capacities = spec.capacities.iter();
        let chosen = capacities.find(|one| {
            place -= one.weight;
            place < 0.0
        });
        let share = spec.split.map_or(0.0, |split| split.share);
        Self {
            guid,
            hidden: hidden < spec.firewalled && !is_seed,
            up: chosen.map_or(0, |one| one.up),
            beyond: beyond < share,
            sessions: 0,
            remembered: None,
        }
    }
}

impl Member {
    pub(super) fn new(servent: Servent, up: u32) -> Self {
        Self {
            servent,
            ties: Vec::new(),
            next_link: 0,
            uplink: (up > 0).then(|| Box::new(Uplink::new(up))),
            asked: VecDeque::new(),
        }
    }

    /// Its end of the connection that a link is.
    pub(super) fn tie(&self, link: Link) -> Option<Tie> {
        let place = self.ties.binary_search_by_key(&link, |tie| tie.link);
        place.ok().map(|place| self.ties[place])
    }

    /// Remembers that it sent somebody a datagram.
    pub(super) fn asks(&mut self, node: u32) {
        self.asked.retain(|&known| known != node);
        if self.asked.len() == HOLES {
            self.asked.pop_front();
        }
        self.asked.push_back(node);
    }
}

impl Uplink {
    fn new(rate: u32) -> Self {
        Self {
            rate,
            free: 0,
            turns: VecDeque::new(),
            awaited: false,
        }
    }

    /// How long it takes to send so many bytes, in microseconds.
    pub(super) fn time(&self, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        bytes.saturating_mul(1_000_000) / u64::from(self.rate)
    }
}

/// When a servent whose deadline is this is woken: a live one looks four times a second, each at
/// moments of its own.
pub(super) fn wake(node: u32, now: Instant, deadline: Instant) -> u64 {
    let at = deadline.as_micros().max(now.as_micros() + 1);
    let phase = u64::from(node.wrapping_mul(0x9e37_79b9)) % TICK;
    let rest = (at + TICK - phase) % TICK;
    at + (TICK - rest) % TICK
}

/// What was remembered, as old as it is now.
pub(super) fn grown(known: Remembered, away: u64) -> Remembered {
    let age = known.age.as_micros().saturating_add(away);
    Remembered {
        age: Duration::from_micros(age),
        ..known
    }
}

/// How often deadlines are looked at, in microseconds.
const TICK: u64 = 250_000;

/// Datagrams that a router lets back in for so many addresses.
const HOLES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servents_are_woken_after_their_deadlines_at_moments_of_their_own() {
        let at = |micros| Instant::from_micros(micros);
        let mut moments = std::collections::BTreeSet::new();
        for node in 0..50 {
            for (now, deadline) in [(5, 2_000_000), (7_000_000, 3), (9, 9)] {
                let woken = wake(node, at(now), at(deadline));
                assert!(woken > now && woken >= deadline);
                assert!(woken - deadline.max(now + 1) < TICK);
                moments.insert(woken % TICK);
            }
        }
        assert_eq!(moments.len(), 50);
    }
}
