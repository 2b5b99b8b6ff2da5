//! What a servent needs and does not own.

use std::fmt;

use rand::Rng;

use super::catalogue::Catalogue;
use super::output::Output;
use super::settings::Settings;
use super::stats::Stats;

/// What a servent needs and does not own, handed in with every input, so that a million servents
/// share it.
pub struct Surroundings<'a> {
    /// What its owner decided.
    pub settings: &'a Settings,
    /// What it shares.
    pub catalogue: &'a dyn Catalogue,
    /// Random numbers.
    pub rng: &'a mut dyn Rng,
    /// Counters.
    pub stats: &'a mut Stats,
    /// Takes the effects, in order.
    pub out: &'a mut Vec<Output>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("out", &self.out)
            .finish_non_exhaustive()
    }
}
