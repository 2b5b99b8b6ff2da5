//! The servent itself: takes inputs, gives outputs, tells its next deadline. Dispatch only; each
//! rule is in its own file.

use bytes::Bytes;

use super::dynamic_query::{Asker, DynamicQueries};
use super::hit_throttle::HitThrottle;
use super::input::Input;
use super::membership::Membership;
use super::neighbour::{self, Neighbour, Offer, Role};
use super::output::{Output, Recipients};
use super::routes::Routes;
use super::routing::Routing;
use super::scrutiny::Scrutiny;
use super::search::{SearchId, Searches};
use super::settings::Settings;
use super::stats::Drop;
use super::talk::Talk;
use super::{Instant, Link, Surroundings, keepalive};
use crate::wire::bye::Bye;
use crate::wire::query::Query;
use crate::wire::{Guid, Header, Kind};

/// The type of HSEP, which estimates horizons: optional, and not ours (protocol §1.2).
const HORIZON: u8 = 0xcd;

/// One servent of the overlay: its neighbours, its routes, its searches.
///
/// What every descriptor needs stands first, within two lines of a processor's cache: where very
/// many servents run, most of the time goes into waiting for those.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Servent {
    /// By rising link.
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) routes: Routes,
    /// Its place, for now.
    pub(super) role: Role,
    /// Made with the first neighbour that tells a routing table, or is told one.
    pub(super) routing: Option<Box<Routing>>,
    /// Made with the first vendor message or push.
    pub(super) talk: Option<Box<Talk>>,
    /// Made with the first query of a neighbour, where we are strict.
    pub(super) scrutiny: Option<Box<Scrutiny>>,
    pub(super) guid: Guid,
    /// Made when it joins its overlay.
    pub(super) membership: Option<Box<Membership>>,
    /// Made with the first search.
    pub(super) searches: Option<Box<Searches>>,
    /// Made with the first search that goes from neighbour to neighbour.
    pub(super) dynamic: Option<Box<DynamicQueries>>,
    /// Made with the first hit that is passed on, where we are strict.
    pub(super) hit_throttle: Option<Box<HitThrottle>>,
    /// When the next neighbour is to be probed, or what is left of the last one to be forgotten.
    pub(super) probe: Option<Instant>,
}

impl Servent {
    /// A servent without neighbours, in this role until it [joins](Self::join) an overlay.
    #[must_use]
    pub fn new(guid: Guid, role: Role) -> Self {
        Self {
            guid,
            role,
            membership: None,
            neighbours: Vec::new(),
            routes: Routes::default(),
            searches: None,
            routing: None,
            dynamic: None,
            talk: None,
            scrutiny: None,
            hit_throttle: None,
            probe: None,
        }
    }

    /// Takes one input at `now`, which never runs backwards, and appends what is to be done to
    /// `around.out`.
    #[inline]
    pub fn handle(&mut self, now: Instant, input: Input<'_>, around: &mut Surroundings<'_>) {
        let received = match &input {
            Input::Received {
                header, payload, ..
            } => Some((header.kind, payload.len())),
            _ => None,
        };
        let before = around.out.len();
        self.dispatch(now, input, around);
        if self.holds_back() {
            self.hold_back(before, received.map(|(kind, _)| kind), around);
        }
        if let Some(traffic) = &mut around.stats.traffic {
            traffic.count_out(&around.out[before..], received, self.neighbours.len());
        }
    }

