//! The network and its time: who is there, what happens next, and to whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint;

use filbert::overlay::membership::Wish;
use filbert::overlay::{
    Duration, Input, Instant, Link, Mode, Output, Profile, Role, Servent, Settings, Stats,
    Surroundings, dynamic_query,
};
use filbert::wire::Descriptor;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::churn::Length;
use super::connections::Connections;
use super::handshakes::{Handshakes, Stage};
use super::member::{Member, Traits, grown, wake};
use super::outcome::{Count, Look};
use super::place::address;
use super::searches::{Searches, wares};
use super::slab::Slab;
use super::spec::Spec;
use crate::alarms::Alarms;
use crate::calendar::Calendar;
use crate::contents::Contents;
use crate::latency::Latency;
use crate::random::{Purpose, generator};

/// Servents that come, find each other, and go.
#[derive(Debug)]
pub struct World {
    pub(super) spec: Spec,
    seed: u64,
    pub(super) rng: Pcg64Mcg,
    pub(super) latency: Latency,
    /// What all have in common; the address is that of whoever is at it.
    pub(super) settings: Settings,
    pub(super) stats: Stats,
    pub(super) contents: Contents,
    pub(super) now: Instant,
    pub(super) traits: Vec<Traits>,
    pub(super) members: Vec<Option<Box<Member>>>,
    /// Who is there, in no particular order, and where each stands in that list.
    pub(super) present: Vec<u32>,
    standing: Vec<u32>,
    pub(super) connections: Connections,
    pub(super) handshakes: Handshakes,
    pub(super) parcels: Slab<Parcel>,
    pub(super) calendar: Calendar<Event>,
    agenda: BinaryHeap<Reverse<(u64, u64, Appointment)>>,
    appointments: u64,
    alarms: Alarms,
    pub(super) searches: Searches,
    /// Whether the network is in two.
    pub(super) split: bool,
    pub(super) count: Count,
    pub(super) looks: Vec<Look>,
    /// Effects of the last input, before they are carried out.
    out: Vec<Output>,
}

/// What travels, and how many copies of it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) descriptor: Descriptor,
    pub(super) copies: u32,
}

/// What comes to a servent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A descriptor over a connection, at this end of it.
    Descriptor {
        connection: u32,
        side: u8,
        ttl: u8,
        hops: u8,
        parcel: u32,
    },
    /// The end of a connection, at this end of it.
    Closed { connection: u32, side: u8 },
    /// The next step of a handshake.
    Handshake { number: u32, stage: Stage },
    /// A datagram.
    Datagram { from: u32, to: u32, parcel: u32 },
    /// A connection that is opened to see whether it can be.
    Reach { from: u32, to: u32 },
    /// All that left the servent's uplink is sent.
    Sent { node: u32 },
}

/// What is to happen at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Appointment {
    /// The network falls in two, or is one again.
    Split(bool),
    /// Many fail at once.
    Fail,
    /// All but the seeds go for good.
    Depart,
    /// A servent comes.
    Come(u32),
    /// A servent goes whose session this is.
    Go { node: u32, session: u32 },
    /// Somebody searches.
    Search,
    /// A search ends.
    Cancel(u64),
    /// The network is looked at.
    Look,
}

impl World {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(spec: &Spec, seed: u64) -> Self {
        let mut settings = Settings {
            strict: true,
            dynamic: Some(dynamic_query::Settings::default()),
            ..Settings::new(Profile::PUBLIC)
        };
        let rng = &mut generator(seed, Purpose::Servents);
        settings.secret = rng.random();
        if let Some(hosts) = spec.hosts {
            settings.limits.hosts = hosts;
            settings.limits.bad_hosts = settings.limits.bad_hosts.min(hosts);
        }
        if let Some(routes) = spec.routes {
            let limits = &mut settings.limits;
            limits.routes = limits.routes.min(routes);
            limits.push_routes = limits.push_routes.min(routes);
            limits.hit_queries = limits.hit_queries.min(routes);
        }
        let traits: Vec<Traits> = (0..spec.servents)
            .map(|node| Traits::draw(spec, node, rng))
            .collect();
        let (contents, searches) = wares(spec, seed);
        let horizon = spec.latency.longest().max(DIAL_PATIENCE);
        let mut world = Self {
            rng: generator(seed, Purpose::Living),
            latency: spec.latency.clone(),
            settings,
            stats: Stats::default(),
            contents,
            now: Instant::default(),
            members: traits.iter().map(|_| None).collect(),
            present: Vec::new(),
            standing: vec![0; traits.len()],
            traits,
            connections: Slab::default(),
            handshakes: Slab::default(),
            parcels: Slab::default(),
            calendar: Calendar::fine(horizon),
            agenda: BinaryHeap::new(),
            appointments: 0,
            alarms: Alarms::default(),
            searches,
            split: false,
            count: Count::default(),
            looks: Vec::new(),
            out: Vec::new(),
            spec: spec.clone(),
            seed,
        };
        world.plan();
        world
    }

