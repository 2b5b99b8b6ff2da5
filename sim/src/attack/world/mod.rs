//! Servents on a graph that search at all times, some of which attack, in virtual time.
//!
//! They are those of the live node with its limits; what lies between them is a model. Each servent sends one
//! descriptor after the other at the speed of its uplink, in turn over the links on which something waits in a
//! [queue](filbert::overlay::flow::Queue) and whose far end reads. A link takes the same time always, and has
//! its [pace](filbert::overlay::rate::Pace). No servent runs out of processor.

mod links;

use std::collections::BTreeSet;

use filbert::overlay::flow::Pressure;
use filbert::overlay::{
    Duration, Input, Instant, Link, Offer, Output, Profile, Recipients, Role, SearchId, Servent,
    Settings, Stats, Surroundings,
};
use filbert::topology::Graph;
use filbert::wire::{Descriptor, Guid, Kind};
use rand::{Rng, RngExt};
use rand_pcg::Pcg64Mcg;

use crate::alarms::Alarms;
use crate::attack::actor::{self, Actor, Heard};
use crate::attack::cast::{Cast, query};
use crate::attack::guids::Counted;
use crate::attack::outcome::{Outcome, Weather};
use crate::attack::pipe::Pipe;
use crate::attack::settings::{Overlay, OverlayVariant};
use crate::attack::watch::{Search, Watch};
use crate::calendar::Calendar;
use crate::contents::Contents;
use crate::latency::Latency;
use crate::random::{Attack, Purpose, generator};

/// The overlay of one run.
#[derive(Debug)]
struct World<'a> {
    graph: &'a Graph,
    /// Bytes a second that honest servents send at most, and attackers.
    up: [u64; 2],
    servents: Vec<Servent>,
    contents: Contents,
    /// Of ultrapeers and of leaves.
    tiers: [(Settings, Stats); 2],
    /// By the sender's slots.
    pipes: Vec<Pipe>,
    uplinks: Vec<Uplink>,
    calendar: Calendar<Event>,
    alarms: Alarms,
    now: Instant,
    rng: Pcg64Mcg,
    attackers: Attackers,
    counted: Option<Vec<Counted>>,
    watch: Watch,
    /// Descriptors that honest servents handled since the searches that count began.
    handled: u64,
    counting: bool,
    /// What servents are told once what they are at is done.
    pending: Vec<(u32, Told)>,
    seed: u64,
}

/// Who attacks, and how.
#[derive(Debug)]
struct Attackers {
    actor: Option<Box<dyn Actor>>,
    /// Whether the servent on each node attacks, or would.
    nodes: Vec<bool>,
    rng: Pcg64Mcg,
}

/// What a servent sends over: all its links in turn.
#[derive(Clone, Copy, Debug, Default)]
struct Uplink {
    /// The slot after the one that was last.
    turn: usize,
    busy: bool,
}

/// What happens at some time.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A search begins.
    Begin(usize),
    /// Nobody waits for it any more.
    End(usize),
    /// The first search that counts may begin now, or the last has.
    Count(bool),
    /// An attacker does something.
    Act(u32),
    /// An uplink has sent.
    Sent(u32),
    /// A descriptor arrives over the pipe of a slot.
    Arrive(u32, u32),
    /// The pipe of a slot of a servent is read again.
    Open(u32),
}

/// What a servent is told of its links.
#[derive(Clone, Copy, Debug)]
enum Told {
    Closed(Link),
    Overrun(Link),
    Pressure(Link, Pressure),
}

/// What a variant comes to on a graph.
pub(in crate::attack) fn conduct(
    spec: &Overlay,
    variant: &OverlayVariant,
    graph: &Graph,
    (latency, profile): (&Latency, Profile),
    seed: u64,
) -> Outcome {
    let cast = Cast::of(spec, variant, graph, seed);
    let holders = cast.contents.all_holders(spec.files as usize);
    let mut world = World::new((spec, variant), graph, (latency, profile), cast, seed);
    world.open();
    world.run();
    let counted = world.watch.searches.iter().filter(|search| search.counts);
    let of_search = |search: &Search| {
        let holders = holders[search.file as usize].iter();
        holders.filter(|&&node| node != search.source).count() as u64
    };
    Outcome {
        variant: variant.name.clone(),
        ..Outcome::of(counted, of_search, world.weather(spec.seconds))
    }
}

