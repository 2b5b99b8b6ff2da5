//! One file from many sources at once.
//!
//! A [`Download`] is told what happens to its sources and says whom to ask for which tiles next. A
//! tile always comes whole from one source, so that wrong bytes have one sender. With the file's
//! tiger tree each tile is verified before it counts, and who sent a wrong one is dropped and
//! remembered. A tree that nobody vouches for is believed until the SHA-1 of the whole decides:
//! until then, who disagrees with it is set aside and not blamed. Without a tree the SHA-1 of the
//! whole decides, and `blame` finds the liar by fetching half of the sources' tiles again.
//!
//! - `effects`: what a download is told and what it wants done;
//! - `settings`: how patient, and every cap; `tiles`: what is there and who is asked for it;
//! - `source`: how one source has behaved; `assign`: who is asked for what;
//! - `blame`: whose fault it is when the whole is wrong.
//!
//! Left out: hashing, writing and fetching the tree, which are the driver's work.

mod assign;
mod blame;
mod effects;
mod settings;
mod source;
mod tiles;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub use self::effects::{Input, Output, Surroundings, Verdict};
pub use self::settings::{Order, Settings};
pub use self::source::{QueuePlace, Reason, Trouble};

use self::source::{Activity, Source};
use self::tiles::{Giver, INHERITED, State, Tiles};
use super::tile_set::TileSet;

/// A file that is being fetched.
#[derive(Debug)]
pub struct Download {
    tiles: Tiles,
    sources: Vec<Source>,
    last_id: Giver,
    /// Who sent wrong bytes, the oldest first.
    liars: VecDeque<SocketAddr>,
    /// Busy sources that made room for new ones, each with the moment before which it is not taken
    /// back, the one that left first at the beginning.
    passed_over: VecDeque<(SocketAddr, Duration)>,
    trust: Trust,
    /// The one that was benched when the whole was last found wrong.
    suspect: Option<Giver>,
    phase: Phase,
    /// Whether what was verified has been compared with the tree once more.
    rechecked: bool,
    /// Whether it was said that nobody is left.
    exhausted: bool,
    /// Whether something changed that may give a source something to do.
    stirred: bool,
    /// When sources were last given something to do.
    assigned: Duration,
    /// Before this nobody who is asked can have been silent for too long.
    silent: Duration,
    now: Duration,
}

/// How far the tree is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// There is none.
    Without,
    /// Somebody told its root.
    Claimed,
    /// Who asked for the file told its root.
    Proven,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Fetching,
    Hashing,
    Over,
}

impl Download {
    /// A download of a file of `size` bytes, in tiles of `tile_len`, of which nothing is there and
    /// no source is known.
    #[must_use]
    pub fn new(size: u64, tile_len: u64) -> Self {
        Self {
            tiles: Tiles::new(size, tile_len.max(1)),
            sources: Vec::new(),
            last_id: 0,
            liars: VecDeque::new(),
            passed_over: VecDeque::new(),
            trust: Trust::Without,
            suspect: None,
            phase: Phase::Fetching,
            rechecked: false,
            exhausted: false,
            stirred: true,
            assigned: Duration::ZERO,
            silent: Duration::ZERO,
            now: Duration::ZERO,
        }
    }

    /// Takes over tiles of an earlier run, before the first input. With a tree they are `verified`,
    /// and [`Input::Tree`] comes first.
    pub fn restore(&mut self, tiles: &TileSet, verified: bool) {
        let state = match verified && self.trust != Trust::Without {
            true => State::Verified,
            false => State::Present(INHERITED),
        };
        for tile in tiles.iter() {
            self.tiles.set(tile, state);
        }
    }