    /// What is to happen from the beginning on.
    fn plan(&mut self) {
        let seconds = |seconds: f64| super::churn::micros(seconds);
        let spec = self.spec.clone();
        for node in 0..spec.servents {
            let fate = &mut self.fate(node, Fate::Absence);
            let [present, arrives]: [f64; 2] = fate.random();
            let at = if node < spec.seeds {
                Some(0)
            } else if present < spec.present {
                Some(seconds(arrives * spec.arrive))
            } else {
                spec.absence.draw(fate)
            };
            if let Some(at) = at {
                self.appoint(at, Appointment::Come(node));
            }
        }
        if let Some(split) = spec.split {
            self.appoint(seconds(split.from), Appointment::Split(true));
            self.appoint(seconds(split.until), Appointment::Split(false));
        }
        if let Some(failure) = spec.failure {
            self.appoint(seconds(failure.at), Appointment::Fail);
        }
        if let Some(depart) = spec.depart {
            self.appoint(seconds(depart), Appointment::Depart);
        }
        if spec.searches > 0.0 {
            self.appoint(0, Appointment::Search);
        }
        self.appoint(seconds(spec.look), Appointment::Look);
    }

    /// Lets time pass until then; says how many events there were.
    pub fn run(&mut self, until: Instant) -> u64 {
        let (end, before) = (until.as_micros(), self.count.events);
        let mut ahead = 0;
        loop {
            let appointed = self.agenda.peek().map(|Reverse((at, ..))| *at);
            let (arrives, alarm) = (self.calendar.next_at(), self.alarms.next_at());
            let next = [appointed, arrives, alarm].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(Instant::from_micros(at));
            self.count.events += 1;
            if appointed == Some(at) {
                if let Some(Reverse((_, _, appointment))) = self.agenda.pop() {
                    self.keep(appointment);
                }
            } else if arrives == Some(at) {
                if ahead == 0 {
                    ahead = AHEAD;
                    self.read_ahead();
                }
                ahead -= 1;
                if let Some((_, event)) = self.calendar.pop() {
                    self.happen(event);
                }
            } else if let Some(node) = self.alarms.pop() {
                self.tick(node);
            }
        }
        self.now = self.now.max(until);
        self.count.events - before
    }

    /// Reads what the next events will need, step by step for all of them, so that the processor waits
    /// for the memory of all of them at once: changes nothing.
    fn read_ahead(&self) {
        let mut to = [(0, None); AHEAD];
        for (to, event) in to.iter_mut().zip(self.calendar.upcoming(AHEAD)) {
            if let Event::Descriptor {
                connection,
                side,
                parcel,
                ..
            } = *event
            {
                let ends = self.connections.get(connection).map(|known| &known.ends);
                let end = ends.map(|ends| &ends[usize::from(side)]);
                let parcel = self.parcels.get(parcel).map_or(0, |parcel| parcel.copies);
                *to = end.map_or((0, None), |end| (parcel, Some((end.node, end.link))));
            }
        }
        let members = to.map(|(_, end)| {
            let (node, link) = end?;
            Some((self.members[node as usize].as_deref()?, link?))
        });
        let roles = members.map(|member| member.map(|(member, _)| member.servent.role()));
        hint::black_box(roles);
        let reads = members.map(|member| {
            let (member, link) = member?;
            let place = member.ties.binary_search_by_key(&link, |tie| tie.link);
            let read = member
                .servent
                .read_ahead(Link(u32::try_from(place.ok()?).ok()?));
            Some((read, member.servent.deadline()))
        });
        hint::black_box((to.map(|(parcel, _)| parcel), reads));
    }

