//! Links and virtual time around the members of a swarm.
//!
//! A message takes half a round trip, which is drawn for each pair of members. What is sent goes in
//! chunks, each of which waits for a turn of the sender's uplink and then of the taker's downlink:
//! the turns of the servent's own [`Pace`](filbert::swarm::pace::Pace). A transfer asks for its next
//! turn when it has had its last, so that those of one link take turns and share it evenly; one whose
//! asker has more weight sends longer chunks, as a servent does. Nothing is lost, and computing and
//! disks take no time.

use std::ops::Range;
use std::time::Duration;

use filbert::swarm::download::{Input, Output, QueuePlace, Settings, Trouble, Verdict};
use filbert::swarm::upload_queue::{Answer, Asker, Manner};
use filbert::wire::urn::Sha1;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::member::{Member, Role, address, member, peer};
use super::outcome::Outcome;
use super::settings::{Attack, Defence, MOST_WEIGHT, Plan, Spec};
use super::transfer::{Head, Transfer, Transfers};
use crate::calendar::Calendar;
use crate::random::{Purpose, generator};

/// Lets a swarm fetch, and says what came of it.
#[must_use]
pub fn conduct(spec: &Spec, plan: Plan, seed: u64) -> Outcome {
    let mut world = World::new(spec, plan, seed);
    world.run();
    Outcome::of(spec, &world.members)
}

#[derive(Debug)]
struct World<'a> {
    spec: &'a Spec,
    plan: Plan,
    settings: Settings,
    seed: u64,
    rng: Pcg64Mcg,
    calendar: Calendar<Event>,
    now: Duration,
    members: Vec<Member>,
    transfers: Transfers,
    /// What downloads say is to be done, empty between two events.
    outputs: Vec<Output>,
    /// Who fetches and has not got it yet.
    unfinished: u32,
}

/// Something that happens to a transfer, or to a member.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A member begins, knowing the seed.
    Begin(u32),
    /// A member is to be woken.
    Wake(u32),
    /// An attacker tells somebody that it has the file.
    Boast(u32),
    /// The request is there.
    Request(u32),
    /// The head of the answer is there.
    Answer(u32),
    /// The next chunk may be sent.
    Chunk(u32),
    /// So many bytes have left the uplink.
    Sent(u32, u32),
    /// So many bytes are there.
    Arrived(u32, u32),
}

impl<'a> World<'a> {
    fn new(spec: &'a Spec, plan: Plan, seed: u64) -> Self {
        let mut rng = generator(seed, Purpose::Swarm);
        let fetching = usize::try_from(plan.downloaders).unwrap_or(usize::MAX);
        let leeching = usize::try_from(plan.leechers).unwrap_or(usize::MAX);
        let mut roles = vec![Role::Giver; fetching];
        roles
            .iter_mut()
            .take(leeching)
            .for_each(|role| *role = Role::Leecher);
        roles.extend((0..plan.attackers).map(|_| Role::Attacker(plan.attack)));
        roles.shuffle(&mut rng);
        let tiles = (spec.size, spec.tile());
        let make = |role, up| Member::new(role, up, spec.down, spec.slots, tiles);
        let mut members = vec![make(Role::Seed, spec.seed_up)];
        members.extend(roles.into_iter().map(|role| make(role, spec.up)));
        Self {
            spec,
            plan,
            settings: plan.defence.settings(spec.sources),
            seed,
            rng,
            calendar: Calendar::new(HORIZON),
            now: Duration::ZERO,
            members,
            transfers: Transfers::default(),
            outputs: Vec::new(),
            unfinished: plan.downloaders,
        }
    }

    fn run(&mut self) {
        for number in 1..count(&self.members) {
            match self.members[number as usize].role {
                Role::Attacker(_) => self.calendar.push(0, Event::Boast(number)),
                _ => self.calendar.push(0, Event::Begin(number)),
            }
        }
        let end = self.spec.seconds * 1_000_000;
        while self.unfinished > 0
            && let Some((at, event)) = self.calendar.pop()
            && at <= end
        {
            self.now = Duration::from_micros(at);
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begin(number) => {
                let tree = Input::Tree { proven: true };
                let tree = (self.plan.defence != Defence::Whole).then_some(tree);
                self.tell(number, tree.into_iter().chain([Input::Offered(address(0))]));
            }
            Event::Wake(number) => {
                let own = &mut self.members[number as usize];
                if own.alarm == Some(micros(self.now)) {
                    own.alarm = None;
                    self.tell(number, [Input::Tick]);
                }
            }
            Event::Boast(number) => self.boast(number),
            Event::Request(id) => self.go_on(id, Self::request),
            Event::Answer(id) => self.go_on(id, Self::answer),
            Event::Chunk(id) => self.go_on(id, Self::chunk),
            Event::Sent(id, bytes) => self.go_on(id, |world, id| world.sent(id, bytes)),
            Event::Arrived(id, bytes) => self.go_on(id, |world, id| world.arrived(id, bytes)),
        }
    }

