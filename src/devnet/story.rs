//! What a devnet does once it is up, and what it tells of that.

use std::time::{Duration, Instant};

use futures::StreamExt;

use super::plan::{Placed, Quest};
use super::{Devnet, Node};
use crate::library::hash::hash_file;
use crate::node::{Hit, Target};
use crate::overlay::stats::Drop;
use crate::runtime;
use crate::wire::Kind;
use crate::wire::urn::Sha1;

/// How long hits are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a fetch may take.
const FETCHING: Duration = Duration::from_secs(120);
/// How often it is looked whether the last copies of a query have arrived.
const LOOK: Duration = Duration::from_millis(10);

/// What happened.
#[derive(Clone, Debug)]
pub struct Story {
    /// Servents in the overlay.
    pub servents: usize,
    /// Those of them that are ultrapeers.
    pub ultrapeers: usize,
    /// How long they took to settle, where they chose their places themselves.
    pub settled: Option<Duration>,
    /// Links among them.
    pub links: usize,
    /// Files shared.
    pub files: usize,
    /// Files left out: empty, nameless, or with the contents of another.
    pub skipped: usize,
    /// The searches made.
    pub searches: Vec<SearchTold>,
    /// The files fetched.
    pub fetches: Vec<FetchTold>,
    /// QUERY descriptors sent by all servents together, one for each link crossed.
    pub messages: u64,
    /// Those of them that met a servent which had the query already.
    pub duplicates: u64,
    /// Bytes of descriptors sent over links.
    pub bytes: u64,
    /// Time from the first search to the last fetch.
    pub took: Duration,
}

/// One search.
#[derive(Clone, Debug)]
pub struct SearchTold {
    /// What was searched.
    pub words: String,
    /// Holders that answered, and those there are.
    pub hits: (usize, usize),
    /// The fewest links a hit says it travelled.
    pub hops: u8,
    /// The fewest links to a holder in the topology.
    pub distance: u32,
    /// Time until the first hit.
    pub first_hit: Option<Duration>,
}

/// One file fetched.
#[derive(Clone, Debug)]
pub struct FetchTold {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it must hash to.
    pub sha1: Sha1,
    /// Whether the bytes on disk do.
    pub verified: bool,
    /// Sources that gave of it.
    pub sources: usize,
    /// Time it took.
    pub took: Duration,
    /// Why it failed.
    pub error: Option<String>,
}

impl Story {
    /// Whether everything held: each search found every holder, from as far as the topology says
    /// or farther, and each fetch is verified.
    #[must_use]
    pub fn held(&self) -> bool {
        let found = |search: &SearchTold| {
            search.hits.0 == search.hits.1 && u32::from(search.hops) >= search.distance
        };
        !self.searches.is_empty()
            && self.searches.len() == self.fetches.len()
            && self.searches.iter().all(found)
            && self.fetches.iter().all(|fetch| fetch.verified)
    }
}

pub(super) async fn tell(devnet: &Devnet) -> Story {
    let started = Instant::now();
    let before = Totals::of(devnet.nodes());
    let mut story = Story {
        servents: devnet.nodes.len(),
        ultrapeers: devnet.ultrapeers,
        settled: devnet.settled,
        links: devnet.graph.edges(),
        files: devnet.files.len(),
        skipped: devnet.skipped,
        searches: Vec::new(),
        fetches: Vec::new(),
        messages: 0,
        duplicates: 0,
        bytes: 0,
        took: Duration::ZERO,
    };
    for quest in &devnet.quests {
        let node = &devnet.nodes[quest.searcher as usize];
        let wanted = &devnet.files[quest.expected[0]];
        let (search, number) = search(node, quest, wanted).await;
        story.searches.push(search);
        if let Some(number) = number {
            story.fetches.push(fetch(node, number, wanted).await);
        }
    }
    let after = Totals::settled(devnet.nodes()).await;
    story.messages = after.sent.saturating_sub(before.sent);
    story.duplicates = after.duplicates.saturating_sub(before.duplicates);
    story.bytes = after.bytes.saturating_sub(before.bytes);
    story.took = started.elapsed();
    story
}

/// Searches, and gives the number of the wanted file among the results.
async fn search(node: &Node, quest: &Quest, wanted: &Placed) -> (SearchTold, Option<u64>) {
    let started = Instant::now();
    let mut told = SearchTold {
        words: quest.words.clone(),
        hits: (0, quest.expected.len()),
        hops: 0,
        distance: quest.distance,
        first_hit: None,
    };
    let mut number = None;
    let Ok(mut search) = node.search(&quest.words) else {
        return (told, None);
    };
    let listening = async {
        while told.hits.0 < told.hits.1 {
            let Some(Hit {
                number: this,
                sha1,
                source,
                ..
            }) = search.next().await
            else {
                break;
            };
            told.first_hit.get_or_insert_with(|| started.elapsed());
            told.hops = if told.hits.0 == 0 {
                source.hops
            } else {
                told.hops.min(source.hops)
            };
            told.hits.0 += 1;
            if sha1 == Some(wanted.sha1) {
                number = Some(this);
            }
        }
    };
    let _late = runtime::timeout(PATIENCE, listening).await;
    search.cancel();
    (told, number)
}

/// Fetches a result and looks at the bytes on disk.
async fn fetch(node: &Node, number: u64, wanted: &Placed) -> FetchTold {
    let started = Instant::now();
    let mut told = FetchTold {
        name: wanted.name.clone(),
        size: wanted.size,
        sha1: wanted.sha1,
        verified: false,
        sources: 0,
        took: Duration::ZERO,
        error: None,
    };
    let state = match node.fetch(&Target::Number(number), None) {
        Ok(id) => runtime::timeout(FETCHING, node.finished(id))
            .await
            .ok()
            .flatten(),
        Err(error) => {
            told.error = Some(error.to_string());
            return told;
        }
    };
    told.took = started.elapsed();
    match state {
        None => told.error = Some("it did not end in time".to_owned()),
        Some(state) => {
            told.error = state.error.map(|failure| failure.message);
            if let Some(path) = state.path {
                told.sources = 1;
                let hashes = runtime::spawn_blocking(move || hash_file(&path, |_| {})).await;
                told.verified = hashes.is_ok_and(|hashes| hashes.sha1 == wanted.sha1);
            }
        }
    }
    told
}

/// Counters of all servents together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Totals {
    sent: u64,
    received: u64,
    duplicates: u64,
    bytes: u64,
}

impl Totals {
    fn of(nodes: &[Node]) -> Self {
        let mut totals = Self {
            sent: 0,
            received: 0,
            duplicates: 0,
            bytes: 0,
        };
        for counters in nodes.iter().map(Node::counters) {
            totals.sent += counters.queries_sent;
            totals.received += counters.stats.received_of(Kind::Query);
            for copy in [Drop::Duplicate, Drop::OwnQuery] {
                totals.duplicates += counters.stats.dropped(copy);
            }
            totals.bytes += counters.bytes_sent;
        }
        totals
    }

    /// Once every query sent has arrived, or after a while.
    async fn settled(nodes: &[Node]) -> Self {
        let started = Instant::now();
        loop {
            let totals = Self::of(nodes);
            if totals.sent == totals.received || started.elapsed() > PATIENCE {
                return totals;
            }
            runtime::sleep(LOOK).await;
        }
    }
}
