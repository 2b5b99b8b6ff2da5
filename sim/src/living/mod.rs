//! Living networks: servents that join their overlay by themselves, under churn.
//!
//! Each is the live node's own [`Servent`](filbert::overlay::Servent) with its
//! [`Membership`](filbert::overlay::Membership): it asks and dials, judges handshakes, chooses its role,
//! tells its table, answers pings, searches, and learns by itself whether it can be reached. What lies
//! between servents is a model, and only that lives here:
//!
//! - `spec`: what an experiment says of a network, and its variants; `churn`: how long who stays;
//! - `world`: who is there and what happens next; `member`: what a servent is in the network;
//! - `handshakes`: from a dial to a link; `connections`: what a link is between two servents;
//! - `carrying`: what servents send, over uplinks that may be slow;
//! - `searches`: what is shared and searched for; `outcome`: what came of it all;
//! - `place`: addresses; `slab`: numbers.
//!
//! Newcomers know a few servents that are always there, the seeds, and what they remember of their last
//! session; they ask seeds by datagram as they would a UDP host cache.
//!
//! Left out: the bytes of handshakes and of compression, what TCP does when it loses something, downlinks,
//! files that are fetched, and the pace at which a live servent reads a neighbour.

mod carrying;
mod churn;
mod connections;
mod handshakes;
mod member;
mod outcome;
mod place;
mod searches;
mod slab;
mod spec;
mod world;

pub use churn::Length;
pub use outcome::{Count, Look, Outcome, SORTS};
pub use place::MOST_SERVENTS;
pub use spec::{Capacity, Failure, Phase, Spec, Split, Variant};
pub use world::World;

#[cfg(test)]
mod tests;

/// Lets a network live, and says what came of each of its phases.
#[must_use]
pub fn conduct(spec: &Spec, seed: u64) -> Vec<Outcome> {
    let mut world = World::new(spec, seed);
    world.run(filbert::overlay::Instant::from_micros(spec.end()));
    Outcome::of(spec, &world)
}
