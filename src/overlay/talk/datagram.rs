//! Datagrams: what strangers send without a link, and what it is answered with (protocol §13).
//!
//! Nobody has proven that a datagram comes from where it says. What is answered at all is answered
//! with about as few bytes as it has itself; only the pongs that tell hosts, and what crawlers are
//! told, are larger, and those one address gets seldom.

use std::net::SocketAddr;

use bytes::Bytes;

use super::push::From;
use super::quota::{Quota, Quotas};
use super::v4;
use crate::overlay::flood::Onward;
use crate::overlay::output::Output;
use crate::overlay::stats::Drop;
use crate::overlay::time::Duration;
use crate::overlay::{Instant, Servent, Surroundings, keepalive};
use crate::wire::address::Reach;
use crate::wire::datagram::Datagram;
use crate::wire::ping::Ping;
use crate::wire::pong::{HostWish, MAX_HOSTS};
use crate::wire::vendor::Vendor;
use crate::wire::{Descriptor, HEADER_LEN, Header, Kind};

/// The largest answer (protocol §13.5).
pub(super) const MOST_BYTES: usize = 1_400 - HEADER_LEN;

/// What is remembered of those who send datagrams.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    pinged: Quotas,
    asked: Quotas,
    crawled: Quotas,
}

/// A datagram that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a> {
    pub(super) from: SocketAddr,
    pub(super) header: &'a Header,
    pub(super) payload: &'a Bytes,
    /// Whether its sender takes a deflated answer.
    pub(super) inflates: bool,
}

impl Sent<'_> {
    /// An answer of this kind.
    pub(super) fn answer(&self, kind: Kind, payload: Bytes) -> Output {
        let header = Header {
            guid: self.header.guid,
            kind,
            ttl: 1,
            hops: 0,
        };
        Output::Datagram {
            to: self.from,
            descriptor: Descriptor { header, payload },
            deflate: self.inflates,
        }
    }

    /// An answer that is a vendor message.
    pub(super) fn tell(&self, message: &Vendor) -> Output {
        self.answer(Kind::Vendor { standard: false }, message.encode())
    }
}

