//! Ultrapeer or leaf: which of the two this servent is, and when that changes (protocol §8.2).
//!
//! A servent that may choose begins as a leaf. Four roads lead up:
//!
//! - **nobody there**: no ultrapeer was heard for a while ([`Limits::cold_start`]), so somebody
//!   must be the first. On private ground a servent that leaves dial waits less, since it is
//!   known and reachable, and least where many do; whoever has met a leaf with a higher GUID waits
//!   longer. So of many that begin at once few become ultrapeers and the rest find them, and two
//!   that become ultrapeers together simply link as such;
//! - **too few**: an ultrapeer said that its overlay needs more of them, and this leaf lacks
//!   some. The wait is random, so that the first to go relieves the others, and shorter for a leaf
//!   that has none at all;
//! - **merit**: an ultrapeer said so, and this servent is up long, reachable and strong. What was said long
//!   ago does not count: else all that begin together would go up together;
//! - the user's wish.
//!
//! One that became an ultrapeer for want of others is *provisional*: it gives way when there are
//! plenty and it has no leaves. Everybody else does so after an hour without leaves, or when it
//! turns out to be unfit. Each change makes the next one wait twice as long.

use std::fmt;
use std::str::FromStr;

use rand::{Rng, RngExt};

use super::ground::Ground;
use super::limits::Limits;
pub use super::neighbour::Role;
use super::time::{Duration, Instant};
use crate::wire::Guid;

/// What the user wants a servent to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Whatever serves the overlay.
    #[default]
    Auto,
    /// Always an ultrapeer.
    Ultrapeer,
    /// Always a leaf.
    Leaf,
}

/// What the election goes by, as of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Neighbours that are ultrapeers.
    pub ultrapeers: usize,
    /// Neighbours that are our leaves.
    pub leaves: usize,
    /// Ultrapeers that may have places for leaves: neighbours, and others that were heard of lately.
    pub roomy: usize,
    /// Whether strangers reach us: an incoming connection proves it.
    pub reachable: Option<bool>,
    /// How long we are up on average, earlier runs included.
    pub average_uptime: Option<Duration>,
    /// Upload bandwidth in KiB/s, where it was measured.
    pub bandwidth: Option<u32>,
    /// File descriptors that are free.
    pub descriptors: usize,
}

/// What a servent is now, and when to ask again even if nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its role from now on.
    pub role: Role,
    /// When to decide again at the latest, if ever.
    pub again: Option<Instant>,
}

/// Why a servent has its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has just begun.
    Beginning,
    /// The user wants it so.
    Wish,
    /// No ultrapeer was heard.
    NobodyThere,
    /// There were too few ultrapeers.
    TooFew,
    /// It is up long, reachable and strong.
    Merit,
    /// There are plenty of ultrapeers, and nobody needed this one.
    Superfluous,
    /// It cannot be reached, or lacks bandwidth or file descriptors.
    Unfit,
    /// An ultrapeer wanted a leaf rather than another ultrapeer.
    Guided,
}

/// Decides the role of one servent.
#[derive(Clone, Debug)]
pub struct Election {
    mode: Mode,
    ground: Ground,
    guid: Guid,
    role: Role,
    reason: Reason,
    started: Instant,
    switched: Option<Instant>,
    switches: u32,
    /// When an ultrapeer was last heard; the start before that.
    heard: Instant,
    /// Whether an ultrapeer was a neighbour when last asked.
    linked: bool,
    /// How often leaves dialled us since an ultrapeer was last heard.
    calls: u8,
    /// Whether a leaf with a higher GUID was met since then.
    outranked: bool,
    /// When an ultrapeer said that more are needed, where that was its last word.
    needed: Option<Instant>,
    /// When the wait of a leaf with too few ultrapeers is over.
    hunger: Option<Instant>,
    /// Since when an ultrapeer has no leaves.
    leafless: Option<Instant>,
}

/// Calls after which a servent is the one that many look for.
const MUCH_SOUGHT: u8 = 8;

impl Election {
    /// The election of a servent that begins `now`.
    #[must_use]
    pub const fn new(mode: Mode, ground: Ground, guid: Guid, now: Instant) -> Self {
        let (role, reason) = match mode {
            Mode::Auto => (Role::Leaf, Reason::Beginning),
            Mode::Ultrapeer => (Role::Ultrapeer, Reason::Wish),
            Mode::Leaf => (Role::Leaf, Reason::Wish),
        };
        Self {
            mode,
            ground,
            guid,
            role,
            reason,
            started: now,
            switched: None,
            switches: 0,
            heard: now,
            linked: false,
            calls: 0,
            outranked: false,
            needed: None,
            hunger: None,
            leafless: None,
        }
    }

