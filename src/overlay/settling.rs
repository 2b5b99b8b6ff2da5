//! Servents that find each other: election, places, host cache and pong cache together, in
//! virtual time, over links without delay.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::Link;
use super::ground::Ground;
use super::host_cache::{Details, HostCache, Source};
use super::limits::Limits;
use super::pong_cache::{PongCache, Situation, Talker};
use super::role::{Election, Facts, Mode, Role};
use super::slots::{Admission, Caller, Slots, Us};
use super::time::Instant;
use crate::wire::ggep::{Extensions, Id};
use crate::wire::handshake::{Greeting, Version};
use crate::wire::pong::{Pong, marked_kibibytes};
use crate::wire::{Descriptor, Guid, Header, Kind};

/// Milliseconds between two looks at the world.
const STEP: u64 = 100;
const MAX_TTL: u8 = 4;

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

struct Citizen {
    guid: Guid,
    address: SocketAddrV4,
    alive: bool,
    role: Role,
    /// When its role last changed, in milliseconds.
    changed: u64,
    election: Election,
    slots: Slots,
    hosts: HostCache,
    pongs: PongCache,
    /// Its links: whose, and which at the far end.
    links: Vec<(Link, usize, Link)>,
}

/// Servents that may dial each other.
struct Town {
    ground: Ground,
    citizens: Vec<Citizen>,
    limits: Limits,
    rng: Pcg64Mcg,
    millis: u64,
    issued: u32,
}

impl Town {
    fn new(ground: Ground, seed: u64) -> Self {
        Self {
            ground,
            citizens: Vec::new(),
            limits: Limits::default(),
            rng: Pcg64Mcg::seed_from_u64(seed),
            millis: 0,
            issued: 0,
        }
    }

    /// A new servent that may choose its role and knows some of those before it.
    fn join(&mut self, known: &[usize]) -> usize {
        let (n, now) = (self.citizens.len(), at(self.millis));
        let octets = u16::try_from(n + 1).unwrap().to_be_bytes();
        let net = if self.ground.is_private() { 10 } else { 12 };
        let address = SocketAddrV4::new(Ipv4Addr::new(net, octets[0], octets[1], 1), 6346);
        let guid = Guid::random(&mut self.rng);
        let mut hosts = HostCache::new(self.ground);
        hosts.is_own(address.into());
        for other in known {
            let address = SocketAddr::V4(self.citizens[*other].address);
            hosts.hear(now, address, Source::Try, Details::default(), &self.limits);
        }
        self.citizens.push(Citizen {
            guid,
            address,
            alive: true,
            role: Role::Leaf,
            changed: 0,
            election: Election::new(Mode::Auto, self.ground, guid, now),
            slots: Slots::new(self.ground, guid),
            hosts,
            pongs: PongCache::new(self.ground),
            links: Vec::new(),
        });
        n
    }

    fn leave(&mut self, who: usize) {
        self.close_all(who);
        self.citizens[who].alive = false;
    }

    fn run(&mut self, millis: u64) {
        let end = self.millis + millis;
        while self.millis < end {
            self.millis += STEP;
            let mut order: Vec<usize> = (0..self.citizens.len()).collect();
            order.shuffle(&mut self.rng);
            for who in order {
                if self.citizens[who].alive {
                    self.live(who);
                }
            }
        }
    }

    /// One look of a servent at the world.
    fn live(&mut self, who: usize) {
        let now = at(self.millis);
        let (facts, limits) = (self.facts(who), &self.limits);
        let citizen = &mut self.citizens[who];
        let decision = citizen.election.decide(now, &facts, limits, &mut self.rng);
        if decision.role != citizen.role {
            self.turn(who, decision.role);
        }
        let citizen = &mut self.citizens[who];
        let wanted = citizen.slots.wanted(citizen.role, &self.limits);
        let knows = |address, servent| citizen.slots.knows(address, servent);
        let called = citizen.hosts.candidates(
            now,
            citizen.role,
            wanted,
            knows,
            &self.limits,
            &mut self.rng,
        );
        for address in called {
            self.citizens[who].hosts.tried(now, address, &self.limits);
            let other = |citizen: &Citizen| citizen.alive && citizen.address == as_v4(address);
            match self.citizens.iter().position(other) {
                Some(other) => self.dial(who, other),
                None => self.citizens[who].hosts.failed(now, address, &self.limits),
            }
        }
        let citizen = &mut self.citizens[who];
        let situation = situation(citizen.role, citizen.address, &self.limits);
        let asked = citizen
            .pongs
            .refresh(now, |_| false, &situation, &mut self.rng);
        for link in asked {
            self.ping(who, link);
        }
    }

