//! The engines of floods, which must agree: [`Servents`] carry descriptors over a graph,
//! [`Divided`] do the same on several threads, and [`Bare`] counts on the graph alone what they
//! would do.

mod bare;
mod divided;
mod servents;

use std::iter;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use bare::Bare;
pub use divided::Divided;
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

    /// The same for each of these sources, which have numbers.
    fn flood_each(
        &mut self,
        sources: &mut (dyn Iterator<Item = (usize, u32)> + Send),
        ttls: Ttls,
    ) -> Vec<(usize, Vec<Flood>)> {
        sources
            .map(|(number, source)| (number, self.flood(source, ttls)))
            .collect()
    }

    /// Threads that one flood is done on.
    fn threads(&self) -> usize {
        1
    }
}

/// The floods of each source, in the order of sources. Each engine has a thread or more and takes
/// the next source that nobody took.
pub fn flood_all<E: Engine>(engines: &mut [E], sources: &[u32], ttls: Ttls) -> Vec<Vec<Flood>> {
    let next = AtomicUsize::new(0);
    let work = engines.iter_mut().map(|engine| {
        || {
            let mut sources = iter::from_fn(|| {
                let place = next.fetch_add(1, Ordering::Relaxed);
                sources.get(place).map(|&source| (place, source))
            });
            engine.flood_each(&mut sources, ttls)
        }
    });
    let mut floods: Vec<(usize, Vec<Flood>)> = in_parallel(work).into_iter().flatten().collect();
    floods.sort_unstable_by_key(|&(place, _)| place);
    floods.into_iter().map(|(_, floods)| floods).collect()
}

/// As many equal engines over a graph as there are threads.
pub fn build<'a, E: Send>(
    graph: &'a Graph,
    threads: usize,
    new: impl Fn(&'a Graph) -> E + Sync,
) -> Vec<E> {
    let new = &new;
    in_parallel((0..threads).map(|_| move || new(graph)))
}
