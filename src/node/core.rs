//! The servent and its links under one lock: what readers put in, and where outputs go.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use futures::channel::mpsc;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::errands::Errand;
use super::ground::{Advertised, is_private, is_reachable};
use super::outbox::Outbox;
use super::record::Recorder;
use super::searches::Searches;
use super::state::{Direction, Role};
use crate::library::index::Index;
use crate::net::udp;
use crate::overlay::flow::Pressure;
use crate::overlay::membership::{Meeting, Outcome, UploadSlots};
use crate::overlay::rate::Pace;
use crate::overlay::{
    Duration, Input, Instant as Moment, Link, Output, Recipients, SearchId, Servent, Settings,
    Stats, Surroundings,
};
use crate::wire::bye::Bye;
use crate::wire::datagram::Datagram;
use crate::wire::query::Query;
use crate::wire::{Descriptor, Guid, HEADER_LEN};

/// How long after a link opened another to the same servent counts as opened at the same time.
const TWINS: std::time::Duration = std::time::Duration::from_secs(10);

/// One link, as its tasks and the core share it.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) address: SocketAddr,
    pub(super) direction: Direction,
    pub(super) role: Role,
    pub(super) agent: String,
    pub(super) tls: bool,
    /// Both ways.
    pub(super) compressed: bool,
    /// Who it says it is, which tells a second link to the same servent.
    pub(super) servent: Option<Guid>,
    pub(super) since: Instant,
    pub(super) received: AtomicU64,
    pub(super) outbox: Outbox,
}

/// The servent with everything it needs, owned by one lock.
pub(super) struct Core {
    pub(super) servent: Servent,
    pub(super) settings: Settings,
    pub(super) stats: Stats,
    pub(super) searches: Searches,
    pub(super) advertised: Advertised,
    /// By rising link, as the servent keeps its neighbours.
    pub(super) links: Vec<(Link, Arc<Neighbour>)>,
    /// QUERY descriptors sent, for the story a devnet tells.
    pub(super) queries_sent: u64,
    pub(super) index: Arc<RwLock<Index>>,
    rng: StdRng,
    origin: Instant,
    next_link: u32,
    pub(super) private: bool,
    /// The end is near.
    pub(super) parting: bool,
    /// Whom the servent wants to reach, until somebody does.
    dials: Vec<Dial>,
    errands: mpsc::Sender<Errand>,
    /// Reused from call to call.
    outputs: Vec<Output>,
    /// Whose links are to be woken once the batch at hand is through.
    roused: Vec<Arc<Neighbour>>,
    /// Whether more of a batch is to come.
    within: bool,
    /// Takes down what the servent sees.
    pub(super) recorder: Option<Recorder>,
    /// All that happens to the servent, for a test to do it again.
    #[cfg(test)]
    pub(super) transcript: super::transcript::Transcript,
}

/// A servent to reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dial {
    pub(super) address: SocketAddr,
    /// Whether it is said to take TLS.
    pub(super) tls: bool,
}

/// What was due.
#[derive(Debug)]
pub(super) struct Due {
    /// A search ended.
    pub(super) ended: bool,
    /// Servents to reach now.
    pub(super) dials: Vec<Dial>,
}

/// What a batch of inputs brought beside descriptors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effects {
    /// A search found something.
    pub(super) found: bool,
    /// How long to let the neighbour wait before more of it is read.
    pub(super) rest: std::time::Duration,
}

impl Core {
    pub(super) fn new(
        servent: Servent,
        settings: Settings,
        index: Arc<RwLock<Index>>,
        searches: Searches,
        advertised: Advertised,
        private: bool,
        errands: mpsc::Sender<Errand>,
    ) -> Self {
        let seed = rand::rng().random();
        Self {
            #[cfg(test)]
            transcript: super::transcript::Transcript::new(seed, servent.guid(), settings.clone()),
            servent,
            settings,
            stats: Stats::detailed(),
            searches,
            advertised,
            links: Vec::new(),
            queries_sent: 0,
            index,
            rng: StdRng::from_seed(seed),
            origin: Instant::now(),
            next_link: 0,
            private,
            parting: false,
            dials: Vec::new(),
            errands,
            outputs: Vec::new(),
            roused: Vec::new(),
            within: false,
            recorder: None,
        }
    }