    pub(super) fn appoint(&mut self, at: u64, what: Appointment) {
        self.appointments += 1;
        self.agenda.push(Reverse((at, self.appointments, what)));
    }

    /// Has a thing happen so many microseconds from now.
    pub(super) fn later(&mut self, micros: u64, event: Event) {
        self.calendar.push(self.now.as_micros() + micros, event);
    }

    fn keep(&mut self, appointment: Appointment) {
        match appointment {
            Appointment::Come(node) => self.come(node),
            Appointment::Go { node, session } => {
                if self.traits[node as usize].sessions == session {
                    let end = &mut self.fate(node, Fate::End);
                    let crash = end.random::<f64>() < self.spec.crash;
                    self.go(node, !crash);
                }
            }
            Appointment::Split(split) => self.split = split,
            Appointment::Fail => self.fail(),
            Appointment::Depart => self.depart(),
            Appointment::Search => self.search_somewhere(),
            Appointment::Cancel(number) => self.end_search(number),
            Appointment::Look => self.look(),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Descriptor {
                connection,
                side,
                ttl,
                hops,
                parcel,
            } => self.arrive((connection, side), (ttl, hops), parcel),
            Event::Closed { connection, side } => self.hang_up(connection, side),
            Event::Handshake { number, stage } => self.shake(number, stage),
            Event::Datagram { from, to, parcel } => self.take_datagram(from, to, parcel),
            Event::Reach { from, to } => self.reach(from, to),
            Event::Sent { node } => self.send_waiting(node),
        }
    }

    fn tick(&mut self, node: u32) {
        self.enter(node, Input::Tick, None);
    }

    /// A servent begins a session.
    fn come(&mut self, node: u32) {
        let at = node as usize;
        if self.members[at].is_some() {
            return;
        }
        let now = self.now;
        self.traits[at].sessions += 1;
        let seeds = &mut self.fate(node, Fate::Seeds);
        let is_seed = node < self.spec.seeds;
        let mut servent = Servent::new(self.traits[at].guid, Role::Leaf);
        let mode = match is_seed {
            true => Mode::Ultrapeer,
            false => Mode::Auto,
        };
        self.settings.address = address(node);
        let settings = &self.settings;
        servent.join(now, Wish { mode, seeks: true }, settings);
        if let Some(member) = servent.membership_mut() {
            let standing = member.standing_mut();
            standing.average_uptime = Some(daily_uptime(&self.spec));
            let up = self.traits[at].up;
            standing.bandwidth = (up > 0).then_some(up / 1_024);
            if let Some(remembered) = self.traits[at].remembered.take() {
                let (since, known) = *remembered;
                let away = now.as_micros() - since;
                let known = known.into_iter().map(|known| grown(known, away));
                member.recall(now, known, settings);
            }
            for _ in 0..SEEDS_TOLD {
                let seed = address(seeds.random_range(0..self.spec.seeds)).into();
                if seed != address(node).into() {
                    member.hear(now, seed, settings);
                    member.know_cache(now, seed, settings);
                }
            }
        }
        self.members[at] = Some(Box::new(Member::new(servent, self.traits[at].up)));
        self.standing[at] = u32::try_from(self.present.len()).expect("a few million at most");
        self.present.push(node);
        self.count.sessions += 1;
        let length = self.spec.session.draw(&mut self.fate(node, Fate::Session));
        if let Some(length) = length.filter(|_| !is_seed) {
            let session = self.traits[at].sessions;
            self.appoint(now.as_micros() + length, Appointment::Go { node, session });
        }
        self.set_alarm(node);
    }

    /// A servent ends its session, and says so if it can; it comes back after an absence.
    pub(super) fn go(&mut self, node: u32, politely: bool) {
        let at = node as usize;
        let Some(member) = self.members[at].take() else {
            return;
        };
        let standing = self.standing[at] as usize;
        self.present.swap_remove(standing);
        if let Some(&moved) = self.present.get(standing) {
            self.standing[moved as usize] = self.standing[at];
        }
        let now = self.now;
        if let Some(known) = member.servent.membership() {
            let known = known.hosts().snapshot(now, self.spec.remembered);
            if !known.is_empty() {
                self.traits[at].remembered = Some(Box::new((now.as_micros(), known)));
            }
        }
        for tie in member.ties {
            self.leave(tie, politely);
        }
        let absence = self.spec.absence.draw(&mut self.fate(node, Fate::Absence));
        if let Some(absence) = absence {
            self.appoint(now.as_micros() + absence, Appointment::Come(node));
        }
    }