    /// Takes note of what happened at `now`, a span since any origin, and says what is to be done.
    pub fn handle(&mut self, now: Duration, input: Input, around: &mut Surroundings<'_>) {
        self.now = now;
        if self.phase == Phase::Over {
            return;
        }
        let mut stirs = true;
        match input {
            Input::Offered(address) => stirs = self.offer(address, around),
            Input::Tree { proven } => self.believe(proven, around),
            Input::Has(source, has) => {
                self.note_has(source, has);
                // One that is asked is given nothing before that is over.
                let place = self.place_of(source);
                stirs = place.is_some_and(|place| self.sources[place].asked().is_none());
            }
            Input::Received(source, bytes) => {
                if let Some(source) = self.sources.iter_mut().find(|s| s.address == source) {
                    source.receive(bytes, now);
                }
                stirs = false;
            }
            Input::Arrived {
                source,
                tile,
                verdict,
            } => self.arrived(source, tile, verdict, around),
            Input::Failed(source, trouble) => {
                if let Some(place) = self.place_of(source)
                    && self.sources[place].asked().is_some()
                {
                    self.release(place);
                    self.sources[place].note(trouble, now, around.settings);
                }
            }
            Input::Invited(source) => self.invited(source),
            Input::Checked { tile, right } => self.checked(tile, right, around),
            Input::Hashed { right } => self.hashed(right, around),
            Input::Tick => {}
        }
        self.stirred |= stirs;
        self.advance(around);
    }

    /// When [`Input::Tick`] is due, if nothing else happens before.
    #[must_use]
    pub fn deadline(&self, settings: &Settings) -> Option<Duration> {
        if self.phase != Phase::Fetching {
            return None;
        }
        let (mut next, mut idle) = (None, false);
        for source in &self.sources {
            let due = match &source.activity {
                Activity::Asked(asked) => asked.heard + settings.silence,
                Activity::Ready(from) if !source.benched => {
                    idle |= *from <= self.now;
                    (*from).max(source.recheck.unwrap_or_default())
                }
                _ => continue,
            };
            if due > self.now && next.is_none_or(|next| due < next) {
                next = Some(due);
            }
        }
        // It may pay to take over what somebody else is slow to send, however often it sends.
        let endgame = idle.then(|| self.assigned + Duration::from_secs(1));
        next.into_iter().chain(endgame).min()
    }

    /// Whether a tile is there and verified.
    #[must_use]
    pub fn is_verified(&self, tile: u32) -> bool {
        tile < self.tiles.count() && self.tiles.state(tile) == State::Verified
    }

    /// How many tiles are verified.
    #[must_use]
    pub const fn verified(&self) -> u32 {
        self.tiles.verified()
    }

    /// The tiles that are verified.
    #[must_use]
    pub fn verified_tiles(&self) -> TileSet {
        self.tiles.verified_tiles().clone()
    }