    /// Lets something happen to a transfer, and forgets it when that was the last.
    fn go_on(&mut self, id: u32, happen: impl FnOnce(&mut Self, u32)) {
        if !self.transfers[id].over {
            happen(self, id);
        }
        self.transfers.happened(id);
    }

    /// An attacker has itself told of: the first time by the seed, then by anybody, again and again.
    fn boast(&mut self, number: u32) {
        let listener = match self.now {
            Duration::ZERO => 0,
            _ => self.rng.random_range(0..self.members.len()),
        };
        self.members[listener]
            .mesh
            .note(self.now, FILE, address(number));
        let at = micros(self.now + BOAST);
        self.calendar.push(at, Event::Boast(number));
    }

    /// Tells a download what happened, does what it says, and sets its alarm.
    fn tell(&mut self, number: u32, happened: impl IntoIterator<Item = Input>) {
        let mut out = std::mem::take(&mut self.outputs);
        let mut waits = false;
        for input in happened {
            // Bytes that come put off what is waited for, and give nothing more to wait for.
            waits |= !matches!(input, Input::Received(..));
            let mut inputs = vec![input];
            while let Some(input) = inputs.pop() {
                let own = &mut self.members[number as usize];
                own.tell(self.now, input, &self.settings, &mut self.rng, &mut out);
                for output in out.drain(..) {
                    inputs.extend(self.carry_out(number, output));
                }
            }
        }
        self.outputs = out;
        if !waits {
            return;
        }
        let now = self.now;
        let own = &mut self.members[number as usize];
        let due = own
            .download
            .as_ref()
            .and_then(|d| d.deadline(&self.settings));
        if let Some(due) = due.filter(|_| own.done.is_none()) {
            let due = micros(due).max(micros(now) + 1);
            if own.alarm.is_none_or(|alarm| due < alarm) {
                own.alarm = Some(due);
                self.calendar.push(due, Event::Wake(number));
            }
        }
    }

    fn carry_out(&mut self, number: u32, output: Output) -> Option<Input> {
        match output {
            Output::Ask { source, tiles } => self.ask(number, member(source), tiles),
            Output::Stop(source) | Output::Blamed { source, .. } => {
                self.stop(number, member(source))
            }
            Output::Check(tile) => return Some(Input::Checked { tile, right: true }),
            Output::Hash => {
                let own = &self.members[number as usize];
                let right = own.wrong.is_empty() || self.plan.defence == Defence::None;
                return Some(Input::Hashed { right });
            }
            Output::Done => self.done(number),
            // Whoever has nobody left searches again, and finds the seed.
            Output::Exhausted => {
                let at = micros(self.now + self.settings.forgive);
                self.calendar.push(at, Event::Begin(number));
            }
            Output::Store { source, tile, .. } => {
                let right = self.has_right(member(source), tile);
                let wrong = &mut self.members[number as usize].wrong;
                match right {
                    true => wrong.remove(&tile),
                    false => wrong.insert(tile),
                };
            }
            Output::Distrust | Output::Rejected(_) | Output::Contradiction => {}
        }
        None
    }

    fn ask(&mut self, taker: u32, giver: u32, tiles: Range<u32>) {
        self.stop(taker, giver);
        let bytes = self.bytes(&tiles);
        let id = self.transfers.open(giver, taker, tiles, bytes);
        self.members[taker as usize].asks.insert(giver, id);
        self.later(self.latency(taker, giver), id, Event::Request(id));
    }

    /// Ends what is under way between two: the connection is closed.
    fn stop(&mut self, taker: u32, giver: u32) {
        let asked = self.members[taker as usize].asks.remove(&giver);
        if let Some(slot) = asked.and_then(|id| self.transfers.end(id)) {
            let queue = &mut self.members[giver as usize].queue;
            queue.finished(self.now, slot);
            queue.hung_up(address(taker));
        }
    }