    fn facts(&self, who: usize) -> Facts {
        let citizen = &self.citizens[who];
        let knows = |address, servent| citizen.slots.knows(address, servent);
        Facts {
            ultrapeers: citizen.slots.count(Role::Ultrapeer),
            leaves: citizen.slots.count(Role::Leaf),
            known: citizen
                .hosts
                .count_ultrapeers(at(self.millis), 99, knows, &self.limits),
            descriptors: 1_000,
            ..Facts::default()
        }
    }

    fn turn(&mut self, who: usize, role: Role) {
        self.close_all(who);
        let citizen = &mut self.citizens[who];
        citizen.role = role;
        citizen.changed = self.millis;
        citizen.hosts.begin_anew();
    }

    fn close_all(&mut self, who: usize) {
        for (link, other, far) in std::mem::take(&mut self.citizens[who].links) {
            let citizen = &mut self.citizens[who];
            citizen.slots.closed(link);
            citizen.pongs.closed(link);
            let other = &mut self.citizens[other];
            other.slots.closed(far);
            other.pongs.closed(far);
            other.links.retain(|(known, _, _)| *known != far);
        }
    }

    fn greet(&self, who: usize, answer_to: Option<Role>) -> Greeting {
        let citizen = &self.citizens[who];
        let needs = answer_to.map(|role| citizen.slots.needs_ultrapeers(Some(role), &self.limits));
        Greeting {
            ultrapeer: Some(citizen.role == Role::Ultrapeer),
            ultrapeer_needed: needs.filter(|_| citizen.role == Role::Ultrapeer),
            listen: Some(citizen.address.into()),
            degree: Some(32),
            query_routing: Some(Version { major: 0, minor: 2 }),
            dynamic_querying: true,
            guid: Some(citizen.guid),
            try_ultrapeers: citizen.slots.addresses(Role::Ultrapeer).take(10).collect(),
            ..Greeting::default()
        }
    }

    fn admit(&mut self, who: usize, caller: &Caller<'_>) -> Admission {
        let (now, facts) = (at(self.millis), self.facts(who));
        let citizen = &mut self.citizens[who];
        let us = Us {
            role: citizen.role,
            may_yield: citizen.election.may_yield(now, &facts, &self.limits),
        };
        citizen.slots.admit(now, us, caller, &self.limits)
    }

    /// A handshake, all three blocks of it.
    fn dial(&mut self, who: usize, other: usize) {
        let now = at(self.millis);
        let port = self.rng.random_range(20_000..60_000);
        let ours = self.greet(who, None);
        let incoming = Caller {
            address: SocketAddr::from((*self.citizens[who].address.ip(), port)),
            incoming: true,
            greeting: &ours,
        };
        let theirs = self.greet(other, incoming.role());
        let outgoing = Caller {
            address: self.citizens[other].address.into(),
            incoming: false,
            greeting: &theirs,
        };
        let answer = self.admit(other, &incoming);
        self.learn(other, &incoming);
        self.learn(who, &outgoing);
        if let Admission::Refuse(_) = answer {
            let citizen = &mut self.citizens[who];
            if outgoing.role() == Some(Role::Ultrapeer) {
                citizen.election.hear_need();
            }
            citizen.hosts.busy(now, outgoing.address, &self.limits);
            return;
        }
        let last = match self.admit(who, &outgoing) {
            Admission::Refuse(_) => return,
            Admission::BecomeLeaf => {
                let facts = self.facts(who);
                self.citizens[who]
                    .election
                    .give_way(now, &facts, &self.limits);
                self.turn(who, Role::Leaf);
                self.greet(who, None)
            }
            _ => Greeting::default(),
        };
        let settled = self.citizens[other]
            .slots
            .settle(answer, &last, &self.limits);
        if let (Ok(role), Some(far)) = (settled, outgoing.role()) {
            self.link(who, &outgoing, far, other, &incoming, role);
        }
    }

