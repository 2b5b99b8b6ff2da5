//! Servents that find each other: whole ones, in virtual time, over links without delay.

mod hidden;
mod strangers;

use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::overlay::catalogue::Nothing;
use crate::overlay::slots::{Admission, Caller};
use crate::overlay::{
    Input, Link, Output, Profile, Recipients, Stats, Surroundings, dynamic_query,
};
use crate::wire::datagram::Datagram;
use crate::wire::handshake::Greeting;
use crate::wire::{Descriptor, Guid};

/// Milliseconds between two looks at the world.
const STEP: u64 = 100;

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

struct Citizen {
    servent: Servent,
    settings: Settings,
    alive: bool,
    /// Nobody can connect to it, nor send it datagrams.
    hidden: bool,
    /// When its role last changed, in milliseconds.
    changed: u64,
    /// Its links: whose, and which at the far end.
    links: Vec<(Link, usize, Link)>,
}

/// Servents that may dial each other.
struct Town {
    ground: Ground,
    citizens: Vec<Citizen>,
    rng: Pcg64Mcg,
    stats: Stats,
    millis: u64,
    issued: u32,
    /// Datagrams sent.
    datagrams: usize,
    /// What servents want done, in order.
    wishes: VecDeque<(usize, Output)>,
}

impl Town {
    fn new(ground: Ground, seed: u64) -> Self {
        Self {
            ground,
            citizens: Vec::new(),
            rng: Pcg64Mcg::seed_from_u64(seed),
            stats: Stats::default(),
            millis: 0,
            issued: 0,
            datagrams: 0,
            wishes: VecDeque::new(),
        }
    }

    /// A new servent that may choose its role and knows some of those before it.
    fn join(&mut self, known: &[usize]) -> usize {
        let (n, now) = (self.citizens.len(), at(self.millis));
        let octets = u16::try_from(n + 1).unwrap().to_be_bytes();
        let net = if self.ground.is_private() { 10 } else { 12 };
        let settings = Settings {
            address: SocketAddrV4::new(Ipv4Addr::new(net, octets[0], octets[1], 1), 6346),
            ground: self.ground,
            // Nobody shares anything, so one telling says it all.
            limits: Limits {
                routing_pause: Duration::from_secs(3_600),
                ..Limits::default()
            },
            dynamic: Some(dynamic_query::Settings::default()),
            ..Settings::new(Profile::PUBLIC)
        };
        let mut servent = Servent::new(Guid::random(&mut self.rng), Role::Leaf);
        let wish = Wish {
            mode: Mode::Auto,
            seeks: true,
        };
        servent.join(now, wish, &settings);
        self.citizens.push(Citizen {
            servent,
            settings,
            alive: true,
            hidden: false,
            changed: 0,
            links: Vec::new(),
        });
        for other in known {
            self.tell(n, *other);
        }
        n
    }

    /// Tells one servent of another.
    fn tell(&mut self, who: usize, of: usize) {
        let address = self.address(of);
        let citizen = &mut self.citizens[who];
        let member = citizen.servent.membership_mut().unwrap();
        member.hear(at(self.millis), address, &citizen.settings);
    }

    /// Names one servent to another as a host cache.
    fn know_cache(&mut self, who: usize, cache: usize) {
        let address = self.address(cache);
        let citizen = &mut self.citizens[who];
        let member = citizen.servent.membership_mut().unwrap();
        member.know_cache(at(self.millis), address, &citizen.settings);
    }

    fn address(&self, who: usize) -> SocketAddr {
        self.citizens[who].settings.address.into()
    }

    fn leave(&mut self, who: usize) {
        self.citizens[who].alive = false;
        for (link, _, _) in self.citizens[who].links.clone() {
            self.unlink(who, link);
        }
        self.work();
    }

    fn run(&mut self, millis: u64) {
        let end = self.millis + millis;
        while self.millis < end {
            self.millis += STEP;
            let mut order: Vec<usize> = (0..self.citizens.len()).collect();
            order.shuffle(&mut self.rng);
            for who in order {
                let citizen = &self.citizens[who];
                let due = citizen.servent.deadline();
                if citizen.alive && due.is_some_and(|due| due <= at(self.millis)) {
                    self.enter(who, Input::Tick);
                    self.work();
                }
            }
        }
    }