    /// Decides, by what is so `now`. Call it when a fact changed and when the last decision said.
    pub fn decide<R: Rng + ?Sized>(
        &mut self,
        now: Instant,
        facts: &Facts,
        limits: &Limits,
        rng: &mut R,
    ) -> Decision {
        self.observe(now, facts, limits, rng);
        let mut again = None;
        if self.mode == Mode::Auto {
            let roads = match self.role {
                Role::Leaf => self.roads_up(facts, limits),
                Role::Ultrapeer => self.roads_down(facts, limits),
            };
            let next = roads
                .into_iter()
                .filter_map(|(due, reason)| Some((due?, reason)))
                .min_by_key(|(due, _)| *due);
            match next {
                Some((due, reason)) if due <= now => {
                    self.switch(now, reason);
                    // The links of the old role are closed now, so the facts are others.
                    again = Some(now);
                }
                next => again = next.map(|(due, _)| due),
            }
        }
        Decision {
            role: self.role,
            again,
        }
    }

    /// An ultrapeer answered a handshake, even if only to refuse.
    pub const fn hear_ultrapeer(&mut self, now: Instant) {
        self.heard = now;
        self.calls = 0;
        self.outranked = false;
    }

    /// A handshake met another leaf; `dialled_us` when it sought us.
    pub fn meet_leaf(&mut self, guid: Option<Guid>, dialled_us: bool) {
        self.calls = self.calls.saturating_add(u8::from(dialled_us));
        self.outranked |= guid.is_some_and(|guid| guid > self.guid);
    }

    /// An ultrapeer said whether its overlay needs more of them: it told a leaf so with
    /// `X-Ultrapeer-Needed`, or refused it because it is full. The last word counts.
    pub fn hear_need(&mut self, now: Instant, needed: bool) {
        self.needed = needed.then_some(now);
    }

    /// Whether this servent may become the leaf of an ultrapeer that wants no other ultrapeer. Whoever
    /// became one since there were too few waits first whether leaves find it.
    #[must_use]
    pub fn may_yield(&self, now: Instant, facts: &Facts, limits: &Limits) -> bool {
        let free =
            self.reason == Reason::NobodyThere || self.held_until(limits.role_hold, limits) <= now;
        self.mode == Mode::Auto && self.role == Role::Ultrapeer && facts.leaves == 0 && free
    }

    /// Becomes a leaf, as such an ultrapeer asked. What may not yield stays what it is.
    pub fn give_way(&mut self, now: Instant, facts: &Facts, limits: &Limits) {
        if self.may_yield(now, facts, limits) {
            self.hear_ultrapeer(now);
            self.switch(now, Reason::Guided);
        }
    }