    /// What a handshake tells, however it ends.
    fn learn(&mut self, who: usize, caller: &Caller<'_>) {
        let (now, limits) = (at(self.millis), &self.limits);
        let citizen = &mut self.citizens[who];
        match caller.role() {
            Some(Role::Leaf) => citizen
                .election
                .meet_leaf(caller.servent(), caller.incoming),
            _ => citizen.election.hear_ultrapeer(now),
        }
        let is_leaf = citizen.role == Role::Leaf;
        if is_leaf && caller.greeting.ultrapeer_needed == Some(true) {
            citizen.election.hear_need();
        }
        let details = Details::of_greeting(caller.greeting);
        if let Some(listen) = caller.listen() {
            citizen.hosts.verified(now, listen, details, limits);
        }
        let ultrapeer = Details {
            ultrapeer: Some(true),
            ..Details::default()
        };
        for address in &caller.greeting.try_ultrapeers {
            citizen
                .hosts
                .hear(now, *address, Source::Try, ultrapeer, limits);
        }
    }

    fn link(
        &mut self,
        who: usize,
        outgoing: &Caller<'_>,
        far: Role,
        other: usize,
        incoming: &Caller<'_>,
        role: Role,
    ) {
        let (near, end) = (Link(self.issued), Link(self.issued + 1));
        self.issued += 2;
        let now = at(self.millis);
        for (me, you, mine, yours, role, caller) in [
            (who, other, near, end, far, outgoing),
            (other, who, end, near, role, incoming),
        ] {
            let talker = Talker {
                role,
                caches: true,
                ggep: true,
                compressed: true,
                listen: caller.listen().map(as_v4),
            };
            let citizen = &mut self.citizens[me];
            citizen.slots.connected(now, mine, role, caller);
            citizen.pongs.connected(mine, talker);
            citizen.links.push((mine, you, yours));
        }
        self.ping(who, near);
        self.ping(other, end);
    }

    /// Asks the far end of a link for pongs.
    fn ping(&mut self, who: usize, link: Link) {
        let now = at(self.millis);
        let Some(&(_, other, far)) = self.citizens[who].links.iter().find(|l| l.0 == link) else {
            return;
        };
        let header = Header {
            guid: Guid::random(&mut self.rng),
            kind: Kind::Ping,
            ttl: MAX_TTL,
            hops: 0,
        };
        let citizen = &mut self.citizens[other];
        let around = situation(citizen.role, citizen.address, &self.limits);
        let Ok(answer) = citizen
            .pongs
            .ping(now, far, &header, &around, &mut self.rng)
        else {
            return;
        };
        let free = citizen.slots.free(&self.limits);
        let mut extensions = Extensions::default();
        if citizen.role == Role::Ultrapeer {
            extensions.push(Id::UP, vec![2, free.leaves, free.ultrapeers]);
        }
        let own = Pong {
            port: citizen.address.port(),
            ip: *citizen.address.ip(),
            files: 0,
            kibibytes: marked_kibibytes(0, citizen.role == Role::Ultrapeer),
            extensions,
        };
        let own = Descriptor {
            header: Header {
                kind: Kind::Pong,
                ..header
            },
            payload: own.encode(),
        };
        let mut pongs = answer.pongs;
        pongs.extend(answer.own.then_some(own));
        for pong in pongs {
            self.pong(who, link, &pong);
        }
    }

    /// A pong arrives, and its copies elsewhere.
    fn pong(&mut self, who: usize, link: Link, descriptor: &Descriptor) {
        let now = at(self.millis);
        let pong = Pong::decode(&descriptor.payload).unwrap();
        let citizen = &mut self.citizens[who];
        citizen.hosts.hear_pong(now, &pong, &self.limits);
        let around = situation(citizen.role, citizen.address, &self.limits);
        let (header, payload) = (&descriptor.header, &descriptor.payload);
        let rng = &mut self.rng;
        let copies = citizen
            .pongs
            .pong(now, link, header, payload, &pong, &around, rng);
        for (link, copy) in copies.unwrap_or_default() {
            let far = citizen_link(&self.citizens[who], link);
            if let Some((other, far)) = far {
                self.pong(other, far, &copy);
            }
        }
    }

    fn alive(&self) -> impl Iterator<Item = &Citizen> {
        self.citizens.iter().filter(|citizen| citizen.alive)
    }

    fn count(&self, role: Role) -> usize {
        self.alive().filter(|citizen| citizen.role == role).count()
    }

    /// Whether everybody alive can be reached from everybody.
    fn is_connected(&self) -> bool {
        let mut todo: Vec<usize> = self
            .citizens
            .iter()
            .position(|c| c.alive)
            .into_iter()
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(who) = todo.pop() {
            if seen.insert(who) {
                todo.extend(self.citizens[who].links.iter().map(|(_, other, _)| *other));
            }
        }
        seen.len() == self.alive().count()
    }

