//! Downloads in virtual time, from sources that behave well and badly.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use filbert::swarm::download::{
    Download, Input, Order, Output, Settings, Surroundings, Trouble, Verdict,
};
use filbert::swarm::tile_set::TileSet;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const TILE: u64 = 128 * 1024;

/// How a source behaves.
#[derive(Clone, Debug, Default)]
struct Manners {
    /// Bytes a second.
    rate: u64,
    latency_ms: u64,
    /// In percent, of tiles: sends wrong ones.
    lies: u32,
    /// In percent, of tiles: closes in the middle.
    cuts: u32,
    /// In percent, of tiles: sends nothing more.
    stalls: u32,
    /// In percent, of requests: is busy.
    busy: u32,
    /// Cannot be reached.
    gone: bool,
    /// Its file is of another size.
    different: bool,
    /// In percent: the tiles it has, where that is not all.
    has: Option<u32>,
}

impl Manners {
    fn honest(rate: u64) -> Self {
        Self {
            rate,
            latency_ms: 5,
            ..Self::default()
        }
    }
}

/// What the tree is that the download is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tree {
    Without,
    Claimed,
    Proven,
    /// Made by who sends wrong bytes.
    False,
}

#[derive(Debug)]
struct Source {
    manners: Manners,
    has: Option<TileSet>,
    /// Rises with every request and stop: what is of an earlier one does not count.
    generation: u32,
    asked: Range<u32>,
    requests: Vec<Duration>,
    /// When it may be asked again, as it said.
    not_before: Duration,
}

/// The sources, the disk and the clock around a download.
struct World {
    download: Download,
    settings: Settings,
    rng: Pcg64Mcg,
    now: Duration,
    events: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    sources: Vec<Source>,
    tiles: u32,
    tree: Tree,
    /// What lies on the disk: who wrote it, as 0 for right bytes.
    disk: BTreeMap<u32, u8>,
    order: Vec<u32>,
    bytes_sent: u64,
    blamed: Vec<usize>,
    ended: Option<Output>,
    /// What is verified may have become wrong since.
    damaged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Answer,
    Half,
    Tile,
    Cut,
}

/// When, in which order, to which source, of which of its requests, what.
type Entry = (Duration, u64, usize, u32, Event);

fn address(number: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(number).unwrap() + 1))
}

fn number(address: SocketAddr) -> usize {
    usize::from(address.port()) - 1
}

impl World {
    fn new(tiles: u32, manners: Vec<Manners>, tree: Tree, seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let sources = manners.into_iter().map(|manners| {
            let has = manners.has.map(|percent| {
                let mut has = TileSet::none(tiles);
                for tile in (0..tiles).filter(|_| rng.random_range(0..100) < percent) {
                    has.insert(tile);
                }
                has
            });
            Source {
                manners,
                has,
                generation: 0,
                asked: 0..0,
                requests: Vec::new(),
                not_before: Duration::ZERO,
            }
        });
        let sources: Vec<_> = sources.collect();
        let mut world = Self {
            download: Download::new(u64::from(tiles) * TILE, TILE),
            settings: Settings::default(),
            rng,
            now: Duration::from_secs(1),
            events: BinaryHeap::new(),
            sequence: 0,
            sources,
            tiles,
            tree,
            disk: BTreeMap::new(),
            order: Vec::new(),
            bytes_sent: 0,
            blamed: Vec::new(),
            ended: None,
            damaged: false,
        };
        if tree != Tree::Without {
            world.tell(Input::Tree {
                proven: tree == Tree::Proven,
            });
        }
        world
    }

