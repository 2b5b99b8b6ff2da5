//! QUERY HIT: back the way the query came, or to a search of our own (protocol §1.7, §5.5).

use bytes::Bytes;

use super::neighbour::Role;
use super::output::{Output, Recipients};
use super::stats::Drop;
use super::{Instant, Link, Servent, Surroundings, flood, neighbour};
use crate::wire::query_hit::{QueryHit, Received, flaw, servent_of};
use crate::wire::{Guid, HEADER_LEN, Header};

/// The fewest bytes of a result: index, size, and two NULs (protocol §5.2).
const LEAST_RECORD: usize = 10;

impl Servent {
    pub(super) fn query_hit(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
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
            let searches = self.searches.as_mut().ok_or(Drop::NoRoute)?;
            let (search, words) = searches.of(header.guid).ok_or(Drop::NoRoute)?;
            let hit = QueryHit::decode(payload).map_err(|_| Drop::Malformed)?;
            let received = Received {
                muid: header.guid,
                hops: header.hops,
                own: self.guid,
                searched: Some(words),
            };
            if let Some(flaw) = flaw(&hit, &received) {
                around.stats.flawed(flaw);
                return Err(Drop::Spam);
            }
            let results = u32::try_from(hit.results.len()).unwrap_or(u32::MAX);
            searches.keep(header.guid, results);
            self.note_way(now, servent, link, around);
            self.count_hits(now, header.guid, results, around);
            around.out.push(Output::Hit {
                search,
                hit: Box::new(hit),
                hops: onward.hops,
                link,
            });
            return Ok(());
        }
        if self.role == Role::Leaf {
            // A leaf relays nothing, whoever sent it this.
            return Err(Drop::NoRoute);
        }
        let Some(asker) = neighbour::find(&mut self.neighbours, back).filter(|_| back != link)
        else {
            return Err(Drop::RouteLost);
        };
        // The hop to a leaf is free.
        let ttl = onward.ttl.max(u8::from(asker.offer.role == Role::Leaf));
        if ttl == 0 {
            return Err(Drop::TtlExhausted);
        }
        // What it claims, as far as its size can hold it.
        let claimed = u32::from(payload.first().copied().unwrap_or(0));
        let most = u32::try_from(payload.len() / LEAST_RECORD).unwrap_or(u32::MAX);
        let results = claimed.min(most);
        if settings.strict {
            let throttle = self.hit_throttle.get_or_insert_default();
            let size = (results, HEADER_LEN + payload.len());
            let way = (link, onward.ttl);
            if !throttle.takes(now, header.guid, way, size, &settings.limits) {
                return Err(Drop::HitThrottled);
            }
        }
        around.stats.routed += 1;
        self.note_way(now, servent, link, around);
        self.count_hits(now, header.guid, results, around);
        around.out.push(Output::Forward {
            to: Recipients::One(back),
            ttl,
            hops: onward.hops,
        });
        Ok(())
    }

    /// Tells a dynamic query how many results came for it.
    fn count_hits(
        &mut self,
        now: Instant,
        guid: Guid,
        results: u32,
        around: &mut Surroundings<'_>,
    ) {
        self.with_dynamic(around, |queries, inside| {
            queries.hits(now, guid, results, inside);
        });
    }
}
