//! What a neighbour did wrong, and when it is enough (protocol §17.1).

use super::neighbour::{self, Neighbour};
use super::output::Output;
use super::stats::Drop;
use super::{Link, Servent, Surroundings};
use crate::wire::bye::Bye;

impl Servent {
    /// Closes the link of a neighbour that did something too often.
    pub(super) fn leave(
        &mut self,
        link: Link,
        code: u16,
        why: &str,
        around: &mut Surroundings<'_>,
    ) {
        if let Some(neighbour) = neighbour::find(&mut self.neighbours, link) {
            around.out.push(close(neighbour, code, why));
        }
    }

    /// Counts what a neighbour did wrong; some things it may do only so often (protocol §17.1).
    pub(super) fn blame(&mut self, link: Link, why: Drop, around: &mut Surroundings<'_>) {
        let Some(neighbour) = neighbour::find(&mut self.neighbours, link) else {
            return;
        };
        let limits = &around.settings.limits;
        match why {
            Drop::Duplicate => neighbour.duplicates = neighbour.duplicates.wrapping_add(1),
            // What it only passed on, or what is no fault.
            Drop::Ignored
            | Drop::Congested
            | Drop::RouteLost
            | Drop::OwnQuery
            | Drop::HitThrottled
            | Drop::Spam => {}
            _ => neighbour.bad = neighbour.bad.wrapping_add(1),
        }
        match why {
            Drop::TtlTooHigh => {
                neighbour.hard_ttl = neighbour.hard_ttl.saturating_add(1);
                if neighbour.hard_ttl == limits.hard_ttl_strikes {
                    around.out.push(close(
                        neighbour,
                        403,
                        "too many descriptors with a high TTL",
                    ));
                }
            }
            Drop::LeafRelayed => {
                let why = "a leaf does not relay";
                around.out.push(close(neighbour, 414, why));
            }
            Drop::Weird => {
                neighbour.weird = neighbour.weird.saturating_add(1);
                if neighbour.weird == limits.weird_strikes {
                    around
                        .out
                        .push(close(neighbour, 412, "too many weird descriptors"));
                }
            }
            _ => {}
        }
    }

    /// Ends the link of a neighbour that was held back for too long (protocol §1.8).
    pub(super) fn overrun(&self, link: Link, around: &mut Surroundings<'_>) {
        if let Some(neighbour) = self.neighbours.iter().find(|one| one.link == link) {
            let why = "you send more than I read";
            around.out.push(close(neighbour, 405, why));
        }
    }
}

/// Closes a link, with a BYE where the neighbour understands one.
pub(super) fn close(neighbour: &Neighbour, code: u16, why: &str) -> Output {
    let bye = neighbour.offer.bye.then(|| Bye {
        code,
        message: why.to_owned(),
    });
    Output::Close {
        link: neighbour.link,
        bye,
        why: why.to_owned(),
    }
}
