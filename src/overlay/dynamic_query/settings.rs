//! Every parameter of dynamic querying in one place, with the source of its default.

use super::super::time::Duration;
use super::query::{Asker, Demand};

/// How dynamic queries behave and how many may run. "LW", "GTKG" and "paper" are the columns of
/// protocol §8.4.
///
/// The probe, the waits and the stops follow LW: its probe is the one that uses routing tables,
/// its limits are the strictest, and with its waits a walk over 32 neighbours fits into the life
/// of a query. Results wanted, circles and guidance follow GTKG, whose servents are the ones we
/// meet today. The TTL follows the paper: the smallest that covers a neighbour's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Results wanted by a search of our own (all columns).
    pub wanted_own: u32,
    /// Results wanted for a leaf (GTKG and paper; LW gives 38 to its own kind, 20 to others).
    pub wanted_leaf: u32,
    /// By how much less is wanted of a query for one SHA-1 (GTKG).
    pub urn_divisor: u32,
    /// Results routed to a leaf that guides, whatever it keeps, after which its query ends (LW).
    pub routed_guided: u32,

    /// Highest TTL that we send, whatever the neighbour takes (GTKG; `copy_hosts` holds it at
    /// LW's 3 towards a neighbour of high degree).
    pub max_ttl: u8,
    /// Max TTL of a neighbour that told none (LW, protocol §2.3).
    pub max_ttl_untold: u8,
    /// Degree of a neighbour that told none: that of ultrapeers before high outdegree (paper).
    pub degree_untold: u16,
    /// Most hosts that one copy is expected to reach, since a copy sent cannot be stopped: at the
    /// default a TTL of 4 goes to degrees up to 16, of 3 up to 56 (ours).
    pub copy_hosts: u64,
    /// How many of 100 hosts one hop further are new, the others being reached twice (GTKG).
    pub new_percent: u8,
    /// How many times the hosts of a copy may fall short of its share, since later copies can
    /// make up for it; never more than the neighbours left. 1 is the paper's; LW's 16 sends
    /// a little less and takes several times as long for what is neither popular nor rare.
    pub slack: u64,
    /// Hosts that a search without any result is taken to need (LW).
    pub hosts_unknown: u64,

    /// Age of a link below which no query goes over it (LW; protocol §2.5).
    pub stable_age: Duration,

    /// Known tables above which the probe trusts them (LW).
    pub probe_tables: usize,
    /// Matching tables above which the probe asks nobody else (LW).
    pub probe_matching: usize,
    /// Most neighbours with a matching table that the probe asks with TTL 1 when it asks nobody
    /// else (LW).
    pub probe_near: usize,
    /// Most of them when it asks others too (LW).
    pub probe_near_mixed: usize,
    /// Most neighbours that the probe asks with TTL 2 (all columns).
    pub probe_far: usize,
    /// The probe uses up at most one in so many neighbours, so that a servent with few keeps them
    /// for the walk (ours).
    pub probe_share: usize,
    /// Percent of the wait for one hop that follows a probe with TTL 2 (LW).
    pub probe_wait_percent: u64,

    /// Wait for each hop of the TTL last sent (LW and paper).
    pub hop_wait: Duration,
    /// Age of a query from which that wait shrinks (LW).
    pub hop_wait_steady: Duration,
    /// By how much it shrinks for each second of further age. LW tells no figure: at this one 32
    /// neighbours take less than two minutes with TTL 3.
    pub hop_wait_shrink: Duration,
    /// The least wait for a hop (LW).
    pub hop_wait_least: Duration,
    /// Wait added for each descriptor that is pending towards the neighbour (GTKG).
    pub pending_wait: Duration,
    /// Most descriptors for which that is done (ours: a clogged link stalls no search).
    pub pending_counted: u16,

    /// Hosts after which a search ends (LW; the paper forbids 200,000).
    pub horizon: u64,
    /// Age at which it ends (LW).
    pub life: Duration,
    /// How long a search waits for a first neighbour (ours).
    pub patience: Duration,

    /// New results after which a leaf that guides is asked how many it kept (GTKG).
    pub ask_after: u32,
    /// How long it may take to say so (GTKG; the paper says 10 s).
    pub ask_wait: Duration,
    /// Silences in a row that end its query (GTKG).
    pub ask_silences: u8,
    /// Ultrapeers of a leaf: what it kept is divided by this (GTKG).
    pub leaf_ultrapeers: u32,

    /// Most queries that run at once; the oldest of a leaf makes room.
    pub running: usize,
    /// Most that run for one leaf; its oldest makes room.
    pub running_per_leaf: usize,
    /// Deadlines are multiples of this.
    pub grain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wanted_own: 150,
            wanted_leaf: 50,
            urn_divisor: 25,
            routed_guided: 75,
            max_ttl: 4,
            max_ttl_untold: 4,
            degree_untold: 6,
            copy_hosts: 2_000,
            new_percent: 80,
            slack: 1,
            hosts_unknown: 40_000,
            stable_age: Duration::from_secs(5),
            probe_tables: 8,
            probe_matching: 3,
            probe_near: 9,
            probe_near_mixed: 4,
            probe_far: 3,
            probe_share: 4,
            probe_wait_percent: 130,
            hop_wait: Duration::from_millis(2_400),
            hop_wait_steady: Duration::from_secs(6),
            hop_wait_shrink: Duration::from_millis(20),
            hop_wait_least: Duration::from_millis(100),
            pending_wait: Duration::from_millis(1_200),
            pending_counted: 10,
            horizon: 110_000,
            life: Duration::from_secs(200),
            patience: Duration::from_secs(60),
            ask_after: 20,
            ask_wait: Duration::from_secs(40),
            ask_silences: 2,
            leaf_ultrapeers: 3,
            running: 1_024,
            running_per_leaf: 16,
            grain: Duration::from_millis(250),
        }
    }
}

