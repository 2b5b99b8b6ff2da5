//! Who is who in a replica: who holds what, who asks for it and when, and who attacks.

use filbert::overlay::Instant;
use filbert::topology::Graph;
use filbert::wire::query::Query;
use rand::RngExt;
use rand::seq::SliceRandom;

use super::settings::{Overlay, OverlayVariant};
use super::watch::Search;
use crate::contents::{Contents, Placement, Sharers, name};
use crate::random::{Attack, Purpose, generator};

/// Who is who in a replica: the same in all variants but for who attacks.
#[derive(Debug)]
pub(super) struct Cast {
    /// What everybody shares.
    pub contents: Contents,
    /// All searches, by the time at which they begin.
    pub searches: Vec<Search>,
    /// Whether the servent on each node attacks.
    pub attacks: Vec<bool>,
}

impl Cast {
    /// That of a variant.
    pub(super) fn of(spec: &Overlay, variant: &OverlayVariant, graph: &Graph, seed: u64) -> Self {
        let rng = &mut generator(seed, Purpose::Attack(Attack::Cast));
        let mut order: Vec<u32> = graph
            .iter()
            .filter(|&node| graph.degree(node) > 0)
            .collect();
        order.shuffle(rng);
        let (leaves, ultrapeers): (Vec<u32>, Vec<u32>) =
            order.iter().partition(|&&node| graph.is_leaf(node));
        let chosen = |variant: &OverlayVariant| -> Vec<u32> {
            let among = match variant.leaves {
                true => &leaves,
                false => &ultrapeers,
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a checked share of a count"
            )]
            let many = (among.len() as f64 * variant.attackers).round() as usize;
            among[..many].to_vec()
        };
        let mark = |nodes: Vec<u32>, marks: &mut Vec<bool>| {
            for node in nodes {
                marks[node as usize] = true;
            }
        };
        // Who attacks in any variant neither shares nor asks in any other.
        let mut suspect = vec![false; graph.nodes()];
        for variant in &spec.variants {
            mark(chosen(variant), &mut suspect);
        }
        let mut attacks = vec![false; graph.nodes()];
        mark(chosen(variant), &mut attacks);
        let honest = |nodes: &[u32]| -> Vec<u32> {
            let nodes = nodes.iter().copied();
            nodes.filter(|&node| !suspect[node as usize]).collect()
        };
        let sharers = match leaves.is_empty() {
            true => honest(&ultrapeers),
            false => honest(&leaves),
        };
        let sharers = Sharers::alike(sharers);
        let mut placement = Placement::default();
        for file in 0..spec.files {
            let placed = placement.file(&name(file));
            placement.scatter(placed, spec.copies as usize, &sharers, rng);
        }
        Self {
            contents: placement.settle(graph.nodes()),
            searches: searches(spec, &honest(&order), seed),
            attacks,
        }
    }
}

/// All searches of these servents, by the time at which they begin: each comes at random.
fn searches(spec: &Overlay, askers: &[u32], seed: u64) -> Vec<Search> {
    let rng = &mut generator(seed, Purpose::Attack(Attack::Searches));
    let last = (spec.warm_up + spec.seconds) as f64;
    let mut searches = Vec::new();
    for &source in askers {
        let mut at = 0.0;
        loop {
            at += spec.every * -libm::log(1.0 - rng.random::<f64>());
            let file = rng.random_range(0..spec.files);
            if at >= last {
                break;
            }
            let counts = at >= spec.warm_up as f64;
            searches.push(Search::new(source, file, instant(at), counts));
        }
    }
    searches.sort_by_key(|search| (search.begins, search.source));
    searches
}

/// The time after so many seconds.
fn instant(seconds: f64) -> Instant {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no negative time, and none beyond the longest run"
    )]
    Instant::from_micros((seconds * 1e6) as u64)
}

/// The query for a file.
pub(super) fn query(file: u32) -> Query {
    Query::keywords(&name(file)).expect("plain words are a query")
}
