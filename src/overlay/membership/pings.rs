//! What is asked and answered about others: pings and pongs of a member (protocol §3.1-3.3).
//! Nothing is passed on; the pong cache answers.

use bytes::Bytes;

use super::Membership;
use crate::overlay::host_cache::{Details, Source};
use crate::overlay::pong_cache::Situation;
use crate::overlay::role::Role;
use crate::overlay::settings::{MAKER, Settings};
use crate::overlay::stats::Drop;
use crate::overlay::{Instant, Link, Output, Recipients, Servent, Surroundings, flood, keepalive};
use crate::wire::Header;
use crate::wire::pong::{Pong, Slots};

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
        if let Some(member) = &mut self.membership {
            let situation = member.situation(self.role, settings);
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
                pong = member.describe(pong, self.role, settings);
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
        let situation = member.situation(self.role, settings);
        let copies = member
            .pongs
            .pong(now, link, header, payload, &pong, &situation, around.rng)?;
        around
            .out
            .extend(copies.into_iter().map(|(to, descriptor)| Output::Send {
                to: Recipients::One(to),
                descriptor,
            }));
        let before = member.hosts.len();
        member.hosts.hear_pong(now, &pong, &settings.limits);
        let ultrapeer = Details {
            ultrapeer: Some(true),
            ..Details::default()
        };
        for host in pong.hosts(HOSTS) {
            let limits = &settings.limits;
            member
                .hosts
                .hear(now, host.into(), Source::Pong, ultrapeer, limits);
        }
        if member.hosts.len() != before {
            member.stir(now);
        }
        Ok(())
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
        let situation = member.situation(self.role, settings);
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
    fn situation<'a>(&self, role: Role, settings: &'a Settings) -> Situation<'a> {
        let free = self.slots.free(&settings.limits);
        Situation {
            role,
            own: settings.address,
            places: role == Role::Ultrapeer && (free.leaves > 0 || free.ultrapeers > 0),
            max_ttl: settings.profile.max_ttl,
            limits: &settings.limits,
        }
    }

    /// What those who read extensions are told beside (protocol §3.2).
    fn describe(&self, pong: Pong, role: Role, settings: &Settings) -> Pong {
        let mut pong = pong.with_maker(MAKER);
        if role == Role::Ultrapeer {
            let free = self.slots.free(&settings.limits);
            pong = pong.with_slots(Slots::new(free.leaves.into(), free.ultrapeers.into()));
        }
        if let Some(uptime) = self.standing.average_uptime {
            let seconds = u32::try_from(uptime.as_secs()).unwrap_or(u32::MAX);
            pong = pong.with_daily_uptime(seconds);
        }
        if settings.tls { pong.with_tls() } else { pong }
    }
}
