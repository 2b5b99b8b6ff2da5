//! What is measured of a search.

use serde::{Deserialize, Serialize};

use super::census::Census;
use crate::outcome::Outcome;
use crate::search::Trace;
use crate::swarm;

/// What one search of an experiment came to: a row of its table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The variant by which it was made.
    pub variant: String,
    /// The replica, counted from 0.
    pub replica: u32,
    /// The file that it was for.
    pub file: String,
    /// The node that asked.
    pub source: u64,
    /// Servents that hold the file, without the one that asked.
    pub holders: u64,
    /// Servents that answered.
    pub answered: u64,
    /// Results that came.
    pub results: u64,
    /// Copies of the query that went to ultrapeers.
    pub top_messages: u64,
    /// Copies of the query that went to leaves.
    pub leaf_messages: u64,
    /// Ultrapeers that got the query.
    pub top_reached: u64,
    /// Leaves that got it.
    pub leaves_reached: u64,
    /// Bytes of all that was sent, the query and its hits, headers included; none on the bare graph.
    pub bytes: Option<u64>,
    /// Hops to the first holder that was found, on the bare graph.
    pub first_hops: Option<u64>,
    /// How often walkers asked whether to go on.
    pub checks: u64,
    /// Milliseconds to the first result.
    pub first_ms: Option<u64>,
    /// Milliseconds until there were as many as were wanted.
    pub satisfied_ms: Option<u64>,
    /// The share of those reached that were reached by the farthest hop, in millionths.
    pub last_hop_ppm: u64,
    /// How unequal servents share in this replica, where the experiment says so.
    #[serde(skip)]
    pub census: Option<Census>,
    /// What a swarm came to, instead of all the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swarm: Option<swarm::Outcome>,
}

/// A figure of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Copies of the query that were sent.
    Messages,
    /// Those that went to ultrapeers.
    TopMessages,
    /// Those that went to leaves.
    LeafMessages,
    /// Servents that got the query.
    Reached,
    /// The share of copies that came to a servent that had it already.
    DuplicateShare,
    /// Results that came.
    Results,
    /// The share of the holders that answered; 1 where nobody holds it.
    Recall,
    /// Whether anybody answered, or nobody could.
    Success,
    /// Bytes of the query and its hits.
    Bytes,
    /// Hops to the first holder, where one was found.
    Hops,
    /// How often walkers asked whether to go on.
    Checks,
    /// Milliseconds to the first result, where one came.
    FirstMs,
    /// The share of those reached that were reached by the farthest hop.
    LastHop,
    /// The share of servents that share nothing.
    FreeRiders,
    /// The share of them that share ten files or fewer.
    AtMostTenFiles,
    /// The share of all files that the hundredth has who share most.
    TopHundredth,
    /// The share that the fifth has who share most.
    TopFifth,
    /// The share of a swarm that got the file in time.
    FinishedShare,
    /// When a member of a swarm had the file, in the mean, in one-copy times.
    MeanCopies,
    /// When half of a swarm had it.
    HalfCopies,
    /// When 95 % of a swarm had it.
    MostCopies,
    /// When all had it.
    AllCopies,
    /// When those who gave had it, in the mean.
    GiverCopies,
    /// When those who gave nothing had it, in the mean.
    LeecherCopies,
    /// How much longer these took than those who gave: the ratio of the two.
    LeecherDelay,
    /// Copies that the seed of a swarm sent.
    SeedCopies,
    /// The share of a swarm's bytes that the others sent.
    PeerShare,
    /// Tiles of no use, for each tile wanted.
    WastedTiles,
    /// The share of a swarm that took a wrong file for the right one.
    CorruptShare,
}

impl Row {
    /// A row but for the names.
    pub(super) fn of(outcome: &Outcome, source: u64, holders: u64) -> Self {
        let [top_messages, leaf_messages] = outcome.copies;
        let [top_reached, leaves_reached] = outcome.reached;
        let milliseconds = |micros: u64| micros / 1_000;
        Self {
            variant: String::new(),
            replica: 0,
            file: String::new(),
            source,
            holders,
            answered: outcome.holders.len() as u64,
            results: outcome.results,
            top_messages,
            leaf_messages,
            top_reached,
            leaves_reached,
            bytes: Some(outcome.bytes),
            first_hops: None,
            checks: 0,
            first_ms: outcome.first.map(milliseconds),
            satisfied_ms: outcome.satisfied.map(milliseconds),
            last_hop_ppm: last_hop(outcome.by_hops),
            census: None,
            swarm: None,
        }
    }

    /// A row of a swarm.
    pub(super) fn swarmed(outcome: swarm::Outcome) -> Self {
        Self {
            variant: outcome.variant.clone(),
            replica: outcome.replica,
            swarm: Some(outcome),
            ..Self::of(&Outcome::default(), 0, 0)
        }
    }

    /// A row of a search on the bare graph but for the names. The asker is a holder where it has
    /// the file.
    pub(super) fn traced(trace: &Trace, source: u64, holders: u64) -> Self {
        Self {
            bytes: None,
            answered: trace.found,
            results: trace.found,
            first_hops: trace.first_hops,
            checks: trace.checks,
            ..Self::of(
                &Outcome {
                    copies: [trace.copies, 0],
                    reached: [trace.reached, 0],
                    by_hops: trace.by_hops,
                    ..Outcome::default()
                },
                source,
                holders,
            )
        }
    }
}

