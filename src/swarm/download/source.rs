//! One source of a download: how it has behaved, and when it may be asked again.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use super::settings::Settings;
use super::tiles::Giver;
use crate::swarm::tile_set::TileSet;

/// What was wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection came about.
    Unreachable,
    /// The connection ended too early, or what came was no HTTP.
    Broken,
    /// It sent nothing for too long.
    Silent,
    /// It has no place for us now.
    Busy {
        /// When it wants to be asked again, if it said.
        retry_after: Option<Duration>,
    },
    /// It keeps a place for us in its queue (protocol §10.7).
    Queued {
        /// Our place.
        place: QueuePlace,
        /// When it wants to be asked again, at the earliest.
        poll: Duration,
    },
    /// It does not have the tiles asked for, but perhaps others (protocol §10.4, status 416).
    Unavailable,
    /// It does not have the file, or not for us.
    Refused,
    /// Its file is another one, or of another size.
    Different,
}

/// Our place in the queue of a source, as far as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuePlace {
    /// From 1.
    pub position: Option<u32>,
    /// How many wait.
    pub length: Option<u32>,
}

/// Why a source is asked no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It failed or refused, in this way in the end.
    Failed(Trouble),
    /// It sent wrong bytes.
    Lied,
}

/// What a source does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// It may be asked from this moment on.
    Ready(Duration),
    /// It is asked for these tiles, of which it gives the first one now.
    Asked(Asked),
    /// It was given up at this moment.
    Out(Duration, Reason),
}

/// A request that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// What is still to come.
    pub(super) left: Range<u32>,
    /// Where the request ends; before that, where somebody else was faster at its end.
    pub(super) end: u32,
    /// Bytes of these that came.
    pub(super) ahead: u64,
    /// Bytes that came of the whole request.
    pub(super) came: u64,
    /// When it was asked.
    pub(super) since: Duration,
    /// When something happened last.
    pub(super) heard: Duration,
    /// Whether anything came at all.
    pub(super) answered: bool,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: Giver,
    pub(super) address: SocketAddr,
    pub(super) activity: Activity,
    /// What it has, where that is not everything.
    pub(super) has: Option<TileSet>,
    /// Not asked, since its bytes are in doubt.
    pub(super) benched: bool,
    /// Sent a tile that an unproven tree does not have.
    pub(super) doubted: bool,
    /// The tile that it broke off in, which it may go on with.
    pub(super) broken_off: Option<u32>,
    /// Whether it was ever asked.
    pub(super) tried: bool,
    /// Whole tiles that came and were taken.
    pub(super) gave: u32,
    /// When to ask what it has now, as it has nothing of use.
    pub(super) recheck: Option<Duration>,
    /// How often in a row it had nothing of use.
    useless: u32,
    /// Requests that it answered wholly.
    pub(super) runs: u32,
    /// Our place in its queue, as long as we wait there.
    pub(super) queued: Option<QueuePlace>,
    /// Failures in a row.
    failures: u32,
    /// Refusals in a row.
    refusals: u32,
    rate: Meter,
    /// How long it takes to begin an answer, smoothed.
    latency: Duration,
}

/// Bytes a second, from spans of at least [`Meter::SPAN`].
#[derive(Debug, Default)]
struct Meter {
    since: Duration,
    bytes: u64,
    rate: u64,
}

impl Meter {
    const SPAN: Duration = Duration::from_millis(500);

    fn begin(&mut self, now: Duration) {
        (self.since, self.bytes) = (now, 0);
    }

    fn count(&mut self, bytes: u64, now: Duration) {
        self.bytes += bytes;
        if now.saturating_sub(self.since) >= Self::SPAN {
            self.close(now);
        }
    }

    fn close(&mut self, now: Duration) {
        if self.bytes > 0 {
            let sample = per_second(self.bytes, now.saturating_sub(self.since));
            self.rate = match self.rate {
                0 => sample,
                rate => rate / 2 + sample / 2,
            };
        }
        self.begin(now);
    }

    /// Takes a whole request with the wait for its answer, where nothing better is known: one that
    /// is answered all at once leaves no span to measure.
    fn guess(&mut self, bytes: u64, span: Duration) {
        if self.rate == 0 && bytes > 0 {
            self.rate = per_second(bytes, span);
        }
    }
}

fn per_second(bytes: u64, span: Duration) -> u64 {
    // What comes from the buffers of a machine at once says little of its speed.
    let micros = span.as_micros().max(1_000);
    let rate = u128::from(bytes) * 1_000_000 / micros;
    u64::try_from(rate).unwrap_or(u64::MAX).max(1)
}

