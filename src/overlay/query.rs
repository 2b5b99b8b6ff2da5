//! QUERY: whether it is taken, and whom it goes to (protocol §1.6, §4.2, §7.7).

use bytes::Bytes;

use super::dynamic_query::{self, Asker, Candidate};
use super::flood::{self, Onward};
use super::neighbour::{Neighbour, Role};
use super::output::{Output, Recipients};
use super::query_routing::LookedUp;
use super::query_rules::{self, Verdict};
use super::routes::Seen;
use super::settings::Settings;
use super::stats::Drop;
use super::talk::guidance;
use super::{Instant, Link, Servent, Surroundings, neighbour};
use crate::wire::ggep::Id;
use crate::wire::query::{Query, QueryFlags};
use crate::wire::{Descriptor, Guid, Header, Kind};

impl Servent {
    /// Takes a query from a neighbour in this place.
    #[inline]
    pub(super) fn query(
        &mut self,
        now: Instant,
        (link, role): (Link, Role),
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let settings = around.settings;
        if role == Role::Leaf && self.role == Role::Ultrapeer && header.hops > 0 {
            return Err(Drop::LeafRelayed);
        }
        let onward = flood::query(header, settings.profile)?;
        if payload.len() > settings.limits.query_bytes {
            return Err(Drop::TooLarge);
        }
        if settings.strict
            && let Err(why) = self.admit(now, (link, role), header, settings)
        {
            let from = (link, role);
            if why == Drop::TooMany && self.asked_too_much(now, from, header.hops, settings) {
                self.leave(link, 405, "you ask more than I take", around);
            }
            return Err(why);
        }
        let seen = self.note_query(now, header.guid, payload, link, onward.ttl, settings);
        match seen {
            Seen::First => {}
            Seen::Raised if settings.profile.raise => around.stats.drop(Drop::Duplicate),
            Seen::Raised | Seen::Again => return Err(Drop::Duplicate),
            Seen::Twice => {
                if settings.strict && self.sent_twice(link, settings) {
                    self.leave(link, 401, "too many duplicates", around);
                }
                return Err(Drop::Duplicate);
            }
            Seen::Own => return Err(Drop::OwnQuery),
        }
        let first = seen == Seen::First;
        if first && let Some(traffic) = &mut around.stats.traffic {
            traffic.count_fresh(header);
        }
        // Where nobody needs to know what is asked, the header decides alone.
        let unread = !settings.strict
            && settings.query_routing
            && self.routing.is_none()
            && around.catalogue.is_empty();
        if unread && (self.role, role) == (Role::Ultrapeer, Role::Ultrapeer) {
            self.flood_blindly(link, onward, around);
            return Ok(());
        }
        let query = Query::read(payload).map_err(|_| Drop::Malformed)?;
        let mut verdict = Verdict {
            onward,
            answered: true,
        };
        if settings.strict {
            check_return_address(header.guid, &query, settings)?;
            verdict = query_rules::judge(&query, onward, settings.profile)?;
            if first {
                let to = (header.guid, verdict.onward);
                self.is_news(now, (link, role), to, (&query, payload), settings)?;
            }
        }
        let Verdict { onward, answered } = verdict;
        if first && answered {
            self.answer(link, header.guid, onward, &query, around);
        }
        match (self.role, role) {
            // A leaf relays nothing.
            (Role::Leaf, _) => {}
            // However far it wanted to go the first time.
            (Role::Ultrapeer, Role::Leaf) if !first => {}
            (Role::Ultrapeer, Role::Leaf) => {
                let leaf = neighbour::find(&mut self.neighbours, link);
                let reads = leaf.is_some_and(|leaf| leaf.offer.vendor);
                let guides = reads && query.flags.leaf_guided();
                let asker = Asker::Leaf { link, guides };
                self.spend(now, header.guid, &query, payload, asker, around);
            }
            (Role::Ultrapeer, Role::Ultrapeer) => {
                self.flood(link, onward, &query, first, around);
            }
        }
        Ok(())
    }

    /// Notes where a query came from, and says whether it came before. A query with a return
    /// address in its GUID is also known without it, since another ultrapeer may have put its own
    /// there (protocol §1.5).
    #[inline]
    fn note_query(
        &mut self,
        now: Instant,
        guid: Guid,
        payload: &Bytes,
        link: Link,
        ttl: u8,
        settings: &Settings,
    ) -> Seen {
        let mut note = |guid| {
            let (limits, secret) = (&settings.limits, settings.secret);
            self.routes.note(now, guid, link, ttl, limits, secret)
        };
        let seen = note(guid);
        if !settings.strict || !has_return_address(payload) {
            return seen;
        }
        match (seen, note(guid.without_return_address())) {
            (Seen::First, bare) => bare,
            (seen, _) => seen,
        }
    }

