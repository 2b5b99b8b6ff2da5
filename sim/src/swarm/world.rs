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
use filbert::swarm::tile_set::TileSet;
use filbert::swarm::upload_queue::{Answer, Asker, Id, Manner};
use filbert::wire::urn::Sha1;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::member::{Member, Role, address, member, peer};
use super::outcome::Outcome;
use super::settings::{Attack, Plan, Spec};
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
    transfers: Vec<Transfer>,
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
    /// The request is there.
    Request(usize),
    /// The head of the answer is there.
    Answer(usize),
    /// The next chunk may be sent.
    Chunk(usize),
    /// So many bytes have left the uplink.
    Sent(usize, u32),
    /// So many bytes are there.
    Arrived(usize, u32),
}

/// What one member asked of another, once.
#[derive(Debug)]
struct Transfer {
    giver: u32,
    taker: u32,
    /// Tiles that have not come yet.
    left: Range<u32>,
    /// Bytes that are still to be sent.
    unsent: u64,
    /// Bytes that came of the first of the tiles.
    came: u64,
    /// The head of the answer.
    head: Head,
    slot: Option<Id>,
    weight: u32,
    /// Whether the taker wants no more of it.
    over: bool,
}

/// What an answer says beside the bytes.
#[derive(Debug, Default)]
struct Head {
    has: Option<TileSet>,
    others: Vec<u32>,
    trouble: Option<Trouble>,
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
            settings: Settings {
                sources: spec.sources,
                ..Settings::default()
            },
            seed,
            rng,
            calendar: Calendar::new(HORIZON),
            now: Duration::ZERO,
            members,
            transfers: Vec::new(),
            unfinished: plan.downloaders,
        }
    }

    fn run(&mut self) {
        for number in 1..count(&self.members) {
            match self.members[number as usize].role {
                // As if each had asked the seed once: it is told of them.
                Role::Attacker(_) => self.members[0].mesh.note(self.now, FILE, address(number)),
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
                self.tell(number, Input::Tree { proven: true });
                self.tell(number, Input::Offered(address(0)));
            }
            Event::Wake(number) => {
                let own = &mut self.members[number as usize];
                if own.alarm == Some(micros(self.now)) {
                    own.alarm = None;
                    self.tell(number, Input::Tick);
                }
            }
            Event::Request(id) => self.request(id),
            Event::Answer(id) => self.answer(id),
            Event::Chunk(id) => self.chunk(id),
            Event::Sent(id, bytes) => self.sent(id, bytes),
            Event::Arrived(id, bytes) => self.arrived(id, bytes),
        }
    }

    /// Tells a download what happened, does what it says, and sets its alarm.
    fn tell(&mut self, number: u32, input: Input) {
        let mut inputs = vec![input];
        let mut out = Vec::new();
        while let Some(input) = inputs.pop() {
            let own = &mut self.members[number as usize];
            own.tell(self.now, input, &self.settings, &mut self.rng, &mut out);
            for output in out.drain(..) {
                inputs.extend(self.carry_out(number, output));
            }
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
            Output::Hash => return Some(Input::Hashed { right: true }),
            Output::Done => self.done(number),
            // Whoever has nobody left searches again, and finds the seed.
            Output::Exhausted => {
                let at = micros(self.now + self.settings.forgive);
                self.calendar.push(at, Event::Begin(number));
            }
            Output::Store { .. }
            | Output::Distrust
            | Output::Rejected(_)
            | Output::Contradiction => {}
        }
        None
    }

    fn ask(&mut self, taker: u32, giver: u32, tiles: Range<u32>) {
        self.stop(taker, giver);
        let bytes = self.bytes(&tiles);
        let id = self.transfers.len();
        self.transfers.push(Transfer {
            giver,
            taker,
            left: tiles,
            unsent: bytes,
            came: 0,
            head: Head::default(),
            slot: None,
            weight: 1,
            over: false,
        });
        self.members[taker as usize].asks.insert(giver, id);
        self.after(self.latency(taker, giver), Event::Request(id));
    }

    /// Ends what is under way between two: the connection is closed.
    fn stop(&mut self, taker: u32, giver: u32) {
        if let Some(id) = self.members[taker as usize].asks.remove(&giver) {
            let transfer = &mut self.transfers[id];
            transfer.over = true;
            if let Some(slot) = transfer.slot.take() {
                let queue = &mut self.members[giver as usize].queue;
                queue.finished(self.now, slot);
                queue.hung_up(address(taker));
            }
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
    fn request(&mut self, id: usize) {
        let Transfer { giver, taker, .. } = self.transfers[id];
        if self.transfers[id].over {
            return;
        }
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
        let trouble = if own.role == Role::Attacker(Attack::Claim) {
            Some(Trouble::Busy { retry_after: None })
        } else if there {
            let weight = self.plan.policy.rule().weight(own.credit.of(peer(taker)));
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
        self.after(self.latency(taker, giver), Event::Answer(id));
        if begins {
            self.chunk(id);
        }
    }

    /// What the one who asked makes of the head of the answer.
    fn answer(&mut self, id: usize) {
        let transfer = &mut self.transfers[id];
        let (giver, taker) = (transfer.giver, transfer.taker);
        if transfer.over {
            return;
        }
        let head = std::mem::take(&mut transfer.head);
        self.tell(taker, Input::Has(address(giver), head.has));
        for other in head.others {
            self.tell(taker, Input::Offered(address(other)));
        }
        if let Some(trouble) = head.trouble
            && !self.transfers[id].over
        {
            self.transfers[id].over = true;
            self.members[taker as usize].asks.remove(&giver);
            self.tell(taker, Input::Failed(address(giver), trouble));
        }
    }

    /// Takes a turn of the uplink for the next chunk.
    fn chunk(&mut self, id: usize) {
        let transfer = &self.transfers[id];
        if transfer.over || transfer.unsent == 0 {
            return;
        }
        let bytes = transfer.unsent.min(CHUNK * u64::from(transfer.weight));
        let up = &mut self.members[transfer.giver as usize].up;
        let wait = up.take(self.now, bytes);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.after(wait, Event::Sent(id, bytes));
    }

    /// A chunk has left the uplink: it takes a turn of the downlink.
    fn sent(&mut self, id: usize, chunk: u32) {
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
        self.after(wait + self.latency(taker, giver), Event::Arrived(id, chunk));
        if !last {
            self.after(wait, Event::Chunk(id));
        }
    }

    fn arrived(&mut self, id: usize, chunk: u32) {
        let transfer = &mut self.transfers[id];
        let (giver, taker) = (transfer.giver, transfer.taker);
        if transfer.over {
            return;
        }
        transfer.came += u64::from(chunk);
        self.tell(taker, Input::Received(address(giver), chunk.into()));
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
        let right = self.members[giver as usize].role != Role::Attacker(Attack::Poison);
        let own = &mut self.members[taker as usize];
        let known = own
            .download
            .as_ref()
            .is_some_and(|own| own.is_verified(tile));
        own.wasted += u64::from(known || !right);
        if right {
            own.credit.gave(self.now, peer(giver), bytes);
            own.mesh.note(self.now, FILE, address(giver));
        }
        let verdict = match right {
            true => Verdict::Right,
            false => Verdict::Wrong,
        };
        let source = address(giver);
        self.tell(
            taker,
            Input::Arrived {
                source,
                tile,
                verdict,
            },
        );
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

    fn after(&mut self, wait: Duration, event: Event) {
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
/// Others that one answer names, as a servent does.
const ALTERNATES: usize = 10;
/// Microseconds within which most events lie.
const HORIZON: u64 = 2_000_000;
/// The file.
const FILE: Sha1 = Sha1::from_bytes([1; 20]);

#[cfg(test)]
mod tests {
    use super::super::settings::Policy;
    use super::*;

    fn spec() -> Spec {
        toml::from_str(
            "size = 1048576\ntile = 65536\nseed_up = 65536\nup = 65536\ndown = 1048576\n\
             seconds = 2000\nvariant = []",
        )
        .unwrap()
    }

    fn plan(downloaders: u32, leechers: u32, attackers: u32, attack: Attack) -> Plan {
        Plan {
            downloaders,
            leechers,
            attackers,
            attack,
            policy: Policy::default(),
        }
    }

    #[test]
    fn one_takes_what_the_seed_needs_for_a_copy() {
        let outcome = conduct(&spec(), plan(1, 0, 0, Attack::Poison), 1);
        let all = outcome.all.unwrap();
        assert!((0.95..1.05).contains(&all), "{all}");
        assert_eq!((outcome.seed_copies, outcome.peer_share), (1.0, 0.0));
    }

    #[test]
    fn many_help_each_other_and_the_same_seed_gives_the_same() {
        let outcome = conduct(&spec(), plan(20, 0, 0, Attack::Poison), 1);
        assert_eq!((outcome.downloaders, outcome.finished), (20, 20));
        // From the seed alone it would be 20.
        assert!(
            outcome.all.unwrap() < 10.0 && outcome.peer_share > 0.5,
            "{outcome:?}"
        );
        let again = |seed| conduct(&spec(), plan(20, 0, 0, Attack::Poison), seed);
        assert_eq!(again(1), outcome);
        assert_ne!(again(2), outcome);
    }

    #[test]
    fn where_nobody_gives_the_seed_sends_every_copy() {
        let outcome = conduct(&spec(), plan(5, 5, 0, Attack::Poison), 1);
        assert_eq!((outcome.finished, outcome.peer_share), (5, 0.0));
        assert!(
            outcome.seed_copies >= 5.0 && outcome.all.unwrap() > 4.8,
            "{outcome:?}"
        );
        assert_eq!((outcome.givers, outcome.leechers.is_some()), (None, true));
    }

    #[test]
    fn attackers_cost_time_and_nobody_the_file() {
        for attack in [Attack::Poison, Attack::Claim] {
            let outcome = conduct(&spec(), plan(10, 0, 5, attack), 1);
            assert_eq!(outcome.finished, 10, "{attack:?}");
            assert!(
                attack != Attack::Poison || outcome.wasted > 0.0,
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn who_is_not_done_in_time_is_not_counted() {
        let spec = Spec {
            seconds: 8,
            ..spec()
        };
        let outcome = conduct(&spec, plan(4, 0, 0, Attack::Poison), 1);
        assert_eq!(
            (outcome.finished, outcome.all, outcome.mean),
            (0, None, None)
        );
    }
}