    /// Takes a new link. `None`: there is no place for it, and its outbox says so.
    pub(super) fn connect(
        &mut self,
        neighbour: &Arc<Neighbour>,
        meeting: &Meeting<'_>,
    ) -> Option<Link> {
        if self.parting || !self.settle_twin(neighbour) {
            neighbour.outbox.finish(self.parting.then(farewell));
            return None;
        }
        let link = Link(self.next_link);
        self.next_link += 1;
        self.links.push((link, Arc::clone(neighbour)));
        self.handle(Input::Joined { link, meeting }, None);
        self.neighbour(link).is_some().then_some(link)
    }

    /// Of two links that two servents opened to each other at the same time, both keep the one
    /// that the servent with the lower GUID dialled. Says whether the new one stays. A link that
    /// has stood for a while stays, whoever claims to be the same servent.
    fn settle_twin(&mut self, new: &Neighbour) -> bool {
        let same = |known: &Neighbour| known.servent.is_some() && known.servent == new.servent;
        let Some((link, twin)) = self.links.iter().find(|(_, known)| same(known)) else {
            return true;
        };
        if twin.direction == new.direction || twin.since.elapsed() > TWINS {
            return false;
        }
        let we_dial = new
            .servent
            .is_some_and(|theirs| self.servent.guid() < theirs);
        let stays = (new.direction == Direction::Outgoing) == we_dial;
        if stays {
            let link = *link;
            twin.outbox.finish(None);
            self.close(link);
        }
        stays
    }

    /// Forgets a link.
    pub(super) fn close(&mut self, link: Link) {
        self.links.retain(|(known, _)| *known != link);
        self.handle(Input::Closed { link }, None);
    }

    /// Takes what came at once from a neighbour that is read at this pace.
    pub(super) fn receive(
        &mut self,
        link: Link,
        batch: &mut Vec<Descriptor>,
        pace: &mut Pace,
    ) -> Effects {
        let Some(neighbour) = self.neighbour(link).cloned() else {
            return Effects::default();
        };
        self.press(link, &neighbour);
        let per_minute = self.settings.limits.descriptors_per_minute;
        let rest = pace.wait(self.now(), batch, per_minute);
        let mut effects = Effects {
            found: false,
            rest: std::time::Duration::from_micros(rest.as_micros()),
        };
        let mut bytes = 0;
        self.within = true;
        for descriptor in batch.drain(..) {
            bytes += (HEADER_LEN + descriptor.payload.len()) as u64;
            let Descriptor { header, payload } = &descriptor;
            let input = Input::Received {
                link,
                header: *header,
                payload,
            };
            effects.found |= self.handle(input, Some(&descriptor)).found;
        }
        self.within = false;
        self.rouse();
        neighbour.received.fetch_add(bytes, Ordering::Relaxed);
        if pace.held(self.now()) > self.settings.limits.held_back {
            self.handle(Input::Overrun { link }, None);
        }
        effects
    }

    /// An attempt to reach a servent is over.
    pub(super) fn dialled(&mut self, address: SocketAddr, outcome: Outcome<'_>) {
        self.handle(Input::Dialled { address, outcome }, None);
    }

    /// Takes the datagrams that came at once.
    pub(super) fn receive_datagrams(&mut self, batch: &mut Vec<udp::Datagram>) {
        for udp::Datagram { from, bytes } in batch.drain(..) {
            let input = Input::Datagram {
                from,
                bytes: &bytes,
            };
            self.handle(input, None);
        }
    }

    /// Somebody opened a connection to the one port.
    pub(super) fn reached(&mut self, from: SocketAddr) {
        self.handle(Input::Reached { from }, None);
    }

    /// Asks the overlay.
    pub(super) fn search(&mut self, id: SearchId, query: &Query) {
        self.handle(
            Input::Search {
                id,
                query,
                ttl: None,
            },
            None,
        );
    }

    /// What this servent shares changed.
    pub(super) fn share_anew(&mut self) {
        self.handle(Input::LibraryChanged, None);
    }

