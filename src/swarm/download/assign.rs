//! Who is asked for what: fast sources for long runs, and at the end several for the same tile.

use std::cmp::Reverse;
use std::time::Duration;

use super::settings::{Order, Settings};
use super::source::Trouble;
use super::tiles::State;
use super::{Download, Output, Surroundings};

/// How long a source of unknown speed is expected to need for a tile.
const GUESS: Duration = Duration::from_secs(1);

/// Requests that the only source answers before others are no longer expected.
const ALONE: u32 = 4;

impl Download {
    /// Gives every source that waits for something to do as much as there is.
    pub(super) fn assign(&mut self, around: &mut Surroundings<'_>) {
        self.assigned = self.now;
        let mut ready: Vec<usize> = (0..self.sources.len())
            .filter(|place| self.sources[*place].is_ready(self.now))
            .collect();
        // Who is new is tried, then the fastest; so the slow ones go without a place when there
        // are more sources than places.
        ready.sort_by_key(|place| {
            let source = &self.sources[*place];
            let speed = Reverse(source.rate());
            (source.is_troubled(), source.tried, speed, source.id)
        });
        let asked = |place: &usize| self.sources[*place].asked().is_some();
        let mut busy: Vec<usize> = (0..self.sources.len()).filter(asked).collect();
        for place in ready {
            let full = busy.len() >= around.settings.active;
            if full && (self.sources[place].tried || !self.make_room(&mut busy, around)) {
                break;
            }
            if self.give(place, &mut busy, around) {
                busy.push(place);
            }
        }
    }

    /// Breaks off what would take longest, for the sake of a source that was not tried yet.
    fn make_room(&mut self, busy: &mut Vec<usize>, around: &mut Surroundings<'_>) -> bool {
        let span = around.settings.span;
        let slowness = |place: usize| {
            let asked = self.sources[place].asked()?;
            let expected = self.expected(place, asked.left.end);
            (self.now >= asked.since + span && expected > span * 2).then_some(expected)
        };
        let slowest = busy
            .iter()
            .filter_map(|place| Some((slowness(*place)?, *place)));
        let Some((_, place)) = slowest.max() else {
            return false;
        };
        busy.retain(|other| *other != place);
        self.release(place);
        self.sources[place].rest(self.now, self.now);
        around.out.push(Output::Stop(self.sources[place].address));
        true
    }

    /// How long until a source has sent what it was asked, up to the tile `end`.
    fn expected(&self, place: usize, end: u32) -> Duration {
        let source = &self.sources[place];
        let Some(asked) = source.asked() else {
            return Duration::ZERO;
        };
        let bytes = self.tiles.bytes(&(asked.left.start..end));
        let left = (bytes.end - bytes.start).saturating_sub(asked.ahead);
        let quiet = self.now.saturating_sub(asked.heard);
        source.time_for(left).unwrap_or(GUESS).max(quiet * 2)
    }

    /// Asks one source for something, if there is anything for it.
    fn give(&mut self, place: usize, busy: &mut Vec<usize>, around: &mut Surroundings<'_>) -> bool {
        let settings = around.settings;
        let source = &self.sources[place];
        let most = source.appetite(settings) / self.tiles.tile_len();
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        // Towards the end everybody gets a share, so that all come to the end together.
        let sharers = u32::try_from(busy.len() + 1).unwrap_or(u32::MAX);
        let share = self.tiles.missing().div_ceil(sharers).div_ceil(2);
        let most = most.min(share).max(1);
        let has = source.has.as_ref();
        let again = source.broken_off;
        let mut run = again.and_then(|tile| self.tiles.run_from(tile, has, most));
        if run.is_none() {
            let order = self.order(place, settings);
            run = self.tiles.choose(has, most, order, around.rng);
        }
        if run.is_none() && has.is_some() {
            // Nothing that it is known to have; it may have more by now.
            match source.recheck {
                None => {
                    let pause = self.sources[place].until_recheck(settings);
                    self.sources[place].recheck = Some(self.now + pause);
                }
                Some(due) if due <= self.now => {
                    run = self.tiles.choose(None, 1, settings.order, around.rng);
                }
                Some(_) => {}
            }
        }
        let run = run.or_else(|| {
            // Who was not tried yet may be the one that all wait for.
            let copies = match self.sources[place].tried {
                true => settings.copies,
                false => u8::MAX,
            };
            let tile = self.steal(place, copies, busy);
            let tile = tile.or_else(|| self.take_over(place, busy, around))?;
            Some(tile..tile + 1)
        });
        let Some(run) = run else {
            return false;
        };
        self.tiles.hold(run.clone());
        let source = &mut self.sources[place];
        (source.recheck, source.broken_off) = (None, None);
        source.ask(run.clone(), self.now);
        around.out.push(Output::Ask {
            source: source.address,
            tiles: run,
        });
        true
    }

