//! What a servent tells those who watch the overlay: crawlers, and who asks how it is doing or what
//! time it is (protocol §8.6).

use super::datagram::MOST_BYTES;
use super::v4;
use crate::overlay::flood::HARD_TTL;
use crate::overlay::neighbour::Role;
use crate::overlay::settings::VENDOR;
use crate::overlay::stats::Drop;
use crate::overlay::time::Duration;
use crate::overlay::{Instant, Servent, Surroundings};
use crate::wire::Guid;
use crate::wire::vendor::{
    CrawledHost, CrawlerPing, CrawlerPong, CrawlerWish, NodeInfo, Stamp, TimeSyncReply, Vendor,
};

/// Of a crawler's wishes, those that we fulfil.
const TOLD: u8 = CrawlerWish::MINUTES.0 | CrawlerWish::CRAWLABLE.0;

/// In front of the hosts of a crawler pong: its name, two counts, and what is told.
const FRONT: usize = 8 + 3;

/// The most bytes of one host that a crawler is told of.
const HOST: usize = 6 + 2;

impl Servent {
    /// The neighbours whose addresses are known, as far as a crawler wants them and one datagram
    /// holds them.
    pub(super) fn crawled(&self, now: Instant, ping: &CrawlerPing) -> CrawlerPong {
        let told = CrawlerWish(ping.wish.0 & TOLD);
        let hosts = |role, most: u8| {
            let held = self.neighbours.iter();
            let these = held.filter(move |known| known.offer.role == role);
            let addressed = these.filter_map(|known| {
                let who = self.known(known.link)?.who.as_ref()?;
                let minutes = known.age(now).as_secs() / 60;
                Some(CrawledHost {
                    address: v4(who.listen?)?,
                    minutes: u16::try_from(minutes).unwrap_or(u16::MAX),
                    locale: [0; 2],
                })
            });
            addressed.take(usize::from(most)).collect::<Vec<_>>()
        };
        let ultrapeers = hosts(Role::Ultrapeer, ping.ultrapeers);
        let mut leaves = hosts(Role::Leaf, ping.leaves);
        let most = (MOST_BYTES - FRONT) / HOST;
        leaves.truncate(most.saturating_sub(ultrapeers.len()));
        CrawlerPong {
            told,
            ultrapeers,
            leaves,
            agents: Vec::new(),
        }
    }

    /// How we are doing: the fixed part, and none of the groups.
    pub(super) fn node_info(&self, around: &Surroundings<'_>) -> NodeInfo {
        let limits = &around.settings.limits;
        let count = |role| {
            let held = self.neighbours.iter();
            held.filter(|known| known.offer.role == role).count()
        };
        let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        let word = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let since = around.settings.origin.map_or(0, Duration::as_secs);
        let since = u32::try_from(since).unwrap_or(u32::MAX);
        NodeInfo {
            vendor: VENDOR,
            mode: if self.is_leaf(around) { 1 } else { 2 },
            max_ultrapeers: byte(limits.neighbours),
            max_ultrapeers_as_leaf: byte(limits.ultrapeers),
            ultrapeers: byte(count(Role::Ultrapeer)),
            max_leaves: word(limits.leaves),
            leaves: word(count(Role::Leaf)),
            ttl: around.settings.profile.max_ttl,
            hard_ttl: HARD_TTL,
            started: since,
            address_changed: since,
            ..NodeInfo::default()
        }
    }

    /// What time it is, for a request with this MUID; where nobody told us it is not answered.
    pub(super) fn time(
        &self,
        now: Instant,
        asked: Guid,
        around: &Surroundings<'_>,
    ) -> Result<(Guid, Vendor), Drop> {
        let origin = around.settings.origin.ok_or(Drop::Ignored)?;
        let micros = origin.as_micros().saturating_add(now.as_micros());
        let now = Stamp {
            seconds: u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX),
            micros: u32::try_from(micros % 1_000_000).unwrap_or(0),
        };
        let (requested, _) = Stamp::pair_of(&asked);
        let reply = TimeSyncReply {
            ntp: false,
            received: now,
        };
        Ok((Stamp::muid(requested, now), Vendor::TimeSyncReply(reply)))
    }
}
