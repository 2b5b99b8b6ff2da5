//! Spammers: who has whatever is asked for.

use std::net::Ipv4Addr;

use filbert::overlay::Recipients;
use filbert::wire::query::Query;
use filbert::wire::query_hit::{QueryHit, Record, Trailer};
use filbert::wire::urn::Sha1;
use filbert::wire::{Descriptor, Guid, Header, Kind};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::actor::{Actor, Heard, Sends};
use crate::contents::word;

/// Servents that answer every query with files that are not there, each ten as another servent.
#[derive(Debug)]
pub(super) struct Spammer {
    /// Results to each query.
    pub results: u32,
    /// Whether all are called what was searched for.
    pub echo: bool,
}

/// Results in one hit: no more than honest servents put into one.
const IN_ONE: u32 = 10;
/// What hits have to go beyond the hops of their query, as servents' do.
const DETOUR: u8 = 5;

impl Actor for Spammer {
    fn hear(&mut self, heard: &Heard<'_>, rng: &mut Pcg64Mcg, sends: &mut Sends) -> bool {
        let header = heard.descriptor.header;
        if header.kind != Kind::Query {
            return true;
        }
        let Ok(query) = Query::read(&heard.descriptor.payload) else {
            return true;
        };
        let text = query.search_text();
        let mut left = self.results;
        while left > 0 {
            let many = left.min(IN_ONE);
            left -= many;
            let answer = Header {
                kind: Kind::QueryHit,
                ttl: (header.hops + 1 + DETOUR).min(15),
                hops: 0,
                ..header
            };
            let descriptor = Descriptor {
                header: answer,
                payload: self.hit(text, many, rng).encode(),
            };
            sends.push((Recipients::One(heard.link), descriptor));
        }
        true
    }
}

impl Spammer {
    /// A hit with so many files that suit a search.
    fn hit(&self, text: &str, many: u32, rng: &mut Pcg64Mcg) -> QueryHit {
        let results = (1..=many).map(|index| {
            let name = match self.echo {
                true => text.to_owned(),
                false => format!("{text} {}", word(rng.random_range(0..1 << 20))),
            };
            let sha1 = Sha1::from_bytes(rng.random());
            Record::new(
                index,
                rng.random_range(1 << 16..1 << 30),
                name,
                Some(sha1),
                None,
            )
        });
        QueryHit {
            results: results.collect(),
            port: 6346,
            ip: Ipv4Addr::from_bits(rng.random_range(0x0b00_0000..0x7f00_0000)),
            speed: 1_000,
            trailer: Some(Trailer {
                vendor: *b"FILB",
                push: Some(false),
                ..Trailer::default()
            }),
            servent: Guid::random(rng),
        }
    }
}