    fn done(&mut self, number: u32) {
        let own = &mut self.members[number as usize];
        own.done = Some(self.now);
        self.unfinished -= 1;
        let mut asked: Vec<u32> = own.asks.keys().copied().collect();
        asked.extend(std::mem::take(&mut own.tickets).into_keys());
        for giver in asked {
            self.stop(number, giver);
            self.members[giver as usize].queue.hung_up(address(number));
        }
    }

    /// What the one who is asked does.
    fn request(&mut self, id: u32) {
        let Transfer { giver, taker, .. } = self.transfers[id];
        let now = self.now;
        let known = self.members[taker as usize].announces();
        let ticket = self.members[taker as usize].tickets.get(&giver).copied();
        let own = &mut self.members[giver as usize];
        if known {
            own.mesh.note(now, FILE, address(taker));
        }
        let fit = |other| other != address(taker) && other != address(giver);
        let others = own.mesh.pick(now, FILE, ALTERNATES, fit, &mut self.rng);
        let others = others.into_iter().map(member).collect();
        let partial = own.download.as_ref().filter(|_| own.done.is_none());
        let has = partial.map(|download| download.verified_tiles());
        let wanted = self.transfers[id].left.clone();
        let there = has
            .as_ref()
            .is_none_or(|has| wanted.clone().all(|tile| has.has(tile)));
        let stalls = own.role == Role::Attacker(Attack::Stall);
        let trouble = if own.role == Role::Attacker(Attack::Claim) {
            Some(Trouble::Busy { retry_after: None })
        } else if there {
            let weight = match self.plan.policy.rule() {
                Some(rule) => rule.weight(own.credit.of(peer(taker))),
                None => self.rng.random_range(1..=MOST_WEIGHT),
            };
            let asker = Asker {
                line: address(taker),
                crowd: false,
                manner: Manner::Ticket,
                ticket,
                content: FILE,
                weight,
            };
            match own.queue.ask(now, asker, &mut self.rng) {
                Answer::Granted(slot) => {
                    let transfer = &mut self.transfers[id];
                    (transfer.slot, transfer.weight) = (Some(slot), weight);
                    self.members[taker as usize].tickets.insert(giver, slot);
                    None
                }
                Answer::Queued(place) => {
                    self.members[taker as usize].tickets.insert(giver, place.id);
                    Some(Trouble::Queued {
                        place: QueuePlace {
                            position: u32::try_from(place.position).ok(),
                            length: u32::try_from(place.length).ok(),
                        },
                        // As a servent reads it: a moment later than the earliest.
                        poll: place.poll_min + Duration::from_secs(1),
                    })
                }
                Answer::Full { retry } => Some(Trouble::Busy {
                    retry_after: Some(retry),
                }),
                Answer::Banned { left } => Some(Trouble::Busy {
                    retry_after: Some(left),
                }),
            }
        } else {
            Some(Trouble::Unavailable)
        };
        let begins = trouble.is_none();
        self.transfers[id].head = Head {
            has,
            others,
            trouble,
        };
        self.later(self.latency(taker, giver), id, Event::Answer(id));
        if begins && !stalls {
            self.chunk(id);
        }
    }

    /// What the one who asked makes of the head of the answer.
    fn answer(&mut self, id: u32) {
        let transfer = &mut self.transfers[id];
        let (giver, taker) = (transfer.giver, transfer.taker);
        let head = std::mem::take(&mut transfer.head);
        let others = head.others.into_iter();
        let others = others.map(|other| Input::Offered(address(other)));
        let has = Input::Has(address(giver), head.has);
        self.tell(taker, std::iter::once(has).chain(others));
        if let Some(trouble) = head.trouble
            && !self.transfers[id].over
        {
            self.transfers[id].over = true;
            self.members[taker as usize].asks.remove(&giver);
            self.tell(taker, [Input::Failed(address(giver), trouble)]);
        }
    }

    /// Takes a turn of the uplink for the next chunk.
    fn chunk(&mut self, id: u32) {
        let transfer = &self.transfers[id];
        if transfer.unsent == 0 {
            return;
        }
        let bytes = transfer.unsent.min(CHUNK * u64::from(transfer.weight));
        let up = &mut self.members[transfer.giver as usize].up;
        let wait = up.take(self.now, bytes);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.later(wait, id, Event::Sent(id, bytes));
    }