impl Source {
    pub(super) fn new(id: Giver, address: SocketAddr, now: Duration) -> Self {
        Self {
            id,
            address,
            activity: Activity::Ready(now),
            has: None,
            benched: false,
            doubted: false,
            broken_off: None,
            tried: false,
            gave: 0,
            recheck: None,
            useless: 0,
            runs: 0,
            queued: None,
            failures: 0,
            refusals: 0,
            rate: Meter::default(),
            latency: Duration::ZERO,
        }
    }

    /// Bytes a second, 0 while unknown.
    pub(super) const fn rate(&self) -> u64 {
        self.rate.rate
    }

    /// Whether it failed since it last gave something.
    pub(super) const fn is_troubled(&self) -> bool {
        self.failures + self.refusals > 0
    }

    /// Whether it failed when it was last asked, and has sent nothing since.
    pub(super) fn is_doubtful(&self) -> bool {
        self.failures > 0 && self.asked().is_none_or(|asked| !asked.answered)
    }

    /// How long it takes to begin an answer.
    pub(super) const fn latency(&self) -> Duration {
        self.latency
    }

    /// Whether it may still be asked, now or later.
    pub(super) const fn is_usable(&self) -> bool {
        !self.benched && !self.is_out()
    }

    pub(super) const fn asked(&self) -> Option<&Asked> {
        match &self.activity {
            Activity::Asked(asked) => Some(asked),
            _ => None,
        }
    }

    pub(super) const fn asked_mut(&mut self) -> Option<&mut Asked> {
        match &mut self.activity {
            Activity::Asked(asked) => Some(asked),
            _ => None,
        }
    }

    pub(super) const fn is_out(&self) -> bool {
        matches!(self.activity, Activity::Out(..))
    }

    pub(super) fn is_ready(&self, now: Duration) -> bool {
        !self.benched && matches!(self.activity, Activity::Ready(from) if from <= now)
    }

    /// Until when it has no place, or nothing, for us, where it said so and keeps none in its queue. Whoever
    /// is in doubt is not forgotten over it.
    pub(super) const fn busy_until(&self) -> Option<Duration> {
        match self.activity {
            Activity::Ready(until)
                if self.refusals > 0 && self.queued.is_none() && !self.benched =>
            {
                Some(until)
            }
            _ => None,
        }
    }

    /// How many bytes to ask of it at once, to keep it busy for this long.
    pub(super) fn appetite(&self, span: Duration, settings: &Settings) -> u64 {
        if self.rate() == 0 {
            return settings.first_range;
        }
        let span = span.max(self.latency * 8).as_millis();
        let bytes = u128::from(self.rate()) * span / 1_000;
        let grown = settings
            .first_range
            .saturating_mul(2_u64.saturating_pow(self.runs));
        u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .min(grown)
            .min(settings.longest_range)
    }

    /// How long to wait before it is asked again what it has.
    pub(super) fn until_recheck(&mut self, settings: &Settings) -> Duration {
        let pause = settings.recheck * 2_u32.saturating_pow(self.useless.min(16));
        self.useless += 1;
        pause.min(settings.longest_recheck)
    }

