//! What is measured of a search.

use serde::{Deserialize, Serialize};

use super::census::Census;
use super::load::Load;
use crate::attack;
use crate::living;
use crate::outcome::Outcome;
use crate::search::{Trace, gia};
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
    /// Bytes of all that was sent, headers included; none on the bare graph.
    pub bytes: Option<u64>,
    /// Of these, bytes of the query.
    pub query_bytes: Option<u64>,
    /// Hits that were sent, over each link on their way.
    pub hits: Option<u64>,
    /// Their bytes.
    pub hit_bytes: Option<u64>,
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
    /// How the searches of the variant load servents in this replica.
    #[serde(skip)]
    pub load: Option<Load>,
    /// What came of something else than a search, instead of all the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<Box<Instead>>,
}

/// What came of something else than a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// Of a swarm.
    Swarm(swarm::Outcome),
    /// Of a phase of a living network.
    Living(living::Outcome),
    /// Of an attack.
    Attack(attack::Outcome),
    /// Of Gia.
    Gia(gia::Outcome),
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
    /// Bytes of all that was sent.
    Bytes,
    /// Those of the query.
    QueryBytes,
    /// Query hits that were sent, over each link on their way.
    Hits,
    /// Their bytes.
    HitBytes,
    /// Hops to the first holder, where one was found.
    Hops,
    /// How often walkers asked whether to go on.
    Checks,
    /// Milliseconds to the first result, where one came.
    FirstMs,
    /// Milliseconds until there were as many results as were wanted, where there were.
    SatisfiedMs,
    /// Descriptors that a search brings the servent to which most come, in the mean over searches.
    Busiest,
    /// How unequally they come to servents: Gini's coefficient, 0 where all get as many.
    LoadGini,
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
    /// Servents of a living network that were there.
    Present,
    /// The share of them in the largest component, over time.
    Connected,
    /// The least that it was.
    LeastConnected,
    /// The share of them with an ultrapeer for a neighbour.
    Linked,
    /// The share of them that were ultrapeers.
    Ultrapeers,
    /// Ultrapeers that were neighbours of one.
    TopDegree,
    /// Ultrapeers of a leaf.
    Parents,
    /// The share of the servents there that got a query.
    Reach,
    /// Attempts to reach somebody, for each session that began.
    Dials,
    /// The share of attempts that led to a link.
    MetShare,
    /// The share of attempts that were refused.
    RefusedShare,
    /// The share of attempts that nobody answered.
    FailedShare,
    /// Changes of role, for each session that began.
    Turns,
    /// Of the results that a searcher is shown while others attack, the share that is genuine.
    GenuineShare,
    /// Of the hits that honest servents sent, the share that did not come to who searched.
    HitsLost,
    /// Descriptors that an honest servent handles in a second.
    Load,
    /// Of the links between honest servents, the share that ended.
    LinksLost,
    /// Of the links of attackers to honest servents, the share that ended.
    AttackersCut,
    /// Of the places of a servent for ultrapeers, the share that an attacker has.
    SybilShare,
    /// The same of honest ones.
    HonestShare,
    /// Entries in all tables of a servent.
    Held,
    /// Queries a second of each servent beyond which too few are answered in time.
    CollapseRate,
    /// The share of all capacity that is in use there.
    Utilisation,
    /// Hops to the first answer where there is no other query.
    IdleHops,
    /// Links of the servents of highest capacity.
    TopLinks,
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
            query_bytes: Some(outcome.query_bytes),
            hits: Some(outcome.hits),
            hit_bytes: Some(outcome.hit_bytes),
            first_hops: None,
            checks: 0,
            first_ms: outcome.first.map(milliseconds),
            satisfied_ms: outcome.satisfied.map(milliseconds),
            last_hop_ppm: last_hop(outcome.by_hops),
            census: None,
            load: None,
            instead: None,
        }
    }

    /// A row of an attack.
    pub(super) fn attacked(outcome: attack::Outcome) -> Self {
        Self {
            variant: outcome.variant.clone(),
            replica: outcome.replica,
            instead: Some(Box::new(Instead::Attack(outcome))),
            ..Self::of(&Outcome::default(), 0, 0)
        }
    }

    /// A row of Gia.
    pub(super) fn loaded(outcome: gia::Outcome) -> Self {
        Self {
            variant: outcome.variant.clone(),
            replica: outcome.replica,
            instead: Some(Box::new(Instead::Gia(outcome))),
            ..Self::of(&Outcome::default(), 0, 0)
        }
    }

    /// A row of a swarm.
    pub(super) fn swarmed(outcome: swarm::Outcome) -> Self {
        Self {
            variant: outcome.variant.clone(),
            replica: outcome.replica,
            instead: Some(Box::new(Instead::Swarm(outcome))),
            ..Self::of(&Outcome::default(), 0, 0)
        }
    }

    /// A row of a phase of a living network.
    pub(super) fn lived(outcome: living::Outcome) -> Self {
        Self {
            variant: outcome.variant.clone(),
            replica: outcome.replica,
            file: outcome.phase.clone(),
            instead: Some(Box::new(Instead::Living(outcome))),
            ..Self::of(&Outcome::default(), 0, 0)
        }
    }

    /// A row of a search on the bare graph but for the names. The asker is a holder where it has
    /// the file.
    pub(super) fn traced(trace: &Trace, source: u64, holders: u64) -> Self {
        Self {
            bytes: None,
            query_bytes: None,
            hits: None,
            hit_bytes: None,
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
    pub const ALL: &[Self] = &[
        Self::Messages,
        Self::TopMessages,
        Self::LeafMessages,
        Self::Reached,
        Self::DuplicateShare,
        Self::Results,
        Self::Recall,
        Self::Success,
        Self::Bytes,
        Self::QueryBytes,
        Self::Hits,
        Self::HitBytes,
        Self::Hops,
        Self::Checks,
        Self::FirstMs,
        Self::SatisfiedMs,
        Self::Busiest,
        Self::LoadGini,
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
        Self::Present,
        Self::Connected,
        Self::LeastConnected,
        Self::Linked,
        Self::Ultrapeers,
        Self::TopDegree,
        Self::Parents,
        Self::Reach,
        Self::Dials,
        Self::MetShare,
        Self::RefusedShare,
        Self::FailedShare,
        Self::Turns,
        Self::GenuineShare,
        Self::HitsLost,
        Self::Load,
        Self::LinksLost,
        Self::AttackersCut,
        Self::SybilShare,
        Self::HonestShare,
        Self::Held,
        Self::CollapseRate,
        Self::Utilisation,
        Self::IdleHops,
        Self::TopLinks,
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
            Self::QueryBytes => "query_bytes",
            Self::Hits => "hits",
            Self::HitBytes => "hit_bytes",
            Self::Hops => "hops",
            Self::Checks => "checks",
            Self::FirstMs => "first_ms",
            Self::SatisfiedMs => "satisfied_ms",
            Self::Busiest => "busiest",
            Self::LoadGini => "load_gini",
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
            Self::Present => "present",
            Self::Connected => "connected",
            Self::LeastConnected => "least_connected",
            Self::Linked => "linked",
            Self::Ultrapeers => "ultrapeers",
            Self::TopDegree => "top_degree",
            Self::Parents => "parents",
            Self::Reach => "reach",
            Self::Dials => "dials",
            Self::MetShare => "met_share",
            Self::RefusedShare => "refused_share",
            Self::FailedShare => "failed_share",
            Self::Turns => "turns",
            Self::GenuineShare => "genuine_share",
            Self::HitsLost => "hits_lost",
            Self::Load => "load",
            Self::LinksLost => "links_lost",
            Self::AttackersCut => "attackers_cut",
            Self::SybilShare => "sybil_share",
            Self::HonestShare => "honest_share",
            Self::Held => "held",
            Self::CollapseRate => "collapse_rate",
            Self::Utilisation => "utilisation",
            Self::IdleHops => "idle_hops",
            Self::TopLinks => "top_links",
            Self::CorruptShare => "corrupt_share",
        }
    }

    /// The figure of a row; `None` where it has none.
    #[must_use]
    pub fn of(self, row: &Row) -> Option<f64> {
        match row.instead.as_deref() {
            Some(Instead::Swarm(outcome)) => return self.of_swarm(outcome),
            Some(Instead::Living(outcome)) => return self.of_living(outcome),
            Some(Instead::Attack(outcome)) => return outcome.figure(self),
            Some(Instead::Gia(outcome)) => return self.of_gia(outcome),
            None => {}
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
            Self::QueryBytes => row.query_bytes? as f64,
            Self::Hits => row.hits? as f64,
            Self::HitBytes => row.hit_bytes? as f64,
            Self::Hops => row.first_hops? as f64,
            Self::Checks => row.checks as f64,
            Self::FirstMs => row.first_ms? as f64,
            Self::SatisfiedMs => row.satisfied_ms? as f64,
            Self::Busiest => row.load?.busiest,
            Self::LoadGini => row.load?.gini,
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

    /// The figure of Gia; `None` where it has none.
    fn of_gia(self, outcome: &gia::Outcome) -> Option<f64> {
        match self {
            Self::CollapseRate => outcome.collapse,
            Self::Success => outcome.success,
            Self::Hops => outcome.hops,
            Self::Utilisation => outcome.utilisation,
            Self::IdleHops => Some(outcome.idle_hops),
            Self::TopLinks => Some(outcome.top_links),
            _ => None,
        }
    }
}

impl Measure {
    /// The figure of a phase of a living network; `None` where it has none. Messages and bytes are those
    /// of a servent in a second.
    fn of_living(self, outcome: &living::Outcome) -> Option<f64> {
        match self {
            Self::Messages => Some(outcome.messages),
            Self::Bytes => Some(outcome.bytes),
            Self::Success => outcome.success,
            Self::Recall => outcome.recall,
            Self::FirstMs => outcome.first_ms,
            Self::Present => Some(outcome.present),
            Self::Connected => Some(outcome.connected),
            Self::LeastConnected => Some(outcome.least_connected),
            Self::Linked => Some(outcome.linked),
            Self::Ultrapeers => Some(outcome.ultrapeers),
            Self::TopDegree => outcome.top_degree,
            Self::Parents => outcome.parents,
            Self::Reach => outcome.reach,
            Self::Dials => Some(outcome.dials),
            Self::MetShare => outcome.met_share,
            Self::RefusedShare => outcome.refused_share,
            Self::FailedShare => outcome.failed_share,
            Self::Turns => Some(outcome.turns),
            Self::Held => Some(outcome.held),
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
