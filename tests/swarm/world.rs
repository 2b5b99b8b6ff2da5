//! The sources, the disk and the clock around a download, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use filbert::swarm::download::{Download, Input, Output, Settings, Surroundings, Trouble, Verdict};
use filbert::swarm::tile_set::TileSet;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

pub(crate) const TILE: u64 = 128 * 1024;

/// How a source behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manners {
    /// Bytes a second.
    pub(crate) rate: u64,
    pub(crate) latency_ms: u64,
    /// In percent, of tiles: sends wrong ones.
    pub(crate) lies: u32,
    /// In percent, of tiles: closes in the middle.
    pub(crate) cuts: u32,
    /// In percent, of tiles: sends nothing more.
    pub(crate) stalls: u32,
    /// In percent, of requests: is busy.
    pub(crate) busy: u32,
    /// Cannot be reached.
    pub(crate) gone: bool,
    /// Its file is of another size.
    pub(crate) different: bool,
    /// In percent: the tiles it has, where that is not all.
    pub(crate) has: Option<u32>,
}

impl Manners {
    pub(crate) fn honest(rate: u64) -> Self {
        Self {
            rate,
            latency_ms: 5,
            ..Self::default()
        }
    }
}

/// What the tree is that the download is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    Without,
    Claimed,
    Proven,
    /// Made by who sends wrong bytes.
    False,
}

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) manners: Manners,
    pub(crate) has: Option<TileSet>,
    /// Rises with every request and stop: what is of an earlier one does not count.
    pub(crate) generation: u32,
    pub(crate) asked: Range<u32>,
    pub(crate) requests: Vec<Duration>,
    /// When it may be asked again, as it said.
    pub(crate) not_before: Duration,
}

/// The sources, the disk and the clock around a download.
pub(crate) struct World {
    pub(crate) download: Download,
    pub(crate) settings: Settings,
    pub(crate) rng: Pcg64Mcg,
    pub(crate) now: Duration,
    pub(crate) events: BinaryHeap<Reverse<Entry>>,
    pub(crate) sequence: u64,
    pub(crate) sources: Vec<Source>,
    pub(crate) tiles: u32,
    pub(crate) tree: Tree,
    /// What lies on the disk: who wrote it, as 0 for right bytes.
    pub(crate) disk: BTreeMap<u32, u8>,
    pub(crate) order: Vec<u32>,
    pub(crate) bytes_sent: u64,
    pub(crate) blamed: Vec<usize>,
    pub(crate) ended: Option<Output>,
    /// What is verified may have become wrong since.
    pub(crate) damaged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Answer,
    Half,
    Tile,
    Cut,
}

/// When, in which order, to which source, of which of its requests, what.
pub(crate) type Entry = (Duration, u64, usize, u32, Event);

pub(crate) fn address(number: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(number).unwrap() + 1))
}

pub(crate) fn number(address: SocketAddr) -> usize {
    usize::from(address.port()) - 1
}

impl World {
    pub(crate) fn new(tiles: u32, manners: Vec<Manners>, tree: Tree, seed: u64) -> Self {
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

    pub(crate) fn tell(&mut self, input: Input) {
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
    pub(crate) fn verdict(&self, tile: u32, bytes: u8) -> Verdict {
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

    pub(crate) fn carry_out(&mut self, output: Output) -> Option<Input> {
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

    pub(crate) fn stop(&mut self, place: usize) {
        self.sources[place].asked = 0..0;
        self.sources[place].generation += 1;
    }

    /// The bytes that a source sends for a tile; always the same ones.
    pub(crate) fn arriving(&self, place: usize, tile: u32) -> u8 {
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

    pub(crate) fn later(&mut self, place: usize, after: Duration, event: Event) {
        self.sequence += 1;
        let generation = self.sources[place].generation;
        let entry = (self.now + after, self.sequence, place, generation, event);
        self.events.push(Reverse(entry));
    }

    pub(crate) fn dice(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    pub(crate) fn happen(&mut self, place: usize, event: &Event) {
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

    pub(crate) fn begin_tile(&mut self, place: usize) {
        let manners = self.sources[place].manners.clone();
        let half = Duration::from_micros(TILE * 500_000 / manners.rate.max(1));
        self.later(place, half, Event::Half);
        if self.dice(manners.cuts) {
            self.later(place, half * 3 / 2, Event::Cut);
        } else if !self.dice(manners.stalls) {
            self.later(place, half * 2, Event::Tile);
        }
    }

    pub(crate) fn fail(&mut self, place: usize, trouble: Trouble) {
        self.stop(place);
        self.tell(Input::Failed(address(place), trouble));
    }

    /// Until it is done, or cannot go on. What may be asked at all is bounded.
    pub(crate) fn run(&mut self) -> Duration {
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

    pub(crate) fn succeed(&mut self) -> Duration {
        let took = self.run();
        assert_eq!(self.ended, Some(Output::Done));
        assert!((0..self.tiles).all(|tile| self.disk.get(&tile) == Some(&0)));
        took
    }

    pub(crate) fn requests(&self) -> usize {
        self.sources
            .iter()
            .map(|source| source.requests.len())
            .sum()
    }
}