impl Servent {
    /// Takes a datagram. One that is not exactly one descriptor, or comes from where nobody can
    /// be, is never answered.
    pub(in crate::overlay) fn datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &Bytes,
        around: &mut Surroundings<'_>,
    ) {
        let done = match Datagram::decode(bytes) {
            Err(_) => Err(Drop::Malformed),
            Ok(Datagram {
                descriptor: Descriptor { header, payload },
                inflates,
            }) => {
                around.stats.receive(&header, payload.len());
                let sent = Sent {
                    from,
                    header: &header,
                    payload: &payload,
                    inflates,
                };
                self.take_datagram(now, sent, around)
            }
        };
        around.stats.datagrams += 1;
        if let Err(why) = done {
            around.stats.drop(why);
        }
    }

    fn take_datagram(
        &mut self,
        now: Instant,
        sent: Sent<'_>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        match sent.header.kind {
            // Who was asked may be anywhere.
            Kind::Pong => self.pong_by_datagram(now, sent.from, sent.header, sent.payload, around),
            _ if !around.settings.ground.admits(sent.from) => Err(Drop::Unusable),
            Kind::Ping => self.pinged(now, sent, around),
            Kind::Push => {
                // It has come no link yet, whatever it says (protocol §1.7).
                let ttl = around.settings.profile.max_ttl;
                let onward = Onward { ttl, hops: 0 };
                let push = (sent.header, onward);
                self.take_push(now, From::Stranger, push, sent.payload, around)
                    .map(drop)
            }
            Kind::Vendor { .. } => self.vendor_datagram(now, sent, around),
            // Queries only of those who do GUESS, hits only of those who asked out of band.
            Kind::Query | Kind::QueryHit | Kind::Dht => Err(Drop::Ignored),
            Kind::Bye | Kind::RouteTableUpdate => Err(Drop::Weird),
            Kind::Other(_) => Err(Drop::UnknownKind),
        }
    }

    /// Answers a ping, each address once in a while (protocol §3.4).
    fn pinged(
        &mut self,
        now: Instant,
        sent: Sent<'_>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        if self.came_by_udp(now, sent.header.guid, around) {
            return Ok(());
        }
        let ping = Ping::decode(sent.payload).map_err(|_| Drop::Malformed)?;
        self.may_ask(now, sent, Asks::Ping, around)?;
        let pong = keepalive::own_pong(self.role, around);
        let mut pong = self.describe(pong, around.settings);
        if let Some(wish) = ping.host_wish()
            && !wish.no_ipv4
        {
            let hosts = self.hosts_for(now, sent.from, wish, around);
            pong = pong.with_hosts(&hosts);
        }
        if ping.wants_echo() {
            pong = pong.with_echo(sent.from);
        }
        around.out.push(sent.answer(Kind::Pong, pong.encode()));
        Ok(())
    }

    /// Ultrapeers for somebody at `from`, himself left out: those heard of lately, first the ones
    /// with places for him, and then our neighbours.
    fn hosts_for(
        &self,
        now: Instant,
        from: SocketAddr,
        wish: HostWish,
        around: &mut Surroundings<'_>,
    ) -> Vec<Reach> {
        let settings = around.settings;
        let mut told = match self.membership() {
            Some(member) => member.recommend_to(now, wish, around),
            None => Vec::new(),
        };
        for known in self.ultrapeers() {
            let peer = self.known(known.link);
            let listen = peer.and_then(|peer| Some((v4(peer.who.as_ref()?.listen?)?, peer)));
            if let Some((address, peer)) = listen
                && !told.iter().any(|host| host.address == address)
            {
                let tls = peer.encrypts();
                told.push(Reach { address, tls });
            }
        }
        let ground = settings.ground.seen_from(from.ip());
        told.retain(|host| {
            let address = SocketAddr::V4(host.address);
            ground.admits(address) && address != from && host.address != settings.address
        });
        told.truncate(MAX_HOSTS);
        told
    }

    /// Takes a vendor message that came as a datagram.
    fn vendor_datagram(
        &mut self,
        now: Instant,
        sent: Sent<'_>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        match Vendor::decode(sent.payload).map_err(|_| Drop::Malformed)? {
            Vendor::HeadPing(ping) => {
                self.may_ask(now, sent, Asks::Other, around)?;
                self.head_by_datagram(now, sent, &ping, around)
            }
            Vendor::TimeSyncRequest { .. } => {
                self.may_ask(now, sent, Asks::Other, around)?;
                let (guid, reply) = self.time(now, sent.header.guid, around)?;
                let header = Header {
                    guid,
                    ..*sent.header
                };
                let stamped = Sent {
                    header: &header,
                    ..sent
                };
                around.out.push(stamped.tell(&reply));
                Ok(())
            }
            Vendor::CrawlerPing(ping) => {
                self.may_ask(now, sent, Asks::Crawl, around)?;
                let pong = self.crawled(now, &ping);
                around.out.push(sent.tell(&Vendor::CrawlerPong(pong)));
                Ok(())
            }
            Vendor::NodeInfoRequest { .. } => {
                self.may_ask(now, sent, Asks::Crawl, around)?;
                let info = self.node_info(around);
                around
                    .out
                    .push(sent.tell(&Vendor::NodeInfoReply(Box::new(info))));
                Ok(())
            }
            _ => Err(Drop::Ignored),
        }
    }

    /// Whether its sender may ask once more. On private ground everybody may.
    fn may_ask(
        &mut self,
        now: Instant,
        sent: Sent<'_>,
        what: Asks,
        around: &Surroundings<'_>,
    ) -> Result<(), Drop> {
        let settings = around.settings;
        if settings.ground.is_private() {
            return Ok(());
        }
        let limits = &settings.limits;
        let strangers = &mut self.talk().strangers;
        let minute = Duration::from_secs(60);
        let (quotas, most, window) = match what {
            Asks::Ping => (&mut strangers.pinged, 1, limits.datagram_ping_interval),
            Asks::Crawl => (&mut strangers.crawled, 1, limits.datagram_crawl_interval),
            Asks::Other => (&mut strangers.asked, limits.datagrams_a_minute, minute),
        };
        let quota = Quota { most, window };
        let admitted = quotas.take(now, sent.from.ip(), quota, limits);
        admitted.then_some(()).ok_or(Drop::Throttled)
    }
}

/// What a datagram asks for, by how often it may.
#[derive(Clone, Copy, Debug)]
enum Asks {
    Ping,
    Crawl,
    Other,
}