    fn tell(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            self.download.handle(
                self.now,
                input,
                &mut Surroundings {
                    settings: &self.settings,
                    rng: &mut self.rng,
                    out: &mut out,
                },
            );
            for output in out {
                inputs.extend(self.carry_out(output));
            }
        }
        let active = self
            .sources
            .iter()
            .filter(|source| !source.asked.is_empty())
            .count();
        assert!(active <= self.settings.active, "{active} are asked at once");
        if matches!(self.tree, Tree::Claimed | Tree::Proven) && !self.damaged {
            for tile in (0..self.tiles).filter(|tile| self.download.is_verified(*tile)) {
                assert_eq!(self.disk.get(&tile), Some(&0), "tile {tile} is not right");
            }
        }
    }

    /// What the tree says of bytes.
    fn verdict(&self, tile: u32, bytes: u8) -> Verdict {
        let right = match self.tree {
            Tree::Without => return Verdict::Unknown,
            Tree::Claimed | Tree::Proven => bytes == 0,
            // It has its maker's bytes in every other tile.
            Tree::False => bytes == u8::from(tile.is_multiple_of(2)),
        };
        if right {
            Verdict::Right
        } else {
            Verdict::Wrong
        }
    }

    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Ask { source, tiles } => {
                let place = number(source);
                let now = self.now;
                assert!(!tiles.is_empty() && tiles.end <= self.tiles, "{tiles:?}");
                let source = &mut self.sources[place];
                assert!(source.asked.is_empty(), "asked twice");
                assert!(now >= source.not_before, "asked too early");
                assert!(!self.blamed.contains(&place), "a liar is asked again");
                source.requests.push(now);
                source.asked = tiles;
                source.generation += 1;
                let latency = Duration::from_millis(source.manners.latency_ms);
                self.later(place, latency, Event::Answer);
            }
            Output::Stop(source) => self.stop(number(source)),
            Output::Store { source, tile, .. } => {
                assert_eq!(self.order.last(), Some(&tile), "not the one that arrived");
                let bytes = self.arriving(number(source), tile);
                self.disk.insert(tile, bytes);
            }
            Output::Check(tile) => {
                let right = self.verdict(tile, self.disk[&tile]) == Verdict::Right;
                return Some(Input::Checked { tile, right });
            }
            Output::Hash => {
                let right = (0..self.tiles).all(|tile| self.disk.get(&tile) == Some(&0));
                return Some(Input::Hashed { right });
            }
            Output::Distrust => {
                // One that nobody vouches for may be outvoted by liars.
                assert_ne!(self.tree, Tree::Proven, "a true tree is not believed");
                self.tree = Tree::Without;
            }
            Output::Blamed { source, .. } => {
                let place = number(source);
                assert!(
                    self.sources[place].manners.lies > 0,
                    "{place} is blamed wrongly"
                );
                self.stop(place);
                self.blamed.push(place);
            }
            Output::Rejected(_) => {}
            Output::Exhausted | Output::Contradiction | Output::Done => self.ended = Some(output),
        }
        None
    }

    fn stop(&mut self, place: usize) {
        self.sources[place].asked = 0..0;
        self.sources[place].generation += 1;
    }

    /// The bytes that a source sends for a tile; always the same ones.
    fn arriving(&self, place: usize, tile: u32) -> u8 {
        let lies = self.sources[place].manners.lies;
        let dice = tile
            .wrapping_mul(2_654_435_761)
            .wrapping_add(u32::try_from(place).unwrap());
        let wrong = dice.wrapping_mul(40_503) / 65_536 % 100 < lies;
        // The first liar is the one that makes a false tree.
        let liar = self
            .sources
            .iter()
            .position(|source| source.manners.lies > 0);
        match wrong || (Some(place) == liar && tile.is_multiple_of(2) && lies > 0) {
            true if Some(place) == liar => 1,
            true => 2 + u8::try_from(place).unwrap(),
            false => 0,
        }
    }

    fn later(&mut self, place: usize, after: Duration, event: Event) {
        self.sequence += 1;
        let generation = self.sources[place].generation;
        let entry = (self.now + after, self.sequence, place, generation, event);
        self.events.push(Reverse(entry));
    }

    fn dice(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn happen(&mut self, place: usize, event: &Event) {
        let source = address(place);
        let manners = self.sources[place].manners.clone();
        match event {
            Event::Answer => {
                let asked = self.sources[place].asked.clone();
                let has = self.sources[place].has.clone();
                let trouble = if manners.gone {
                    Some(Trouble::Unreachable)
                } else if manners.different {
                    Some(Trouble::Different)
                } else if self.dice(manners.busy) {
                    let retry_after = self.dice(50).then_some(Duration::from_secs(7));
                    let pause = retry_after.unwrap_or(self.settings.busy);
                    self.sources[place].not_before = self.now + pause;
                    Some(Trouble::Busy { retry_after })
                } else if has
                    .as_ref()
                    .is_some_and(|has| !asked.clone().all(|tile| has.has(tile)))
                {
                    Some(Trouble::Unavailable)
                } else {
                    None
                };
                if trouble.is_none() || trouble == Some(Trouble::Unavailable) {
                    self.tell(Input::Has(source, has));
                }
                if self.sources[place].asked != asked {
                    return;
                }
                match trouble {
                    Some(trouble) => self.fail(place, trouble),
                    None => self.begin_tile(place),
                }
            }
            Event::Half => {
                self.bytes_sent += TILE / 2;
                self.tell(Input::Received(source, TILE / 2));
            }
            Event::Tile => {
                self.bytes_sent += TILE - TILE / 2;
                self.tell(Input::Received(source, TILE - TILE / 2));
                let tile = self.sources[place].asked.start;
                let verdict = self.verdict(tile, self.arriving(place, tile));
                let generation = self.sources[place].generation;
                self.sources[place].asked.start += 1;
                self.order.push(tile);
                self.tell(Input::Arrived {
                    source,
                    tile,
                    verdict,
                });
                let same = self.sources[place].generation == generation;
                if same && !self.sources[place].asked.is_empty() {
                    self.begin_tile(place);
                }
            }
            Event::Cut => self.fail(place, Trouble::Broken),
        }
    }

    fn begin_tile(&mut self, place: usize) {
        let manners = self.sources[place].manners.clone();
        let half = Duration::from_micros(TILE * 500_000 / manners.rate.max(1));
        self.later(place, half, Event::Half);
        if self.dice(manners.cuts) {
            self.later(place, half * 3 / 2, Event::Cut);
        } else if !self.dice(manners.stalls) {
            self.later(place, half * 2, Event::Tile);
        }
    }

    fn fail(&mut self, place: usize, trouble: Trouble) {
        self.stop(place);
        self.tell(Input::Failed(address(place), trouble));
    }

    /// Until it is done, or cannot go on. What may be asked at all is bounded.
    fn run(&mut self) -> Duration {
        let begun = self.now;
        // Before anybody was offered nobody was left.
        self.ended = None;
        for place in 0..self.sources.len() {
            self.tell(Input::Offered(address(place)));
        }
        let mut steps = 0_u32;
        while self.ended.is_none() {
            steps += 1;
            assert!(steps < 2_000_000, "it goes on for ever");
            let due = self.download.deadline(&self.settings);
            let next = self.events.peek().map(|Reverse(entry)| entry.0);
            match (next, due) {
                (Some(next), due) if due.is_none_or(|due| next <= due) => {
                    let Some(Reverse((at, _, place, generation, event))) = self.events.pop() else {
                        unreachable!()
                    };
                    self.now = at;
                    if self.sources[place].generation == generation {
                        self.happen(place, &event);
                    }
                }
                (_, Some(due)) => {
                    self.now = due.max(self.now + Duration::from_micros(1));
                    self.tell(Input::Tick);
                }
                (_, None) => panic!("nothing will ever happen: {:?}", self.download),
            }
        }
        self.now - begun
    }

    fn succeed(&mut self) -> Duration {
        let took = self.run();
        assert_eq!(self.ended, Some(Output::Done));
        assert!((0..self.tiles).all(|tile| self.disk.get(&tile) == Some(&0)));
        took
    }

    fn requests(&self) -> usize {
        self.sources
            .iter()
            .map(|source| source.requests.len())
            .sum()
    }
}

