//! One attacker who pretends to be many and calls a servent for its places.
//!
//! The servent has its own connection logic, the whole of it: it judges handshakes, remembers addresses,
//! dials whom it lacks. Around it are honest ultrapeers, who call and are dialled at random and stay for a
//! while, and the identities of the attacker, who call at an even pace as long as they have no place, are
//! always there when they are dialled, never leave, and recommend nobody but each other.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use filbert::overlay::catalogue::Nothing;
use filbert::overlay::membership::{Meeting, Outcome as Dialled, Wish};
use filbert::overlay::slots::{Admission, Caller};
use filbert::overlay::{
    Input, Instant, Link, Mode, Output, Profile, Role, Servent, Settings, Stats, Surroundings,
};
use filbert::wire::Guid;
use filbert::wire::handshake::{Greeting, Version};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::outcome::Outcome;
use super::settings::{Sybil, SybilVariant};
use crate::calendar::Calendar;
use crate::random::{Attack, Purpose, generator};

/// The servent and all who call it.
#[derive(Debug)]
struct Place<'a> {
    spec: &'a Sybil,
    variant: &'a SybilVariant,
    servent: Servent,
    settings: Settings,
    stats: Stats,
    now: Instant,
    /// The honest ones first.
    strangers: Vec<Stranger>,
    by_address: BTreeMap<SocketAddr, usize>,
    neighbours: BTreeMap<Link, usize>,
    links: u32,
    calendar: Calendar<Event>,
    /// When the servent last asked to be woken.
    alarm: Option<Instant>,
    rng: Pcg64Mcg,
    /// What the strangers do by chance, whatever the servent does.
    chance: Pcg64Mcg,
    /// Places of attackers and of honest servents, summed over the times that they were counted.
    held: [u64; 2],
    counts: u64,
}

/// Somebody who calls or is dialled.
#[derive(Clone, Copy, Debug)]
struct Stranger {
    address: SocketAddr,
    guid: Guid,
    link: Option<Link>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// An honest servent calls.
    Honest,
    /// An identity of the attacker does, if it has no place.
    Sybil(usize),
    /// A dial is over.
    Dialled(SocketAddrV4),
    /// An honest neighbour leaves.
    Leave(Link),
    /// The servent is to be woken, if it still wants to.
    Wake,
    /// Its places are counted.
    Count,
}

/// What a variant comes to.
pub(super) fn conduct(spec: &Sybil, variant: &SybilVariant, seed: u64) -> Outcome {
    let mut place = Place::new(spec, variant, seed);
    place.run();
    let all = (place.counts * place.settings.limits.neighbours as u64) as f64;
    let [sybils, honest] = place.held.map(|held| held as f64 / all);
    Outcome {
        variant: variant.name.clone(),
        sybil_share: Some(sybils),
        honest_share: Some(honest),
        ..Outcome::default()
    }
}

impl<'a> Place<'a> {
    fn new(spec: &'a Sybil, variant: &'a SybilVariant, seed: u64) -> Self {
        let cast = &mut generator(seed, Purpose::Attack(Attack::Cast));
        let own = Guid::random(cast);
        let mut strangers = Vec::new();
        for _ in 0..spec.honest {
            // Where no attacker is, nor anything private.
            let ip = Ipv4Addr::from_bits(cast.random_range(0x1000_0000..0x7e00_0000));
            strangers.push(Stranger {
                address: SocketAddr::from((ip, 6346)),
                guid: Guid::random(cast),
                link: None,
            });
        }
        for number in 0..variant.identities {
            strangers.push(Stranger {
                address: address(number, variant.prefix),
                guid: Guid::random(cast),
                link: None,
            });
        }
        let by_address = strangers.iter().map(|stranger| stranger.address);
        let by_address = by_address.zip(0..).collect();
        let settings = settings(variant);
        let now = Instant::default();
        let mut servent = Servent::new(own, Role::Ultrapeer);
        let wish = Wish {
            mode: Mode::Ultrapeer,
            seeks: true,
        };
        servent.join(now, wish, &settings);
        if let Some(member) = servent.membership_mut() {
            for stranger in &strangers[..(spec.honest as usize).min(KNOWN)] {
                member.hear(now, stranger.address, &settings);
            }
        }
        Self {
            spec,
            variant,
            servent,
            settings,
            stats: Stats::default(),
            now,
            strangers,
            by_address,
            neighbours: BTreeMap::new(),
            links: 0,
            calendar: Calendar::new(SECOND),
            alarm: None,
            rng: generator(seed, Purpose::Attack(Attack::Servents)),
            chance: generator(seed, Purpose::Attack(Attack::Deeds)),
            held: [0; 2],
            counts: 0,
        }
    }

