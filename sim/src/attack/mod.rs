//! Attackers, and what the servent's own defences leave of what they do.
//!
//! Two stages. On that of the [`Overlay`], servents on the nodes of a graph search for each other's files
//! while some of them attack; links have the send queues and the pace of the live node, and uplinks a
//! bandwidth, so that whoever sends too much takes it from others. On that of the [`Sybil`] one servent
//! with its own connection logic is called by honest servents and by the many identities of one attacker.
//!
//! - `settings`: what an experiment says of both;
//! - `world`: servents, links and virtual time of the overlay; `pipe` is one direction of a link;
//! - `cast`: who holds and asks what, and who attacks;
//! - `actor`: what an attacker on a node is asked; `flood`, `spam` and `guids` are the attackers;
//! - `watch`: what is counted meanwhile;
//! - `sybil`: the other stage;
//! - `outcome`: what came of it, a row a run.
//!
//! A new attacker on the overlay is a file with an `actor` and a [`Deed`] that makes it. No rule of a servent
//! enters: what holds attackers back is in `filbert::overlay`.

mod actor;
mod cast;
mod flood;
mod guids;
mod outcome;
mod pipe;
mod settings;
mod spam;
mod sybil;
mod watch;
mod world;

use filbert::overlay::Profile;
use filbert::topology::Graph;

pub use outcome::Outcome;
pub use settings::{Deed, Overlay, OverlayVariant, Spec, Sybil, SybilVariant};

use crate::latency::Latency;

/// What each variant comes to in the replica with this seed. The overlay is that on `graph`, which the
/// [`Sybil`] does without.
#[must_use]
pub fn conduct(
    spec: &Spec,
    graph: Option<&Graph>,
    (latency, profile): (&Latency, Profile),
    seed: u64,
) -> Vec<Outcome> {
    match (spec, graph) {
        (Spec::Overlay(overlay), Some(graph)) => {
            let variants = overlay.variants.iter();
            let run = |variant| world::conduct(overlay, variant, graph, (latency, profile), seed);
            variants.map(run).collect()
        }
        (Spec::Overlay(_), None) => Vec::new(),
        (Spec::Sybil(sybil), _) => {
            let variants = sybil.variants.iter();
            variants
                .map(|variant| sybil::conduct(sybil, variant, seed))
                .collect()
        }
    }
}