    /// Takes no more hits of a search.
    pub(super) fn cancel(&mut self, id: SearchId) -> bool {
        self.handle(Input::Cancel { id }, None);
        self.searches.finish(id)
    }

    /// Does what is due by now, while so many upload slots are free.
    pub(super) fn tick(&mut self, upload_slots: UploadSlots) -> Due {
        if let Some(member) = self.servent.membership_mut() {
            member.standing_mut().upload_slots = Some(upload_slots);
        }
        for (link, neighbour) in self.links.clone() {
            self.press(link, &neighbour);
        }
        if self
            .servent
            .deadline()
            .is_some_and(|deadline| deadline <= self.now())
        {
            self.handle(Input::Tick, None);
        }
        let over = self.searches.expire(Instant::now());
        for id in &over {
            self.handle(Input::Cancel { id: *id }, None);
        }
        let mut dials = std::mem::take(&mut self.dials);
        if self.parting {
            dials.clear();
        }
        Due {
            ended: !over.is_empty(),
            dials,
        }
    }

    /// Somebody is said to listen at an address of the local network.
    pub(super) fn hear(&mut self, address: SocketAddr) {
        let now = self.now();
        if let Some(member) = self.servent.membership_mut() {
            member.hear(now, address, &self.settings);
        }
    }

    /// A neighbour at `from` sees us at `seen`; what nobody could reach is not believed.
    pub(super) fn hear_own_address(&mut self, from: IpAddr, seen: Ipv4Addr) {
        let private = self.private || is_private(from);
        if is_reachable(SocketAddr::from((seen, 1)), private) {
            self.advertised.hear(from, seen);
            let ip = self.advertised.ip();
            self.settings.address.set_ip(ip);
        }
    }

    /// Says goodbye to everybody, takes nobody any more and ends every search.
    pub(super) fn part(&mut self) {
        self.parting = true;
        for (_, neighbour) in &self.links {
            neighbour.outbox.finish(Some(farewell()));
        }
        self.searches.finish_all();
    }

    fn neighbour(&self, link: Link) -> Option<&Arc<Neighbour>> {
        find(&self.links, link)
    }

    /// Tells the servent when a neighbour began or ceased to keep up.
    fn press(&mut self, link: Link, neighbour: &Neighbour) {
        let level = neighbour.outbox.pressure();
        let neighbours = self.servent.neighbours();
        let place = neighbours.binary_search_by_key(&link, |known| known.link);
        let known = place.map(|place| &neighbours[place]);
        if known.is_ok_and(|known| known.congested != (level == Pressure::Congested)) {
            self.handle(Input::Pressure { link, level }, None);
        }
    }

    /// Hands one input in and carries out what comes of it.
    fn handle(&mut self, input: Input<'_>, received: Option<&Descriptor>) -> Effects {
        let now = self.now();
        if let Some(recorder) = &mut self.recorder {
            recorder.take(now, &input);
        }
        #[cfg(test)]
        self.transcript.begin(|| super::transcript::Act::of(&input));
        self.with(received, |servent, now, around| {
            servent.handle(now, input, around);
        })
        .1
    }

    /// Lets the servent act and carries out what comes of it.
    pub(super) fn with<T>(
        &mut self,
        received: Option<&Descriptor>,
        act: impl FnOnce(&mut Servent, Moment, &mut Surroundings<'_>) -> T,
    ) -> (T, Effects) {
        let now = self.now();
        #[cfg(test)]
        self.transcript
            .surround(now, &mut self.servent, &self.settings);
        let mut outputs = std::mem::take(&mut self.outputs);
        let done = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let mut around = Surroundings {
                settings: &self.settings,
                catalogue: &*index,
                rng: &mut self.rng,
                stats: &mut self.stats,
                out: &mut outputs,
            };
            act(&mut self.servent, now, &mut around)
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.give(now, &outputs, received, self.links.len());
        }
        #[cfg(test)]
        self.transcript.end(&outputs);
        let mut effects = Effects::default();
        for output in outputs.drain(..) {
            effects.found |= self.carry_out(output, received);
        }
        self.outputs = outputs;
        if !self.within {
            self.rouse();
        }
        (done, effects)
    }

