//! One flood on several threads: a network cut into parts, each with servents, a calendar and
//! payloads of its own.
//!
//! Time passes in windows as long as the shortest latency: whatever is sent within a window
//! arrives behind it, so that the parts need not know of each other meanwhile (Chandy and Misra,
//! Distributed simulation, IEEE Transactions on Software Engineering 5, 1979; Nicol, The cost of
//! conservative synchronization in parallel discrete event simulations, Journal of the ACM 40,
//! 1993). Between two windows they meet, and each takes what the others sent it.
//!
//! What comes of it is what [`Network`](crate::network::Network) does, event for event. That one
//! numbers copies by doing one after the other; here each part says whose copies it sent and when,
//! all read all of that in the same order ([`sent`]), and thereby know the number of each copy.
//! By it they draw latencies and put copies of one time in order.
//!
//! Only floods live here: nobody answers, nobody waits for a deadline, and the one random choice
//! besides latencies is the GUID of the query.

mod arrivals;
mod cut;
mod hall;
mod part;
mod sent;

use std::iter;

use filbert::topology::Graph;
use rand_pcg::Pcg64Mcg;

use self::cut::Cut;
use self::hall::Hall;
use self::part::Part;
use crate::network::Behaviour;
use crate::outcome::Flood;
use crate::parallel::in_parallel;

/// A servent on every node of a graph, in parts of which each floods on a thread of its own.
#[derive(Debug)]
pub struct Parts<'a> {
    parts: Vec<Part<'a>>,
}

/// One flood.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who searches.
    pub source: u32,
    /// The TTL that the query begins with.
    pub ttl: u8,
    /// Draws its GUID and its latencies.
    pub rng: Pcg64Mcg,
}

impl<'a> Parts<'a> {
    /// Sets up the servents in so many parts; `rng` draws their identifiers. Nobody shares
    /// anything. `None` where a copy may take no time at all, and no part could do anything
    /// without asking the others.
    #[must_use]
    pub fn new(
        graph: &'a Graph,
        behaviour: &Behaviour,
        parts: usize,
        rng: &Pcg64Mcg,
    ) -> Option<Self> {
        if behaviour.latency.shortest() == 0 {
            return None;
        }
        let cut = &Cut::new(graph, parts);
        let new = |number| move || Part::new(number, graph, cut.clone(), behaviour, rng.clone());
        let parts = in_parallel((0..cut.parts()).map(new));
        Some(Self { parts })
    }

    /// How many parts there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// Does these floods one after the other and tells what came of each.
    pub fn flood<T: Send>(
        &mut self,
        orders: impl Iterator<Item = (T, Order)> + Send,
    ) -> Vec<(T, Flood)> {
        let hall = &Hall::new(self.parts.len());
        // The first part speaks for all.
        let mut speakers = iter::once(orders);
        let work = self.parts.iter_mut().map(|part| {
            let mut orders = speakers.next();
            move || {
                let _seat = hall.sit();
                let (mut names, mut floods) = (Vec::new(), Vec::new());
                loop {
                    if let Some(orders) = &mut orders {
                        let (name, order) = orders.next().unzip();
                        names.extend(name);
                        hall.announce(order);
                    }
                    hall.meet();
                    let Some(order) = hall.announced() else {
                        return (names, floods);
                    };
                    floods.push(part.flood(hall, &order));
                }
            }
        });
        let mut done = in_parallel(work).into_iter();
        let (names, mut floods) = done.next().unwrap_or_default();
        for (_, others) in done {
            for (flood, other) in floods.iter_mut().zip(others) {
                flood.reached += other.reached;
                flood.messages += other.messages;
            }
        }
        names.into_iter().zip(floods).collect()
    }
}