    /// Fails unless every leaf hangs on enough ultrapeers and on nothing else, and both ends of
    /// every link agree what they are.
    fn check_tiers(&self, least: usize) {
        for citizen in self.alive() {
            let (leaves, ultrapeers) = (
                citizen.slots.count(Role::Leaf),
                citizen.slots.count(Role::Ultrapeer),
            );
            if citizen.role == Role::Leaf {
                assert!(
                    leaves == 0 && (least..=4).contains(&ultrapeers),
                    "{ultrapeers}"
                );
            }
            let roles: Vec<_> = citizen
                .links
                .iter()
                .map(|l| self.citizens[l.1].role)
                .collect();
            let real = roles.iter().filter(|role| **role == Role::Leaf).count();
            assert_eq!((real, roles.len() - real), (leaves, ultrapeers));
        }
    }
}

fn situation(role: Role, own: SocketAddrV4, limits: &Limits) -> Situation<'_> {
    Situation {
        role,
        own,
        places: true,
        max_ttl: MAX_TTL,
        limits,
    }
}

fn citizen_link(citizen: &Citizen, link: Link) -> Option<(usize, Link)> {
    let found = citizen.links.iter().find(|(known, _, _)| *known == link)?;
    Some((found.1, found.2))
}

fn as_v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => unreachable!("this town speaks IPv4"),
    }
}

#[test]
fn two_that_know_only_each_other_connect_within_ten_seconds() {
    for (ground, within) in [(Ground::Private, 10_000), (Ground::Public, 10_200)] {
        for seed in 0..6 {
            for pause in [0, 300, 1_000, 4_000, 9_000, 60_000] {
                let mut town = Town::new(ground, seed);
                let first = town.join(&[]);
                town.run(pause);
                let second = town.join(&[first]);
                if seed % 2 == 0 {
                    let address = SocketAddr::V4(town.citizens[second].address);
                    let (now, unknown) = (at(pause), Details::default());
                    let hosts = &mut town.citizens[first].hosts;
                    hosts.hear(now, address, Source::Try, unknown, &town.limits);
                }
                town.run(within);
                assert!(town.is_connected(), "{ground:?}, {seed}, {pause} ms apart");
                let roles = (town.count(Role::Ultrapeer), town.count(Role::Leaf));
                town.run(120_000);
                assert!(town.is_connected());
                assert_eq!((town.count(Role::Ultrapeer), town.count(Role::Leaf)), roles);
            }
        }
    }
}

#[test]
fn three_that_begin_together_connect_within_ten_seconds() {
    for seed in 0..20 {
        let mut town = Town::new(Ground::Private, seed);
        for known in [&[][..], &[0], &[0, 1]] {
            town.join(known);
        }
        town.run(10_000);
        assert!(town.is_connected(), "{seed}");
        town.check_tiers(1);
        assert!(town.count(Role::Ultrapeer) >= 1);
    }
}

#[test]
fn sixty_that_join_one_after_another_settle_to_two_tiers() {
    for (pause, seed) in [(500, 1), (50, 2), (0, 3)] {
        let mut town = Town::new(Ground::Private, seed);
        let first = town.join(&[]);
        for _ in 1..60 {
            town.run(pause);
            town.join(&[first]);
        }
        town.run(60_000);
        let ultrapeers = town.count(Role::Ultrapeer);
        assert!(
            (3..=8).contains(&ultrapeers),
            "{ultrapeers}, {pause} ms apart"
        );
        assert!(town.is_connected());
        town.check_tiers(3);
        let settled = town.millis;
        town.run(120_000);
        assert!(
            town.citizens
                .iter()
                .all(|citizen| citizen.changed <= settled)
        );
    }
}

#[test]
fn those_who_lose_their_ultrapeers_elect_others() {
    let mut town = Town::new(Ground::Private, 1);
    let first = town.join(&[]);
    for _ in 1..60 {
        town.join(&[first]);
    }
    town.run(60_000);
    for who in 0..town.citizens.len() {
        if town.citizens[who].role == Role::Ultrapeer {
            town.leave(who);
        }
    }
    town.run(120_000);
    assert!(town.is_connected());
    town.check_tiers(1);
    assert!(town.count(Role::Leaf) > town.count(Role::Ultrapeer));
}
