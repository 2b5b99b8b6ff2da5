//! How dynamic queries ended: counters.

/// Why a dynamic query is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has the results it wanted.
    Enough,
    /// Nobody is left to ask.
    NoNeighbours,
    /// It reached as many hosts as it may.
    Horizon,
    /// It is too old.
    Life,
    /// Its leaf disconnected.
    LeafGone,
    /// Its leaf said stop.
    LeafStop,
    /// Its leaf did not say what it keeps.
    LeafSilent,
    /// It made room for a newer one.
    MadeRoom,
    /// The user cancelled it.
    Cancelled,
}

impl Reason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 9] = [
        Self::Enough,
        Self::NoNeighbours,
        Self::Horizon,
        Self::Life,
        Self::LeafGone,
        Self::LeafStop,
        Self::LeafSilent,
        Self::MadeRoom,
        Self::Cancelled,
    ];

    /// The name of the reason in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enough => "enough",
            Self::NoNeighbours => "no_neighbours",
            Self::Horizon => "horizon",
            Self::Life => "life",
            Self::LeafGone => "leaf_gone",
            Self::LeafStop => "leaf_stop",
            Self::LeafSilent => "leaf_silent",
            Self::MadeRoom => "made_room",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What the dynamic queries of a servent, or of a whole simulation, came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    finished: [u64; Reason::ALL.len()],
    /// Queries begun.
    pub started: u64,
    /// Copies sent to neighbours.
    pub copies: u64,
    /// Hosts that finished queries are taken to have reached, together.
    pub reached: u64,
    /// Results that finished queries brought, together.
    pub results: u64,
    /// Times that a leaf was asked what it keeps.
    pub asked: u64,
}

impl Outcomes {
    /// How many queries ended for each reason.
    pub fn finished(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.finished)
    }

    /// How many queries ended for this reason.
    #[must_use]
    pub const fn finished_by(&self, reason: Reason) -> u64 {
        self.finished[reason as usize]
    }

    pub(super) const fn finish(&mut self, reason: Reason, reached: u64, results: u32) {
        self.finished[reason as usize] += 1;
        self.reached = self.reached.saturating_add(reached);
        self.results += results as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_counts_in_its_own_place() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{}", reason.name());
        }
    }
}
