//! The servent itself: takes inputs, gives outputs, tells its next deadline.

use std::fmt;

use bytes::Bytes;
use rand::Rng;

use super::Link;
use super::catalogue::Catalogue;
use super::flood::{self, Onward};
use super::flow::Pressure;
use super::neighbour::{Neighbour, Offer};
use super::routes::{Routes, Seen};
use super::search::{SearchId, Searches};
use super::settings::{Keepalive, Settings, VENDOR};
use super::stats::{Drop, Stats};
use super::time::{Duration, Instant};
use crate::wire::bye::Bye;
use crate::wire::ggep::Extensions;
use crate::wire::ping::Ping;
use crate::wire::pong::Pong;
use crate::wire::query::Query;
use crate::wire::query_hit::{QueryHit, Record, Trailer, servent_of};
use crate::wire::{Descriptor, Guid, Header, Kind};

/// What happens to a servent.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A handshake succeeded.
    Connected {
        /// The new link, above every link before it.
        link: Link,
        /// What the handshake said.
        offer: Offer,
    },
    /// A descriptor came over a link.
    Received {
        /// The link.
        link: Link,
        /// Its header.
        header: Header,
        /// Its payload, parsed only where this servent must understand it.
        payload: &'a Bytes,
    },
    /// A link is gone.
    Closed {
        /// The link.
        link: Link,
    },
    /// The send queue of a link filled or emptied.
    Pressure {
        /// The link.
        link: Link,
        /// Whether the neighbour keeps up.
        level: Pressure,
    },
    /// The user searches.
    Search {
        /// A number for the hits to carry.
        id: SearchId,
        /// What to search.
        query: &'a Query,
        /// How far, instead of the profile's TTL.
        ttl: Option<u8>,
    },
    /// The user wants no more hits of a search.
    Cancel {
        /// The search.
        id: SearchId,
    },
    /// The deadline passed.
    Tick,
}

/// What a servent wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Pass on the descriptor that was just received, sharing its payload, with these two header
    /// bytes.
    Forward {
        /// To whom.
        to: Recipients,
        /// Its TTL from here.
        ttl: u8,
        /// Its hops from here.
        hops: u8,
    },
    /// Send a descriptor of our own.
    Send {
        /// To whom.
        to: Recipients,
        /// What.
        descriptor: Descriptor,
    },
    /// Close a link.
    Close {
        /// The link.
        link: Link,
        /// What to say before, where the neighbour understands it.
        bye: Option<Bye>,
        /// Why, for people.
        why: String,
    },
    /// A search of our own was answered.
    Hit {
        /// The search.
        search: SearchId,
        /// The answer.
        hit: Box<QueryHit>,
        /// How many links away it comes from: 1 is a direct neighbour.
        hops: u8,
        /// Over which link it came.
        link: Link,
    },
}

/// Which neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One.
    One(Link),
    /// All of them but this one.
    AllBut(Link),
    /// All of them.
    All,
}

/// What a servent needs and does not own, handed in with every input, so that a million servents
/// share it.
pub struct Surroundings<'a, C: ?Sized, R: ?Sized> {
    /// What its owner decided.
    pub settings: &'a Settings,
    /// What it shares.
    pub catalogue: &'a C,
    /// Random numbers.
    pub rng: &'a mut R,
    /// Counters.
    pub stats: &'a mut Stats,
    /// Takes the effects, in order.
    pub out: &'a mut Vec<Output>,
}

impl<C: ?Sized, R: ?Sized> fmt::Debug for Surroundings<'_, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("out", &self.out)
            .finish_non_exhaustive()
    }
}

/// One servent of the overlay: its neighbours, its routes, its searches.
#[derive(Clone, Debug)]
pub struct Servent {
    guid: Guid,
    /// By rising link.
    neighbours: Vec<Neighbour>,
    routes: Routes,
    /// Made with the first search.
    searches: Option<Box<Searches>>,
    deadline: Option<Instant>,
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
    pub fn handle<C, R>(
        &mut self,
        now: Instant,
        input: Input<'_>,
        around: &mut Surroundings<'_, C, R>,
    ) where
        C: Catalogue + ?Sized,
        R: Rng + ?Sized,
    {
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
                if let Some(neighbour) = find(&mut self.neighbours, link) {
                    neighbour.congested = level == Pressure::Congested;
                }
            }
            Input::Search { id, query, ttl } => self.search(now, id, query, ttl, around),
            Input::Cancel { id } => {
                if let Some(searches) = &mut self.searches {
                    searches.cancel(id);
                }
            }
            Input::Tick => self.tick(now, around),
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

