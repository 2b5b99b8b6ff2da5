//! Who is asked for what: fast sources for long runs, and at the end several for the same tile.

use std::cmp::Reverse;
use std::net::SocketAddr;
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
            .filter(|place| self.is_of_use(*place))
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

    /// A source in whose queue we wait need not be waited for any more.
    pub(super) fn invited(&mut self, source: SocketAddr) {
        if let Some(place) = self.place_of(source) {
            self.sources[place].invite(self.now);
        }
    }

    /// Whether a source may have something for us, or is to be asked whether it has by now.
    fn is_of_use(&self, place: usize) -> bool {
        let source = &self.sources[place];
        let has = source.has.as_ref();
        has.is_none_or(|has| self.tiles.lacks_any(has))
            || source.recheck.is_none_or(|due| due <= self.now)
    }

    /// Breaks off what would take longest, for the sake of a source that was not tried yet.
    fn make_room(&mut self, busy: &mut Vec<usize>, around: &mut Surroundings<'_>) -> bool {
        let span = around.settings.span;
        let slowness = |place: usize| {
            let asked = self.sources[place].asked()?;
            let expected = self.expected(place, asked.left.end, around.settings);
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
    fn expected(&self, place: usize, end: u32, settings: &Settings) -> Duration {
        let source = &self.sources[place];
        let Some(asked) = source.asked() else {
            return Duration::ZERO;
        };
        let bytes = self.tiles.bytes(&(asked.left.start..end));
        let left = (bytes.end - bytes.start).saturating_sub(asked.ahead);
        let quiet = self.now.saturating_sub(asked.heard);
        let time = source.time_for(left).unwrap_or(GUESS).max(quiet * 2);
        time.max(self.doubt(place, settings))
    }

    /// How long one would need at least that failed when it was last asked and has sent nothing since:
    /// longer than it takes to give up waiting for it.
    fn doubt(&self, place: usize, settings: &Settings) -> Duration {
        match self.sources[place].is_doubtful() {
            true => settings.silence * 2,
            false => Duration::ZERO,
        }
    }

    /// How long a source would need for a tile, if it were asked now.
    fn time(&self, place: usize, tile: u32, settings: &Settings) -> Duration {
        let source = &self.sources[place];
        let bytes = self.tiles.bytes(&(tile..tile + 1));
        let time = source.time_for(bytes.end - bytes.start).unwrap_or(GUESS);
        (time + source.latency()).max(self.doubt(place, settings))
    }

    /// Asks one source for something, if there is anything for it.
    fn give(&mut self, place: usize, busy: &mut Vec<usize>, around: &mut Surroundings<'_>) -> bool {
        let settings = around.settings;
        let source = &self.sources[place];
        let shared = self.sources.iter().any(|source| source.has.is_some());
        let span = match shared {
            true => settings.shared_span,
            false => settings.span,
        };
        let most = source.appetite(span, settings) / self.tiles.tile_len();
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
            let tile = self.steal(place, copies, busy, settings);
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

    /// The tile that another source would take longest to send, if the one at `place` is faster. Who is
    /// in doubt keeps nobody else from it.
    fn steal(&self, place: usize, copies: u8, busy: &[usize], settings: &Settings) -> Option<u32> {
        let thief = &self.sources[place];
        let doubtful = |tile: u32| {
            let holds = |place: &&usize| {
                let source = &self.sources[**place];
                let asked = source.asked().filter(|_| source.is_doubtful());
                asked.is_some_and(|asked| asked.left.contains(&tile))
            };
            busy.iter().filter(holds).count()
        };
        let wanted = |tile: &u32| {
            let holders = usize::from(self.tiles.holders(*tile));
            self.tiles.state(*tile) == State::Missing
                && thief.has.as_ref().is_none_or(|has| has.has(*tile))
                && (holders < copies.into()
                    || (!thief.is_doubtful()
                        && holders.saturating_sub(doubtful(*tile)) < copies.into()))
        };
        let owned = |place: &usize| {
            let asked = self.sources[*place].asked()?;
            let tile = asked.left.clone().rev().find(|tile| wanted(tile))?;
            Some((self.expected(*place, tile + 1, settings), tile))
        };
        let (expected, tile) = busy.iter().filter_map(owned).max()?;
        (expected > self.time(place, tile, settings)).then_some(tile)
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
            let ours = self.time(place, tile, around.settings);
            let expected = self.expected(owner, tile + 1, around.settings);
            let slow = expected > span * 2 && expected > ours * 4;
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rand::SeedableRng;
    use rand_pcg::Pcg32;

    use super::*;
    use crate::swarm::download::{Input, QueuePlace, Verdict};
    use crate::swarm::tile_set::TileSet;

    const TILE: u64 = 128 << 10;

    /// A download of two tiles, and who was asked for which so far.
    struct Scene {
        download: Download,
        settings: Settings,
        rng: Pcg32,
        asked: Vec<(u16, u32)>,
    }

    impl Scene {
        fn new() -> Self {
            let mut download = Download::new(2 * TILE, TILE);
            download.trust = super::super::Trust::Proven;
            Self {
                download,
                settings: Settings::default(),
                rng: Pcg32::seed_from_u64(1),
                asked: Vec::new(),
            }
        }

        /// Something happens after so many seconds; at each one before, time passes.
        fn at(&mut self, second: u64, input: Input) {
            let before = self.download.now.as_secs() + 1;
            for tick in before..second {
                self.handle(tick, Input::Tick);
            }
            self.handle(second, input);
        }

        fn handle(&mut self, second: u64, input: Input) {
            let mut out = Vec::new();
            let around = &mut Surroundings {
                settings: &self.settings,
                rng: &mut self.rng,
                out: &mut out,
            };
            self.download
                .handle(Duration::from_secs(second), input, around);
            for output in out {
                if let Output::Ask { source, tiles } = output {
                    self.asked.push((source.port(), tiles.start));
                }
            }
        }
    }

    fn source(port: u16) -> SocketAddr {
        SocketAddr::from(([20, 0, 0, 1], port))
    }

    #[test]
    fn those_who_are_silent_again_and_again_do_not_keep_the_last_tile_among_themselves() {
        let mut scene = Scene::new();
        for silent in 1..=6 {
            scene.at(0, Input::Offered(source(silent)));
        }
        // All of them have been silent once by now; one comes that needs 40 s for a tile, longer than
        // it takes to give up on somebody.
        scene.at(31, Input::Offered(source(9)));
        for _ in 0..2 {
            let Some(&(_, tile)) = scene.asked.iter().rev().find(|(port, _)| *port == 9) else {
                panic!("the honest one is not asked: {:?}", scene.asked);
            };
            let begun = scene.download.now.as_secs();
            for second in 1..=40 {
                scene.at(begun + second, Input::Received(source(9), TILE / 40));
            }
            let arrived = Input::Arrived {
                source: source(9),
                tile,
                verdict: Verdict::Right,
            };
            scene.at(begun + 40, arrived);
        }
        assert_eq!(scene.download.verified(), 2);
        assert!(scene.download.now < Duration::from_secs(31 + 2 * 40 + 5));
    }

    #[test]
    fn where_others_fetch_it_too_nobody_is_asked_for_much_at_once() {
        let asked_of_the_first = |shared: bool| {
            let mut download = Download::new(64 * TILE, TILE);
            download.trust = super::super::Trust::Proven;
            let mut scene = Scene {
                download,
                ..Scene::new()
            };
            scene.at(0, Input::Offered(source(1)));
            if shared {
                scene.at(0, Input::Offered(source(2)));
                scene.at(0, Input::Has(source(2), Some(TileSet::none(64))));
            }
            // It sends a tile a second.
            for second in 1..=24 {
                let asked = scene.download.sources[0].asked().expect("it has all");
                let tile = asked.left.start;
                scene.at(second, Input::Received(source(1), TILE - 1));
                let arrived = Input::Arrived {
                    source: source(1),
                    tile,
                    verdict: Verdict::Right,
                };
                scene.at(second, arrived);
                // It answers at once.
                scene.at(second, Input::Received(source(1), 1));
            }
            let asked = scene.asked.iter().filter(|(port, _)| *port == 1);
            asked.count()
        };
        let (alone, shared) = (asked_of_the_first(false), asked_of_the_first(true));
        assert!(alone <= 12, "{alone} requests for 24 tiles, alone");
        assert!(shared >= 16, "{shared} requests for 24 tiles");
    }

    #[test]
    fn who_is_busy_makes_room_for_somebody_new_and_is_not_taken_back_before_its_time() {
        let mut scene = Scene::new();
        scene.settings.sources = 3;
        let busy = |port, secs| {
            let retry_after = Some(Duration::from_secs(secs));
            Input::Failed(source(port), Trouble::Busy { retry_after })
        };
        for port in 1..=3 {
            scene.at(0, Input::Offered(source(port)));
        }
        let place = QueuePlace::default();
        let poll = Duration::from_secs(90);
        scene.at(0, Input::Failed(source(1), Trouble::Queued { place, poll }));
        scene.at(0, Input::Offered(source(4)));
        let asked = |scene: &Scene, port| scene.asked.iter().filter(|(of, _)| *of == port).count();
        assert_eq!(
            asked(&scene, 4),
            0,
            "the first waits in a queue, the others are asked"
        );
        scene.at(0, busy(2, 60));
        scene.at(0, busy(3, 20));
        scene.at(1, Input::Offered(source(5)));
        assert_eq!(
            asked(&scene, 5),
            1,
            "instead of the second, which is busy for longer"
        );
        for second in 2..85 {
            scene.at(second, Input::Offered(source(2)));
            scene.at(second, busy(5, 600));
            if second == 30 {
                assert_eq!(asked(&scene, 3), 2, "it stayed");
                scene.at(30, busy(3, 600));
            }
            let again = 1 + usize::from(second >= 60);
            assert_eq!(asked(&scene, 2), again, "at {second}");
        }
        assert_eq!(scene.download.sources.len(), 3);
        assert!(scene.download.queues().len() <= 1);
    }
}