fn honest(count: usize, rate: u64) -> Vec<Manners> {
    vec![Manners::honest(rate); count]
}

#[test]
fn more_sources_are_faster_in_proportion() {
    let alone = 512.0 * 128.0 / 1_000.0;
    for count in [1, 2, 4, 8, 16] {
        let mut world = World::new(512, honest(count, 1_000 * 1_024), Tree::Proven, 1);
        let took = world.succeed().as_secs_f64();
        let share = alone / f64::from(u32::try_from(count).unwrap());
        assert!(
            took < share * 1.15,
            "{count} sources: {took} s, {share} s would be best"
        );
        let sent = world.bytes_sent as f64 / (512 * TILE) as f64;
        assert!(sent < 1.1, "{count} sources sent {sent} copies");
    }
}

#[test]
fn a_poisoner_a_staller_and_one_that_closes_do_no_harm() {
    for tree in [Tree::Proven, Tree::Claimed, Tree::Without] {
        let mut sources = honest(4, 1 << 20);
        sources[0].lies = 100;
        sources[1].stalls = 20;
        sources[2].cuts = 20;
        let mut world = World::new(256, sources, tree, 2);
        world.succeed();
        if tree != Tree::Without {
            assert_eq!(world.blamed, [0], "{tree:?}");
        }
        if tree == Tree::Proven {
            assert_eq!(world.sources[0].requests.len(), 1);
        }
    }
}