    fn connected<C, R>(
        &mut self,
        now: Instant,
        link: Link,
        offer: Offer,
        around: &mut Surroundings<'_, C, R>,
    ) where
        R: Rng + ?Sized,
        C: ?Sized,
    {
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
            .push(Neighbour::new(link, offer, second(now)));
        if let Some(keepalive) = around.settings.keepalive {
            around.out.push(ping(link, around.rng));
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
    fn received<C, R>(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_, C, R>,
    ) where
        C: Catalogue + ?Sized,
        R: ?Sized,
    {
        around.stats.receive(header.kind);
        let Some(neighbour) = find(&mut self.neighbours, link) else {
            around.stats.drop(Drop::UnknownLink);
            return;
        };
        neighbour.heard = second(now);
        neighbour.unanswered = 0;
        neighbour.received = neighbour.received.wrapping_add(1);
        let done = match header.kind {
            Kind::Query => self.query(now, link, header, payload, around),
            Kind::QueryHit => self.query_hit(now, link, header, payload, around),
            Kind::Ping => self.ping(link, header, around),
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

    fn query<C, R>(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_, C, R>,
    ) -> Result<(), Drop>
    where
        C: Catalogue + ?Sized,
        R: ?Sized,
    {
        let settings = around.settings;
        let onward = flood::query(header, settings.profile)?;
        if payload.len() > settings.limits.query_bytes {
            return Err(Drop::TooLarge);
        }
        if find(&mut self.neighbours, link).is_some_and(|neighbour| neighbour.congested) {
            return Err(Drop::Congested);
        }
        let seen = self.routes.note(
            now,
            header.guid,
            link,
            onward.ttl,
            &settings.limits,
            settings.secret,
        );
        match seen {
            Seen::First => self.answer(link, header, onward, payload, around)?,
            Seen::Raised if settings.profile.raise => around.stats.drop(Drop::Duplicate),
            Seen::Raised | Seen::Again => return Err(Drop::Duplicate),
        }
        if onward.ttl > 0 && self.neighbours.len() > 1 {
            around.out.push(Output::Forward {
                to: Recipients::AllBut(link),
                ttl: onward.ttl,
                hops: onward.hops,
            });
        }
        Ok(())
    }

    /// Answers a query from what we share.
    fn answer<C, R>(
        &self,
        link: Link,
        header: &Header,
        onward: Onward,
        payload: &Bytes,
        around: &mut Surroundings<'_, C, R>,
    ) -> Result<(), Drop>
    where
        C: Catalogue + ?Sized,
        R: ?Sized,
    {
        if around.catalogue.is_empty() {
            return Ok(());
        }
        let settings = around.settings;
        let query = Query::decode(payload).map_err(|_| Drop::Malformed)?;
        let records = around
            .catalogue
            .answer(&query, settings.limits.results_per_query);
        if records.is_empty() {
            return Ok(());
        }
        around.stats.answered += 1;
        let header = Header {
            guid: header.guid,
            kind: Kind::QueryHit,
            ttl: onward.hops.saturating_add(2),
            hops: 0,
        };
        for results in batches(records, settings) {
            let hit = QueryHit {
                port: settings.address.port(),
                ip: *settings.address.ip(),
                speed: settings.speed,
                results,
                trailer: Some(Trailer {
                    vendor: VENDOR,
                    push: Some(false),
                    busy: None,
                    uploaded: None,
                    measured: None,
                    extensions: Extensions::default(),
                    xml: None,
                }),
                servent: self.guid,
            };
            let descriptor = Descriptor {
                header,
                payload: hit.encode(),
            };
            around.out.push(Output::Send {
                to: Recipients::One(link),
                descriptor,
            });
        }
        Ok(())
    }

    fn query_hit<C, R>(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_, C, R>,
    ) -> Result<(), Drop>
    where
        C: ?Sized,
        R: ?Sized,
    {
        let settings = around.settings;
        let onward = flood::hit(header)?;
        if payload.len() > settings.limits.hit_bytes {
            return Err(Drop::TooLarge);
        }
        let servent = servent_of(payload).ok_or(Drop::Malformed)?;
        if servent.is_zero() || servent == self.guid || servent == header.guid {
            return Err(Drop::BadServent);
        }
        let back = self
            .routes
            .way_back(now, header.guid, &settings.limits, settings.secret)
            .ok_or(Drop::NoRoute)?;
        if back == Link::OWN {
            let searches = self.searches.as_ref().ok_or(Drop::NoRoute)?;
            let search = searches.of(header.guid).ok_or(Drop::NoRoute)?;
            let hit = QueryHit::decode(payload).map_err(|_| Drop::Malformed)?;
            around.out.push(Output::Hit {
                search,
                hit: Box::new(hit),
                hops: onward.hops,
                link,
            });
            return Ok(());
        }
        if back == link || find(&mut self.neighbours, back).is_none() {
            return Err(Drop::RouteLost);
        }
        if onward.ttl == 0 {
            return Err(Drop::TtlExhausted);
        }
        around.stats.routed += 1;
        around.out.push(Output::Forward {
            to: Recipients::One(back),
            ttl: onward.ttl,
            hops: onward.hops,
        });
        Ok(())
    }

    /// Every ping is answered with one pong about ourselves; none is passed on (protocol §3.3).
    fn ping<C, R>(
        &self,
        link: Link,
        header: &Header,
        around: &mut Surroundings<'_, C, R>,
    ) -> Result<(), Drop>
    where
        C: Catalogue + ?Sized,
        R: ?Sized,
    {
        let onward = match flood::hit(header) {
            // BearShare's acknowledgement of an alive ping (protocol §3.1).
            Err(Drop::TtlZero) => return Ok(()),
            onward => onward?,
        };
        let tally = around.catalogue.tally();
        let pong = Pong {
            port: around.settings.address.port(),
            ip: *around.settings.address.ip(),
            files: tally.files,
            kibibytes: ultrapeer_kibibytes(tally.kibibytes),
            extensions: Extensions::default(),
        };
        let header = Header {
            kind: Kind::Pong,
            ttl: onward.hops,
            hops: 0,
            ..*header
        };
        let descriptor = Descriptor {
            header,
            payload: pong.encode(),
        };
        around.out.push(Output::Send {
            to: Recipients::One(link),
            descriptor,
        });
        Ok(())
    }

    fn bye<C: ?Sized, R: ?Sized>(
        link: Link,
        payload: &Bytes,
        around: &mut Surroundings<'_, C, R>,
    ) -> Result<(), Drop> {
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

    fn search<C, R>(
        &mut self,
        now: Instant,
        id: SearchId,
        query: &Query,
        ttl: Option<u8>,
        around: &mut Surroundings<'_, C, R>,
    ) where
        C: ?Sized,
        R: Rng + ?Sized,
    {
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

    /// Probes the silent and closes what stayed silent.
    fn tick<C, R>(&mut self, now: Instant, around: &mut Surroundings<'_, C, R>)
    where
        C: ?Sized,
        R: Rng + ?Sized,
    {
        let Some(keepalive) = around.settings.keepalive else {
            self.deadline = None;
            return;
        };
        for neighbour in &mut self.neighbours {
            if due(neighbour, keepalive) > now {
                continue;
            }
            if neighbour.unanswered >= keepalive.unanswered {
                around.out.push(close(neighbour, 406, "no reply to pings"));
                continue;
            }
            neighbour.unanswered += 1;
            neighbour.pinged = second(now);
            around.out.push(ping(neighbour.link, around.rng));
        }
        self.deadline = self
            .neighbours
            .iter()
            .map(|neighbour| due(neighbour, keepalive).max(now + Duration::from_secs(1)))
            .min();
    }

    /// Counts what a neighbour did wrong; some things it may do only so often (protocol §17.1).
    fn blame<C: ?Sized, R: ?Sized>(
        &mut self,
        link: Link,
        why: Drop,
        around: &mut Surroundings<'_, C, R>,
    ) {
        let Some(neighbour) = find(&mut self.neighbours, link) else {
            return;
        };
        let limits = &around.settings.limits;
        match why {
            Drop::Duplicate => neighbour.duplicates = neighbour.duplicates.wrapping_add(1),
            Drop::Ignored | Drop::Congested | Drop::RouteLost => {}
            _ => neighbour.bad = neighbour.bad.wrapping_add(1),
        }
        match why {
            Drop::TtlTooHigh => {
                neighbour.hard_ttl = neighbour.hard_ttl.saturating_add(1);
                if neighbour.hard_ttl == limits.hard_ttl_strikes {
                    around.out.push(close(
                        neighbour,
                        403,
                        "too many descriptors with a high TTL",
                    ));
                }
            }
            Drop::Weird => {
                neighbour.weird = neighbour.weird.saturating_add(1);
                if neighbour.weird == limits.weird_strikes {
                    around
                        .out
                        .push(close(neighbour, 412, "too many weird descriptors"));
                }
            }
            _ => {}
        }
    }
}

/// The neighbour behind a link. Where links are numbered without gaps it is in its own place.
fn find(neighbours: &mut [Neighbour], link: Link) -> Option<&mut Neighbour> {
    let guess = link.0 as usize;
    let place = match neighbours.get(guess) {
        Some(neighbour) if neighbour.link == link => guess,
        _ => neighbours
            .binary_search_by_key(&link, |neighbour| neighbour.link)
            .ok()?,
    };
    Some(&mut neighbours[place])
}

/// When a neighbour is to be probed.
fn due(neighbour: &Neighbour, keepalive: Keepalive) -> Instant {
    let last = neighbour.heard.max(neighbour.pinged);
    Instant::from_micros(u64::from(last) * 1_000_000) + keepalive.silence
}

/// The second of the driver's time: enough for 136 years.
fn second(now: Instant) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

/// The alive ping: TTL 1, empty (protocol §3.1).
fn ping<R: Rng + ?Sized>(link: Link, rng: &mut R) -> Output {
    let header = Header {
        guid: Guid::random(rng),
        kind: Kind::Ping,
        ttl: 1,
        hops: 0,
    };
    let payload = Ping {
        extensions: Extensions::default(),
    }
    .encode();
    Output::Send {
        to: Recipients::One(link),
        descriptor: Descriptor { header, payload },
    }
}

fn close(neighbour: &Neighbour, code: u16, why: &str) -> Output {
    let bye = neighbour.offer.bye.then(|| Bye {
        code,
        message: why.to_owned(),
    });
    Output::Close {
        link: neighbour.link,
        bye,
        why: why.to_owned(),
    }
}

/// Cuts results into hits of at most so many records and about so many bytes (protocol §5.4).
fn batches(records: Vec<Record>, settings: &Settings) -> Vec<Vec<Record>> {
    let limits = &settings.limits;
    let mut batches: Vec<Vec<Record>> = Vec::new();
    let mut bytes = usize::MAX;
    for record in records {
        let length = record.encoded_len();
        match batches.last_mut() {
            Some(batch)
                if batch.len() < limits.results_per_hit
                    && bytes + length <= limits.hit_target_bytes =>
            {
                bytes += length;
                batch.push(record);
            }
            _ => {
                bytes = length;
                batches.push(vec![record]);
            }
        }
    }
    batches
}

/// The size field by which old clients tell an ultrapeer: the nearest power of two, at least 8
/// (protocol §3.2).
const fn ultrapeer_kibibytes(kibibytes: u32) -> u32 {
    if kibibytes <= 8 {
        return 8;
    }
    let below = 1 << kibibytes.ilog2();
    if kibibytes - below > below / 2 && below < 1 << 31 {
        below * 2
    } else {
        below
    }
}