    /// What the servent is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Why it is that.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Whether it is an ultrapeer only because others were missing.
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        matches!(self.reason, Reason::NobodyThere | Reason::TooFew)
    }

    /// Takes note of when things began to be so.
    fn observe<R: Rng + ?Sized>(
        &mut self,
        now: Instant,
        facts: &Facts,
        limits: &Limits,
        rng: &mut R,
    ) {
        if facts.ultrapeers > 0 || self.linked {
            self.hear_ultrapeer(now);
        }
        self.linked = facts.ultrapeers > 0;
        self.needed = self.needed.filter(|heard| now < *heard + limits.need_life);
        let idle = self.role == Role::Ultrapeer && facts.leaves == 0;
        self.leafless = idle.then(|| self.leafless.unwrap_or(now));
        let hungry = self.role == Role::Leaf
            && self.needed.is_some()
            && facts.ultrapeers < limits.leaf_ultrapeers;
        self.hunger = hungry.then(|| {
            self.hunger.unwrap_or_else(|| {
                let least = if self.ground.is_private() {
                    limits.private_hunger
                } else {
                    limits.hunger
                };
                // Whoever has none at all is heard by nobody until somebody makes room.
                let least = match facts.ultrapeers {
                    0 => Duration::from_micros(least.as_micros() / 4),
                    _ => least,
                };
                let more = rng.random_range(0..=least.times(3).as_micros());
                now + least + Duration::from_micros(more)
            })
        });
    }

    /// When each road up is open, if nothing changes.
    fn roads_up(&self, facts: &Facts, limits: &Limits) -> [(Option<Instant>, Reason); 3] {
        let private = self.ground.is_private();
        let alone = facts.ultrapeers == 0 && (private || facts.reachable != Some(false));
        let first = alone.then(|| self.heard + self.patience(limits));
        let fit = self.is_fit(facts, limits);
        let proven = fit && (private || facts.reachable == Some(true));
        // Places that are said to be free are often taken meanwhile: such talk delays nobody who waits.
        // And nobody tries whether somebody can be reached who has no neighbour.
        let trusted = proven || (alone && fit);
        let hungry = self
            .hunger
            .filter(|_| trusted && !is_plentiful(facts, limits));
        let hungry = hungry.map(|due| due.max(self.held_until(limits.role_hold, limits)));
        let needed = self.needed.filter(|_| proven);
        let merit = needed.and_then(|heard| {
            let steady = facts.average_uptime >= Some(limits.merit_average);
            let uptime = if steady {
                limits.merit_uptime
            } else {
                limits.merit_average
            };
            let due = (self.started + uptime).max(self.held_until(limits.merit_hold, limits));
            (due < heard + limits.need_life).then_some(due)
        });
        [
            (first, Reason::NobodyThere),
            (hungry, Reason::TooFew),
            (merit, Reason::Merit),
        ]
    }

    /// When each road down is open, if nothing changes. None is while others are rare.
    fn roads_down(&self, facts: &Facts, limits: &Limits) -> [(Option<Instant>, Reason); 3] {
        let plentiful = is_plentiful(facts, limits);
        let idle = self.leafless.filter(|_| plentiful);
        let provisional = idle
            .filter(|_| self.is_provisional())
            .map(|since| (since + limits.role_hold).max(self.held_until(limits.role_hold, limits)));
        let idle = idle
            .map(|since| (since + limits.leafless).max(self.held_until(limits.merit_hold, limits)));
        let unfit = (plentiful && !self.is_fit(facts, limits))
            .then(|| self.held_until(limits.role_hold, limits));
        [
            (provisional, Reason::Superfluous),
            (idle, Reason::Superfluous),
            (unfit, Reason::Unfit),
        ]
    }

    /// How long to wait for an ultrapeer.
    fn patience(&self, limits: &Limits) -> Duration {
        let (whole, calls) = match self.ground {
            Ground::Public => (limits.cold_start, 0),
            Ground::Private => (limits.private_cold_start, self.calls),
        };
        let tenths = match (calls, self.outranked) {
            (MUCH_SOUGHT.., _) => 2,
            (1.., false) => 6,
            (1.., true) => 9,
            (0, false) => 10,
            (0, true) => 15,
        };
        Duration::from_micros(whole.as_micros() / 10).times(tenths)
    }

    fn is_fit(&self, facts: &Facts, limits: &Limits) -> bool {
        let slow = facts
            .bandwidth
            .is_some_and(|rate| rate < limits.merit_bandwidth);
        let reachable = self.ground.is_private() || facts.reachable != Some(false);
        reachable && !slow && facts.descriptors >= limits.role_descriptors
    }

    /// When the role may change again, where the first pause between changes is `least`.
    fn held_until(&self, least: Duration, limits: &Limits) -> Instant {
        self.switched.map_or(self.started, |switched| {
            let doublings = self.switches.saturating_sub(1).min(32);
            switched + least.times(1 << doublings).min(limits.role_hold_most)
        })
    }

    const fn switch(&mut self, now: Instant, reason: Reason) {
        self.role = match self.role {
            Role::Ultrapeer => Role::Leaf,
            Role::Leaf => Role::Ultrapeer,
        };
        self.reason = reason;
        self.switched = Some(now);
        self.switches = self.switches.saturating_add(1);
        // The links of the old role are closed: there is a new beginning.
        self.heard = now;
        self.linked = false;
        self.calls = 0;
        self.outranked = false;
        self.needed = None;
        self.hunger = None;
        self.leafless = None;
    }
}

/// Whether so many ultrapeers have places for leaves that the overlay does not need one more.
const fn is_plentiful(facts: &Facts, limits: &Limits) -> bool {
    facts.roomy > limits.plentiful
}

impl Reason {
    /// The reason, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Beginning => "it has just begun",
            Self::Wish => "the user wants it so",
            Self::NobodyThere => "no ultrapeer was heard",
            Self::TooFew => "there were too few ultrapeers",
            Self::Merit => "it is up long, reachable and strong",
            Self::Superfluous => "there are plenty of ultrapeers and it had no leaves",
            Self::Unfit => "it cannot be reached, or lacks bandwidth or file descriptors",
            Self::Guided => "an ultrapeer wanted a leaf rather than another ultrapeer",
        }
    }
}

impl Role {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ultrapeer => "ultrapeer",
            Self::Leaf => "leaf",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Ultrapeer => "ultrapeer",
            Self::Leaf => "leaf",
        })
    }
}

/// A text that names no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mode: it is auto, ultrapeer or leaf")]
pub struct UnknownMode(String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "auto" => Ok(Self::Auto),
            "ultrapeer" => Ok(Self::Ultrapeer),
            "leaf" => Ok(Self::Leaf),
            _ => Err(UnknownMode(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
