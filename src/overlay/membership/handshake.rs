//! What a handshake says, whom it lets in, and what is learnt from it (protocol §2.3-2.7, §8.2).
//!
//! A driver that dials says [`greet`](Servent::greet), has the answer judged by
//! [`meet`](Servent::meet) and closes with [`last_word`](Servent::last_word). One that is dialled
//! has the first block judged, answers with [`greet`](Servent::greet) and asks
//! [`settle`](Servent::settle) what the last block makes of it. Then the link begins with
//! [`Input::Joined`](crate::overlay::Input::Joined).

use std::net::{IpAddr, SocketAddr};

use rand::seq::SliceRandom;

use super::Membership;
use crate::overlay::host_cache::{Details, Source};
use crate::overlay::limits::Limits;
use crate::overlay::neighbour::{self, Offer};
use crate::overlay::pong_cache::Talker;
use crate::overlay::role::Role;
use crate::overlay::settings::{AGENT, Settings};
use crate::overlay::slots::{Admission, Caller, Refusal, Us};
use crate::overlay::time::Duration;
use crate::overlay::{Acquaintance, Instant, Link, Output, Servent, Surroundings, misbehaviour};
use crate::wire::bye::Bye;
use crate::wire::handshake::{Greeting, Version};

/// Neighbours of each role that a crawler is told of: what a block of few headers holds
/// (protocol §2.2).
const CRAWLED: usize = 100;
/// Servents that a block recommends (protocol §2.3).
const RECOMMENDED: usize = 10;

/// A handshake that came to a good end.
#[derive(Clone, Copy, Debug)]
pub struct Meeting<'a> {
    /// With whom.
    pub caller: Caller<'a>,
    /// How it was judged.
    pub admission: Admission,
    /// What it is.
    pub role: Role,
    /// What we said that we are.
    pub us: Role,
    /// Whether the link is compressed, both ways.
    pub compressed: bool,
}

impl Servent {
    /// What we say of ourselves to the servent at `remote`: in a first block, or in answer to a
    /// caller that was judged so.
    pub fn greet(
        &self,
        now: Instant,
        remote: IpAddr,
        answer: Option<(&Caller<'_>, Admission)>,
        around: &mut Surroundings<'_>,
    ) -> Greeting {
        let settings = around.settings;
        let listen = SocketAddr::V4(settings.address);
        let ultrapeer = self.role == Role::Ultrapeer;
        if let (Some(member), Some((_, Admission::Crawl))) = (self.membership(), answer) {
            return member.tell_crawler(ultrapeer, settings);
        }
        let needed = |member: &Membership, caller: &Caller<'_>| {
            let limits = &settings.limits;
            member.slots.needs_ultrapeers(caller.role(), limits)
        };
        Greeting {
            agent: Some(AGENT.to_owned()),
            ultrapeer: Some(ultrapeer),
            ultrapeer_needed: answer.filter(|_| ultrapeer).map(|(caller, _)| {
                self.membership()
                    .is_none_or(|member| needed(member, caller))
            }),
            query_routing: Some(Version { major: 0, minor: 2 }),
            // Leaves say what follows too: others judge by it whether they are modern
            // (protocol §2.4).
            ultrapeer_query_routing: true,
            dynamic_querying: !ultrapeer || settings.dynamic.is_some(),
            ext_probes: ultrapeer,
            listen: (!listen.ip().is_unspecified()).then_some(listen),
            remote_ip: Some(remote),
            max_ttl: Some(settings.profile.max_ttl),
            degree: u32::try_from(settings.limits.neighbours).ok(),
            requeries: Some(false),
            pong_caching: self.membership.is_some(),
            ggep: true,
            vendor_message: true,
            bye: true,
            tls: settings.tls,
            guid: Some(self.guid),
            live_since: live_since(settings),
            packets: answer.and_then(|(caller, _)| caller.greeting.packets.map(|_| true)),
            try_ultrapeers: match (self.membership(), answer) {
                (Some(member), Some((caller, admission))) if tells_others(admission) => {
                    member.recommend(now, caller, around)
                }
                _ => Vec::new(),
            },
            ..Greeting::default()
        }
    }

    /// What the last block says when we dialled.
    #[must_use]
    pub fn last_word(admission: Admission) -> Greeting {
        Greeting {
            ultrapeer: (admission == Admission::BecomeLeaf).then_some(false),
            ..Greeting::default()
        }
    }