    /// How long until it has sent `bytes` more; `None` if nobody knows.
    pub(super) fn time_for(&self, bytes: u64) -> Option<Duration> {
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.rate()).max(1);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        (self.rate() > 0).then(|| Duration::from_micros(micros))
    }

    pub(super) fn ask(&mut self, run: Range<u32>, now: Duration) {
        self.rate.begin(now);
        self.tried = true;
        self.activity = Activity::Asked(Asked {
            end: run.end,
            left: run,
            ahead: 0,
            came: 0,
            since: now,
            heard: now,
            answered: false,
        });
    }

    /// Bytes came of what it was asked.
    pub(super) fn receive(&mut self, bytes: u64, now: Duration) {
        self.queued = None;
        let Activity::Asked(asked) = &mut self.activity else {
            return;
        };
        asked.ahead += bytes;
        asked.came += bytes;
        if !asked.answered {
            asked.answered = true;
            let took = now.saturating_sub(asked.heard);
            self.latency = match self.latency {
                Duration::ZERO => took,
                known => (known + took) / 2,
            };
            // The speed is that of the bytes, not of the wait for them; the first ones are at hand
            // already, so they do not count.
            self.rate.begin(now);
        } else {
            self.rate.count(bytes, now);
        }
        asked.heard = now;
    }

    /// A whole tile came and was of use.
    pub(super) const fn praise(&mut self) {
        self.gave = self.gave.saturating_add(1);
        (self.failures, self.refusals, self.useless) = (0, 0, 0);
    }

    /// All that it was asked came.
    pub(super) fn finish(&mut self, now: Duration) {
        self.runs = self.runs.saturating_add(1);
        self.rest(now, now);
    }

    /// What it was asked is over, well or badly.
    pub(super) fn rest(&mut self, until: Duration, now: Duration) {
        self.rate.close(now);
        if let Activity::Asked(asked) = &self.activity {
            self.rate.guess(asked.came, now.saturating_sub(asked.since));
        }
        self.activity = Activity::Ready(until);
    }

    /// Takes note of what went wrong.
    pub(super) fn note(&mut self, trouble: Trouble, now: Duration, settings: &Settings) {
        self.broken_off = self
            .asked()
            .filter(|asked| asked.ahead > 0)
            .map(|asked| asked.left.start);
        let wait = |pause: Duration| {
            (pause <= settings.longest_wait).then(|| pause.max(settings.shortest_wait))
        };
        let pause = match trouble {
            Trouble::Unreachable | Trouble::Broken | Trouble::Silent => {
                self.failures += 1;
                let doubled = settings.retry * 2_u32.saturating_pow(self.failures.min(16) - 1);
                (self.failures < settings.attempts).then(|| doubled.min(settings.longest_wait))
            }
            Trouble::Busy { retry_after } => {
                self.refusals += 1;
                let pause = retry_after.unwrap_or(settings.busy);
                wait(pause).filter(|_| self.refusals < settings.refusals)
            }
            // It will be our turn: that may take as long as it likes, but not more often.
            Trouble::Queued { place, poll } => {
                self.queued = Some(place);
                wait(poll)
            }
            Trouble::Unavailable => {
                self.refusals += 1;
                // The first time it may have told what it has instead.
                let pause = match self.has.as_ref().is_some_and(|has| !has.is_empty()) {
                    true => settings.shortest_wait * (self.refusals - 1),
                    false => {
                        // After that pause it is asked at once.
                        self.recheck = Some(now);
                        self.until_recheck(settings)
                    }
                };
                // It fetches the file itself, so that it gets patience.
                (self.refusals < settings.refusals * 3).then_some(pause)
            }
            Trouble::Refused | Trouble::Different => None,
        };
        if !matches!(trouble, Trouble::Queued { .. }) {
            self.queued = None;
        }
        match pause {
            Some(pause) => self.rest(now + pause, now),
            None => self.activity = Activity::Out(now, Reason::Failed(trouble)),
        }
    }

    /// It keeps a place for us and says that it is our turn.
    pub(super) fn invite(&mut self, now: Duration) {
        if self.queued.is_some() && matches!(self.activity, Activity::Ready(_)) {
            self.activity = Activity::Ready(now);
        }
    }

    /// Another chance for one that was given up, but never for one that lied.
    pub(super) fn forgive(&mut self, now: Duration, settings: &Settings) -> bool {
        match self.activity {
            Activity::Out(since, Reason::Failed(trouble))
                if trouble != Trouble::Different && now >= since + settings.forgive =>
            {
                (self.failures, self.refusals) = (0, 0);
                self.activity = Activity::Ready(now);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILE: u64 = 256 << 10;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn source() -> Source {
        Source::new(1, ([127, 0, 0, 1], 6346).into(), Duration::ZERO)
    }

    #[test]
    fn one_that_sends_all_at_once_has_a_speed_and_is_asked_for_more() {
        let (mut source, settings) = (source(), Settings::default());
        source.ask(0..1, at(0));
        source.receive(TILE, at(50));
        source.finish(at(50));
        assert_eq!(source.rate(), TILE * 20, "with the wait for the answer");
        assert_eq!(
            source.appetite(settings.span, &settings),
            settings.first_range * 2
        );
        assert_eq!(source.time_for(TILE), Some(at(50)));
    }

    #[test]
    fn what_is_measured_goes_before_what_is_guessed() {
        let mut source = source();
        source.ask(0..2, at(0));
        source.receive(TILE, at(1_000));
        source.receive(TILE, at(1_500));
        source.finish(at(1_500));
        assert_eq!(source.rate(), TILE * 2, "without the wait for the answer");
        source.ask(2..3, at(1_500));
        source.receive(TILE, at(9_500));
        source.finish(at(9_500));
        assert_eq!(source.rate(), TILE * 2);
    }

    #[test]
    fn one_that_invites_us_is_asked_at_once_if_we_wait_there() {
        let (mut source, settings) = (source(), Settings::default());
        let poll = Duration::from_secs(300);
        source.ask(0..1, at(0));
        source.invite(at(1));
        assert!(source.asked().is_some(), "it is being asked");
        let place = QueuePlace::default();
        source.note(Trouble::Queued { place, poll }, at(10), &settings);
        assert!(!source.is_ready(at(20)));
        source.invite(at(20));
        assert!(source.is_ready(at(20)));
        source.ask(0..1, at(30));
        source.note(Trouble::Broken, at(40), &settings);
        source.invite(at(50));
        assert!(!source.is_ready(at(50)), "it keeps no place for us");
    }

    #[test]
    fn one_that_sends_nothing_has_none() {
        let mut source = source();
        source.ask(0..1, at(0));
        source.note(Trouble::Silent, at(30_000), &Settings::default());
        assert_eq!(source.rate(), 0);
    }
}
