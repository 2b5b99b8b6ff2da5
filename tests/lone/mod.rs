//! One servent and all it is handed: inputs go in, outputs come out, no socket anywhere.

#![allow(dead_code, reason = "not every test needs all of it")]

use bytes::Bytes;
use filbert::library::index::{Index, SharedFile};
use filbert::overlay::flow::Pressure;
use filbert::overlay::stats::Drop;
use filbert::overlay::{
    Input, Instant, Link, Offer, Output, Profile, Recipients, Role, SearchId, Servent, Settings,
    Stats, Surroundings,
};
use filbert::wire::query::Query;
use filbert::wire::query_hit::QueryHit;
use filbert::wire::urn::{Sha1, TigerRoot};
use filbert::wire::{Descriptor, Guid, Header, Kind};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// A strict servent that shares what is in its index.
pub(crate) struct Lone {
    pub(crate) servent: Servent,
    pub(crate) settings: Settings,
    pub(crate) index: Index,
    pub(crate) stats: Stats,
    /// In milliseconds.
    pub(crate) now: u64,
    rng: Pcg64Mcg,
}

impl Lone {
    pub(crate) fn new(files: &[&str]) -> Self {
        let settings = Settings {
            keepalive: None,
            address: "192.0.2.1:6346".parse().unwrap(),
            strict: true,
            ..Settings::new(Profile::PUBLIC)
        };
        let mut index = Index::new();
        for (name, number) in files.iter().zip(1..) {
            index.insert(SharedFile {
                index: 0,
                path: (*name).into(),
                name: (*name).to_owned(),
                size: 1_000,
                modified_ms: 1_000 * i64::from(number),
                sha1: Sha1::from_bytes([number; 20]),
                tiger_root: TigerRoot::from_bytes([number; 24]),
            });
        }
        Self {
            servent: Servent::new(guid(0x11), Role::Ultrapeer),
            settings,
            index,
            stats: Stats::default(),
            now: 0,
            rng: Pcg64Mcg::seed_from_u64(7),
        }
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        let mut around = Surroundings {
            settings: &self.settings,
            catalogue: &self.index,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut out,
        };
        let now = Instant::from_micros(self.now * 1_000);
        self.servent.handle(now, input, &mut around);
        out
    }

    pub(crate) fn connect(&mut self, link: u32, role: Role) -> Vec<Output> {
        let offer = Offer {
            role,
            bye: true,
            ..Offer::default()
        };
        self.connect_as(link, offer)
    }

    pub(crate) fn connect_as(&mut self, link: u32, offer: Offer) -> Vec<Output> {
        let link = Link(link);
        self.handle(Input::Connected { link, offer })
    }

    pub(crate) fn receive(&mut self, link: u32, header: Header, payload: &Bytes) -> Vec<Output> {
        self.handle(Input::Received {
            link: Link(link),
            header,
            payload,
        })
    }

    /// A query of a GUID of its own comes with this TTL and these hops.
    pub(crate) fn asked(&mut self, link: u32, ttl: u8, hops: u8, query: &Query) -> Vec<Output> {
        let header = Header {
            guid: Guid::random(&mut self.rng),
            kind: Kind::Query,
            ttl,
            hops,
        };
        self.receive(link, header, &query.encode())
    }

    pub(crate) fn pressed(&mut self, link: u32, level: Pressure) {
        let link = Link(link);
        self.handle(Input::Pressure { link, level });
    }

    pub(crate) fn search(&mut self, id: u64, query: &Query) -> Vec<Output> {
        let id = SearchId(id);
        self.handle(Input::Search {
            id,
            query,
            ttl: None,
        })
    }

    pub(crate) fn dropped(&self, why: Drop) -> u64 {
        self.stats.dropped(why)
    }
}

pub(crate) fn guid(n: u8) -> Guid {
    Guid::from_bytes([n; 16])
}

/// A query of this text, whatever it is.
pub(crate) fn text(text: &str) -> Query {
    let mut query = Query::keywords("any words").unwrap();
    query.text = text.to_owned();
    query
}

/// The names in the hits among outputs.
pub(crate) fn names(out: &[Output]) -> Vec<String> {
    let results = hits(out).into_iter().flat_map(|hit| hit.results);
    results.map(|record| record.name).collect()
}

/// The hits among outputs.
pub(crate) fn hits(out: &[Output]) -> Vec<QueryHit> {
    let sent = out.iter().filter_map(|output| match output {
        Output::Send { descriptor, .. } if descriptor.header.kind == Kind::QueryHit => {
            Some(QueryHit::decode(&descriptor.payload).unwrap())
        }
        _ => None,
    });
    sent.collect()
}

/// The queries among outputs: to whom, and with which TTL and hops.
pub(crate) fn queries(out: &[Output]) -> Vec<(Recipients, u8, u8)> {
    let sent = out.iter().filter_map(|output| match output {
        Output::Forward { to, ttl, hops } => Some((to.clone(), *ttl, *hops)),
        Output::Send {
            to,
            descriptor: Descriptor { header, .. },
        } if header.kind == Kind::Query => Some((to.clone(), header.ttl, header.hops)),
        _ => None,
    });
    sent.collect()
}

/// These links, as recipients.
pub(crate) fn these(links: &[u32]) -> Recipients {
    Recipients::Some(links.iter().copied().map(Link).collect())
}
