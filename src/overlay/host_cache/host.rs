//! What is known of one address, and what that is worth.

use super::seconds;
use crate::overlay::role::Role;
use crate::overlay::time::Instant;
use crate::wire::Guid;
use crate::wire::ggep::{Id, decode_integer};
use crate::wire::handshake::Greeting;
use crate::wire::pong::Pong;

/// Who told of an address, the less trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A query hit.
    Hit,
    /// A pong.
    Pong,
    /// A servent that recommended it in a handshake, or the user.
    Try,
}

/// What was said of a servent along with its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Whether it is an ultrapeer.
    pub ultrapeer: Option<bool>,
    /// Its average daily uptime in seconds.
    pub uptime: u32,
    /// Its free places, where it is an ultrapeer.
    pub free: Option<Free>,
    /// Its GUID.
    pub servent: Option<Guid>,
    /// Whether it said that it takes TLS.
    pub tls: bool,
}

/// Free places of an ultrapeer, as far as it can say: 255 is that or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// For leaves.
    pub leaves: u8,
    /// For ultrapeers.
    pub ultrapeers: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub(super) source: Source,
    pub(super) verified: bool,
    pub(super) details: Details,
    /// Second in which it was last heard of, on the driver's clock; before its origin when the
    /// store remembered it.
    pub(super) heard: i64,
    /// Before this moment it is not dialled.
    pub(super) not_before: Instant,
    /// Failures since it was last reached.
    pub(super) failures: u8,
}

/// What an address is worth: its standing in three bits, then 34 for how lately it was heard of, 17 for
/// its quality, and ten for how lately within that.
pub(super) type Worth = u64;

/// Who was verified is worth at least this much.
pub(super) const TRUSTED: Worth = 3 << STANDING;
/// The bit at which the standing begins.
const STANDING: u32 = 61;
/// Seconds within which one address counts as heard of as lately as another.
const LATELY: i64 = 600;
/// Seconds of daily uptime that free places of both kinds are worth.
const PLACE: u32 = 12 * 3_600;
const DAY: u32 = 24 * 3_600;

impl Host {
    pub(super) fn new(source: Source, now: Instant) -> Self {
        Self {
            source,
            verified: false,
            details: Details::default(),
            heard: seconds(now),
            not_before: Instant::default(),
            failures: 0,
        }
    }

    pub(super) fn worth(&self) -> Worth {
        // Nobody dials a leaf while there is anybody else.
        let standing = match self.details.ultrapeer {
            Some(false) => 0,
            _ => self.source as u8 + if self.verified { 3 } else { 0 },
        };
        let place = match self.details.free {
            Some(free) => PLACE / 2 * (u32::from(free.leaves > 0) + u32::from(free.ultrapeers > 0)),
            // It may have some: no worse than one that refused us.
            None => PLACE / 2,
        };
        let quality = self.details.uptime.min(DAY) + place;
        const { assert!(DAY + PLACE < 1 << 17 && LATELY < 1 << 10) };
        // No clock of a driver goes so far.
        let lately = self.heard.div_euclid(LATELY) + (1 << 33);
        let lately = lately.clamp(0, (1 << 34) - 1).unsigned_abs();
        let rest = self.heard.rem_euclid(LATELY).unsigned_abs();
        u64::from(standing) << STANDING | lately << 27 | u64::from(quality) << 10 | rest
    }
}

impl Details {
    /// What a pong says of its sender.
    #[must_use]
    pub fn of(pong: &Pong) -> Self {
        let extensions = &pong.extensions;
        let free = match extensions.get(Id::UP).map(|data| &data[..]) {
            Some(&[_, leaves, ultrapeers, ..]) => Some(Free { leaves, ultrapeers }),
            _ => None,
        };
        let uptime = extensions.get(Id::DU).and_then(|data| decode_integer(data));
        Self {
            ultrapeer: Some(pong.is_ultrapeer()),
            uptime: uptime.map_or(0, |seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
            free,
            servent: None,
            tls: pong.accepts_tls(),
        }
    }

    /// What a servent says of itself in a handshake.
    #[must_use]
    pub fn of_greeting(greeting: &Greeting) -> Self {
        Self {
            ultrapeer: greeting.ultrapeer,
            servent: greeting.guid.filter(|guid| !guid.is_zero()),
            tls: greeting.tls,
            ..Self::default()
        }
    }

    /// Adds what is newly known.
    pub(super) fn learn(&mut self, news: Self) {
        self.ultrapeer = news.ultrapeer.or(self.ultrapeer);
        self.free = news.free.or(self.free);
        self.servent = news.servent.or(self.servent);
        self.tls |= news.tls;
        if news.uptime > 0 {
            self.uptime = news.uptime;
        }
    }

    /// It has no place for a servent of this role, whatever it said before.
    pub(super) fn is_full(&mut self, role: Role) {
        let free = self.free.get_or_insert(Free {
            leaves: u8::MAX,
            ultrapeers: u8::MAX,
        });
        match role {
            Role::Leaf => free.leaves = 0,
            Role::Ultrapeer => free.ultrapeers = 0,
        }
    }

    /// There was a handshake with it: what was known of its places is over.
    pub(super) const fn met(&mut self) {
        self.free = None;
    }

    /// Whether it said that it has no place for a servent of this role.
    pub(super) fn is_full_for(&self, role: Role) -> bool {
        self.free.is_some_and(|free| match role {
            Role::Leaf => free.leaves == 0,
            Role::Ultrapeer => free.ultrapeers == 0,
        })
    }
}
