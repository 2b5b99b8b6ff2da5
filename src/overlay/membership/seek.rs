//! Keeping the role and the number of neighbours: the look at every tick, whom to dial, and what
//! became of it (protocol §8.2, §8.3).

use std::net::SocketAddr;

use super::Membership;
use crate::overlay::limits::Limits;
use crate::overlay::role::Role;
use crate::overlay::slots::Caller;
use crate::overlay::time::Duration;
use crate::overlay::{Instant, Link, Output, Servent, Surroundings, misbehaviour};
use crate::wire::handshake::Greeting;

/// Time between two looks while something is missing, at least.
const LOOK: Duration = Duration::from_secs(1);

/// What became of a dial.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// There was a handshake with a good end.
    Met,
    /// The servent refused us.
    Refused {
        /// Its status.
        code: u16,
        /// What else it said.
        greeting: &'a Greeting,
    },
    /// We refused the servent.
    Declined,
    /// Nobody answered, or nothing sensible.
    Failed,
}

impl Servent {
    /// Looks whether all is as it should be: role, neighbours, pongs.
    pub(in crate::overlay) fn look(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        let settings = around.settings;
        let limits = &settings.limits;
        let reachable = match settings.firewalled {
            true => Some(false),
            false => self.reachability().tcp,
        };
        let Some(member) = &mut self.membership else {
            return;
        };
        if member.due.is_none_or(|due| due > now) {
            return;
        }
        if !settings.address.ip().is_unspecified() {
            member.hosts.is_own(settings.address.into());
        }
        let facts = member.facts(member.roomy(now, limits), reachable);
        let decision = member.election.decide(now, &facts, limits, around.rng);
        if decision.role != self.role {
            self.turn(now, decision.role, around);
            return;
        }
        let short = member.dial(now, self.role, around);
        if short {
            member.ask_cache(now, self.role, around);
        }
        let mut due = [
            decision.again,
            member.kept.next(),
            member.next_dial(self.role, limits),
            short.then(|| member.caches.next()).flatten(),
            // Else a mark would stay where nobody is left to be marked.
            member.hosts.lift_marks(now),
        ];
        for due in due.iter_mut().flatten() {
            *due = (*due).max(now + LOOK);
        }
        let pongs = self.refresh_pongs(now, around);
        let due = due.into_iter().chain([pongs]).flatten().min();
        if let Some(member) = &mut self.membership {
            member.due = due;
        }
    }

    /// Takes another role: the links of the old one end, since they took us for something else.
    pub(super) fn turn(&mut self, now: Instant, role: Role, around: &mut Surroundings<'_>) {
        self.role = role;
        let why = match role {
            Role::Leaf => "becoming a leaf",
            Role::Ultrapeer => "becoming an ultrapeer",
        };
        around.out.push(Output::Role(role));
        for neighbour in &self.neighbours {
            around.out.push(misbehaviour::close(neighbour, 203, why));
        }
        if let Some(member) = &mut self.membership {
            let links: Vec<Link> = member.slots.links().collect();
            for link in links {
                member.forget(link);
            }
            member.hosts.begin_anew();
            member.rebuffs.taken();
            // Until then the goodbyes have arrived, and those who got one take us back.
            let pause = if self.neighbours.is_empty() {
                Duration::default()
            } else {
                LOOK
            };
            member.due = Some(now + pause);
        }
    }

    /// A dial is over.
    pub(in crate::overlay) fn dialled(
        &mut self,
        now: Instant,
        address: SocketAddr,
        outcome: Outcome<'_>,
        around: &Surroundings<'_>,
    ) {
        let limits = &around.settings.limits;
        let Some(member) = &mut self.membership else {
            return;
        };
        member.slots.dialled(address);
        match outcome {
            Outcome::Met => member.rebuffs.taken(),
            Outcome::Refused { greeting, .. } if greeting.guid == Some(self.guid) => {
                member.hosts.is_own(address);
            }
            Outcome::Refused { code, greeting } => {
                let caller = Caller {
                    address,
                    incoming: false,
                    greeting,
                };
                member.learn(now, self.role, &caller, limits);
                let full = code == 503 && caller.role() == Some(Role::Ultrapeer);
                if full && self.role == Role::Leaf {
                    member.election.hear_need(now, true);
                }
                if full {
                    let alone = member.slots.count(Role::Ultrapeer) == 0;
                    member.rebuffs.refused(now, alone);
                }
                let full = full.then_some(self.role);
                member.hosts.busy(now, address, full, limits);
            }
            Outcome::Declined => member.hosts.busy(now, address, None, limits),
            Outcome::Failed => member.hosts.failed(now, address, limits),
        }
        member.stir(now);
    }
}

impl Membership {
    /// Dials whom to dial now; says whether there are fewer than are wanted.
    fn dial(&mut self, now: Instant, role: Role, around: &mut Surroundings<'_>) -> bool {
        let limits = &around.settings.limits;
        let (slots, hosts) = (&mut self.slots, &mut self.hosts);
        let linked = |address| slots.knows(address, hosts.servent_at(address));
        let mut addresses = self.kept.due(now, linked);
        let mut short = false;
        if self.seeks && self.rebuffs.rest() <= now {
            let wanted = slots.wanted(role, limits).saturating_sub(addresses.len());
            let wanted = self.rebuffs.few(wanted);
            let taken =
                |address, servent| addresses.contains(&address) || slots.knows(address, servent);
            let candidates = hosts.candidates(now, role, wanted, taken, limits, around.rng);
            short = candidates.len() < wanted;
            addresses.extend(candidates);
        }
        for address in addresses {
            slots.dial(address);
            hosts.tried(now, address, limits);
            let tls = hosts.takes_tls(address);
            around.out.push(Output::Dial { address, tls });
        }
        short
    }

    /// When to look for somebody to dial.
    fn next_dial(&self, role: Role, limits: &Limits) -> Option<Instant> {
        let lacks = self.seeks && self.slots.wanted(role, limits) > 0;
        let next = lacks.then(|| self.hosts.next_dial()).flatten()?;
        Some(next.max(self.rebuffs.rest()))
    }

    /// A neighbour is gone.
    pub(in crate::overlay) fn closed(&mut self, now: Instant, link: Link) {
        self.forget(link);
        self.stir(now);
    }

    /// A leaf is worth its place.
    pub(in crate::overlay) fn found_useful(&mut self, link: Link) {
        self.slots.found_useful(link);
    }

    fn forget(&mut self, link: Link) {
        self.slots.closed(link);
        self.pongs.closed(link);
    }
}
