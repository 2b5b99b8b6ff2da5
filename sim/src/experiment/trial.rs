//! One replica of an experiment under one kind of network: from the graph to the rows.

use filbert::overlay::dynamic_query;
use filbert::topology::Graph;
use filbert::wire::query::Query;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::file::{Content, File, From};
use super::measure::Row;
use super::network::{Engine, Land};
use super::strategy::Strategy;
use crate::Error;
use crate::contents::{Contents, Placement, harmonic_sums, word, zipf};
use crate::latency::Latency;
use crate::network::{Behaviour, Network, Search};
use crate::random::{Purpose, generator};
use crate::search::Ground;

/// A piece of work that depends on no other: a replica, and the variants for which one network
/// will do, since they differ in nothing but how searches go.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The replica.
    pub replica: u32,
    /// Whether servents go by routing tables.
    pub routing: bool,
    /// How long descriptors travel.
    pub latency: Latency,
}

/// All that is to be done, in the order of its rows.
#[must_use]
pub fn plan(file: &File) -> Vec<Task> {
    let mut kinds: Vec<(bool, Latency)> = Vec::new();
    for routing in [false, true] {
        for variant in file.variants.iter().filter(|v| v.routing == routing) {
            let kind = (routing, file.latency(variant).clone());
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    let of = |replica| {
        let task = move |(routing, latency)| Task {
            replica,
            routing,
            latency,
        };
        kinds.clone().into_iter().map(task)
    };
    (0..file.replicas).flat_map(of).collect()
}

/// Does one task in the land of the experiment.
///
/// # Errors
/// When there is no such graph, or nobody who could ask.
pub fn trial(file: &File, land: &Land, seed: u64, task: &Task) -> Result<Vec<Row>, Error> {
    let seed = replica_seed(seed, task.replica);
    let made = land.made(seed)?;
    let Some(graph) = made.as_ref().or_else(|| land.read()) else {
        return Ok(Vec::new());
    };
    let scene = Scene::set(file, graph, seed)?;
    match file.network.engine {
        Engine::Graph => Ok(on_the_graph(file, graph, &scene, seed, task)),
        Engine::Servents => among_servents(file, graph, &scene, seed, task),
    }
}

/// What strategies do on the bare graph.
fn on_the_graph(file: &File, graph: &Graph, scene: &Scene, seed: u64, task: &Task) -> Vec<Row> {
    let mut ground = Ground::new(graph);
    let mut rows = Vec::new();
    for variant in &file.variants {
        let policy = variant.policy();
        for (number, question) in (0..).zip(&scene.questions) {
            let holders = &scene.holders[question.place];
            ground.hold(holders);
            let rng = &mut generator(seed, Purpose::Search { number });
            let trace = policy.search(&mut ground, question.source, rng);
            rows.push(Row {
                variant: variant.name.clone(),
                replica: task.replica,
                file: question.file.clone(),
                ..Row::traced(&trace, graph.id(question.source), holders.len() as u64)
            });
        }
    }
    rows
}

/// What servents do.
fn among_servents(
    file: &File,
    graph: &Graph,
    scene: &Scene,
    seed: u64,
    task: &Task,
) -> Result<Vec<Row>, Error> {
    let most = file.variants.iter().map(|variant| variant.ttl).max();
    let behaviour = Behaviour {
        profile: file.network.profile.rules(most.unwrap_or(1)),
        latency: task.latency.clone(),
        wire: false,
        query_routing: task.routing,
    };
    let mut network = Network::new(
        graph,
        Some(&scene.contents),
        behaviour,
        &mut generator(seed, Purpose::Servents),
    );
    network.settle(&mut generator(seed, Purpose::Settling));
    let mut rows = Vec::new();
    for variant in &file.variants {
        if variant.routing != task.routing || *file.latency(variant) != task.latency {
            continue;
        }
        let dynamic = (variant.strategy == Strategy::Dynamic).then(|| dynamic_query::Settings {
            wanted_own: variant.wanted,
            wanted_leaf: variant.wanted,
            max_ttl: variant.ttl,
            ..dynamic_query::Settings::default()
        });
        for (number, question) in (0..).zip(&scene.questions) {
            let search = Search {
                source: question.source,
                query: &question.query,
                ttl: variant.ttl,
                dynamic: dynamic.as_ref(),
                wanted: variant.wanted,
            };
            let purpose = Purpose::Search { number };
            let outcome = network.search(&search, &mut generator(seed, purpose));
            rows.push(Row {
                variant: variant.name.clone(),
                replica: task.replica,
                file: question.file.clone(),
                ..Row::of(&outcome, graph.id(question.source), question.holders)
            });
        }
    }
    match network.closed() {
        Some(why) => Err(Error::LinkClosed(why.to_owned())),
        None => Ok(rows),
    }
}

/// What a replica is about: the same for every variant.
#[derive(Debug)]
struct Scene {
    contents: Contents,
    questions: Vec<Question>,
    /// Who holds each of the files that are searched for; of none where there are no files.
    holders: Vec<Vec<u32>>,
}

/// One search to be made.
#[derive(Debug)]
struct Question {
    source: u32,
    query: Query,
    file: String,
    /// The place of the file among all.
    place: usize,
    /// Servents that hold the file, without the one that asks.
    holders: u64,
}

impl Scene {
    fn set(file: &File, graph: &Graph, seed: u64) -> Result<Self, Error> {
        let rng = &mut generator(seed, Purpose::Contents);
        let leaves: Vec<u32> = graph.iter().filter(|&node| graph.is_leaf(node)).collect();
        let sharers = if leaves.is_empty() {
            graph.iter().collect()
        } else {
            leaves
        };
        let mut placement = Placement::default();
        // The first words are those of the files searched for: nothing else has them.
        let wanted: Vec<(u32, String)> = (0..)
            .zip(&file.files)
            .map(|(number, content)| {
                let name = format!("{} {}", word(2 * number), word(2 * number + 1));
                let placed = placement.file(&name);
                placement.scatter(placed, copies(content, sharers.len()), &sharers, rng);
                (placed, name)
            })
            .collect();
        fill(file, &sharers, &mut placement, rng);
        let contents = placement.settle(graph.nodes());
        let askers = askers(file, graph)?;
        let rng = &mut generator(seed, Purpose::Askers);
        let mut questions = Vec::new();
        let mut holders = Vec::new();
        for (place, name) in file.file_names().into_iter().enumerate() {
            let file_wanted = wanted.get(place);
            let held: Vec<u32> = file_wanted
                .map_or_else(Vec::new, |(number, _)| contents.holders(*number).collect());
            let text = file_wanted.map_or(NOWHERE, |(_, name)| name.as_str());
            for _ in 0..file.queries.each {
                let source = askers[rng.random_range(0..askers.len())];
                let others = held.iter().filter(|&&node| node != source);
                questions.push(Question {
                    source,
                    query: Query::keywords(text).expect("plain words are a query"),
                    file: name.to_owned(),
                    place,
                    holders: others.count() as u64,
                });
            }
            holders.push(held);
        }
        Ok(Self {
            contents,
            questions,
            holders,
        })
    }
}

/// The seed of a replica. The first has the experiment's own, so that its graph is the one that
/// `filbert-sim topology` makes.
fn replica_seed(seed: u64, replica: u32) -> u64 {
    if replica == 0 {
        return seed;
    }
    let number = u64::from(replica);
    generator(seed, Purpose::Replica { number }).random()
}

/// How many of so many servents hold a file.
fn copies(content: &Content, servents: usize) -> usize {
    match (content.copies, content.share) {
        (Some(copies), _) => copies as usize,
        (None, share) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a count"
            )]
            let copies = (servents as f64 * share.unwrap_or(0.0)).round() as usize;
            copies
        }
    }
}