    /// Dispatch only.
    #[inline]
    fn dispatch(&mut self, now: Instant, input: Input<'_>, around: &mut Surroundings<'_>) {
        match input {
            Input::Received {
                link,
                header,
                payload,
            } => {
                self.received(now, link, &header, payload, around);
            }
            Input::Connected { link, offer } => self.connected(now, link, offer, around),
            Input::Joined { link, meeting } => self.joined(now, link, meeting, around),
            Input::Dialled { address, outcome } => self.dialled(now, address, outcome, around),
            Input::Closed { link } => self.closed(now, link, around),
            Input::Introduced { link, who } => self.introduced(link, who),
            Input::Datagram { from, bytes } => self.datagram(now, from, bytes, around),
            Input::Reached { from } => self.came_by_tcp(now, from, around),
            Input::Pressure { link, level } => self.pressed(now, link, level, around),
            Input::Overrun { link } => self.overrun(link, around),
            Input::Search { id, query, ttl } => self.search(now, id, query, ttl, around),
            Input::Cancel { id } => {
                let searches = self.searches.as_mut();
                if let Some(guid) = searches.and_then(|searches| searches.cancel(id)) {
                    self.stop_asking(guid, around);
                    self.stop_guiding(guid, around);
                }
            }
            Input::LibraryChanged => self.route_anew(now, around),
            Input::Tick => {
                self.probe_silent(now, around);
                self.tell_routes(now, around);
                self.go_on(now, around);
                self.look(now, around);
                self.look_around(now, around);
            }
        }
    }

