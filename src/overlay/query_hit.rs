//! QUERY HIT: back the way the query came, or to a search of our own (protocol §1.7, §5.5).

use bytes::Bytes;

use super::output::{Output, Recipients};
use super::stats::Drop;
use super::{Instant, Link, Servent, Surroundings, flood, neighbour};
use crate::wire::Header;
use crate::wire::query_hit::{QueryHit, servent_of};

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
        if back == link || neighbour::find(&mut self.neighbours, back).is_none() {
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
}