    /// Passes on a query to all others while its TTL lasts.
    #[inline]
    fn flood_blindly(&self, link: Link, onward: Onward, around: &mut Surroundings<'_>) {
        let Onward { ttl, hops } = onward;
        if ttl > 0 && self.neighbours.len() > 1 {
            let to = Recipients::AllBut(link);
            around.out.push(Output::Forward { to, ttl, hops });
        }
    }

    /// Passes on the query of an ultrapeer: to ultrapeers while its TTL lasts, at its last hop
    /// only where a routing table does not speak against it, and to the leaves whose tables it
    /// matches, who are one with us (protocol §1.6, §7.7).
    fn flood(
        &self,
        link: Link,
        onward: Onward,
        query: &Query,
        first: bool,
        around: &mut Surroundings<'_>,
    ) {
        let Onward { ttl, hops } = onward;
        let others = self.ultrapeers().filter(|neighbour| neighbour.link != link);
        let Some(routing) = &self.routing else {
            if self.takes_all(ttl, hops) {
                self.flood_blindly(link, onward, around);
            } else {
                let takes = |neighbour: &Neighbour| neighbour.offer.takes(ttl, hops);
                let to = others.filter(|_| ttl > 0);
                let to = to.map(|neighbour| (neighbour.link, takes(neighbour)));
                forward(to.collect(), hops, around);
                if first && !around.settings.query_routing {
                    let to = self.leaves(Some(link)).map(|leaf| (leaf, ttl.max(1)));
                    forward(to.collect(), hops, around);
                }
            }
            return;
        };
        let looked_up = LookedUp::new(query);
        let newest = query.asks_for_newest();
        if looked_up.is_empty() && !newest {
            // No word of it could be routed (protocol §7.7).
            return;
        }
        if first {
            let leaves = self.leaves_for(query, &looked_up, Some(link), around.settings);
            self.spare(leaves.len(), Role::Leaf, around);
            let to = leaves.into_iter().map(|leaf| (leaf, ttl.max(1)));
            forward(to.collect(), hops, around);
        }
        let mut spared = 0;
        let concerned = others.filter(|neighbour| {
            let table = || routing.ultrapeer_matches(neighbour.link, &looked_up);
            let takes = ttl > 1 || (ttl == 1 && (newest || table() != Some(false)));
            spared += u64::from(ttl == 1 && !takes);
            takes
        });
        let to = concerned.map(|neighbour| (neighbour.link, neighbour.offer.takes(ttl, hops)));
        let to = to.collect();
        around.stats.spared += spared;
        forward(to, hops, around);
    }

    /// Whether every neighbour takes a query of these header bytes as it is.
    fn takes_all(&self, ttl: u8, hops: u8) -> bool {
        let mut offers = self.neighbours.iter().map(|neighbour| neighbour.offer);
        offers.all(|offer| offer.role == Role::Ultrapeer && offer.takes(ttl, hops) == ttl)
    }

    /// The leaves that a query goes to, but for the one it came from: those whose tables it
    /// matches; all of them when it asks for the newest files, of which tables say nothing, or
    /// where nobody goes by tables.
    fn leaves_for(
        &self,
        query: &Query,
        looked_up: &LookedUp,
        from: Option<Link>,
        settings: &Settings,
    ) -> Vec<Link> {
        if query.asks_for_newest() || !settings.query_routing {
            return self.leaves(from).collect();
        }
        let routing = self.routing.as_ref();
        routing.map_or_else(Vec::new, |routing| routing.leaves_for(looked_up, from))
    }

    /// Begins a search from here, for us or for a leaf: our own leaves first, then ultrapeers one
    /// after the other, or all of them at once where the settings say so.
    pub(super) fn spend(
        &mut self,
        now: Instant,
        guid: Guid,
        query: &Query,
        payload: &Bytes,
        asker: Asker,
        around: &mut Surroundings<'_>,
    ) {
        let settings = around.settings;
        let from = match asker {
            Asker::Leaf { link, .. } => Some(link),
            Asker::Own => None,
        };
        let hops = u8::from(from.is_some());
        let header = |ttl| Header {
            guid,
            kind: Kind::Query,
            ttl,
            hops,
        };
        let looked_up = LookedUp::new(query);
        let leaves = self.leaves_for(query, &looked_up, from, settings);
        self.spare(leaves.len(), Role::Leaf, around);
        let asked = leaves.len();
        send(leaves, header(1), payload, around);
        match &settings.dynamic {
            Some(dynamic) if !query.asks_for_newest() => {
                let demand = dynamic.demand(asker, query.sha1s().next().is_some());
                self.dynamic.get_or_insert_default();
                self.with_dynamic(around, |queries, inside| {
                    queries.start(now, guid, payload.clone(), demand, asked, inside);
                });
                self.go_on(now, around);
            }
            _ => {
                let ttl = settings.profile.max_ttl.saturating_sub(hops).max(1);
                let onward = Onward { ttl, hops };
                let verdict = query_rules::judge(query, onward, settings.profile);
                let ttl = verdict.map_or(ttl, |verdict| verdict.onward.ttl).max(1);
                let takes = |neighbour: &Neighbour| neighbour.offer.takes(ttl, hops);
                let to = self.ultrapeers().map(|one| (one.link, takes(one)));
                for (ttl, links) in by_ttl(to.collect()) {
                    send(links, header(ttl), payload, around);
                }
            }
        }
    }

