//! Where every random number comes from: the run's seed, and what it is for.
//!
//! Each purpose has its own generator (PCG, `Pcg64Mcg`), so that no draw depends on how many were
//! made elsewhere, in which order, or on which thread.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// What random numbers are drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Generating the graph.
    Graph,
    /// Choosing the sources.
    Sources,
    /// The servents' own identifiers.
    Servents,
    /// One flood: its GUID and its latencies.
    Flood {
        /// The id of its source in the graph.
        source: u64,
        /// The TTL it begins with.
        ttl: u8,
    },
    /// Sampling in statistics.
    Statistics,
    /// Who holds which file.
    Contents,
    /// Who asks.
    Askers,
    /// Telling routing tables.
    Settling,
    /// One search of an experiment: its GUID and its latencies.
    Search {
        /// Its number.
        number: u64,
    },
    /// Who fails.
    Failing,
    /// What happens in a swarm.
    Swarm,
    /// What is between two members of a swarm.
    Pair {
        /// The one of the smaller number.
        low: u64,
        /// The other.
        high: u64,
    },
    /// Who has which capacity.
    Capacities,
    /// Which neighbours servents look for.
    Adapting,
    /// Which queries are made, and when.
    Asking,
    /// Where walkers go.
    Walking,
    /// What happens in a living network.
    Living,
    /// What is decided of one session in it.
    Session {
        /// Whose it is.
        node: u64,
        /// Which of its sessions, and what is decided.
        number: u64,
    },
    /// One part of an attack.
    Attack(Attack),
    /// The seed of one replica of an experiment.
    Replica {
        /// Its number.
        number: u64,
    },
}

/// What random numbers of an attack are drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Who attacks, and who holds what.
    Cast,
    /// Who searches when.
    Searches,
    /// How long links are.
    Links,
    /// What servents decide by chance.
    Servents,
    /// What attackers do.
    Deeds,
    /// Where servents begin to count that count their GUIDs.
    Counting,
}

/// The generator for one purpose in the run with this seed.
#[must_use]
pub fn generator(seed: u64, purpose: Purpose) -> Pcg64Mcg {
    let words = match purpose {
        Purpose::Graph => [1, 0, 0],
        Purpose::Sources => [2, 0, 0],
        Purpose::Servents => [3, 0, 0],
        Purpose::Flood { source, ttl } => [4, source, ttl.into()],
        Purpose::Statistics => [5, 0, 0],
        Purpose::Contents => [6, 0, 0],
        Purpose::Askers => [7, 0, 0],
        Purpose::Settling => [8, 0, 0],
        Purpose::Search { number } => [9, number, 0],
        Purpose::Replica { number } => [10, number, 0],
        Purpose::Failing => [11, 0, 0],
        Purpose::Living => [12, 0, 0],
        Purpose::Session { node, number } => [13, node, number],
        Purpose::Attack(part) => [30, part as u64, 0],
        Purpose::Swarm => [20, 0, 0],
        Purpose::Pair { low, high } => [21, low, high],
        Purpose::Capacities => [30, 0, 0],
        Purpose::Adapting => [31, 0, 0],
        Purpose::Asking => [32, 0, 0],
        Purpose::Walking => [33, 0, 0],
    };
    Pcg64Mcg::seed_from_u64(
        words
            .into_iter()
            .fold(mix(seed), |state, word| mix(state ^ word)),
    )
}

/// The output function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): neighbouring numbers
/// go far apart.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn every_purpose_and_seed_has_its_own_numbers() {
        let flood = |source, ttl| Purpose::Flood { source, ttl };
        let purposes = [
            Purpose::Graph,
            Purpose::Sources,
            flood(0, 1),
            flood(1, 0),
            flood(1, 1),
        ];
        let mut first: Vec<u64> = [0, 1]
            .into_iter()
            .flat_map(|seed| purposes.map(|purpose| generator(seed, purpose).random()))
            .collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 10);
    }

    #[test]
    fn the_numbers_are_the_same_for_ever() {
        assert_eq!(
            generator(42, Purpose::Graph).random::<u64>(),
            8_158_627_281_663_593_112
        );
    }
}