    /// When to hand in [`Input::Tick`] next, if ever. Coarse: it changes only with a link, a tick
    /// or a new address, never with a query.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let routing = self.routing.as_ref().and_then(|routing| routing.deadline());
        let dynamic = self.dynamic.as_ref().and_then(|queries| queries.deadline());
        let membership = self.membership().and_then(Membership::deadline);
        let talk = self.talk_deadline();
        let all = [self.probe, routing, dynamic, membership, talk];
        all.into_iter().flatten().min()
    }

    /// Reads what the next descriptor over `link` will need and changes nothing. A driver of very
    /// many servents calls it some descriptors early, so that memory answers meanwhile; the value
    /// means nothing, but must be used for the reads to happen.
    #[must_use]
    #[inline]
    pub fn read_ahead(&self, link: Link) -> u32 {
        let neighbour = self.neighbours.get(link.0 as usize);
        neighbour.map_or(0, |neighbour| neighbour.received) ^ self.routes.read_ahead()
    }

    /// Who this servent is.
    #[must_use]
    pub const fn guid(&self) -> Guid {
        self.guid
    }

    /// Its place in the overlay.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Its neighbours, by rising link.
    #[must_use]
    pub fn neighbours(&self) -> &[Neighbour] {
        &self.neighbours
    }

    pub(super) fn connected(
        &mut self,
        now: Instant,
        link: Link,
        offer: Offer,
        around: &mut Surroundings<'_>,
    ) {
        if !self.has_room_for(offer.role, around.settings) {
            let why = "all places for neighbours are taken";
            let bye = offer.bye.then(|| Bye {
                code: 503,
                message: why.to_owned(),
            });
            around.out.push(Output::Close {
                link,
                bye,
                why: why.to_owned(),
            });
            return;
        }
        // Exactly one place more: most servents of a simulation never get another neighbour.
        self.neighbours.reserve_exact(1);
        self.neighbours
            .push(Neighbour::new(link, offer, neighbour::second(now)));
        if let Some(keepalive) = around.settings.keepalive {
            around.out.push(keepalive::ping(link, 1, around.rng));
            let due = now + keepalive.silence;
            self.probe = Some(self.probe.map_or(due, |set| set.min(due)));
        }
        self.tell_support(link, offer, around);
        self.route_with(now, link, around);
        // A search that goes from neighbour to neighbour finds the new one by itself.
        if let Some(searches) = &self.searches
            && offer.role == Role::Ultrapeer
            && !self.goes_step_by_step(around.settings)
        {
            let fresh = searches.fresh(now, &around.settings.limits);
            around.out.extend(fresh.map(|query| Output::Send {
                to: Recipients::One(link),
                descriptor: query.clone(),
            }));
        }
    }

    pub(super) fn closed(&mut self, now: Instant, link: Link, around: &mut Surroundings<'_>) {
        self.neighbours.retain(|neighbour| neighbour.link != link);
        self.be_alone(now, around);
        self.route_without(now, link, around);
        self.forget_asker(link);
        if let Some(member) = &mut self.membership {
            member.closed(now, link);
        }
        self.with_dynamic(around, |queries, inside| queries.gone(now, link, inside));
        self.forget_talk(link);
    }

    /// Whether another neighbour of this place finds one (protocol §8.1).
    #[must_use]
    pub fn has_room_for(&self, role: Role, settings: &Settings) -> bool {
        let limits = &settings.limits;
        let most = match (self.role, role) {
            (Role::Ultrapeer, Role::Ultrapeer) => limits.neighbours,
            (Role::Ultrapeer, Role::Leaf) => limits.leaves,
            (Role::Leaf, Role::Ultrapeer) => limits.ultrapeers,
            (Role::Leaf, Role::Leaf) => 0,
        };
        let same = |neighbour: &&Neighbour| neighbour.offer.role == role;
        self.neighbours.iter().filter(same).count() < most
    }

    /// Whether our own searches go from neighbour to neighbour; else they go to all at once.
    fn goes_step_by_step(&self, settings: &Settings) -> bool {
        self.role == Role::Ultrapeer && settings.dynamic.is_some()
    }

    /// Dispatch only; the order of the checks is that of protocol §1.6.
    #[inline]
    fn received(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) {
        around.stats.receive(header, payload.len());
        let Some(neighbour) = neighbour::find(&mut self.neighbours, link) else {
            around.stats.drop(Drop::UnknownLink);
            return;
        };
        neighbour.heard = neighbour::second(now);
        neighbour.unanswered = 0;
        neighbour.received = neighbour.received.wrapping_add(1);
        let done = match header.kind {
            Kind::Query if neighbour.congested => Err(Drop::Congested),
            Kind::Query => {
                let from = (link, neighbour.offer.role);
                self.query(now, from, header, payload, around)
            }
            Kind::QueryHit => self.query_hit(now, link, header, payload, around),
            Kind::Ping => self.answer_ping(now, link, header, around),
            Kind::Pong => self.pong(now, link, header, payload, around),
            Kind::Bye | Kind::RouteTableUpdate | Kind::Vendor { .. } if header.hops > 0 => {
                Err(Drop::Weird)
            }
            Kind::Bye => Self::bye(link, payload, around),
            Kind::RouteTableUpdate => self.route_table_update(now, link, payload, around),
            Kind::Vendor { .. } => self.vendor(now, link, header, payload, around),
            Kind::Push => self.push(now, link, header, payload, around),
            // Nothing we ever announced: neither acted on nor a fault.
            Kind::Dht | Kind::Other(HORIZON) => Err(Drop::Ignored),
            Kind::Other(_) => Err(Drop::UnknownKind),
        };
        if let Err(why) = done {
            around.stats.drop(why);
            self.blame(link, why, around);
        }
    }

    fn bye(link: Link, payload: &Bytes, around: &mut Surroundings<'_>) -> Result<(), Drop> {
        let said = Bye::decode(payload);
        let why = match &said {
            Ok(bye) => format!("the neighbour left: {} {}", bye.code, bye.message),
            Err(_) => "the neighbour left without a word".to_owned(),
        };
        around.out.push(Output::Close {
            link,
            bye: None,
            why,
        });
        said.map(drop).map_err(|_| Drop::Malformed)
    }

    fn search(
        &mut self,
        now: Instant,
        id: SearchId,
        query: &Query,
        ttl: Option<u8>,
        around: &mut Surroundings<'_>,
    ) {
        let settings = around.settings;
        let guid = Guid::random(around.rng);
        // Nothing that comes back has a higher TTL: it is never taken for somebody else's.
        self.routes.note(
            now,
            guid,
            Link::OWN,
            u8::MAX,
            &settings.limits,
            settings.secret,
        );
        let far = ttl.unwrap_or(settings.profile.max_ttl);
        let mut query = query.clone();
        query.flags = query
            .flags
            .with_leaf_guided(self.is_guiding())
            .with_firewalled(self.is_hidden(settings));
        let query = &query;
        let searches = self.searches.get_or_insert_default();
        let descriptor = searches.begin(now, id, guid, far, query, &settings.limits);
        let chooses =
            self.role == Role::Ultrapeer && (settings.dynamic.is_some() || self.routing.is_some());
        // A TTL that the user chose is kept to.
        if chooses && ttl.is_none() {
            let payload = descriptor.payload;
            self.spend(now, guid, query, &payload, Asker::Own, around);
        } else {
            around.out.push(Output::Send {
                to: Recipients::All,
                descriptor,
            });
        }
    }
}