    /// Lets a servent act, and takes note of what it wants done.
    fn with<T>(
        &mut self,
        who: usize,
        act: impl FnOnce(&mut Servent, Instant, &mut Surroundings<'_>) -> T,
    ) -> T {
        let mut out = Vec::new();
        let citizen = &mut self.citizens[who];
        let mut around = Surroundings {
            settings: &citizen.settings,
            catalogue: &Nothing,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut out,
        };
        let done = act(&mut citizen.servent, at(self.millis), &mut around);
        self.wishes
            .extend(out.into_iter().map(|output| (who, output)));
        done
    }

    fn enter(&mut self, who: usize, input: Input<'_>) {
        self.with(who, |servent, now, around| {
            servent.handle(now, input, around)
        });
    }

    /// Does what servents want until they want nothing more.
    fn work(&mut self) {
        while let Some((who, output)) = self.wishes.pop_front() {
            match output {
                Output::Send {
                    to: Recipients::One(link),
                    descriptor,
                } => {
                    let leaf = self.citizens[who].servent.role() == Role::Leaf;
                    assert!(
                        !leaf || descriptor.header.hops == 0,
                        "a leaf relays nothing"
                    );
                    self.carry(who, link, &descriptor);
                }
                Output::Close { link, .. } => self.unlink(who, link),
                Output::Dial { address, .. } => self.dial(who, address),
                Output::Role(_) => self.citizens[who].changed = self.millis,
                Output::Datagram {
                    to,
                    descriptor,
                    deflate,
                } => {
                    self.datagrams += 1;
                    let datagram = Datagram {
                        descriptor,
                        inflates: false,
                    };
                    let (from, bytes) = (self.address(who), datagram.encode(deflate).unwrap());
                    if let Some(other) = self.resident(to) {
                        let bytes = &bytes;
                        self.enter(other, Input::Datagram { from, bytes });
                    }
                }
                Output::ConnectBack { to } => {
                    let from = SocketAddr::new(self.address(who).ip(), 50_000);
                    if let Some(other) = self.resident(to) {
                        self.enter(other, Input::Reached { from });
                    }
                }
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }

    fn carry(&mut self, who: usize, link: Link, descriptor: &Descriptor) {
        let links = &self.citizens[who].links;
        let Some(&(_, other, far)) = links.iter().find(|known| known.0 == link) else {
            return;
        };
        let input = Input::Received {
            link: far,
            header: descriptor.header,
            payload: &descriptor.payload,
        };
        self.enter(other, input);
    }

    fn unlink(&mut self, who: usize, link: Link) {
        let links = &mut self.citizens[who].links;
        let Some(place) = links.iter().position(|known| known.0 == link) else {
            return;
        };
        let (_, other, far) = links.remove(place);
        self.citizens[other].links.retain(|known| known.0 != far);
        self.enter(who, Input::Closed { link });
        self.enter(other, Input::Closed { link: far });
    }

    fn dial(&mut self, who: usize, address: SocketAddr) {
        match self.resident(address) {
            Some(other) => self.shake(who, other),
            None => self.dialled(who, address, Outcome::Failed),
        }
    }

    /// Who lives at an address.
    fn resident(&self, address: SocketAddr) -> Option<usize> {
        let there = |citizen: &Citizen| {
            let reached = citizen.alive && !citizen.hidden;
            reached && SocketAddr::V4(citizen.settings.address) == address
        };
        self.citizens.iter().position(there)
    }

    fn dialled(&mut self, who: usize, address: SocketAddr, outcome: Outcome<'_>) {
        self.enter(who, Input::Dialled { address, outcome });
    }

    /// A handshake, all three blocks of it.
    fn shake(&mut self, who: usize, other: usize) {
        let address = self.address(other);
        let here = self.address(who);
        let port = self.rng.random_range(20_000..60_000);
        let us = self.citizens[who].servent.role();
        let ours = self.with(who, |servent, now, around| {
            servent.greet(now, address.ip(), None, around)
        });
        let incoming = Caller {
            address: SocketAddr::new(here.ip(), port),
            incoming: true,
            greeting: &ours,
        };
        let (admitted, theirs) = self.with(other, |servent, now, around| {
            let admitted = servent.meet(now, &incoming, around);
            let answer = Some((&incoming, admitted));
            (admitted, servent.greet(now, here.ip(), answer, around))
        });
        if let Admission::Refuse(refusal) = admitted {
            let greeting = &theirs;
            let code = refusal.code;
            self.dialled(who, address, Outcome::Refused { code, greeting });
            return;
        }
        let outgoing = Caller {
            address,
            incoming: false,
            greeting: &theirs,
        };
        let taken = self.with(who, |servent, now, around| {
            servent.meet(now, &outgoing, around)
        });
        let last = Servent::last_word(taken);
        let role = |town: &Self, who: usize, admission, last: &Greeting| {
            let citizen = &town.citizens[who];
            citizen.servent.settle(admission, last, &citizen.settings)
        };
        let far = role(self, who, taken, &Greeting::default());
        let near = role(self, other, admitted, &last);
        let (Ok(far), Ok(near)) = (far, near) else {
            self.dialled(who, address, Outcome::Declined);
            return;
        };
        let us = if taken == Admission::BecomeLeaf {
            Role::Leaf
        } else {
            us
        };
        let them = self.citizens[other].servent.role();
        let (link, end) = (Link(self.issued), Link(self.issued + 1));
        self.issued += 2;
        self.citizens[who].links.push((link, other, end));
        self.citizens[other].links.push((end, who, link));
        for (who, link, caller, admission, role, us) in [
            (who, link, outgoing, taken, far, us),
            (other, end, incoming, admitted, near, them),
        ] {
            let meeting = Meeting {
                caller,
                admission,
                role,
                us,
                compressed: true,
            };
            let meeting = &meeting;
            self.enter(who, Input::Joined { link, meeting });
        }
        self.dialled(who, address, Outcome::Met);
    }

    fn alive(&self) -> impl Iterator<Item = &Citizen> {
        self.citizens.iter().filter(|citizen| citizen.alive)
    }

    fn count(&self, role: Role) -> usize {
        self.alive()
            .filter(|citizen| citizen.servent.role() == role)
            .count()
    }

    /// Whether everybody alive can be reached from everybody.
    fn is_connected(&self) -> bool {
        let mut todo = Vec::from_iter(self.citizens.iter().position(|citizen| citizen.alive));
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
            let neighbours = citizen.servent.neighbours();
            assert_eq!(neighbours.len(), citizen.links.len());
            for (link, other, _) in &citizen.links {
                let known = neighbours.iter().find(|known| known.link == *link).unwrap();
                assert_eq!(known.offer.role, self.citizens[*other].servent.role());
            }
            if citizen.servent.role() == Role::Leaf {
                let relays = |known: &&crate::overlay::neighbour::Neighbour| {
                    known.offer.role == Role::Ultrapeer
                };
                let ultrapeers = neighbours.iter().filter(relays).count();
                assert_eq!(ultrapeers, neighbours.len(), "a leaf has no leaves");
                assert!((least..=4).contains(&ultrapeers), "{ultrapeers}");
            }
        }
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
                    town.tell(first, second);
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
fn two_of_whom_one_keeps_the_other_connect_wherever_they_stand() {
    for ground in [Ground::Private, Ground::Public] {
        for seed in 0..6 {
            let mut town = Town::new(ground, seed);
            let first = town.join(&[]);
            let second = town.join(&[]);
            let address = town.address(first);
            let member = town.citizens[second].servent.membership_mut().unwrap();
            member.keep(at(0), address);
            town.run(10_200);
            assert!(town.is_connected(), "{ground:?}, {seed}");
            let (link, _, _) = town.citizens[second].links[0];
            town.unlink(second, link);
            town.work();
            town.run(5_000);
            assert!(town.is_connected(), "{ground:?}, {seed}, again");
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
    for (pause, seed) in [(500, 1), (50, 2), (0, 3), (0, 6)] {
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
        if town.citizens[who].servent.role() == Role::Ultrapeer {
            town.leave(who);
        }
    }
    town.run(120_000);
    assert!(town.is_connected());
    town.check_tiers(1);
    assert!(town.count(Role::Leaf) > town.count(Role::Ultrapeer));
}
