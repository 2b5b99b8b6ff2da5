//! HEAD pings: whether a file is here, or with a leaf whose push proxy we are (protocol §8.6).

use std::net::SocketAddr;

use bytes::Bytes;

use super::datagram::Sent;
use super::generations::{Bounds, Generations};
use super::{descriptor, tell};
use crate::overlay::membership::UploadSlots;
use crate::overlay::output::{Output, Recipients};
use crate::overlay::settings::VENDOR;
use crate::overlay::stats::Drop;
use crate::overlay::time::Duration;
use crate::overlay::{Instant, Link, Servent, Surroundings};
use crate::wire::query::Query;
use crate::wire::vendor::{BUSY, HeadPing, HeadPong, Holding, Vendor};
use crate::wire::{Guid, HEADER_LEN};

/// Who asked through us, by the MUID of the ping.
pub(super) type Relayed = Generations<Guid, Option<Asker>>;

/// Somebody who asked a leaf through us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    to: SocketAddr,
    /// How many bytes it sent: it gets about as many back.
    bytes: usize,
    /// The leaf that may answer.
    leaf: Link,
}

/// How long a leaf may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// By how many bytes what a leaf answers may be longer than what was asked.
const MORE: usize = 32;

impl Servent {
    /// A neighbour asks for a file.
    pub(super) fn head(
        &self,
        link: Link,
        guid: Guid,
        ping: &HeadPing,
        around: &mut Surroundings<'_>,
    ) {
        let pong = Vendor::HeadPong(self.holding(ping, around));
        tell(link, guid, &pong, around);
    }

    /// Somebody asks for a file by a datagram: of us, or of a leaf of ours, to which that is handed
    /// on once.
    pub(super) fn head_by_datagram(
        &mut self,
        now: Instant,
        sent: Sent<'_>,
        ping: &HeadPing,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let Some(wanted) = ping.leaf().filter(|leaf| *leaf != self.guid) else {
            let pong = Vendor::HeadPong(self.holding(ping, around));
            around.out.push(sent.tell(&pong));
            return Ok(());
        };
        let mut peers = self.talk.iter().flat_map(|talk| &talk.peers);
        let leaf = peers.find(|(_, peer)| peer.pushed == Some(wanted));
        let leaf = leaf.map(|(link, _)| *link).ok_or(Drop::RouteLost)?;
        let bounds = bounds(around);
        let asker = self.talk().relayed.renew(now, sent.header.guid, bounds);
        if asker.is_some() {
            return Err(Drop::Duplicate);
        }
        *asker = Some(Asker {
            to: sent.from,
            bytes: HEADER_LEN + sent.payload.len(),
            leaf,
        });
        around.out.push(Output::Send {
            to: Recipients::One(leaf),
            descriptor: descriptor(sent.header.guid, sent.payload.clone()),
        });
        Ok(())
    }

    /// A leaf answers somebody who asked through us.
    pub(super) fn relay_head(
        &mut self,
        now: Instant,
        link: Link,
        guid: Guid,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let bounds = bounds(around);
        let relayed = self.talk.as_mut().map(|talk| &mut talk.relayed);
        let asker = relayed.and_then(|relayed| *relayed.get(now, guid, bounds)?);
        let Asker { to, bytes, .. } = asker
            .filter(|asker| asker.leaf == link)
            .ok_or(Drop::NoRoute)?;
        if HEADER_LEN + payload.len() > bytes + MORE {
            return Err(Drop::TooLarge);
        }
        around.out.push(Output::Datagram {
            to,
            descriptor: descriptor(guid, payload.clone()),
            deflate: false,
        });
        Ok(())
    }

    /// How it is with its uploads, where that is known.
    pub(in crate::overlay) fn upload_slots(&self) -> Option<UploadSlots> {
        self.membership()?.upload_slots()
    }

    /// How it is with a file here.
    fn holding(&self, ping: &HeadPing, around: &Surroundings<'_>) -> HeadPong {
        let query = Query::for_urn(ping.urn);
        let holding = match around.catalogue.answer(&query, 1).is_empty() {
            true => Holding::None,
            false => Holding::Complete,
        };
        HeadPong {
            firewalled: self.is_hidden(around.settings),
            tls: around.settings.tls,
            vendor: Some(VENDOR),
            queue: self.upload_slots().map(queue),
            ..HeadPong::new(ping.version, holding)
        }
    }
}

/// How a HEAD pong tells it: below zero that so many slots are free, else how many wait; where
/// nobody more may, we are busy.
fn queue(slots: UploadSlots) -> i8 {
    let few = |count: usize| i8::try_from(count).ok();
    match (slots.free, slots.waiting) {
        (0, waiting) => waiting.map_or(BUSY, |waiting| few(waiting).unwrap_or(BUSY - 1)),
        (free, _) => few(free).map_or(i8::MIN, |free| -free),
    }
}

fn bounds(around: &Surroundings<'_>) -> Bounds {
    Bounds {
        most: around.settings.limits.heads_relayed,
        life: PATIENCE,
    }
}
