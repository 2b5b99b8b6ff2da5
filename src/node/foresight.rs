//! What a query of each TTL would reach and cost, from what the node saw so far.

use super::Node;
use crate::overlay::whatif::{Blind, Forecast, foretell};

impl Node {
    /// Foretells queries of these TTLs.
    ///
    /// # Errors
    /// When it saw too little.
    pub fn foretell(&self, ttls: impl IntoIterator<Item = u8>) -> Result<Vec<Forecast>, Blind> {
        let sight = {
            let core = self.0.core();
            core.servent.sight(&core.stats, &core.settings)?
        };
        foretell(&sight, ttls)
    }
}