/// Gives everybody who shares the files that are only there.
fn fill(file: &File, sharers: &[u32], placement: &mut Placement, rng: &mut Pcg64Mcg) {
    let Some(background) = &file.background else {
        return;
    };
    let first = 2 * u32::try_from(file.files.len()).expect("few files");
    let ranks = harmonic_sums(background.vocabulary);
    let words: Vec<String> = (0..background.vocabulary)
        .map(|rank| word(first + rank))
        .collect();
    for &node in sharers {
        for _ in 0..background.files {
            let name: Vec<&str> = (0..background.words)
                .map(|_| words[zipf(&ranks, rng)].as_str())
                .collect();
            let placed = placement.file(&name.join(" "));
            placement.give(placed, node);
        }
    }
}

/// Who may ask.
fn askers(file: &File, graph: &Graph) -> Result<Vec<u32>, Error> {
    let linked = graph.iter().filter(|&node| graph.degree(node) > 0);
    let askers: Vec<u32> = match file.queries.from {
        From::Anyone => linked.collect(),
        From::Leaves => linked.filter(|&node| graph.is_leaf(node)).collect(),
        From::Ultrapeers => linked.filter(|&node| !graph.is_leaf(node)).collect(),
        From::Node(number) => linked.filter(|&node| node == number).collect(),
    };
    if askers.is_empty() {
        return Err(Error::NoAsker {
            graph: file.network.name(),
            from: format!("{:?}", file.queries.from),
        });
    }
    Ok(askers)
}

/// A word that no file has.
const NOWHERE: &str = "filbert";