    /// Judges a caller, or the answer of a servent that we dialled, and learns from what it says.
    /// Where it makes us a leaf we are one from now on.
    pub fn meet(
        &mut self,
        now: Instant,
        caller: &Caller<'_>,
        around: &mut Surroundings<'_>,
    ) -> Admission {
        let settings = around.settings;
        let limits = &settings.limits;
        let Some(member) = &mut self.membership else {
            return self.take(caller, settings);
        };
        let facts = member.facts(0, None);
        let us = Us {
            role: self.role,
            may_yield: member.election.may_yield(now, &facts, limits),
        };
        let admission = if caller.incoming && !member.callers.may_call(now, caller, limits) {
            Admission::Refuse(Refusal::OFTEN)
        } else {
            member.slots.admit(now, us, caller, limits)
        };
        match admission {
            Admission::Crawl | Admission::Refuse(Refusal::OFTEN) => return admission,
            // Nothing that it says is of this overlay.
            Admission::Refuse(Refusal::OTHER_PROTOCOL | Refusal::CLOSED_NETWORK) => {
                if !caller.incoming {
                    member.hosts.shun(now, caller.address, limits);
                }
                return admission;
            }
            Admission::Refuse(Refusal::OURSELVES) => {
                if !caller.incoming {
                    member.hosts.is_own(caller.address);
                }
                return admission;
            }
            _ => {}
        }
        member.learn(now, self.role, caller, limits);
        let turned_away = matches!(
            admission,
            Admission::TakeAsLeaf | Admission::Refuse(Refusal::ULTRAPEERS)
        );
        if caller.incoming
            && turned_away
            && let Some(listen) = caller.listen()
        {
            let private = member.ground.seen_from(listen.ip()).is_private();
            member.seekers.note(now, listen, private);
        }
        if admission == Admission::BecomeLeaf {
            member.election.give_way(now, &facts, limits);
            self.turn(now, Role::Leaf, around);
        }
        admission
    }

    /// What a caller that was let in is in the end, by the last block of its handshake.
    ///
    /// # Errors
    /// Why it does not become a neighbour after all.
    pub fn settle(
        &self,
        admission: Admission,
        last: &Greeting,
        settings: &Settings,
    ) -> Result<Role, Refusal> {
        match (&self.membership, admission) {
            (Some(member), _) => member.slots.settle(admission, last, &settings.limits),
            (None, Admission::Take { role, .. }) => Ok(role),
            (None, _) => Err(Refusal::ULTRAPEERS),
        }
    }

    /// A link begins with the end of a handshake.
    pub(in crate::overlay) fn joined(
        &mut self,
        now: Instant,
        link: Link,
        meeting: &Meeting<'_>,
        around: &mut Surroundings<'_>,
    ) {
        let Meeting { caller, role, .. } = *meeting;
        let offer = Offer::of(caller.greeting, role);
        if meeting.us != self.role {
            let why = "the role changed during the handshake";
            around.out.push(turned_away(link, offer, 504, why));
            return;
        }
        let checked = self.membership().map(|member| {
            member
                .slots
                .check(meeting.us, &caller, &around.settings.limits)
        });
        if let Some(Err(Refusal { code, reason })) = checked {
            around.out.push(turned_away(link, offer, code, reason));
            return;
        }
        if let Admission::Take {
            instead: Some(useless),
            ..
        } = meeting.admission
            && let Some(leaf) = neighbour::find(&mut self.neighbours, useless)
        {
            let why = "making room for another leaf";
            around.out.push(misbehaviour::close(leaf, 202, why));
            self.closed(now, useless, around);
        }
        self.connected(now, link, offer, around);
        if self.neighbours.last().map(|neighbour| neighbour.link) != Some(link) {
            return;
        }
        let who = Acquaintance {
            address: caller.address,
            listen: caller.listen(),
            servent: caller.servent(),
            agent: caller.greeting.agent.clone().unwrap_or_default(),
        };
        self.introduced(link, &who);
        let Some(member) = &mut self.membership else {
            return;
        };
        member.slots.connected(now, link, role, &caller);
        // In a network with a name that is said last.
        member.locate(now, &caller, &around.settings.limits);
        let greeting = caller.greeting;
        let talker = Talker {
            role,
            caches: greeting.pong_caching,
            ggep: greeting.ggep,
            compressed: meeting.compressed,
            listen: caller.listen().and_then(|listen| match listen {
                SocketAddr::V4(listen) => Some(listen),
                SocketAddr::V6(_) => None,
            }),
        };
        member.pongs.connected(link, talker);
        member.stir(now);
        if role == Role::Ultrapeer {
            member.pongs.asked(now, link);
            self.discover(link, around);
        }
    }

    /// Lets in whoever finds a place.
    fn take(&self, caller: &Caller<'_>, settings: &Settings) -> Admission {
        let role = caller.role().unwrap_or_default();
        if self.has_room_for(role, settings) {
            Admission::Take {
                role,
                instead: None,
            }
        } else {
            Admission::Refuse(Refusal::ULTRAPEERS)
        }
    }
}

