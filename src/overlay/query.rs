//! QUERY: whom it goes to, and what we answer (protocol §1.6, §4, §5.4).

use bytes::Bytes;

use super::flood::{self, Onward};
use super::neighbour;
use super::output::{Output, Recipients};
use super::routes::Seen;
use super::settings::{Settings, VENDOR};
use super::stats::Drop;
use super::{Instant, Link, Servent, Surroundings};
use crate::wire::query::Query;
use crate::wire::query_hit::{QueryHit, Record, Trailer};
use crate::wire::{Descriptor, Header, Kind};

impl Servent {
    pub(super) fn query(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let settings = around.settings;
        let onward = flood::query(header, settings.profile)?;
        if payload.len() > settings.limits.query_bytes {
            return Err(Drop::TooLarge);
        }
        if neighbour::find(&mut self.neighbours, link).is_some_and(|neighbour| neighbour.congested)
        {
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