    /// Wakes the links that have something to send.
    fn rouse(&mut self) {
        for neighbour in self.roused.drain(..) {
            neighbour.outbox.wake();
        }
    }

    /// Carries out one output; says whether a search found something.
    fn carry_out(&mut self, output: Output, received: Option<&Descriptor>) -> bool {
        match output {
            Output::Forward { to, ttl, hops } => {
                if let Some(Descriptor { header, payload }) = received {
                    let header = crate::wire::Header {
                        ttl,
                        hops,
                        ..*header
                    };
                    self.send(
                        to,
                        Descriptor {
                            header,
                            payload: payload.clone(),
                        },
                    );
                }
                false
            }
            Output::Send { to, descriptor } => {
                self.send(to, descriptor);
                false
            }
            Output::Close { link, bye, why } => {
                if let Some(neighbour) = self.neighbour(link) {
                    log::info!("closing the link to {}: {why}", neighbour.address);
                    neighbour.outbox.finish(bye);
                }
                self.close(link);
                false
            }
            Output::Dial { address, tls } => {
                self.dials.push(Dial { address, tls });
                false
            }
            Output::Role(role) => {
                let reason = self
                    .servent
                    .membership()
                    .map(|member| member.reason().text());
                log::info!("now {}: {}", role.name(), reason.unwrap_or_default());
                false
            }
            Output::Datagram {
                to,
                descriptor,
                deflate,
            } => {
                let datagram = Datagram {
                    descriptor,
                    inflates: false,
                };
                if let Ok(bytes) = datagram.encode(deflate) {
                    self.send_out(Errand::Datagram { to, bytes });
                }
                false
            }
            Output::ConnectBack { to } => {
                self.send_out(Errand::ConnectBack { to });
                false
            }
            Output::GiveBack { to, index, tls } => {
                self.send_out(Errand::GiveBack { to, index, tls });
                false
            }
            Output::Hit {
                search,
                hit,
                hops,
                link,
            } => {
                let Some(from) = self.neighbour(link).map(|neighbour| neighbour.address) else {
                    return false;
                };
                let private = self.private || is_private(from.ip());
                let usable = |address| is_reachable(address, private);
                self.searches.take(search, *hit, hops, from, usable)
            }
        }
    }

    /// Has something done outside, unless too much waits for that already.
    fn send_out(&mut self, errand: Errand) {
        if let Err(error) = self.errands.try_send(errand) {
            log::debug!("not done: {:?}", error.into_inner());
        }
    }

    fn send(&mut self, to: Recipients, descriptor: Descriptor) {
        let query = descriptor.header.kind == crate::wire::Kind::Query;
        let (links, roused) = (&self.links, &mut self.roused);
        let mut copies = 0;
        let mut put = |neighbour: &Arc<Neighbour>, descriptor: Descriptor| {
            if neighbour.outbox.push(descriptor) {
                roused.push(Arc::clone(neighbour));
            }
            copies += 1;
        };
        match to {
            Recipients::One(link) => {
                if let Some(neighbour) = find(links, link) {
                    put(neighbour, descriptor);
                }
            }
            Recipients::All => {
                for (_, neighbour) in links {
                    put(neighbour, descriptor.clone());
                }
            }
            Recipients::Some(chosen) => {
                for neighbour in chosen.iter().filter_map(|link| find(links, *link)) {
                    put(neighbour, descriptor.clone());
                }
            }
            Recipients::AllBut(link) => {
                for (_, neighbour) in links.iter().filter(|(known, _)| *known != link) {
                    put(neighbour, descriptor.clone());
                }
            }
        }
        if query {
            self.queries_sent += copies;
        }
    }

    pub(super) fn now(&self) -> Moment {
        let micros = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        Moment::from_micros(0) + Duration::from_micros(micros)
    }
}

/// The neighbour behind a link.
fn find(links: &[(Link, Arc<Neighbour>)], link: Link) -> Option<&Arc<Neighbour>> {
    let place = links.binary_search_by_key(&link, |(known, _)| *known);
    place.ok().map(|place| &links[place].1)
}

/// What is said at the end.
fn farewell() -> Bye {
    Bye {
        code: 200,
        message: "Shutting down".to_owned(),
    }
}
