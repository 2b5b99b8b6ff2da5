//! QUERY: whom it goes to, and what we answer (protocol §1.6, §4, §5.4).

use bytes::Bytes;

use super::dynamic_query::{self, Asker, Candidate};
use super::flood::{self, Onward};
use super::neighbour::{Neighbour, Role};
use super::output::{Output, Recipients};
use super::query_routing::LookedUp;
use super::routes::Seen;
use super::settings::{Settings, VENDOR};
use super::stats::Drop;
use super::{Instant, Link, Servent, Surroundings};
use crate::wire::query::Query;
use crate::wire::query_hit::{QueryHit, Record, Trailer};
use crate::wire::{Descriptor, Guid, Header, Kind};

impl Servent {
    /// Takes a query from a neighbour in this place.
    pub(super) fn query(
        &mut self,
        now: Instant,
        (link, role): (Link, Role),
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let settings = around.settings;
        if role == Role::Leaf && settings.role == Role::Ultrapeer && header.hops > 0 {
            return Err(Drop::LeafRelayed);
        }
        let onward = flood::query(header, settings.profile)?;
        if payload.len() > settings.limits.query_bytes {
            return Err(Drop::TooLarge);
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
        match (settings.role, role) {
            // A leaf relays nothing.
            (Role::Leaf, _) => Ok(()),
            // However far it wanted to go the first time.
            (Role::Ultrapeer, Role::Leaf) if seen != Seen::First => Ok(()),
            (Role::Ultrapeer, Role::Leaf) => self.ask_for(now, link, header, payload, around),
            (Role::Ultrapeer, Role::Ultrapeer) => {
                let first = seen == Seen::First;
                self.flood(link, onward, payload, first, around)
            }
        }
    }

    /// Passes on the query of an ultrapeer: to ultrapeers while its TTL lasts, at its last hop
    /// only where a routing table does not speak against it, and to the leaves whose tables it
    /// matches, who are one with us (protocol §1.6, §7.7).
    fn flood(
        &self,
        link: Link,
        onward: Onward,
        payload: &Bytes,
        first: bool,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let Onward { ttl, hops } = onward;
        let Some(routing) = &self.routing else {
            if ttl > 0 && self.neighbours.len() > 1 {
                let to = Recipients::AllBut(link);
                around.out.push(Output::Forward { to, ttl, hops });
            }
            return Ok(());
        };
        let query = Query::decode(payload).map_err(|_| Drop::Malformed)?;
        let looked_up = LookedUp::new(&query);
        if looked_up.is_empty() && !query.asks_for_newest() {
            // No word of it could be routed (protocol §7.7).
            return Ok(());
        }
        if first {
            let leaves = routing.leaves_for(&looked_up, Some(link));
            self.spare(leaves.len(), Role::Leaf, around);
            forward(leaves, ttl.max(1), hops, around);
        }
        let mut spared = 0;
        let others = self.ultrapeers().filter(|neighbour| neighbour.link != link);
        let concerned = others.filter(|neighbour| {
            let table = routing.ultrapeer_matches(neighbour.link, &looked_up);
            let takes = ttl > 1 || (ttl == 1 && table != Some(false));
            spared += u64::from(ttl == 1 && !takes);
            takes
        });
        let links: Vec<Link> = concerned.map(|neighbour| neighbour.link).collect();
        around.stats.spared += spared;
        forward(links, ttl, hops, around);
        Ok(())
    }

    /// Takes over the query of a leaf: its TTL means nothing, we decide how far it goes
    /// (protocol §8.4).
    fn ask_for(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let query = Query::decode(payload).map_err(|_| Drop::Malformed)?;
        let asker = Asker::Leaf {
            link,
            guides: false,
        };
        self.spend(now, header.guid, &query, payload, asker, around);
        Ok(())
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
        let leaves = self
            .routing
            .as_ref()
            .map(|routing| routing.leaves_for(&looked_up, from));
        let leaves = leaves.unwrap_or_default();
        self.spare(leaves.len(), Role::Leaf, around);
        let asked = leaves.len();
        send(leaves, header(1), payload, around);
        match &settings.dynamic {
            Some(dynamic) => {
                let demand = dynamic.demand(asker, query.sha1s().next().is_some());
                let mut out = Vec::new();
                let mut inside = dynamic_query::Around {
                    settings: dynamic,
                    policy: &dynamic_query::Standard,
                    outcomes: &mut around.stats.dynamic,
                    out: &mut out,
                };
                let queries = self.dynamic.get_or_insert_default();
                queries.start(now, guid, payload.clone(), demand, asked, &mut inside);
                self.go_on(now, around);
            }
            None => {
                let ttl = settings.profile.max_ttl.saturating_sub(hops).max(1);
                let links = self.ultrapeers().map(|neighbour| neighbour.link).collect();
                send(links, header(ttl), payload, around);
            }
        }
    }

    /// Lets dynamic queries take their next steps.
    pub(super) fn go_on(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        let (Some(queries), Some(settings)) = (&mut self.dynamic, &around.settings.dynamic) else {
            return;
        };
        let mut out = Vec::new();
        let mut inside = dynamic_query::Around {
            settings,
            policy: &dynamic_query::Standard,
            outcomes: &mut around.stats.dynamic,
            out: &mut out,
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
                neighbour.offer.role == Role::Ultrapeer && !neighbour.congested
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
        queries.tick(now, candidates, &mut inside);
        for step in out {
            // The asker learns of the end by silence; leaves are not asked to guide.
            if let dynamic_query::Output::Copy {
                guid,
                link,
                ttl,
                payload,
            } = step
            {
                let header = Header {
                    guid,
                    kind: Kind::Query,
                    ttl,
                    hops: 0,
                };
                let descriptor = Descriptor { header, payload };
                let to = Recipients::One(link);
                around.out.push(Output::Send { to, descriptor });
            }
        }
    }

    /// Ends a dynamic query of our own, if it still runs.
    pub(super) fn stop_asking(&mut self, guid: Guid, around: &mut Surroundings<'_>) {
        if let (Some(queries), Some(settings)) = (&mut self.dynamic, &around.settings.dynamic) {
            let mut inside = dynamic_query::Around {
                settings,
                policy: &dynamic_query::Standard,
                outcomes: &mut around.stats.dynamic,
                out: &mut Vec::new(),
            };
            queries.cancel(guid, &mut inside);
        }
    }

    /// The neighbours that are ultrapeers.
    pub(super) fn ultrapeers(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours
            .iter()
            .filter(|neighbour| neighbour.offer.role == Role::Ultrapeer)
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

    /// Answers a query from what we share.
    fn answer(
        &self,
        link: Link,
        header: &Header,
        onward: Onward,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
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
                    ..Trailer::default()
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
}

/// Passes on the query just received to these, if there are any.
fn forward(links: Vec<Link>, ttl: u8, hops: u8, around: &mut Surroundings<'_>) {
    if !links.is_empty() {
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