impl Settings {
    /// What a query of `asker` wants; `urn` when it asks for one SHA-1.
    #[must_use]
    pub fn demand(&self, asker: Asker, urn: bool) -> Demand {
        let divisor = if urn { self.urn_divisor.max(1) } else { 1 };
        let (wanted, routed) = match asker {
            Asker::Own => (self.wanted_own, self.wanted_own),
            Asker::Leaf { guides: false, .. } => (self.wanted_leaf, self.wanted_leaf),
            Asker::Leaf { guides: true, .. } => (self.wanted_leaf, self.routed_guided),
        };
        Demand {
            asker,
            wanted: (wanted / divisor).max(1),
            routed: (routed / divisor).max(1),
        }
    }

    /// How long to wait for each hop of what is sent at `age`.
    pub(super) fn hop_wait(&self, age: Duration) -> Duration {
        let over = age
            .as_micros()
            .saturating_sub(self.hop_wait_steady.as_micros());
        let shrink = (over / 1_000_000).saturating_mul(self.hop_wait_shrink.as_micros());
        let wait = self.hop_wait.as_micros().saturating_sub(shrink);
        Duration::from_micros(wait).max(self.hop_wait_least)
    }

    /// How much longer for a neighbour towards which `pending` descriptors wait.
    pub(super) fn pending_wait(&self, pending: u16) -> Duration {
        self.pending_wait
            .times(u64::from(pending.min(self.pending_counted)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Link;
    use super::*;

    #[test]
    fn wants_what_the_asker_and_the_kind_of_query_tell() {
        let settings = Settings::default();
        let wanted = |asker, urn| {
            let demand = settings.demand(asker, urn);
            (demand.wanted, demand.routed)
        };
        let leaf = |guides| Asker::Leaf {
            link: Link(1),
            guides,
        };
        assert_eq!(wanted(Asker::Own, false), (150, 150));
        assert_eq!(wanted(Asker::Own, true), (6, 6));
        assert_eq!(wanted(leaf(false), false), (50, 50));
        assert_eq!(wanted(leaf(true), false), (50, 75));
        assert_eq!(wanted(leaf(true), true), (2, 3));
    }

    #[test]
    fn waits_shrink_with_age_down_to_the_least() {
        let settings = Settings::default();
        let wait = |secs| settings.hop_wait(Duration::from_secs(secs));
        assert_eq!(wait(0), Duration::from_millis(2_400));
        assert_eq!(wait(6), Duration::from_millis(2_400));
        assert_eq!(wait(56), Duration::from_millis(1_400));
        assert_eq!(wait(10_000), Duration::from_millis(100));
        assert_eq!(settings.pending_wait(2), Duration::from_millis(2_400));
        assert_eq!(settings.pending_wait(60_000), Duration::from_secs(12));
    }
}