    /// All but the seeds go, each in its own way, and nobody comes or searches any more.
    fn depart(&mut self) {
        self.agenda.retain(|Reverse((.., what))| {
            !matches!(what, Appointment::Come(_) | Appointment::Search)
        });
        self.spec.absence = Length::Forever;
        for node in self.spec.seeds..self.spec.servents {
            let end = &mut self.fate(node, Fate::End);
            let crash = end.random::<f64>() < self.spec.crash;
            self.go(node, !crash);
        }
    }

    /// Some of those that are there fail.
    fn fail(&mut self) {
        let Some(failure) = self.spec.failure else {
            return;
        };
        let seeds = self.spec.seeds;
        let mut there: Vec<u32> = self
            .present
            .iter()
            .copied()
            .filter(|&n| n >= seeds)
            .collect();
        there.sort_unstable();
        let mut ranks: BTreeMap<u32, u64> = BTreeMap::new();
        for &node in &there {
            let links = self.members[node as usize]
                .as_ref()
                .map_or(0, |one| one.ties.len());
            let rank = match failure.highest {
                true => u64::MAX - u64::try_from(links).unwrap_or(u64::MAX),
                false => self.rng.random(),
            };
            ranks.insert(node, rank);
        }
        there.sort_by_key(|node| ranks[node]);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count"
        )]
        there.truncate((there.len() as f64 * failure.share).round() as usize);
        for node in there {
            self.go(node, false);
        }
    }

    /// The one way into a servent: hands one input in and carries out what comes of it. `received`
    /// is what it received, where it received a descriptor.
    pub(super) fn enter(&mut self, node: u32, input: Input<'_>, received: Option<&Descriptor>) {
        self.with(node, received, |servent, now, around| {
            servent.handle(now, input, around);
        });
    }

    /// Lets a servent act and carries out what comes of it; nothing where it is not there.
    pub(super) fn with<T>(
        &mut self,
        node: u32,
        received: Option<&Descriptor>,
        act: impl FnOnce(&mut Servent, Instant, &mut Surroundings<'_>) -> T,
    ) -> Option<T> {
        let member = self.members[node as usize].as_deref_mut()?;
        self.settings.address = address(node);
        let mut out = std::mem::take(&mut self.out);
        let share = self.contents.of(node);
        let mut around = Surroundings {
            settings: &self.settings,
            catalogue: &share,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut out,
        };
        let done = act(&mut member.servent, self.now, &mut around);
        self.set_alarm(node);
        for output in out.drain(..) {
            self.carry_out(node, output, received);
        }
        self.out = out;
        Some(done)
    }

    /// Has a servent woken when it wants to be.
    fn set_alarm(&mut self, node: u32) {
        let member = self.members[node as usize].as_deref();
        if let Some(deadline) = member.and_then(|member| member.servent.deadline()) {
            let at = wake(node, self.now, deadline);
            self.alarms.set(self.traits.len(), node, at);
        }
    }

    /// What decides one thing about a servent in its present session, or after it: the same for all
    /// variants.
    fn fate(&self, node: u32, what: Fate) -> Pcg64Mcg {
        let sessions = u64::from(self.traits[node as usize].sessions);
        let purpose = Purpose::Session {
            node: node.into(),
            number: 4 * sessions + what as u64,
        };
        generator(self.seed, purpose)
    }
}

/// What is decided about a session.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Which seeds it is told of.
    Seeds,
    /// How long it lasts.
    Session,
    /// How it ends.
    End,
    /// How long the servent is away then; before the first, when it comes.
    Absence,
}

/// How long a servent is there on average a day.
fn daily_uptime(spec: &Spec) -> Duration {
    const DAY: f64 = 86_400.0;
    let share = match (spec.session.mean(), spec.absence.mean()) {
        (Some(there), Some(away)) if there + away > 0.0 => there / (there + away),
        _ => 1.0,
    };
    Duration::from_micros(super::churn::micros(DAY * share))
}

/// How long a connection is tried for, in microseconds: as by a live servent.
pub(super) const DIAL_PATIENCE: u64 = 10_000_000;

/// Events whose memory is read at once.
const AHEAD: usize = 8;

/// Seeds that a newcomer is told of.
const SEEDS_TOLD: u32 = 3;