impl Measure {
    /// Every figure that a table of findings shows.
    pub const ALL: [Self; 29] = [
        Self::Messages,
        Self::TopMessages,
        Self::LeafMessages,
        Self::Reached,
        Self::DuplicateShare,
        Self::Results,
        Self::Recall,
        Self::Success,
        Self::Bytes,
        Self::Hops,
        Self::Checks,
        Self::FirstMs,
        Self::LastHop,
        Self::FreeRiders,
        Self::AtMostTenFiles,
        Self::TopHundredth,
        Self::TopFifth,
        Self::FinishedShare,
        Self::MeanCopies,
        Self::HalfCopies,
        Self::MostCopies,
        Self::AllCopies,
        Self::GiverCopies,
        Self::LeecherCopies,
        Self::LeecherDelay,
        Self::SeedCopies,
        Self::PeerShare,
        Self::WastedTiles,
        Self::CorruptShare,
    ];

    /// Its name in files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::TopMessages => "top_messages",
            Self::LeafMessages => "leaf_messages",
            Self::Reached => "reached",
            Self::DuplicateShare => "duplicate_share",
            Self::Results => "results",
            Self::Recall => "recall",
            Self::Success => "success",
            Self::Bytes => "bytes",
            Self::Hops => "hops",
            Self::Checks => "checks",
            Self::FirstMs => "first_ms",
            Self::LastHop => "last_hop",
            Self::FreeRiders => "free_riders",
            Self::AtMostTenFiles => "at_most_ten_files",
            Self::TopHundredth => "top_hundredth",
            Self::TopFifth => "top_fifth",
            Self::FinishedShare => "finished_share",
            Self::MeanCopies => "mean_copies",
            Self::HalfCopies => "half_copies",
            Self::MostCopies => "most_copies",
            Self::AllCopies => "all_copies",
            Self::GiverCopies => "giver_copies",
            Self::LeecherCopies => "leecher_copies",
            Self::LeecherDelay => "leecher_delay",
            Self::SeedCopies => "seed_copies",
            Self::PeerShare => "peer_share",
            Self::WastedTiles => "wasted_tiles",
            Self::CorruptShare => "corrupt_share",
        }
    }

    /// The figure of a row; `None` where it has none.
    #[must_use]
    pub fn of(self, row: &Row) -> Option<f64> {
        if let Some(outcome) = &row.swarm {
            return self.of_swarm(outcome);
        }
        let messages = row.top_messages + row.leaf_messages;
        let reached = row.top_reached + row.leaves_reached;
        let share = |part: u64, whole: u64| {
            if whole == 0 {
                1.0
            } else {
                part as f64 / whole as f64
            }
        };
        Some(match self {
            Self::Messages => messages as f64,
            Self::TopMessages => row.top_messages as f64,
            Self::LeafMessages => row.leaf_messages as f64,
            Self::Reached => reached as f64,
            Self::DuplicateShare => 1.0 - share(reached, messages),
            Self::Results => row.results as f64,
            Self::Recall => share(row.answered, row.holders),
            Self::Success => f64::from(row.answered > 0 || row.holders == 0),
            Self::Bytes => row.bytes? as f64,
            Self::Hops => row.first_hops? as f64,
            Self::Checks => row.checks as f64,
            Self::FirstMs => row.first_ms? as f64,
            Self::LastHop => row.last_hop_ppm as f64 / 1e6,
            Self::FreeRiders => row.census?.free_riders,
            Self::AtMostTenFiles => row.census?.at_most_ten,
            Self::TopHundredth => row.census?.of_top_1,
            Self::TopFifth => row.census?.of_top_20,
            _ => return None,
        })
    }

    /// The figure of a swarm; `None` where it has none.
    fn of_swarm(self, outcome: &swarm::Outcome) -> Option<f64> {
        match self {
            Self::FinishedShare => Some(outcome.finished as f64 / outcome.downloaders as f64),
            Self::MeanCopies => outcome.mean,
            Self::HalfCopies => outcome.half,
            Self::MostCopies => outcome.most,
            Self::AllCopies => outcome.all,
            Self::GiverCopies => outcome.givers,
            Self::LeecherCopies => outcome.leechers,
            Self::LeecherDelay => Some(outcome.leechers? / outcome.givers?),
            Self::SeedCopies => Some(outcome.seed_copies),
            Self::PeerShare => Some(outcome.peer_share),
            Self::WastedTiles => Some(outcome.wasted),
            Self::CorruptShare => Some(outcome.corrupt),
            _ => None,
        }
    }
}

/// The share of the farthest hop, in millionths.
fn last_hop(by_hops: [u64; 16]) -> u64 {
    let all: u64 = by_hops.iter().sum();
    let last = by_hops.into_iter().rev().find(|&count| count > 0);
    last.unwrap_or(0) * 1_000_000 / all.max(1)
}