    /// Which tiles come first. Where one source has everything and nobody else was found for a
    /// while, there is nobody to exchange with; from the beginning on the whole is hashed as it comes.
    fn order(&self, place: usize, settings: &Settings) -> Order {
        let source = &self.sources[place];
        let alone = source.has.is_none() && source.runs >= ALONE && self.sources().0 == 1;
        match alone {
            true => Order::Sequential,
            false => settings.order,
        }
    }

    /// The tile that another source would take longest to send, if the one at `place` is faster.
    fn steal(&self, place: usize, copies: u8, busy: &[usize]) -> Option<u32> {
        let thief = &self.sources[place];
        let wanted = |tile: &u32| {
            self.tiles.state(*tile) == State::Missing
                && self.tiles.holders(*tile) < copies
                && thief.has.as_ref().is_none_or(|has| has.has(*tile))
        };
        let owned = |place: &usize| {
            let asked = self.sources[*place].asked()?;
            let tile = asked.left.clone().rev().find(|tile| wanted(tile))?;
            Some((self.expected(*place, tile + 1), tile))
        };
        let (expected, tile) = busy.iter().filter_map(owned).max()?;
        let bytes = self.tiles.bytes(&(tile..tile + 1));
        let ours = thief.time_for(bytes.end - bytes.start).unwrap_or(GUESS) + thief.latency();
        (expected > ours).then_some(tile)
    }

    /// Breaks off the source that would take longest, where as many as may be asked for a tile are all
    /// too slow, and gives its last tile to one that is not known to be; so those who dribble never
    /// hold a tile among themselves.
    fn take_over(
        &mut self,
        place: usize,
        busy: &mut Vec<usize>,
        around: &mut Surroundings<'_>,
    ) -> Option<u32> {
        let thief = &self.sources[place];
        if thief.tried && thief.gave == 0 {
            return None;
        }
        let span = around.settings.span;
        let wanted = |tile: &u32| {
            self.tiles.state(*tile) == State::Missing
                && thief.has.as_ref().is_none_or(|has| has.has(*tile))
        };
        let owned = |owner: usize| {
            let asked = self.sources[owner].asked()?;
            let tile = asked.left.clone().rev().find(|tile| wanted(tile))?;
            let bytes = self.tiles.bytes(&(tile..tile + 1));
            let ours = thief.time_for(bytes.end - bytes.start).unwrap_or(GUESS);
            let expected = self.expected(owner, tile + 1);
            let slow = expected > span * 2 && expected > (ours + thief.latency()) * 4;
            (self.now >= asked.since + span && slow).then_some((expected, owner, tile))
        };
        let (_, owner, tile) = busy.iter().copied().filter_map(owned).max()?;
        busy.retain(|other| *other != owner);
        self.release(owner);
        // Or it would take again what the faster one leaves for a moment.
        self.sources[owner].rest(self.now + span * 4, self.now);
        around.out.push(Output::Stop(self.sources[owner].address));
        Some(tile)
    }

    /// A tile is there: nobody else need send it.
    pub(super) fn call_off(&mut self, tile: u32, out: &mut Vec<Output>) {
        if self.tiles.holders(tile) == 0 {
            return;
        }
        for source in &mut self.sources {
            let Some(asked) = source
                .asked_mut()
                .filter(|asked| asked.left.end == tile + 1)
            else {
                continue;
            };
            // What was taken over before it may be there as well.
            while !asked.left.is_empty() && self.tiles.state(asked.left.end - 1) != State::Missing {
                asked.left.end -= 1;
                let end = asked.left.end;
                self.tiles.release(end..end + 1);
            }
            if asked.left.is_empty() {
                source.rest(self.now, self.now);
                out.push(Output::Stop(source.address));
            }
        }
    }

    /// Gives up waiting for sources that send nothing.
    pub(super) fn give_up_silent(&mut self, around: &mut Surroundings<'_>) {
        if self.now < self.silent {
            return;
        }
        let silence = around.settings.silence;
        let mut next = self.now + silence;
        for place in 0..self.sources.len() {
            let Some(asked) = self.sources[place].asked() else {
                continue;
            };
            let due = asked.heard + silence;
            if due <= self.now {
                self.release(place);
                self.sources[place].note(Trouble::Silent, self.now, around.settings);
                around.out.push(Output::Stop(self.sources[place].address));
                self.stirred = true;
            } else {
                next = next.min(due);
            }
        }
        // Whoever is asked or heard later is silent later.
        self.silent = next;
    }
}
