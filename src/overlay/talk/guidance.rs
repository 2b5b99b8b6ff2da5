//! Leaf guidance: a leaf tells how many of the results it kept, so that its ultrapeer stops in time
//! (protocol §8.5).

use super::tell;
use crate::overlay::dynamic_query;
use crate::overlay::neighbour::Role;
use crate::overlay::output::{Output, Recipients};
use crate::overlay::stats::Drop;
use crate::overlay::{Link, Servent, Surroundings};
use crate::wire::vendor::{STOP, Vendor};
use crate::wire::{Descriptor, Guid, Header, Kind};

impl Servent {
    /// An ultrapeer asks how many results of our query we kept. Of a query that is over no more
    /// are wanted.
    pub(super) fn guide(&self, link: Link, query: Guid, around: &mut Surroundings<'_>) {
        let searches = self.searches.as_ref();
        let kept = searches.and_then(|searches| searches.kept(query));
        let kept = kept.map_or(STOP, |kept| kept.min(STOP - 1));
        tell(link, query, &Vendor::Guidance { kept }, around);
    }

    /// A query of ours is over: the ultrapeers that carry it on are told so.
    pub(in crate::overlay) fn stop_guiding(&self, query: Guid, around: &mut Surroundings<'_>) {
        if !self.is_leaf(around) {
            return;
        }
        for neighbour in self.ultrapeers().filter(|known| known.offer.vendor) {
            let stop = Vendor::Guidance { kept: STOP };
            tell(neighbour.link, query, &stop, around);
        }
    }

    /// Whether our queries say that we guide: as a leaf of somebody who asks.
    pub(in crate::overlay) fn is_guiding(&self, around: &Surroundings<'_>) -> bool {
        self.is_leaf(around) && self.ultrapeers().any(|known| known.offer.vendor)
    }

    /// A leaf tells how many results of its query it kept.
    pub(super) fn hear_guidance(
        &mut self,
        link: Link,
        query: Guid,
        kept: u16,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let from_leaf = self
            .neighbours
            .iter()
            .any(|known| known.link == link && known.offer.role == Role::Leaf);
        if !from_leaf {
            return Err(Drop::Ignored);
        }
        self.with_dynamic(around, |queries, inside| {
            queries.kept(query, link, kept, inside);
        });
        Ok(())
    }

    /// Lets dynamic queries act, if any run, and does what they want.
    pub(in crate::overlay) fn with_dynamic(
        &mut self,
        around: &mut Surroundings<'_>,
        act: impl FnOnce(
            &mut dynamic_query::DynamicQueries,
            &mut dynamic_query::Around<'_, dynamic_query::Standard>,
        ),
    ) {
        if let Some(queries) = &mut self.dynamic {
            self::act(queries, around, act);
        }
    }
}

/// Lets dynamic queries act and does what they want.
pub(in crate::overlay) fn act(
    queries: &mut dynamic_query::DynamicQueries,
    around: &mut Surroundings<'_>,
    act: impl FnOnce(
        &mut dynamic_query::DynamicQueries,
        &mut dynamic_query::Around<'_, dynamic_query::Standard>,
    ),
) {
    let Some(settings) = &around.settings.dynamic else {
        return;
    };
    let mut out = Vec::new();
    let mut inside = dynamic_query::Around {
        settings,
        policy: &dynamic_query::Standard,
        outcomes: &mut around.stats.dynamic,
        out: &mut out,
    };
    act(queries, &mut inside);
    for step in out {
        step_out(step, around);
    }
}

/// Does what a dynamic query wants. Its end the asker learns by silence.
fn step_out(step: dynamic_query::Output, around: &mut Surroundings<'_>) {
    match step {
        dynamic_query::Output::Copy {
            guid,
            link,
            ttl,
            payload,
        } => {
            let header = Header {
                guid,
                kind: Kind::Query,
                ttl,
                hops: 0,
            };
            around.out.push(Output::Send {
                to: Recipients::One(link),
                descriptor: Descriptor { header, payload },
            });
        }
        dynamic_query::Output::AskLeaf { guid, leaf } => {
            tell(leaf, guid, &Vendor::GuidanceRequest, around);
        }
        dynamic_query::Output::Finished { .. } => {}
    }
}
