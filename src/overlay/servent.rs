//! The servent itself: takes inputs, gives outputs, tells its next deadline. Dispatch only; each
//! rule is in its own file.

use bytes::Bytes;

use super::flow::Pressure;
use super::input::Input;
use super::neighbour::{self, Neighbour, Offer};
use super::output::{Output, Recipients};
use super::routes::Routes;
use super::search::{SearchId, Searches};
use super::stats::Drop;
use super::{Instant, Link, Surroundings, keepalive};
use crate::wire::bye::Bye;
use crate::wire::pong::Pong;
use crate::wire::query::Query;
use crate::wire::{Guid, Header, Kind};

/// One servent of the overlay: its neighbours, its routes, its searches.
#[derive(Clone, Debug)]
pub struct Servent {
    pub(super) guid: Guid,
    /// By rising link.
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) routes: Routes,
    /// Made with the first search.
    pub(super) searches: Option<Box<Searches>>,
    pub(super) deadline: Option<Instant>,
}

impl Servent {
    /// A servent without neighbours.
    #[must_use]
    pub fn new(guid: Guid) -> Self {
        Self {
            guid,
            neighbours: Vec::new(),
            routes: Routes::default(),
            searches: None,
            deadline: None,
        }
    }

    /// Takes one input at `now`, which never runs backwards, and appends what is to be done to
    /// `around.out`.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, around: &mut Surroundings<'_>) {
        match input {
            Input::Received {
                link,
                header,
                payload,
            } => {
                self.received(now, link, &header, payload, around);
            }
            Input::Connected { link, offer } => self.connected(now, link, offer, around),
            Input::Closed { link } => self.neighbours.retain(|neighbour| neighbour.link != link),
            Input::Pressure { link, level } => {
                if let Some(neighbour) = neighbour::find(&mut self.neighbours, link) {
                    neighbour.congested = level == Pressure::Congested;
                }
            }
            Input::Search { id, query, ttl } => self.search(now, id, query, ttl, around),
            Input::Cancel { id } => {
                if let Some(searches) = &mut self.searches {
                    searches.cancel(id);
                }
            }
            Input::Tick => self.probe_silent(now, around),
        }
    }

    /// When to hand in [`Input::Tick`] next, if ever. Coarse: it changes only with a link or a
    /// tick, never with a descriptor.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Reads what the next descriptor over `link` will need and changes nothing. A driver of very
    /// many servents calls it some descriptors early, so that memory answers meanwhile; the value
    /// means nothing, but must be used for the reads to happen.
    #[must_use]
    pub fn read_ahead(&self, link: Link) -> u32 {
        let neighbour = self.neighbours.get(link.0 as usize);
        neighbour.map_or(0, |neighbour| neighbour.received) ^ self.routes.read_ahead()
    }

    /// Who this servent is.
    #[must_use]
    pub const fn guid(&self) -> Guid {
        self.guid
    }

    /// Its neighbours, by rising link.
    #[must_use]
    pub fn neighbours(&self) -> &[Neighbour] {
        &self.neighbours
    }

    fn connected(&mut self, now: Instant, link: Link, offer: Offer, around: &mut Surroundings<'_>) {
        if self.neighbours.len() >= around.settings.limits.neighbours {
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
            around.out.push(keepalive::ping(link, around.rng));
            let due = now + keepalive.silence;
            self.deadline = Some(self.deadline.map_or(due, |set| set.min(due)));
        }
        if let Some(searches) = &self.searches {
            around
                .out
                .extend(
                    searches
                        .fresh(now, &around.settings.limits)
                        .map(|query| Output::Send {
                            to: Recipients::One(link),
                            descriptor: query.clone(),
                        }),
                );
        }
    }

    /// Dispatch only; the order of the checks is that of protocol §1.6.
    fn received(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) {
        around.stats.receive(header.kind);
        let Some(neighbour) = neighbour::find(&mut self.neighbours, link) else {
            around.stats.drop(Drop::UnknownLink);
            return;
        };
        neighbour.heard = neighbour::second(now);
        neighbour.unanswered = 0;
        neighbour.received = neighbour.received.wrapping_add(1);
        let done = match header.kind {
            Kind::Query => self.query(now, link, header, payload, around),
            Kind::QueryHit => self.query_hit(now, link, header, payload, around),
            Kind::Ping => self.answer_ping(link, header, around),
            Kind::Pong => Pong::decode(payload).map(drop).map_err(|_| Drop::Malformed),
            Kind::Bye | Kind::RouteTableUpdate | Kind::Vendor { .. } if header.hops > 0 => {
                Err(Drop::Weird)
            }
            Kind::Bye => Self::bye(link, payload, around),
            // Nothing we ever announced: neither acted on nor a fault.
            Kind::RouteTableUpdate | Kind::Vendor { .. } | Kind::Push | Kind::Dht => {
                Err(Drop::Ignored)
            }
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
        let ttl = ttl.unwrap_or(settings.profile.max_ttl);
        let searches = self.searches.get_or_insert_default();
        let descriptor = searches.begin(now, id, guid, ttl, query.encode(), &settings.limits);
        around.out.push(Output::Send {
            to: Recipients::All,
            descriptor,
        });
    }
}