impl<'a> World<'a> {
    fn new(
        (spec, variant): (&Overlay, &OverlayVariant),
        graph: &'a Graph,
        (latency, profile): (&Latency, Profile),
        cast: Cast,
        seed: u64,
    ) -> Self {
        let rng = &mut generator(seed, Purpose::Servents);
        let guids: Vec<Guid> = graph.iter().map(|_| Guid::random(rng)).collect();
        let honest = graph.iter().filter(|&node| !cast.attacks[node as usize]);
        let honest: BTreeSet<Guid> = honest.map(|node| guids[node as usize]).collect();
        let settings = settings(variant, profile);
        let servents = graph.iter().zip(&guids);
        let servents = servents.map(|(node, guid)| Servent::new(*guid, role(graph, node)));
        let rng = &mut generator(seed, Purpose::Attack(Attack::Links));
        let ends = graph.iter().flat_map(|node| {
            let ends = graph.neighbours(node).iter();
            ends.map(move |&to| (node, to))
        });
        let capacity = settings.limits.queue_bytes;
        let pipes: Vec<Pipe> = ends
            .map(|(from, to)| {
                let latency = Duration::from_micros(latency.draw(from, to, rng));
                Pipe::new(capacity, latency)
            })
            .collect();
        let counted = variant.counted.then(|| {
            let rng = &mut generator(seed, Purpose::Attack(Attack::Counting));
            graph.iter().map(|_| Counted::new(rng)).collect()
        });
        let max_ttl = settings.profile.max_ttl;
        let mut calendar = Calendar::new(latency.longest());
        calendar.push(spec.warm_up * 1_000_000, Event::Count(true));
        let end = (spec.warm_up + spec.seconds) * 1_000_000;
        calendar.push(end, Event::Count(false));
        let patience = spec.patience * 1_000_000;
        for (number, search) in cast.searches.iter().enumerate() {
            let begins = search.begins.as_micros();
            calendar.push(begins, Event::Begin(number));
            calendar.push(begins + patience, Event::End(number));
        }
        Self {
            graph,
            up: [spec.up, spec.attackers_up()],
            servents: servents.collect(),
            contents: cast.contents,
            tiers: [
                (settings.clone(), Stats::default()),
                (settings, Stats::default()),
            ],
            pipes,
            uplinks: vec![Uplink::default(); graph.nodes()],
            calendar,
            alarms: Alarms::default(),
            now: Instant::default(),
            rng: generator(seed, Purpose::Attack(Attack::Servents)),
            attackers: Attackers {
                actor: variant
                    .does
                    .map(|deed| actor::of(deed, max_ttl, spec.files)),
                nodes: cast.attacks,
                rng: generator(seed, Purpose::Attack(Attack::Deeds)),
            },
            counted,
            watch: Watch::new(cast.searches, honest, variant.defence),
            handled: 0,
            counting: false,
            pending: Vec::new(),
            seed,
        }
    }

    /// Opens all links, and lets the attackers begin within one of their pauses.
    fn open(&mut self) {
        let graph = self.graph;
        for node in graph.iter() {
            for (link, &end) in (0..).zip(graph.neighbours(node)) {
                let (link, offer) = (Link(link), self.offer(end));
                self.enter(node, Input::Connected { link, offer }, None);
            }
        }
        let Attackers { actor, nodes, rng } = &mut self.attackers;
        let Some(pause) = actor.as_ref().and_then(|actor| actor.pause()) else {
            return;
        };
        for node in graph.iter().filter(|&node| nodes[node as usize]) {
            let at = rng.random_range(0..pause);
            self.calendar.push(at, Event::Act(node));
        }
    }

    /// What a servent says of itself in a handshake.
    fn offer(&self, node: u32) -> Offer {
        let ends = self.graph.neighbours(node);
        let degree = ends.partition_point(|&end| !self.graph.is_leaf(end));
        let role = role(self.graph, node);
        let settings = &self.tiers[0].0;
        Offer {
            role,
            routing: self.graph.has_leaves() && role == Role::Ultrapeer,
            ext_probes: true,
            max_ttl: Some(settings.profile.max_ttl),
            degree: u16::try_from(degree).ok(),
            ..Offer::default()
        }
    }