#[test]
fn a_slow_source_does_not_hold_up_the_end() {
    let mut sources = honest(2, 4 << 20);
    sources[1].rate = 4 << 10;
    let mut world = World::new(128, sources, Tree::Proven, 3);
    let took = world.succeed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn slow_sources_make_room_for_better_ones() {
    let mut sources = honest(30, 8 << 10);
    sources.extend(honest(4, 4 << 20));
    let mut world = World::new(1_024, sources, Tree::Proven, 4);
    world.settings.active = 6;
    let took = world.succeed();
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn partial_sources_together_are_a_whole_one() {
    let mut sources = honest(8, 1 << 20);
    for source in &mut sources {
        source.has = Some(60);
    }
    let mut world = World::new(64, sources, Tree::Proven, 5);
    let has = |tile| {
        world
            .sources
            .iter()
            .any(|source| source.has.as_ref().unwrap().has(tile))
    };
    assert!((0..64).all(has), "the seed must be a good one");
    world.succeed();
}

#[test]
fn in_sequence_the_beginning_comes_first() {
    let mut world = World::new(64, honest(1, 1 << 20), Tree::Proven, 6);
    world.settings.order = Order::Sequential;
    world.succeed();
    assert!(world.order.is_sorted());
    let mut world = World::new(64, honest(1, 1 << 20), Tree::Proven, 6);
    world.succeed();
    assert!(!world.order.is_sorted());
}

#[test]
fn without_anybody_left_it_says_so_and_a_new_source_helps() {
    let mut sources = honest(2, 1 << 20);
    sources[0].gone = true;
    sources[1].different = true;
    let mut world = World::new(16, sources, Tree::Proven, 7);
    world.run();
    assert_eq!(world.ended.take(), Some(Output::Exhausted));
    let good = Source {
        manners: Manners::honest(1 << 20),
        has: None,
        generation: 0,
        asked: 0..0,
        requests: Vec::new(),
        not_before: Duration::ZERO,
    };
    world.sources.push(good);
    world.succeed();
}

#[test]
fn a_queue_is_waited_for_as_long_as_it_takes() {
    let mut world = World::new(4, honest(1, 1 << 20), Tree::Proven, 8);
    world.tell(Input::Offered(address(0)));
    for position in (1..40).rev() {
        let poll = Duration::from_secs(45);
        let asked_at = world.now;
        let position = Some(position);
        world.fail(0, Trouble::Queued { position, poll });
        world.events.clear();
        world.now = world.download.deadline(&world.settings).unwrap();
        assert_eq!(world.now, asked_at + poll);
        world.tell(Input::Tick);
        assert!(!world.sources[0].asked.is_empty());
    }
    world.succeed();
}

#[test]
fn what_an_earlier_run_left_is_used_or_found_wrong() {
    for (tree, wrong) in [
        (Tree::Proven, false),
        (Tree::Without, false),
        (Tree::Without, true),
    ] {
        let mut world = World::new(64, honest(2, 1 << 20), tree, 9);
        let mut there = TileSet::none(64);
        for tile in 0..32 {
            there.insert(tile);
            world.disk.insert(tile, u8::from(wrong));
        }
        world.download.restore(&there, true);
        world.succeed();
        let came = world.order.len();
        assert!(
            if wrong {
                came >= 64
            } else {
                (32..40).contains(&came)
            },
            "{came}"
        );
        assert_eq!(world.blamed, [0; 0]);
    }
}

#[test]
fn tiles_damaged_on_the_disk_are_fetched_again() {
    let mut world = World::new(16, honest(1, 1 << 20), Tree::Proven, 10);
    let mut there = TileSet::none(16);
    for tile in 0..8 {
        there.insert(tile);
        world.disk.insert(tile, 0);
    }
    world.download.restore(&there, true);
    // The power went before these were on the disk.
    world.damaged = true;
    world.disk.insert(3, 9);
    world.disk.insert(5, 9);
    world.succeed();
    assert!((10..14).contains(&world.order.len()), "{:?}", world.order);
}

#[test]
fn two_hundred_sources_are_not_asked_all_at_once() {
    let mut sources = honest(200, 64 << 10);
    for (number, source) in sources.iter_mut().enumerate() {
        source.busy = 30;
        source.gone = number % 3 == 0;
    }
    let mut world = World::new(300, sources, Tree::Claimed, 11);
    world.succeed();
    assert!(world.requests() < 2_000, "{}", world.requests());
    assert!(world.bytes_sent < 300 * TILE * 3 / 2);
}

prop_compose! {
    fn manners()(
        rate in 1_000_u64..4_000_000,
        latency_ms in 0_u64..3_000,
        faults in prop::array::uniform4(prop_oneof![3 => Just(0_u32), 1 => 1_u32..101]),
        odd in 0_u32..12,
        has in prop::option::weighted(0.2, 0_u32..101),
    ) -> Manners {
        let [lies, cuts, stalls, busy] = faults;
        Manners {
            rate,
            latency_ms,
            lies,
            cuts,
            stalls,
            busy,
            gone: odd == 0,
            different: odd == 1,
            has,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn one_honest_source_is_enough(
        tiles in 1_u32..80,
        mut sources in prop::collection::vec(manners(), 0..10),
        place in any::<prop::sample::Index>(),
        rate in 20_000_u64..2_000_000,
        tree in prop_oneof![
            Just(Tree::Without), Just(Tree::Claimed), Just(Tree::Proven), Just(Tree::False)
        ],
        seed in any::<u64>(),
    ) {
        let place = place.index(sources.len() + 1);
        sources.insert(place, Manners::honest(rate));
        let liars = sources.iter().filter(|source| source.lies > 0).count();
        let tree = match (tree, liars) {
            (Tree::False, 0) => Tree::Claimed,
            (tree, _) => tree,
        };
        let count = sources.len();
        let mut world = World::new(tiles, sources, tree, seed);
        world.succeed();
        // Every round of doubt fetches the file again, and ends with one liar less.
        let rounds = 1 + liars * 5 + usize::from(tree == Tree::False) * 3;
        let most = (usize::try_from(tiles).unwrap() + 40) * 2 * rounds + count * 100;
        prop_assert!(world.requests() <= most, "{} of {most}", world.requests());
    }
}
