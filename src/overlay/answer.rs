//! Answering a query from what we share (protocol §4.5, §5.4).

use rand::seq::SliceRandom;

use super::flood::Onward;
use super::output::{Output, Recipients};
use super::settings::{Settings, VENDOR};
use super::{Link, Servent, Surroundings};
use crate::wire::query::Query;
use crate::wire::query_hit::{QueryHit, Record, Trailer};
use crate::wire::{Descriptor, Guid, Header, Kind};

/// The most files that are looked for; where more match than are told, chance decides which.
const MOST_MATCHES: usize = 255;

/// The most files told to who asks for the newest (protocol §4.2).
const MOST_NEWEST: usize = 3;

/// How much longer the way back may be than the way that a query came. A query that is passed on
/// once more since it came with a higher TTL goes a shorter way than its first copy, by which
/// hits go back; two links more are not enough for all of them.
const DETOUR: u8 = 5;

/// The highest TTL of a hit (protocol §1.7).
const FURTHEST: u8 = 15;

impl Servent {
    /// Answers the query of this GUID, which came over `link`, from what we share.
    pub(super) fn answer(
        &self,
        link: Link,
        guid: Guid,
        onward: Onward,
        query: &Query,
        around: &mut Surroundings<'_>,
    ) {
        let settings = around.settings;
        // Neither could connect to the other.
        let in_vain = self.is_hidden(settings) && query.flags.firewalled();
        if around.catalogue.is_empty() || in_vain {
            return;
        }
        let records = matches(query, around);
        if records.is_empty() {
            return;
        }
        around.stats.answered += 1;
        let header = Header {
            guid,
            kind: Kind::QueryHit,
            ttl: onward.hops.saturating_add(DETOUR).min(FURTHEST),
            hops: 0,
        };
        for results in batches(records, settings) {
            let descriptor = Descriptor {
                header,
                payload: self.hit(results, settings).encode(),
            };
            around.out.push(Output::Send {
                to: Recipients::One(link),
                descriptor,
            });
        }
    }

    /// A hit that tells of these files here.
    #[must_use]
    pub fn hit(&self, results: Vec<Record>, settings: &Settings) -> QueryHit {
        QueryHit {
            port: settings.address.port(),
            ip: *settings.address.ip(),
            speed: settings.speed,
            results,
            trailer: Some(self.trailer(settings)),
            servent: self.guid,
        }
    }

    /// What we tell of ourselves at the end of each hit.
    fn trailer(&self, settings: &Settings) -> Trailer {
        let trailer = Trailer {
            vendor: VENDOR,
            push: Some(self.is_hidden(settings)),
            busy: self.upload_slots().map(|slots| slots.free == 0),
            ..Trailer::default()
        };
        let trailer = match settings.tls {
            true => trailer.with_tls(),
            false => trailer,
        };
        let mut proxies = self.push_proxies();
        proxies.extend_from_slice(&settings.push_proxies);
        trailer.with_push_proxies(&proxies)
    }
}

/// The files that answer a query, each told as its asker reads it best.
fn matches(query: &Query, around: &mut Surroundings<'_>) -> Vec<Record> {
    let limit = around.settings.limits.results_per_query;
    let wanted = query.flags.max_hits().map_or(limit, usize::from);
    let records = if query.asks_for_newest() {
        let most = wanted.min(limit).min(MOST_NEWEST);
        around.catalogue.answer(query, most)
    } else {
        let mut records = around.catalogue.answer(query, MOST_MATCHES.max(limit));
        if records.len() > wanted.min(limit) {
            records.shuffle(around.rng);
            records.truncate(wanted.min(limit));
        }
        records
    };
    let suited = |record: Record| record.suited_to(query.flags);
    records.into_iter().map(suited).collect()
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