    /// How many bytes are there: of verified tiles, and of all.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let (mut verified, mut all) = (0, 0);
        for (tile, state) in self.tiles.states() {
            let bytes = self.tiles.bytes(&(tile..tile + 1));
            let length = bytes.end - bytes.start;
            match state {
                State::Missing => {}
                State::Verified => (verified, all) = (verified + length, all + length),
                State::Present(_) | State::Checking(_) => all += length,
            }
        }
        (verified, all)
    }

    /// The tiles that are there and will not be thrown away without need: with a tree those that are
    /// verified, without one all.
    #[must_use]
    pub fn there(&self) -> TileSet {
        let mut there = TileSet::none(self.tiles.count());
        for (tile, state) in self.tiles.states() {
            let counts = match state {
                State::Verified => true,
                State::Present(_) => self.trust == Trust::Without,
                State::Missing | State::Checking(_) => false,
            };
            if counts {
                there.insert(tile);
            }
        }
        there
    }

    /// How many sources are known that may be asked, and how many of them are being asked.
    #[must_use]
    pub fn sources(&self) -> (usize, usize) {
        let usable = self.sources.iter().filter(|source| !source.is_out());
        let active = self
            .sources
            .iter()
            .filter(|source| source.asked().is_some());
        (usable.count(), active.count())
    }

    /// Sources in whose queues we wait, the nearest place first.
    #[must_use]
    pub fn queues(&self) -> Vec<(SocketAddr, QueuePlace)> {
        let waits = |source: &Source| Some((source.address, source.queued?));
        let usable = self.sources.iter().filter(|source| source.is_usable());
        let mut queues: Vec<_> = usable.filter_map(waits).collect();
        queues.sort_by_key(|(_, place)| place.position.unwrap_or(u32::MAX));
        queues
    }

    /// Who was given up, and why.
    pub fn given_up(&self) -> impl Iterator<Item = (SocketAddr, Reason)> {
        self.sources
            .iter()
            .filter_map(|source| match source.activity {
                Activity::Out(_, reason) => Some((source.address, reason)),
                _ => None,
            })
    }

    /// Whether nobody is left who could be asked.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Sources that may be asked, those that gave most first.
    pub fn usable(&self) -> impl Iterator<Item = SocketAddr> {
        let mut usable: Vec<_> = self
            .sources
            .iter()
            .filter(|source| !source.is_out())
            .collect();
        usable.sort_by_key(|source| (Reverse(source.gave > 0), source.id));
        usable.into_iter().map(|source| source.address)
    }

    /// Sources that gave something, best first, for others who want the file.
    pub fn givers(&self) -> impl Iterator<Item = SocketAddr> {
        let good = |source: &&Source| source.gave > 0 && source.is_usable();
        self.sources
            .iter()
            .filter(good)
            .map(|source| source.address)
    }

    pub(super) fn place_of(&self, address: SocketAddr) -> Option<usize> {
        self.sources
            .iter()
            .position(|source| source.address == address)
    }

    /// Takes a source that is new, or another chance for one that was given up; says whether it did.
    fn offer(&mut self, address: SocketAddr, around: &mut Surroundings<'_>) -> bool {
        let settings = around.settings;
        if self.liars.contains(&address) {
            return false;
        }
        if let Some(place) = self.place_of(address) {
            let forgiven = self.sources[place].forgive(self.now, settings);
            self.exhausted &= !forgiven;
            return forgiven;
        }
        let now = self.now;
        self.passed_over.retain(|(_, until)| *until > now);
        if self.passed_over.iter().any(|(known, _)| *known == address)
            || (self.sources.len() >= settings.sources && !self.make_room_for_one(around))
        {
            return false;
        }
        self.last_id += 1;
        self.exhausted = false;
        self.sources
            .push(Source::new(self.last_id, address, self.now));
        true
    }

    /// Forgets a source that was given up, or else the one that is busy for longest: where many fetch, all
    /// would know the same first few, and those who came later would give nothing.
    fn make_room_for_one(&mut self, around: &mut Surroundings<'_>) -> bool {
        let places = 0..self.sources.len();
        let out = places.clone().find(|place| self.sources[*place].is_out());
        let busy = |place: usize| {
            let source = &self.sources[place];
            let until = source.busy_until().filter(|until| *until > self.now)?;
            Some((Reverse(source.gave), until, place))
        };
        let Some(place) = out.or_else(|| Some(places.filter_map(busy).max()?.2)) else {
            return false;
        };
        let address = self.sources[place].address;
        self.note_has(address, None);
        let source = self.sources.remove(place);
        if let Some(until) = source.busy_until() {
            if self.passed_over.len() >= around.settings.sources {
                self.passed_over.pop_front();
            }
            self.passed_over.push_back((address, until));
            around.out.push(Output::Stop(address));
        }
        true
    }

    fn note_has(&mut self, address: SocketAddr, has: Option<TileSet>) {
        if let Some(place) = self.place_of(address) {
            let source = &mut self.sources[place];
            self.tiles.note_owner(source.has.as_ref(), has.as_ref());
            source.recheck = None;
            source.has = has;
        }
    }

    fn believe(&mut self, proven: bool, around: &mut Surroundings<'_>) {
        self.trust = match proven {
            true => Trust::Proven,
            false => Trust::Claimed,
        };
        self.rechecked = false;
        let there: Vec<_> = self.tiles.states().collect();
        for (tile, state) in there {
            if let State::Present(giver) = state {
                self.tiles.set(tile, State::Checking(giver));
                around.out.push(Output::Check(tile));
            }
        }
        for source in &mut self.sources {
            source.benched = false;
        }
    }

    fn arrived(
        &mut self,
        address: SocketAddr,
        tile: u32,
        verdict: Verdict,
        around: &mut Surroundings<'_>,
    ) {
        let Some(place) = self.place_of(address) else {
            return;
        };
        let tile_bytes = self.tiles.bytes(&(tile..tile + 1));
        let source = &mut self.sources[place];
        let id = source.id;
        let Some(asked) = source.asked_mut().filter(|asked| asked.left.start == tile) else {
            return;
        };
        asked.left.start += 1;
        asked.ahead = asked
            .ahead
            .saturating_sub(tile_bytes.end - tile_bytes.start);
        asked.heard = self.now;
        let over = asked.left.is_empty();
        let cut_short = asked.left.end < asked.end;
        self.tiles.release(tile..tile + 1);
        if verdict == Verdict::Wrong && self.trust != Trust::Without {
            around.out.push(Output::Stop(address));
            self.disagrees(place, tile, around);
            return;
        }
        if over {
            self.sources[place].finish(self.now);
        }
        if over && cut_short {
            around.out.push(Output::Stop(address));
        }
        self.sources[place].praise();
        if self.tiles.state(tile) == State::Missing {
            let state = match (self.trust, verdict) {
                (Trust::Without, _) => State::Present(id),
                (_, Verdict::Right) => State::Verified,
                _ => State::Checking(id),
            };
            self.tiles.set(tile, state);
            around.out.push(Output::Store {
                source: address,
                tile,
                verified: state == State::Verified,
            });
            if matches!(state, State::Checking(_)) {
                around.out.push(Output::Check(tile));
            }
        }
        self.call_off(tile, around.out);
    }

    fn checked(&mut self, tile: u32, right: bool, around: &mut Surroundings<'_>) {
        let State::Checking(giver) = self.tiles.state(tile) else {
            return;
        };
        if right {
            self.tiles.set(tile, State::Verified);
            return;
        }
        self.tiles.set(tile, State::Missing);
        let giver = self.sources.iter().position(|source| source.id == giver);
        if let Some(place) = giver.filter(|place| !self.sources[*place].is_out()) {
            if self.sources[place].asked().is_some() {
                around.out.push(Output::Stop(self.sources[place].address));
            }
            self.disagrees(place, tile, around);
        }
    }

    fn hashed(&mut self, right: bool, around: &mut Surroundings<'_>) {
        if self.phase != Phase::Hashing {
            return;
        }
        self.phase = Phase::Fetching;
        match (right, self.trust) {
            (true, _) => {
                self.convict_doubted(around.out);
                around.out.push(Output::Done);
                self.phase = Phase::Over;
            }
            (false, Trust::Without) => self.blame(around),
            (false, _) if !self.rechecked => {
                self.rechecked = true;
                for tile in 0..self.tiles.count() {
                    self.tiles.set(tile, State::Checking(INHERITED));
                    around.out.push(Output::Check(tile));
                }
            }
            (false, Trust::Claimed) => self.distrust(around.out),
            (false, Trust::Proven) => {
                around.out.push(Output::Contradiction);
                self.phase = Phase::Over;
            }
        }
    }

    /// Takes away from a source what it was asked, if anything.
    fn release(&mut self, place: usize) {
        if let Some(asked) = self.sources[place].asked() {
            let left = asked.left.clone();
            self.tiles.release(left);
        }
    }

    /// What follows from the state as it is now.
    fn advance(&mut self, around: &mut Surroundings<'_>) {
        if self.phase != Phase::Fetching {
            return;
        }
        self.give_up_silent(around);
        let unverified = self.trust != Trust::Without && !self.tiles.all_verified();
        if self.tiles.missing() == 0 && !unverified {
            for place in 0..self.sources.len() {
                if self.sources[place].asked().is_some() {
                    self.release(place);
                    self.sources[place].rest(self.now, self.now);
                    around.out.push(Output::Stop(self.sources[place].address));
                }
            }
            self.phase = Phase::Hashing;
            around.out.push(Output::Hash);
            return;
        }
        if std::mem::take(&mut self.stirred) {
            self.assign(around);
        }
        if self.tiles.missing() > 0 && !self.sources.iter().any(Source::is_usable) {
            if self.recall(around.out) {
                self.assign(around);
            } else if !std::mem::replace(&mut self.exhausted, true) {
                around.out.push(Output::Exhausted);
            }
        }
    }
}