    /// Lets time pass until nobody waits for anything that counts.
    fn run(&mut self) {
        let ends = |search: &Search| search.counts;
        let mut left = self.watch.searches.iter().filter(|one| ends(one)).count();
        while left > 0 {
            let next = self.calendar.next_at();
            if let Some(alarm) = self.alarms.next_at()
                && next.is_none_or(|at| alarm < at)
                && let Some(node) = self.alarms.pop()
            {
                self.now = self.now.max(Instant::from_micros(alarm));
                self.enter(node, Input::Tick, None);
                self.tell();
                continue;
            }
            let Some((at, event)) = self.calendar.pop() else {
                return;
            };
            self.now = Instant::from_micros(at);
            match event {
                Event::Begin(search) => self.begin(search),
                Event::End(search) => {
                    left -= usize::from(self.watch.searches[search].counts);
                    let id = SearchId(search as u64);
                    let source = self.watch.searches[search].source;
                    self.watch.end(search);
                    self.enter(source, Input::Cancel { id }, None);
                }
                Event::Count(counting) => self.counting = counting,
                Event::Act(node) => self.act(node),
                Event::Sent(node) => {
                    self.uplinks[node as usize].busy = false;
                    self.transmit(node);
                }
                Event::Arrive(from, slot) => self.arrive(from, slot),
                Event::Open(node) => self.transmit(node),
            }
            self.tell();
        }
    }

    /// A servent begins to search.
    fn begin(&mut self, search: usize) {
        let Search { source, file, .. } = self.watch.searches[search];
        let query = query(file);
        let id = SearchId(search as u64);
        let input = Input::Search {
            id,
            query: &query,
            ttl: None,
        };
        // What is drawn for it depends on it alone, so that it is the same in all variants.
        let number = search as u64;
        let mut drawn = generator(self.seed, Purpose::Search { number });
        let mut counted = self.counted.take();
        let rng: &mut dyn Rng = match &mut counted {
            Some(counted) => &mut counted[source as usize],
            None => &mut drawn,
        };
        let mut out = Vec::new();
        self.handle(source, input, rng, &mut out);
        self.counted = counted;
        let guid = out.iter().find_map(|output| match output {
            Output::Send { descriptor, .. } if descriptor.header.kind == Kind::Query => {
                Some(descriptor.header.guid)
            }
            _ => None,
        });
        if let Some(guid) = guid {
            self.watch.begin(search, guid);
        }
        self.carry_out(source, None, out);
    }

    /// An attacker does something unasked.
    fn act(&mut self, node: u32) {
        let Attackers { actor, rng, .. } = &mut self.attackers;
        let Some(actor) = actor else {
            return;
        };
        let done = actor.act(node, rng);
        if let Some(pause) = actor.pause() {
            let at = self.now.as_micros() + pause;
            self.calendar.push(at, Event::Act(node));
        }
        if let Some(descriptor) = done {
            self.send(node, &Recipients::All, &descriptor);
        }
    }

    /// A descriptor comes to an attacker.
    fn meet(&mut self, node: u32, link: Link, descriptor: &Descriptor) {
        let heard = Heard {
            node,
            link,
            descriptor,
        };
        let Attackers { actor, rng, .. } = &mut self.attackers;
        let mut sends = Vec::new();
        let hears = actor
            .as_mut()
            .is_none_or(|actor| actor.hear(&heard, rng, &mut sends));
        for (to, descriptor) in sends {
            self.send(node, &to, &descriptor);
        }
        if hears {
            self.receive(node, link, descriptor);
        }
    }

    /// A descriptor comes to an honest servent.
    fn take(&mut self, node: u32, link: Link, descriptor: &Descriptor) {
        self.handled += u64::from(self.counting);
        let header = descriptor.header;
        match header.kind {
            Kind::QueryHit => self.watch.arrives(self.now, node, descriptor),
            Kind::Query => {
                if let Some(search) = self.watch.counted(header.guid) {
                    let dropped = self.dropped(node);
                    self.receive(node, link, descriptor);
                    let taken = self.dropped(node) == dropped;
                    self.watch.searches[search].reached += u64::from(taken);
                    return;
                }
            }
            _ => {}
        }
        self.receive(node, link, descriptor);
    }

    /// How many descriptors the tier of a servent dropped, for any reason.
    fn dropped(&self, node: u32) -> u64 {
        let (_, stats) = &self.tiers[usize::from(self.graph.is_leaf(node))];
        stats.drops().map(|(_, count)| count).sum()
    }

