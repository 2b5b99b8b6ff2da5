//! Query routing between neighbours: the tables they tell us, and what we tell them
//! (protocol §7).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::neighbour::{self, Role};
use super::output::{Output, Recipients};
use super::query_routing::{
    LookedUp, NeighbourTables, Receiver, Refusal, Table, TableBuilder, updates,
};
use super::stats::Drop;
use super::{Instant, Link, Servent, Surroundings, misbehaviour};
use crate::wire::route_table_update::RouteTableUpdate;
use crate::wire::{Descriptor, Guid, Header, Kind};

/// All tables of a servent: made when the first neighbour has to do with them.
#[derive(Debug, Default)]
pub(super) struct Routing {
    /// What we share, once it was looked at.
    own: Option<Table>,
    leaves: NeighbourTables,
    ultrapeers: NeighbourTables,
    receivers: BTreeMap<Link, Receiver>,
    told: BTreeMap<Link, Table>,
    /// When our table is told next, if it is to be told.
    due: Option<Instant>,
    last: Option<Instant>,
}

impl Routing {
    /// When our table is to be told.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Forgets a neighbour; says whether our own table changes with it.
    fn forget(&mut self, link: Link) -> bool {
        let had = self.leaves.get(link).is_some();
        self.leaves.remove(link);
        self.ultrapeers.remove(link);
        self.receivers.remove(&link);
        self.told.remove(&link);
        had
    }

