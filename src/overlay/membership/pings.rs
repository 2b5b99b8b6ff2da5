//! What is asked and answered about others: pings and pongs of a member, over links and by datagram
//! (protocol §3.1-3.4, §12.2). Nothing is passed on; the pong cache answers.

use std::net::SocketAddr;

use bytes::Bytes;

use super::Membership;
use crate::overlay::ground::Ground;
use crate::overlay::host_cache::{Details, Source};
use crate::overlay::pong_cache::Situation;
use crate::overlay::role::Role;
use crate::overlay::settings::{MAKER, Settings};
use crate::overlay::stats::Drop;
use crate::overlay::{Instant, Link, Output, Recipients, Servent, Surroundings, flood, keepalive};
use crate::wire::address::Reach;
use crate::wire::ping::Ping;
use crate::wire::pong::{HostWish, MAX_HOSTS, Pong, Slots};
use crate::wire::{Descriptor, Header, Kind};

/// Hosts taken from one pong.
const HOSTS: usize = 10;

impl Servent {
    /// Answers a ping: with a pong of our own, from what others said, or not at all.
    pub(in crate::overlay) fn answer_ping(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let onward = match flood::hit(header) {
            // BearShare's acknowledgement of an alive ping (protocol §3.1).
            Err(Drop::TtlZero) => return Ok(()),
            onward => onward?,
        };
        let settings = around.settings;
        let mut pong = keepalive::own_pong(self.role, around);
        let reached = !self.is_hidden(settings);
        if let Some(member) = &mut self.membership {
            let situation = member.situation(self.role, reached, settings);
            let answer = member
                .pongs
                .ping(now, link, header, &situation, around.rng)?;
            around
                .out
                .extend(answer.pongs.into_iter().map(|pong| Output::Send {
                    to: Recipients::One(link),
                    descriptor: pong,
                }));
            if answer.throttled {
                around.stats.drop(Drop::Throttled);
            }
            if !answer.own {
                return Ok(());
            }
            if member.pongs.reads_ggep(link) {
                pong = self.describe(pong, settings);
            }
        }
        around.out.push(Output::Send {
            to: Recipients::One(link),
            descriptor: keepalive::answer(header, onward, &pong),
        });
        Ok(())
    }

    /// Takes in a pong, and gives it to those who still want some.
    pub(in crate::overlay) fn pong(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let pong = Pong::decode(payload).map_err(|_| Drop::Malformed)?;
        let Some(member) = &mut self.membership else {
            return Ok(());
        };
        let settings = around.settings;
        let situation = member.situation(self.role, false, settings);
        let copies = member
            .pongs
            .pong(now, link, header, payload, &pong, &situation, around.rng)?;
        around
            .out
            .extend(copies.into_iter().map(|(to, descriptor)| Output::Send {
                to: Recipients::One(to),
                descriptor,
            }));
        let ground = member.ground;
        if member.hear_hosts(now, ground, &pong, HOSTS, settings) {
            member.stir(now);
        }
        Ok(())
    }

    /// Takes in a pong that came as a datagram: only one that answers a ping of ours.
    pub(in crate::overlay) fn pong_by_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        header: &Header,
        payload: &Bytes,
        around: &Surroundings<'_>,
    ) -> Result<(), Drop> {
        let asked = self
            .membership
            .as_mut()
            .and_then(|member| Some((member.caches.answered(now, header.guid)?, member)));
        let (cache, member) = asked.ok_or(Drop::NoRoute)?;
        let pong = Pong::decode(payload).map_err(|_| Drop::Malformed)?;
        let settings = around.settings;
        let ground = member.ground.seen_from(from.ip());
        if member.hear_hosts(now, ground, &pong, MAX_HOSTS, settings) {
            member.caches.was_useful(now, cache, &settings.limits);
        }
        member.stir(now);
        Ok(())
    }

    /// What those who read extensions are told beside (protocol §3.2). Where nobody can connect to
    /// us there is no free place.
    pub(in crate::overlay) fn describe(&self, pong: Pong, settings: &Settings) -> Pong {
        let mut pong = pong.with_maker(MAKER);
        if self.role == Role::Ultrapeer {
            let limits = &settings.limits;
            let free = |role, most: usize| {
                let held = self.neighbours.iter();
                let held = held.filter(|known| known.offer.role == role).count();
                most.saturating_sub(held)
            };
            pong = pong.with_slots(match self.is_hidden(settings) {
                true => Slots::new(0, 0),
                false => Slots::new(
                    free(Role::Leaf, limits.leaves),
                    free(Role::Ultrapeer, limits.neighbours),
                ),
            });
        }
        let uptime = self.membership().and_then(Membership::daily_uptime);
        if let Some(seconds) = uptime {
            pong = pong.with_daily_uptime(seconds);
        }
        if settings.tls { pong.with_tls() } else { pong }
    }

    /// Asks a neighbour for pongs.
    pub(super) fn discover(&self, link: Link, around: &mut Surroundings<'_>) {
        let ttl = around.settings.profile.max_ttl;
        around.out.push(keepalive::ping(link, ttl, around.rng));
    }

    /// Asks for pongs anew when those at hand are old; says when that is next.
    pub(super) fn refresh_pongs(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_>,
    ) -> Option<Instant> {
        let settings = around.settings;
        let member = self.membership.as_mut()?;
        if member.slots.count(Role::Ultrapeer) == 0 {
            return None;
        }
        let situation = member.situation(self.role, false, settings);
        let neighbours = &self.neighbours;
        let congested = |link| {
            let place = neighbours.binary_search_by_key(&link, |neighbour| neighbour.link);
            place.is_ok_and(|place| neighbours[place].congested)
        };
        let asked = member.pongs.refresh(now, congested, &situation, around.rng);
        let next = member.pongs.due(&situation);
        for link in asked {
            self.discover(link, around);
        }
        next
    }
}