    /// Lets dynamic queries take their next steps.
    pub(super) fn go_on(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        // Taken out meanwhile, so that they can look at the rest.
        let Some(mut queries) = self.dynamic.take() else {
            return;
        };
        let (neighbours, routing) = (&self.neighbours, &self.routing);
        let candidates = |payload: &Bytes, candidates: &mut Vec<Candidate>| {
            let looked_up = Query::decode(payload)
                .map(|query| LookedUp::new(&query))
                .ok();
            let table = |link| {
                let said = routing.as_ref().zip(looked_up.as_ref());
                match said.and_then(|(routing, query)| routing.ultrapeer_matches(link, query)) {
                    None => dynamic_query::Table::Unknown,
                    Some(true) => dynamic_query::Table::Matches,
                    Some(false) => dynamic_query::Table::Excludes,
                }
            };
            let open = neighbours.iter().filter(|neighbour| {
                neighbour.offer.role == Role::Ultrapeer
                    && !neighbour.congested
                    && self.wants_queries(neighbour.link, 0)
            });
            candidates.extend(open.map(|neighbour| Candidate {
                link: neighbour.link,
                degree: neighbour.offer.degree,
                max_ttl: neighbour.offer.max_ttl,
                table: table(neighbour.link),
                age: neighbour.age(now),
                ext_probes: neighbour.offer.ext_probes,
                pending: 0,
            }));
        };
        guidance::act(&mut queries, around, |queries, inside| {
            queries.tick(now, candidates, inside);
        });
        self.dynamic = Some(queries);
    }

    /// Ends a dynamic query of our own, if it still runs.
    pub(super) fn stop_asking(&mut self, guid: Guid, around: &mut Surroundings<'_>) {
        self.with_dynamic(around, |queries, inside| queries.cancel(guid, inside));
    }

    /// The neighbours that are ultrapeers.
    pub(super) fn ultrapeers(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours
            .iter()
            .filter(|neighbour| neighbour.offer.role == Role::Ultrapeer)
    }

    /// The links of all leaves, but for the one that a query came from.
    fn leaves(&self, from: Option<Link>) -> impl Iterator<Item = Link> {
        let leaves = self.neighbours.iter().filter(move |neighbour| {
            neighbour.offer.role == Role::Leaf && Some(neighbour.link) != from
        });
        leaves.map(|neighbour| neighbour.link)
    }

    /// Counts the neighbours of a kind that are spared a query which `asked` of them get.
    fn spare(&self, asked: usize, role: Role, around: &mut Surroundings<'_>) {
        let all = self
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.offer.role == role)
            .count();
        around.stats.spared += all.saturating_sub(asked) as u64;
    }
}

/// Whether a query, by its flags, has a return address in its GUID (protocol §4.1, §13.1).
fn has_return_address(payload: &[u8]) -> bool {
    let word = payload.first_chunk().map(|word| u16::from_be_bytes(*word));
    let flags = word.and_then(QueryFlags::from_word);
    flags.is_some_and(QueryFlags::out_of_band)
}

/// Refuses a query whose answers would go where nobody listens, or to us.
fn check_return_address(guid: Guid, query: &Query, settings: &Settings) -> Result<(), Drop> {
    if !query.flags.out_of_band() {
        return Ok(());
    }
    let address = guid.return_address();
    // It stands elsewhere, and is an IPv6 one.
    if address.ip().octets() == [127, 0, 0, 0] && query.extensions.get(Id::IPV6).is_some() {
        return Ok(());
    }
    if !settings.ground.admits(address.into()) || address == settings.address {
        return Err(Drop::BadReturnAddress);
    }
    Ok(())
}

/// Those who take a query with the same TTL, together.
fn by_ttl(mut to: Vec<(Link, u8)>) -> Vec<(u8, Vec<Link>)> {
    to.sort_by_key(|(_, ttl)| *ttl);
    let alike = to.chunk_by(|one, other| one.1 == other.1);
    alike
        .map(|alike| (alike[0].1, alike.iter().map(|(link, _)| *link).collect()))
        .collect()
}

/// Passes on the query just received to these, each with its TTL.
fn forward(to: Vec<(Link, u8)>, hops: u8, around: &mut Surroundings<'_>) {
    for (ttl, links) in by_ttl(to) {
        let to = Recipients::Some(links.into());
        around.out.push(Output::Forward { to, ttl, hops });
    }
}

/// Sends a query to these, if there are any.
fn send(links: Vec<Link>, header: Header, payload: &Bytes, around: &mut Surroundings<'_>) {
    if !links.is_empty() {
        let to = Recipients::Some(links.into());
        let descriptor = Descriptor {
            header,
            payload: payload.clone(),
        };
        around.out.push(Output::Send { to, descriptor });
    }
}