    fn run(&mut self) {
        self.await_call();
        let pause = MINUTE / u64::from(self.variant.calls);
        for number in self.spec.honest as usize..self.strangers.len() {
            let at = self.chance.random_range(0..pause);
            self.calendar.push(at, Event::Sybil(number));
        }
        self.calendar.push(MINUTE, Event::Count);
        self.calendar.push(0, Event::Wake);
        let end = self.spec.minutes * MINUTE;
        while let Some((at, event)) = self.calendar.pop() {
            if at > end {
                return;
            }
            self.now = Instant::from_micros(at);
            match event {
                Event::Honest => {
                    let who = self.chance.random_range(0..self.spec.honest as usize);
                    self.call(who);
                    self.await_call();
                }
                Event::Sybil(who) => {
                    self.call(who);
                    self.calendar.push(at + pause, Event::Sybil(who));
                }
                Event::Dialled(address) => self.dialled(address.into()),
                Event::Leave(link) => self.leave(link),
                Event::Wake if self.alarm.is_none_or(|alarm| alarm <= self.now) => {
                    self.alarm = None;
                    self.enter(Input::Tick);
                }
                Event::Wake => {}
                Event::Count => self.count(at, end),
            }
        }
    }

    /// The next honest servent calls in a while.
    fn await_call(&mut self) {
        let after = self.exponential(MINUTE as f64 / self.spec.calls);
        let at = self.now.as_micros() + after;
        self.calendar.push(at, Event::Honest);
    }

    /// Microseconds, so many in the mean.
    fn exponential(&mut self, mean: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "no negative time, and casts saturate"
        )]
        let drawn = (mean * -libm::log(1.0 - self.chance.random::<f64>())) as u64;
        drawn
    }

    /// Somebody calls, unless it is a neighbour.
    fn call(&mut self, who: usize) {
        if self.strangers[who].link.is_none() {
            self.meet(who, true);
        }
    }

    /// A dial is over: attackers take everybody, honest servents whom they have a place for.
    fn dialled(&mut self, address: SocketAddr) {
        let Some(&who) = self.by_address.get(&address) else {
            let outcome = Dialled::Failed;
            self.enter(Input::Dialled { address, outcome });
            return;
        };
        let linked = self.strangers[who].link.is_some();
        let free = self.is_sybil(who) || self.chance.random::<f64>() < self.spec.free;
        if linked || !free {
            let greeting = self.greeting(who);
            let outcome = Dialled::Refused {
                code: 503,
                greeting: &greeting,
            };
            self.enter(Input::Dialled { address, outcome });
            return;
        }
        let outcome = match self.meet(who, false) {
            true => Dialled::Met,
            false => Dialled::Declined,
        };
        self.enter(Input::Dialled { address, outcome });
    }

    /// A handshake with somebody; says whether it becomes a neighbour.
    fn meet(&mut self, who: usize, incoming: bool) -> bool {
        let greeting = self.greeting(who);
        let caller = Caller {
            address: self.strangers[who].address,
            incoming,
            greeting: &greeting,
        };
        let (now, settings) = (self.now, self.settings.clone());
        let mut out = Vec::new();
        let mut around = Surroundings {
            settings: &settings,
            catalogue: &Nothing,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut out,
        };
        let admission = self.servent.meet(now, &caller, &mut around);
        self.carry_out(out);
        let taken = matches!(admission, Admission::Take { .. });
        let last = Greeting::default();
        let Some(role) = self
            .servent
            .settle(admission, &last, &settings)
            .ok()
            .filter(|_| taken)
        else {
            return false;
        };
        let meeting = Meeting {
            caller,
            admission,
            role,
            us: Role::Ultrapeer,
            compressed: true,
        };
        self.links += 1;
        let link = Link(self.links);
        self.strangers[who].link = Some(link);
        self.neighbours.insert(link, who);
        self.enter(Input::Joined {
            link,
            meeting: &meeting,
        });
        let joined = self.neighbours.contains_key(&link);
        if joined && !self.is_sybil(who) {
            let stays = self.exponential(MINUTE as f64 * self.spec.session);
            let at = self.now.as_micros() + stays;
            self.calendar.push(at, Event::Leave(link));
        }
        joined
    }

    /// A neighbour is gone.
    fn leave(&mut self, link: Link) {
        if let Some(who) = self.neighbours.remove(&link) {
            self.strangers[who].link = None;
            self.enter(Input::Closed { link });
        }
    }

    fn count(&mut self, at: u64, end: u64) {
        if 2 * at > end {
            let sybils = self.neighbours.values().filter(|&&who| self.is_sybil(who));
            let sybils = sybils.count() as u64;
            self.held[0] += sybils;
            self.held[1] += self.neighbours.len() as u64 - sybils;
            self.counts += 1;
        }
        self.calendar.push(at + MINUTE, Event::Count);
    }

    fn is_sybil(&self, who: usize) -> bool {
        who >= self.spec.honest as usize
    }

    /// What somebody says of itself: honest servents recommend honest ones, attackers attackers.
    fn greeting(&mut self, who: usize) -> Greeting {
        let honest = self.spec.honest as usize;
        let others = match self.is_sybil(who) {
            true => honest..self.strangers.len(),
            false => 0..honest,
        };
        let tries = (0..TRIES).map(|_| self.chance.random_range(others.clone()));
        let tries: Vec<usize> = tries.collect();
        let tries = tries.into_iter().map(|other| self.strangers[other].address);
        let stranger = self.strangers[who];
        Greeting {
            ultrapeer: Some(true),
            ultrapeer_needed: Some(true),
            listen: Some(stranger.address),
            max_ttl: Some(4),
            degree: Some(32),
            query_routing: Some(Version { major: 0, minor: 2 }),
            ultrapeer_query_routing: true,
            dynamic_querying: true,
            ext_probes: true,
            ggep: true,
            bye: true,
            guid: Some(stranger.guid),
            try_ultrapeers: tries.collect(),
            ..Greeting::default()
        }
    }

    /// Hands an input to the servent and does what it wants done.
    fn enter(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        let mut around = Surroundings {
            settings: &self.settings,
            catalogue: &Nothing,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut out,
        };
        self.servent.handle(self.now, input, &mut around);
        self.carry_out(out);
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Dial {
                    address: SocketAddr::V4(address),
                    ..
                } => {
                    let at = self.now.as_micros() + SECOND;
                    self.calendar.push(at, Event::Dialled(address));
                }
                Output::Close { link, .. } => self.leave(link),
                // Nobody here is searched, pinged or told anything.
                _ => {}
            }
        }
        if let Some(deadline) = self.servent.deadline()
            && self.alarm != Some(deadline)
        {
            self.alarm = Some(deadline);
            let at = deadline.max(self.now).as_micros();
            self.calendar.push(at, Event::Wake);
        }
    }
}

