//! The engines of floods, which must agree: [`Servents`] carry descriptors over a graph, and
//! [`Bare`] counts on the graph alone what they would do.

mod bare;
mod servents;

use std::sync::atomic::{AtomicUsize, Ordering};

pub use bare::Bare;
use filbert::topology::Graph;
pub use servents::Servents;

use crate::arguments::Ttls;
use crate::outcome::Flood;
use crate::parallel::in_parallel;

/// Something that floods queries over a graph.
pub trait Engine: Send {
    /// Floods a query from `source` with each of these TTLs. What comes of it depends on nothing
    /// that was flooded before.
    fn flood(&mut self, source: u32, ttls: Ttls) -> Vec<Flood>;
}

/// The floods of each source, in the order of sources. Each engine has a thread, which takes the
/// next source that nobody took.
pub fn flood_all<E: Engine>(engines: &mut [E], sources: &[u32], ttls: Ttls) -> Vec<Vec<Flood>> {
    let next = AtomicUsize::new(0);
    let work = engines.iter_mut().map(|engine| {
        || {
            let mut done = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(&source) = sources.get(place) else {
                    return done;
                };
                done.push((place, engine.flood(source, ttls)));
            }
        }
    });
    let mut floods: Vec<(usize, Vec<Flood>)> = in_parallel(work).into_iter().flatten().collect();
    floods.sort_unstable_by_key(|&(place, _)| place);
    floods.into_iter().map(|(_, floods)| floods).collect()
}

/// As many equal engines over a graph as there are threads.
pub fn build<'a, E: Engine>(
    graph: &'a Graph,
    threads: usize,
    new: impl Fn(&'a Graph) -> E + Sync,
) -> Vec<E> {
    let new = &new;
    in_parallel((0..threads).map(|_| move || new(graph)))
}