impl Membership {
    /// What a handshake tells, however it ends.
    pub(super) fn learn(&mut self, now: Instant, role: Role, caller: &Caller<'_>, limits: &Limits) {
        let greeting = caller.greeting;
        match caller.role() {
            Some(Role::Leaf) => self.election.meet_leaf(caller.servent(), caller.incoming),
            Some(Role::Ultrapeer) => self.election.hear_ultrapeer(now),
            // Whoever can recommend ultrapeers hears them.
            None if !greeting.try_ultrapeers.is_empty() => self.election.hear_ultrapeer(now),
            None => {}
        }
        if role == Role::Leaf
            && let Some(needed) = greeting.ultrapeer_needed
        {
            self.election.hear_need(now, needed);
        }
        self.locate(now, caller, limits);
        let teller = self.ground.seen_from(caller.address.ip());
        let ultrapeer = Details {
            ultrapeer: Some(true),
            ..Details::default()
        };
        for address in &greeting.try_ultrapeers {
            self.hosts
                .hear_from(teller, now, *address, Source::Try, ultrapeer, limits);
        }
        self.stir(now);
    }

    /// Takes note of where a caller listens.
    fn locate(&mut self, now: Instant, caller: &Caller<'_>, limits: &Limits) {
        let details = Details::of_greeting(caller.greeting);
        let private = self.ground.seen_from(caller.address.ip()).is_private();
        match caller.listen() {
            // On public ground nobody has tried yet whether it can be reached there.
            Some(listen) if caller.incoming && !private => {
                self.hosts.hear(now, listen, Source::Pong, details, limits);
            }
            Some(listen) => self.hosts.verified(now, listen, details, limits),
            None => {}
        }
    }

    /// What a crawler is told: who is next to us, as far as a block holds it.
    fn tell_crawler(&self, ultrapeer: bool, settings: &Settings) -> Greeting {
        let told = |role| self.slots.addresses(role).take(CRAWLED).collect();
        Greeting {
            agent: Some(AGENT.to_owned()),
            ultrapeer: Some(ultrapeer),
            peers: told(Role::Ultrapeer),
            leaves: told(Role::Leaf),
            live_since: live_since(settings),
            ..Greeting::default()
        }
    }

    /// Ultrapeers for a caller to try: some that look for neighbours themselves, then neighbours of ours
    /// that may have a place for it, others that were heard of, and the other neighbours.
    fn recommend(
        &self,
        now: Instant,
        caller: &Caller<'_>,
        around: &mut Surroundings<'_>,
    ) -> Vec<SocketAddr> {
        let asker = (caller.address, caller.listen());
        let ground = self.ground.seen_from(caller.address.ip());
        let told = |address: &SocketAddr| {
            ground.admits(*address) && *address != asker.0 && Some(*address) != asker.1
        };
        let role = caller.role().unwrap_or_default();
        let neighbours = self.slots.addresses(Role::Ultrapeer);
        let mut neighbours: Vec<_> = neighbours.collect();
        // Else all that call would be sent to the same few.
        neighbours.shuffle(around.rng);
        let (full, free): (Vec<_>, _) = neighbours
            .into_iter()
            .partition(|address| self.hosts.is_full_for(*address, role));
        let limits = &around.settings.limits;
        let heard_of = self
            .hosts
            .recommend(now, RECOMMENDED, role, limits, around.rng);
        let seekers = self.seekers.some(now, RECOMMENDED / 2, around.rng);
        let others = free.into_iter().chain(heard_of).chain(full);
        let mut tries = Vec::new();
        for address in seekers.into_iter().chain(others).filter(told) {
            if tries.len() < RECOMMENDED && !tries.contains(&address) {
                tries.push(address);
            }
        }
        tries
    }
}

/// Since when we are up, where somebody knows the time.
fn live_since(settings: &Settings) -> Option<u64> {
    settings.origin.map(Duration::as_secs)
}

/// Whether a caller judged so is told of others: whoever is let in or finds no place, not who
/// broke a rule (protocol §2.6).
const fn tells_others(admission: Admission) -> bool {
    match admission {
        Admission::Refuse(refusal) => refusal.code == 503,
        _ => true,
    }
}

/// Ends a link before it became a neighbour's.
fn turned_away(link: Link, offer: Offer, code: u16, why: &str) -> Output {
    let bye = offer.bye.then(|| Bye {
        code,
        message: why.to_owned(),
    });
    Output::Close {
        link,
        bye,
        why: why.to_owned(),
    }
}