    fn receive(&mut self, node: u32, link: Link, descriptor: &Descriptor) {
        let input = Input::Received {
            link,
            header: descriptor.header,
            payload: &descriptor.payload,
        };
        self.enter(node, input, Some(descriptor));
    }

    /// Hands an input to a servent and does what it wants done.
    fn enter(&mut self, node: u32, input: Input<'_>, received: Option<&Descriptor>) {
        let mut rng = self.rng.clone();
        let mut out = Vec::new();
        self.handle(node, input, &mut rng, &mut out);
        self.rng = rng;
        self.carry_out(node, received, out);
    }

    /// Hands an input to a servent.
    fn handle(&mut self, node: u32, input: Input<'_>, rng: &mut dyn Rng, out: &mut Vec<Output>) {
        let (settings, stats) = &mut self.tiers[usize::from(self.graph.is_leaf(node))];
        let mut around = Surroundings {
            settings,
            catalogue: &self.contents.of(node),
            rng,
            stats,
            out,
        };
        let servent = &mut self.servents[node as usize];
        servent.handle(self.now, input, &mut around);
        if let Some(deadline) = servent.deadline() {
            let nodes = self.servents.len();
            self.alarms.set(nodes, node, deadline.as_micros());
        }
    }

    /// Does what the servent on `node` wants done, having received this descriptor or none.
    fn carry_out(&mut self, node: u32, received: Option<&Descriptor>, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Forward { to, ttl, hops } => {
                    let original = received.expect("only what was received is forwarded");
                    let mut descriptor = original.clone();
                    descriptor.header.ttl = ttl;
                    descriptor.header.hops = hops;
                    self.send(node, &to, &descriptor);
                }
                Output::Send { to, descriptor } => {
                    if descriptor.header.kind == Kind::QueryHit
                        && !self.attackers.nodes[node as usize]
                    {
                        self.watch.answers(&descriptor);
                    }
                    self.send(node, &to, &descriptor);
                }
                Output::Hit { search, hit, .. } => {
                    let search = usize::try_from(search.0).expect("a place in a list");
                    self.watch.taken(self.now, search, &hit);
                }
                Output::Close { link, .. } => self.close(node, link),
                // The graph says who is whose neighbour and in which place, and nothing is outside.
                Output::Dial { .. }
                | Output::Role(_)
                | Output::Datagram { .. }
                | Output::ConnectBack { .. }
                | Output::GiveBack { .. } => {}
            }
        }
    }

    /// How it was beside the searches, of which those of so many seconds count.
    fn weather(&self, seconds: u64) -> Weather {
        let attacks = |node: u32| self.attackers.nodes[node as usize];
        let honest = self.graph.iter().filter(|&node| !attacks(node)).count();
        // Of the links of honest servents, to each other and to attackers.
        let (mut all, mut lost) = ([0_u64; 2], [0_u64; 2]);
        for node in self.graph.iter().filter(|&node| !attacks(node)) {
            let before = self.graph.slots_before(node);
            for (slot, &end) in self.graph.neighbours(node).iter().enumerate() {
                let kind = usize::from(attacks(end));
                all[kind] += 1;
                lost[kind] += u64::from(!self.pipes[before + slot].open);
            }
        }
        let share = |kind: usize| (all[kind] > 0).then(|| lost[kind] as f64 / all[kind] as f64);
        Weather {
            load: self.handled as f64 / honest.max(1) as f64 / seconds as f64,
            links_lost: share(0),
            attackers_cut: share(1),
        }
    }
}

/// What servents go by in a variant.
fn settings(variant: &OverlayVariant, profile: Profile) -> Settings {
    let mut settings = Settings::new(profile);
    settings.strict = variant.defence;
    settings.keepalive = None;
    let limits = &mut settings.limits;
    // Who has which neighbours is the graph's affair.
    limits.neighbours = usize::MAX;
    limits.leaves = usize::MAX;
    limits.ultrapeers = usize::MAX;
    if let Some(routes) = variant.routes {
        limits.routes = routes;
    }
    if !variant.defence {
        limits.descriptors_per_minute = 0;
    }
    settings
}

/// The place of the servent on a node.
const fn role(graph: &Graph, node: u32) -> Role {
    if graph.is_leaf(node) {
        Role::Leaf
    } else {
        Role::Ultrapeer
    }
}