/// The address of one of the attacker's identities: they lie as far from each other as addresses of one
/// prefix can.
fn address(number: u32, prefix: u8) -> SocketAddr {
    // The first 8 bits are the attacker's, then as many as are free, with the last ones for 254 hosts.
    let (networks, second, third) = match prefix {
        8 => (1 << 16, number % 256, number / 256 % 256),
        16 => (1 << 8, 0, number % 256),
        _ => (1, 0, 0),
    };
    let hosts = if prefix == 32 { 1 } else { 254 };
    let host = number / networks % hosts + 1;
    let ip = Ipv4Addr::from_bits(0x0c00_0000 | second << 16 | third << 8 | host);
    let port = 6346 + number / (networks * hosts);
    SocketAddr::from((ip, u16::try_from(port).expect("few share an address")))
}

/// What the servent goes by in a variant.
fn settings(variant: &SybilVariant) -> Settings {
    let mut settings = Settings::new(Profile::PUBLIC);
    settings.strict = true;
    settings.keepalive = None;
    settings.address = SocketAddrV4::new(Ipv4Addr::new(16, 0, 0, 1), 6346);
    if !variant.defence {
        let limits = &mut settings.limits;
        limits.per_subnet = usize::MAX;
        limits.wide_subnet_share = 0;
        limits.handshakes_per_minute = usize::MAX;
    }
    settings
}

/// Honest servents that it knows when it begins.
const KNOWN: usize = 30;
/// Others that a handshake recommends.
const TRIES: usize = 10;
/// Microseconds, which a dial takes.
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_lie_in_their_prefix_and_have_no_address_twice() {
        for (prefix, ips, subnets) in [
            (32, 1, 1),
            (24, 254, 1),
            (16, 1_000, 256),
            (8, 1_000, 1_000),
        ] {
            let all = (0..1_000).map(|number| address(number, prefix));
            let mut all: Vec<SocketAddr> = all.collect();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 1_000, "{prefix}");
            let octets = all.iter().map(|address| match address {
                SocketAddr::V4(address) => address.ip().octets(),
                SocketAddr::V6(_) => panic!("no such address"),
            });
            let bits = usize::from(prefix) / 8;
            assert!(
                octets
                    .clone()
                    .all(|ip| ip[..bits.min(3)] == [12, 0, 0][..bits.min(3)])
            );
            let count = |length: usize| {
                let parts = octets.clone().map(|ip| ip[..length].to_vec());
                parts.collect::<std::collections::BTreeSet<_>>().len()
            };
            assert_eq!((count(4), count(3)), (ips, subnets), "{prefix}");
        }
    }
}
