//! A servent as a member of its overlay: which role it has, whom it lets in, whom it looks for,
//! and what it tells of others.
//!
//! Here the parts meet: [`role`](super::role) (ultrapeer or leaf), [`slots`](super::slots) (places
//! for neighbours), [`host_cache`](super::host_cache) (whom to dial), [`pong_cache`](super::pong_cache)
//! (what a ping is answered with). `handshake` says what a handshake says and
//! what comes of it, `seek` keeps the role and the number of neighbours, `kept` those that the user
//! named, `caches` asks UDP host caches, `callers` how often strangers may call, `seekers` who
//! was turned away, `pings` what is asked and answered about others.
//!
//! Only a servent that [joins](Servent::join) has one. All others keep the role that they are given
//! and the links that a driver makes.

mod caches;
mod callers;
mod handshake;
mod kept;
mod pings;
mod rebuffs;
mod seek;
mod seekers;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use self::caches::Caches;
use self::callers::Callers;
pub use self::handshake::Meeting;
use self::kept::Kept;
use self::rebuffs::Rebuffs;
pub use self::seek::Outcome;
use self::seekers::Seekers;
use super::ground::Ground;
use super::host_cache::{Details, HostCache, Remembered, Source};
use super::limits::Limits;
use super::pong_cache::PongCache;
use super::role::{Election, Facts, Mode, Reason, Role};
use super::slots::Slots;
use super::time::{Duration, Instant};
use super::{Servent, Settings};

/// How a servent is to be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What role it may have.
    pub mode: Mode,
    /// Whether it looks for neighbours beyond those that the user named.
    pub seeks: bool,
}

/// What a servent knows of itself that only its driver can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How long it is up on average a day, earlier runs included.
    pub average_uptime: Option<Duration>,
    /// Upload bandwidth in KiB/s, where it was measured.
    pub bandwidth: Option<u32>,
    /// How it is with its uploads, where that is known.
    pub upload_slots: Option<UploadSlots>,
    /// File descriptors that are free.
    pub descriptors: usize,
}

/// How it is with the uploads of a servent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadSlots {
    /// Slots that are free.
    pub free: usize,
    /// How many wait for one; nothing where nobody more may.
    pub waiting: Option<usize>,
}

/// The membership of one servent.
#[derive(Debug)]
pub struct Membership {
    ground: Ground,
    seeks: bool,
    standing: Standing,
    election: Election,
    slots: Slots,
    hosts: HostCache,
    pongs: PongCache,
    kept: Kept,
    caches: Caches,
    callers: Callers,
    seekers: Seekers,
    rebuffs: Rebuffs,
    /// When to look next whether all is as it should be.
    due: Option<Instant>,
}

impl Servent {
    /// Makes the servent a member of its overlay from `now` on, on the ground of its settings.
    pub fn join(&mut self, now: Instant, wish: Wish, settings: &Settings) {
        let ground = settings.ground;
        let election = Election::new(wish.mode, ground, self.guid, now);
        self.role = election.role();
        self.membership = Some(Box::new(Membership {
            ground,
            seeks: wish.seeks,
            standing: Standing::default(),
            election,
            slots: Slots::new(ground, self.guid),
            hosts: HostCache::new(ground),
            pongs: PongCache::new(ground),
            kept: Kept::default(),
            caches: Caches::default(),
            callers: Callers::new(ground),
            seekers: Seekers::default(),
            rebuffs: Rebuffs::default(),
            due: Some(now),
        }));
    }

    /// Its membership, if it joined.
    #[must_use]
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_deref()
    }

    /// The same, to tell it something.
    pub fn membership_mut(&mut self) -> Option<&mut Membership> {
        self.membership.as_deref_mut()
    }
}