    /// A chunk has left the uplink: it takes a turn of the downlink.
    fn sent(&mut self, id: u32, chunk: u32) {
        let transfer = &mut self.transfers[id];
        if transfer.over {
            return;
        }
        let (giver, taker) = (transfer.giver, transfer.taker);
        let bytes = u64::from(chunk);
        transfer.unsent -= bytes;
        let last = transfer.unsent == 0;
        let slot = transfer.slot;
        let own = &mut self.members[giver as usize];
        own.sent += bytes;
        own.credit.took(self.now, peer(taker), bytes);
        if last && let Some(slot) = slot {
            own.queue.finished(self.now, slot);
        }
        let wait = self.members[taker as usize].down.take(self.now, bytes);
        let travel = self.latency(taker, giver);
        self.later(wait + travel, id, Event::Arrived(id, chunk));
        if !last {
            self.later(wait, id, Event::Chunk(id));
        }
    }

    fn arrived(&mut self, id: u32, chunk: u32) {
        let transfer = &mut self.transfers[id];
        let (giver, taker) = (transfer.giver, transfer.taker);
        transfer.came += u64::from(chunk);
        self.tell(taker, [Input::Received(address(giver), chunk.into())]);
        loop {
            let transfer = &self.transfers[id];
            let tile = transfer.left.start;
            let bytes = self.bytes(&(tile..tile + 1));
            if transfer.over || transfer.left.is_empty() || transfer.came < bytes {
                return;
            }
            let transfer = &mut self.transfers[id];
            transfer.left.start += 1;
            transfer.came -= bytes;
            if transfer.left.is_empty() {
                // The slot is kept for the next request, as the connection is.
                (transfer.over, transfer.slot) = (true, None);
                self.members[taker as usize].asks.remove(&giver);
            }
            self.take(taker, giver, tile, bytes);
        }
    }

    /// A whole tile is there.
    fn take(&mut self, taker: u32, giver: u32, tile: u32, bytes: u64) {
        let right = self.has_right(giver, tile);
        let defence = self.plan.defence;
        let own = &mut self.members[taker as usize];
        let known = own
            .download
            .as_ref()
            .is_some_and(|own| own.is_verified(tile));
        own.wasted += u64::from(known || !right);
        if right || defence != Defence::Live {
            own.credit.gave(self.now, peer(giver), bytes);
            own.mesh.note(self.now, FILE, address(giver));
        }
        let verdict = match (defence, right) {
            (Defence::Live, false) => Verdict::Wrong,
            (Defence::Whole, _) => Verdict::Unknown,
            _ => Verdict::Right,
        };
        let source = address(giver);
        self.tell(
            taker,
            [Input::Arrived {
                source,
                tile,
                verdict,
            }],
        );
    }

    /// Whether what a member sends of a tile is right.
    fn has_right(&self, giver: u32, tile: u32) -> bool {
        let giver = &self.members[giver as usize];
        giver.role != Role::Attacker(Attack::Poison) && !giver.wrong.contains(&tile)
    }

    /// Bytes of a run of tiles.
    fn bytes(&self, tiles: &Range<u32>) -> u64 {
        let place = |tile: u32| (u64::from(tile) * self.spec.tile()).min(self.spec.size);
        place(tiles.end) - place(tiles.start)
    }

    /// How long a message takes between two.
    fn latency(&self, one: u32, other: u32) -> Duration {
        let [least, most] = self.spec.latency_ms.map(|ms| ms * 1_000);
        let (low, high) = (one.min(other).into(), one.max(other).into());
        let purpose = Purpose::Pair { low, high };
        let micros = match least < most {
            true => generator(self.seed, purpose).random_range(least..=most),
            false => least,
        };
        Duration::from_micros(micros)
    }

    /// Something is to happen to a transfer.
    fn later(&mut self, wait: Duration, id: u32, event: Event) {
        self.transfers.expect(id);
        self.calendar.push(micros(self.now + wait), event);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn count(members: &[Member]) -> u32 {
    u32::try_from(members.len()).unwrap_or(u32::MAX)
}

/// Bytes that one of weight 1 is sent in a turn: the most of a servent.
const CHUNK: u64 = 32 * 1024;
/// How often an attacker has itself told of.
const BOAST: Duration = Duration::from_secs(5);
/// Others that one answer names, as a servent does.
const ALTERNATES: usize = 10;
/// Microseconds within which most events lie.
const HORIZON: u64 = 2_000_000;
/// The file.
const FILE: Sha1 = Sha1::from_bytes([1; 20]);