impl Membership {
    /// Takes in the sender of a pong and at most so many others that it names; says whether one
    /// of them was new. `ground` is where whoever sent it stands.
    fn hear_hosts(
        &mut self,
        now: Instant,
        ground: Ground,
        pong: &Pong,
        most: usize,
        settings: &Settings,
    ) -> bool {
        let limits = &settings.limits;
        let before = self.hosts.len();
        // A host cache need not be a servent.
        if pong.host_cache().is_none() {
            self.hosts.hear_pong(now, ground, pong, limits);
        }
        for host in pong.reaches(most) {
            let ultrapeer = Details {
                ultrapeer: Some(true),
                tls: host.tls,
                ..Details::default()
            };
            let address = host.address.into();
            self.hosts
                .hear_from(ground, now, address, Source::Pong, ultrapeer, limits);
        }
        self.hosts.len() != before
    }

    /// Ultrapeers for somebody who asks by datagram: some that look for neighbours themselves, then of
    /// those that were heard of lately first the ones that have, or may have, the places he wishes for.
    pub(in crate::overlay) fn recommend_to(
        &self,
        now: Instant,
        wish: HostWish,
        around: &mut Surroundings<'_>,
    ) -> Vec<Reach> {
        let limits = &around.settings.limits;
        let role = match wish.ultrapeer_slots {
            true => Role::Ultrapeer,
            false => Role::Leaf,
        };
        let mut told = self.seekers.some(now, MAX_HOSTS / 3, around.rng);
        let heard_of = self
            .hosts
            .recommend(now, MAX_HOSTS, role, limits, around.rng);
        for address in heard_of {
            if told.len() < MAX_HOSTS && !told.contains(&address) {
                told.push(address);
            }
        }
        let reach = |address: SocketAddr| match address {
            SocketAddr::V4(v4) => Some(Reach {
                address: v4,
                tls: self.hosts.takes_tls(address),
            }),
            SocketAddr::V6(_) => None,
        };
        told.into_iter().filter_map(reach).collect()
    }

    /// Asks a UDP host cache for servents with places for one in our role, if one may be asked.
    pub(super) fn ask_cache(&mut self, now: Instant, role: Role, around: &mut Surroundings<'_>) {
        let settings = around.settings;
        let Some((to, guid)) = self.caches.ask(now, &settings.limits, around.rng) else {
            return;
        };
        let wish = HostWish {
            ultrapeer_slots: role == Role::Ultrapeer,
            tls: settings.tls,
            ..HostWish::default()
        };
        let ping = Ping::default().with_host_wish(wish).with_maker(MAKER);
        let header = Header {
            guid,
            kind: Kind::Ping,
            ttl: 1,
            hops: 0,
        };
        around.out.push(Output::Datagram {
            to,
            descriptor: Descriptor {
                header,
                payload: ping.encode(),
            },
            deflate: false,
        });
    }

    /// What the pong cache goes by; `reached` is whether a stranger could take a place of ours.
    fn situation<'a>(&self, role: Role, reached: bool, settings: &'a Settings) -> Situation<'a> {
        let free = self.slots.free(&settings.limits);
        let places = free.leaves > 0 || free.ultrapeers > 0;
        Situation {
            role,
            own: settings.address,
            places: role == Role::Ultrapeer && reached && places,
            max_ttl: settings.profile.max_ttl,
            limits: &settings.limits,
        }
    }
}