impl Membership {
    /// Why the servent has its role.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.election.reason()
    }

    /// The addresses it heard of.
    #[must_use]
    pub const fn hosts(&self) -> &HostCache {
        &self.hosts
    }

    /// Takes note of an address, from the user, a beacon or whoever else is to be trusted that
    /// somebody listens there.
    pub fn hear(&mut self, now: Instant, address: SocketAddr, settings: &Settings) {
        let unknown = Details::default();
        let limits = &settings.limits;
        self.hosts
            .hear_from(Ground::Private, now, address, Source::Try, unknown, limits);
        self.due = Some(now);
    }

    /// Keeps a link to the servent at this address, whatever else is so.
    pub fn keep(&mut self, now: Instant, address: SocketAddr) {
        self.kept.add(now, address);
        self.due = Some(now);
    }

    /// Takes note of a UDP host cache, to be asked by datagram when there is hardly anybody left to
    /// dial.
    pub fn know_cache(&mut self, now: Instant, address: SocketAddr, settings: &Settings) {
        self.caches.add(now, address, &settings.limits);
        self.due = Some(now);
    }

    /// Whether any UDP host cache is known.
    #[must_use]
    pub fn knows_caches(&self) -> bool {
        self.caches.next().is_some()
    }

    /// Takes in the addresses that an earlier run knew.
    pub fn recall(
        &mut self,
        now: Instant,
        remembered: impl IntoIterator<Item = Remembered>,
        settings: &Settings,
    ) {
        self.hosts.restore(now, remembered, &settings.limits);
        self.due = Some(now);
    }

    /// What the driver knows of the servent, for it to tell.
    pub const fn standing_mut(&mut self) -> &mut Standing {
        &mut self.standing
    }

    /// Entries of its tables, by name.
    pub(super) fn held(&self) -> [(&'static str, usize); 6] {
        [
            ("hosts", self.hosts.len()),
            ("bad_hosts", self.hosts.shunned()),
            ("resting_hosts", self.hosts.resting()),
            ("pongs", self.pongs.len()),
            ("places", self.slots.links().count()),
            ("dials", self.slots.dials()),
        ]
    }

    /// How many seconds it is up on average a day, where that is known.
    fn daily_uptime(&self) -> Option<u32> {
        let seconds = self.standing.average_uptime?.as_secs();
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// How it is with its uploads, where that is known.
    pub(in crate::overlay) const fn upload_slots(&self) -> Option<UploadSlots> {
        self.standing.upload_slots
    }

    /// When a tick is to be handed in next, if ever.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Something changed: all is looked at with the next tick.
    const fn stir(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// What the election goes by; `roomy` is the number of ultrapeers with places for leaves, `reachable`
    /// whether strangers reach us.
    fn facts(&self, roomy: usize, reachable: Option<bool>) -> Facts {
        Facts {
            ultrapeers: self.slots.count(Role::Ultrapeer),
            leaves: self.slots.count(Role::Leaf),
            roomy,
            reachable,
            average_uptime: self.standing.average_uptime,
            bandwidth: self.standing.bandwidth,
            descriptors: self.standing.descriptors,
        }
    }

    /// How many ultrapeers may have places for leaves, neighbours and others that were heard of, as far as
    /// it matters.
    fn roomy(&self, now: Instant, limits: &Limits) -> usize {
        let neighbours = self.slots.addresses(Role::Ultrapeer);
        let neighbours = neighbours
            .filter(|address| !self.hosts.is_full_for(*address, Role::Leaf))
            .count();
        // What is said of others is not so where all refuse us.
        if self.election.role() == Role::Leaf && self.rebuffs.are_many() {
            return neighbours;
        }
        let enough = limits.plentiful.saturating_add(1);
        let most = enough.saturating_sub(neighbours);
        let taken = |address, servent| self.slots.knows(address, servent);
        neighbours + self.hosts.count_ultrapeers(now, most, taken, limits)
    }
}

impl Default for Standing {
    /// Nothing measured, and nothing lacking.
    fn default() -> Self {
        Self {
            average_uptime: None,
            bandwidth: None,
            upload_slots: None,
            descriptors: usize::MAX,
        }
    }
}
