//! Hops flow: who wants how many queries (protocol §1.8, §8.6).

use super::tell_anew;
use crate::overlay::flow::Pressure;
use crate::overlay::neighbour::{self, Role};
use crate::overlay::output::{Output, Recipients};
use crate::overlay::{Instant, Link, Servent, Surroundings, misbehaviour};
use crate::wire::Kind;
use crate::wire::vendor::Vendor;

/// All queries are wanted.
const ALL: u8 = 255;

impl Servent {
    /// The send queue of a neighbour filled or emptied: it is told to send no queries, or all
    /// again.
    pub(in crate::overlay) fn pressed(
        &mut self,
        now: Instant,
        link: Link,
        level: Pressure,
        around: &mut Surroundings<'_>,
    ) {
        let Some(neighbour) = neighbour::find(&mut self.neighbours, link) else {
            return;
        };
        let congested = level == Pressure::Congested;
        if std::mem::replace(&mut neighbour.congested, congested) == congested {
            return;
        }
        let offer = neighbour.offer;
        self.peer(link).congested = congested.then_some(now);
        if congested {
            let patience = around.settings.limits.congestion;
            self.talk().wake(now + patience);
        }
        if offer.vendor {
            let wanted = if congested { 0 } else { ALL };
            tell_anew(link, &Vendor::HopsFlow(wanted), around);
        }
    }

    /// A neighbour says which queries it wants.
    pub(super) fn hear_hops_flow(&mut self, link: Link, hops: u8) {
        let flows = &mut self.talk().flows;
        if hops < ALL {
            flows.insert(link, hops);
        } else {
            flows.remove(&link);
        }
    }

    /// Closes links between ultrapeers that have been congested for too long (protocol §1.8), and
    /// gives the time at which the next would be.
    pub(super) fn close_congested(
        &self,
        now: Instant,
        around: &mut Surroundings<'_>,
    ) -> Option<Instant> {
        let patience = around.settings.limits.congestion;
        let mut next = None;
        for neighbour in &self.neighbours {
            let since = self.known(neighbour.link).and_then(|peer| peer.congested);
            let Some(since) = since.filter(|_| neighbour.offer.role == Role::Ultrapeer) else {
                continue;
            };
            if now.since(since) >= patience {
                let why = "did not keep up for too long";
                around.out.push(misbehaviour::close(neighbour, 405, why));
            } else {
                let due = since + patience;
                next = Some(next.map_or(due, |next: Instant| next.min(due)));
            }
        }
        next
    }

    /// Whether a neighbour wants queries that have come so many hops.
    pub(in crate::overlay) fn wants_queries(&self, link: Link, hops: u8) -> bool {
        let flow = self.talk.as_ref().and_then(|talk| talk.flows.get(&link));
        flow.is_none_or(|&flow| hops < flow)
    }

    /// Whether any neighbour wants only some queries.
    #[inline]
    pub(in crate::overlay) fn holds_back(&self) -> bool {
        self.talk
            .as_ref()
            .is_some_and(|talk| !talk.flows.is_empty())
    }

    /// Takes those who do not want them off the recipients of queries, in all that was put out
    /// after the first `before` effects. `received` is the kind of what came, if anything did.
    pub(in crate::overlay) fn hold_back(
        &self,
        before: usize,
        received: Option<Kind>,
        around: &mut Surroundings<'_>,
    ) {
        for output in around.out.iter_mut().skip(before) {
            let (to, hops) = match output {
                Output::Forward { to, hops, .. } if received == Some(Kind::Query) => (to, *hops),
                Output::Send { to, descriptor } if descriptor.header.kind == Kind::Query => {
                    (to, descriptor.header.hops)
                }
                _ => continue,
            };
            let links = self.neighbours.iter().map(|neighbour| neighbour.link);
            let (want, spared): (Vec<Link>, Vec<Link>) = links
                .filter(|&link| to.include(link))
                .partition(|&link| self.wants_queries(link, hops));
            if !spared.is_empty() {
                *to = Recipients::Some(want.into());
            }
        }
    }
}
