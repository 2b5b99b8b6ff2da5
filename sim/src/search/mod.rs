//! Ways to search, on the bare graph: each hop takes one unit of time, nothing has bytes.
//!
//! Each way is a [`Policy`]: [`Flood`] is what servents do, and gives the same counts as they do
//! with unit latency; the others are from the literature, which no servent speaks. What
//! costs nothing here is the way back of answers, and the rules that hold a servent back. Only [`gia`], which
//! is about many searches at once, has capacities, queues and time.

mod flood;
pub mod gia;
mod ground;
mod light;
mod probe;
mod ring;
mod walk;

use rand_pcg::Pcg64Mcg;

pub use flood::Flood;
pub use ground::Ground;
pub use light::LightFlood;
pub use probe::{Guess, Probe};
pub use ring::Ring;
pub use walk::{Choice, Walk};

/// A way to search.
pub trait Policy: std::fmt::Debug {
    /// Makes one search of `source` for what is held on `ground`. `rng` makes all its choices.
    fn search(&self, ground: &mut Ground<'_>, source: u32, rng: &mut Pcg64Mcg) -> Trace;
}

/// What a search did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Copies of the query.
    pub copies: u64,
    /// Servents that got it, without the source.
    pub reached: u64,
    /// The same by hops, a direct neighbour's being 1, the last for all beyond.
    pub by_hops: [u64; 16],
    /// Holders that were found; the source is one where it has the file itself.
    pub found: u64,
    /// Hops to the first of them.
    pub first_hops: Option<u64>,
    /// Questions to the source whether to go on.
    pub checks: u64,
}

impl Trace {
    /// Somebody, who may hold it, gets the query for the first time.
    fn reach(&mut self, hops: u64, holds: bool) {
        self.reached += 1;
        let place = usize::try_from(hops).unwrap_or(usize::MAX);
        self.by_hops[place.min(self.by_hops.len() - 1)] += 1;
        if holds {
            self.find(hops);
        }
    }

    /// A holder is found.
    fn find(&mut self, hops: u64) {
        self.found += 1;
        self.first_hops.get_or_insert(hops);
    }
}