    /// Has our table told soon, but not sooner than the pause since it was last.
    fn schedule(&mut self, now: Instant, around: &Surroundings<'_>) {
        let pause = around.settings.limits.routing_pause;
        let earliest = self.last.map_or(now, |last| (last + pause).max(now));
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// The tables there are: what we share, what we tell, what leaves and ultrapeers told.
    pub(super) fn tables(&self) -> [(&'static str, Vec<&Table>); 4] {
        [
            ("own", self.own.iter().collect()),
            ("told", self.told.values().collect()),
            (
                "leaves",
                self.leaves.iter().map(|(_, table)| table).collect(),
            ),
            (
                "ultrapeers",
                self.ultrapeers.iter().map(|(_, table)| table).collect(),
            ),
        ]
    }

    /// What the table of an ultrapeer says of a query; `None` when it told none.
    pub(super) fn ultrapeer_matches(&self, link: Link, query: &LookedUp) -> Option<bool> {
        self.ultrapeers.get(link).map(|table| table.matches(query))
    }

    /// The leaves whose tables a query matches, but for the one it came from.
    pub(super) fn leaves_for(&self, query: &LookedUp, from: Option<Link>) -> Vec<Link> {
        let mut links = Vec::new();
        self.leaves.for_each_match(query, |link| {
            if Some(link) != from {
                links.push(link);
            }
        });
        links
    }
}

impl Servent {
    /// A neighbour came: it may have to be told our table.
    pub(super) fn route_with(&mut self, now: Instant, link: Link, around: &Surroundings<'_>) {
        let Some(neighbour) = neighbour::find(&mut self.neighbours, link) else {
            return;
        };
        if !around.settings.query_routing {
            return;
        }
        let offer = neighbour.offer;
        let leaf = self.role == Role::Leaf;
        if offer.role == Role::Leaf || offer.routing || leaf {
            let routing = self.routing.get_or_insert_default();
            if offer.routing {
                // What a newcomer does not know yet cannot wait; the pause is for changes.
                routing.due = Some(now);
            }
        }
    }

    /// A neighbour is gone.
    pub(super) fn route_without(&mut self, now: Instant, link: Link, around: &Surroundings<'_>) {
        if let Some(routing) = &mut self.routing
            && routing.forget(link)
        {
            routing.schedule(now, around);
        }
    }

    /// What we share changed.
    pub(super) fn route_anew(&mut self, now: Instant, around: &Surroundings<'_>) {
        if let Some(routing) = &mut self.routing {
            routing.own = None;
            routing.schedule(now, around);
        }
    }

    /// Takes a piece of a neighbour's table (protocol §7.2, §7.3).
    pub(super) fn route_table_update(
        &mut self,
        now: Instant,
        link: Link,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let Some(neighbour) = neighbour::find(&mut self.neighbours, link) else {
            return Err(Drop::UnknownLink);
        };
        let (role, closing) = (neighbour.offer.role, neighbour.clone());
        if self.role == Role::Leaf {
            // Nobody has to tell a leaf (protocol §7.4).
            return Err(Drop::Weird);
        }
        let update = RouteTableUpdate::decode(payload).map_err(|_| Drop::BadTable)?;
        let routing = self.routing.get_or_insert_default();
        let receiver = routing.receivers.entry(link).or_insert_with(|| match role {
            Role::Leaf => Receiver::leaf(),
            Role::Ultrapeer => Receiver::ultrapeer(),
        });
        match receiver.receive(&update, &around.settings.limits) {
            Ok(None) => {}
            Ok(Some(table)) => {
                around.stats.tables += 1;
                if role == Role::Leaf {
                    let changed = routing.leaves.get(link) != Some(&table);
                    let useful = table.present() > 0;
                    routing.leaves.insert(link, table);
                    if useful && let Some(member) = &mut self.membership {
                        member.found_useful(link);
                    }
                    if changed {
                        routing.schedule(now, around);
                    }
                } else {
                    routing.ultrapeers.insert(link, table);
                }
            }
            Err(refusal) => {
                let why = refusal.to_string();
                around
                    .out
                    .push(misbehaviour::close(&closing, Refusal::BYE, &why));
                return Err(Drop::BadTable);
            }
        }
        Ok(())
    }

    /// Tells our table to whom it concerns, when it is due: what changed, and no more.
    pub(super) fn tell_routes(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        let Some(routing) = &mut self.routing else {
            return;
        };
        if routing.due.is_none_or(|due| due > now) {
            return;
        }
        routing.due = None;
        let own = routing.own.get_or_insert_with(|| {
            let mut builder = TableBuilder::default();
            around.catalogue.describe(&mut builder);
            builder.build()
        });
        let ours = match self.role {
            Role::Leaf => own.clone(),
            Role::Ultrapeer => {
                let leaves = routing.leaves.iter().map(|(_, table)| table);
                Table::aggregate(std::iter::once(&*own).chain(leaves))
            }
        };
        let concerned = |neighbour: &&neighbour::Neighbour| {
            neighbour.offer.routing && neighbour.offer.role == Role::Ultrapeer
        };
        // What was last told to a neighbour, and what it is told now: mostly the same to all.
        let mut made: Option<(Option<Table>, Vec<Bytes>)> = None;
        for neighbour in self.neighbours.iter().filter(concerned) {
            let told = routing.told.get(&neighbour.link);
            if told == Some(&ours) {
                continue;
            }
            // Nobody has to wait because nobody was there to be told.
            routing.last = Some(now);
            let payloads = match made.take() {
                Some((before, payloads)) if before.as_ref() == told => payloads,
                _ => updates(told, &ours)
                    .iter()
                    .map(RouteTableUpdate::encode)
                    .collect(),
            };
            for payload in &payloads {
                let header = Header {
                    guid: Guid::random(around.rng),
                    kind: Kind::RouteTableUpdate,
                    ttl: 1,
                    hops: 0,
                };
                let payload = payload.clone();
                around.out.push(Output::Send {
                    to: Recipients::One(neighbour.link),
                    descriptor: Descriptor { header, payload },
                });
            }
            made = Some((told.cloned(), payloads));
            routing.told.insert(neighbour.link, ours.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::overlay::catalogue::Nothing;
    use crate::overlay::{Duration, Input, Offer, Profile, Settings, Stats};

    #[test]
    fn a_newcomer_is_told_at_once() {
        let mut files = TableBuilder::default();
        files.name("hazel concert");
        let leaf = updates(None, &files.build());
        let leaf: Vec<Bytes> = leaf.iter().map(RouteTableUpdate::encode).collect();
        let header = Header {
            guid: Guid::from_bytes([1; 16]),
            kind: Kind::RouteTableUpdate,
            ttl: 1,
            hops: 0,
        };
        let mut servent = Servent::new(Guid::from_bytes([7; 16]), Role::Ultrapeer);
        let settings = Settings::new(Profile::PUBLIC);
        let mut rng = Pcg64Mcg::seed_from_u64(7);
        let mut stats = Stats::default();
        let mut now = Instant::from_micros(1_000_000);
        let mut told = |input| {
            let mut out = Vec::new();
            let mut around = Surroundings {
                settings: &settings,
                catalogue: &Nothing,
                rng: &mut rng,
                stats: &mut stats,
                out: &mut out,
            };
            servent.handle(now, input, &mut around);
            now = now + Duration::from_secs(1);
            servent.handle(now, Input::Tick, &mut around);
            let table = |output: &Output| match output {
                Output::Send { to, descriptor } => {
                    (descriptor.header.kind == Kind::RouteTableUpdate).then(|| to.clone())
                }
                _ => None,
            };
            out.iter().find_map(table)
        };
        let connected = |link, role| Input::Connected {
            link: Link(link),
            offer: Offer {
                role,
                routing: role == Role::Ultrapeer,
                ..Offer::default()
            },
        };
        assert_eq!(told(connected(1, Role::Leaf)), None);
        for payload in &leaf {
            let received = Input::Received {
                link: Link(1),
                header,
                payload,
            };
            assert_eq!(told(received), None);
        }
        for link in [2, 3] {
            let newcomer = Some(Recipients::One(Link(link)));
            assert_eq!(told(connected(link, Role::Ultrapeer)), newcomer);
        }
    }
}
