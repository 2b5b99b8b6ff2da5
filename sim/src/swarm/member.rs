//! One member of a swarm: its state machines, and what it pretends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use filbert::swarm::credit::{Credit, Peer};
use filbert::swarm::download::{Download, Input, Output, Settings, Surroundings};
use filbert::swarm::mesh::Mesh;
use filbert::swarm::pace::Pace;
use filbert::swarm::upload_queue::{self, Id, UploadQueue};
use rand_pcg::Pcg64Mcg;

use super::settings::Attack;

/// What a member is in the swarm for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Has the file from the start.
    Seed,
    /// Fetches it and gives what it has.
    Giver,
    /// Fetches it and gives nothing.
    Leecher,
    /// Wants nothing.
    Attacker(Attack),
}

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) role: Role,
    /// What it fetches, for a seed or an attacker nothing.
    pub(super) download: Option<Download>,
    pub(super) queue: UploadQueue,
    pub(super) credit: Credit,
    pub(super) mesh: Mesh,
    /// Its uplink and its downlink.
    pub(super) up: Pace,
    pub(super) down: Pace,
    /// Under way: whom it asks, by which transfer.
    pub(super) asks: BTreeMap<u32, u32>,
    /// The tickets that others gave it.
    pub(super) tickets: BTreeMap<u32, Id>,
    /// When it is to be woken, if at all.
    pub(super) alarm: Option<u64>,
    /// When it had the file.
    pub(super) done: Option<Duration>,
    /// Tiles that it has and that are wrong, which it does not know.
    pub(super) wrong: BTreeSet<u32>,
    /// Bytes that it sent.
    pub(super) sent: u64,
    /// Whole tiles that came and were of no use: wrong, or there already.
    pub(super) wasted: u64,
}

impl Member {
    pub(super) fn new(role: Role, up: u64, down: u64, slots: usize, tiles: (u64, u64)) -> Self {
        let (size, tile_len) = tiles;
        let fetches = matches!(role, Role::Giver | Role::Leecher);
        Self {
            role,
            download: fetches.then(|| Download::new(size, tile_len)),
            queue: UploadQueue::new(upload_queue::Settings {
                slots,
                ..upload_queue::Settings::default()
            }),
            credit: Credit::new(METERS),
            mesh: Mesh::default(),
            up: Pace::new(up),
            down: Pace::new(down),
            asks: BTreeMap::new(),
            tickets: BTreeMap::new(),
            alarm: None,
            done: None,
            wrong: BTreeSet::new(),
            sent: 0,
            wasted: 0,
        }
    }

    /// Tells its download what happened.
    pub(super) fn tell(
        &mut self,
        now: Duration,
        input: Input,
        settings: &Settings,
        rng: &mut Pcg64Mcg,
        out: &mut Vec<Output>,
    ) {
        if let Some(download) = &mut self.download {
            download.handle(now, input, &mut Surroundings { settings, rng, out });
        }
    }

    /// Whether it tells others that it has something.
    pub(super) fn announces(&self) -> bool {
        match self.role {
            Role::Seed | Role::Attacker(_) => true,
            Role::Giver => self.download.as_ref().is_some_and(|own| own.verified() > 0),
            Role::Leecher => false,
        }
    }
}

/// Where a member is: each has an address of its own, as credit goes by that.
pub(super) fn address(member: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(FIRST + member), 6346))
}

/// Who is at an address.
pub(super) fn member(address: SocketAddr) -> u32 {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_bits().wrapping_sub(FIRST),
        IpAddr::V6(_) => u32::MAX,
    }
}

/// Whom credit knows a member as.
pub(super) fn peer(member: u32) -> Peer {
    Peer::at(address(member).ip())
}

/// The first address, 10.0.0.1.
const FIRST: u32 = 0x0a00_0001;

/// Meters that each keeps, as many as a servent.
const METERS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_has_an_address_of_its_own() {
        for number in [0, 1, 255, 70_000, 1_000_000] {
            assert_eq!(member(address(number)), number);
        }
    }
}
