//! One replica of an experiment under one kind of network: from the graph to the rows.

use filbert::overlay::dynamic_query;
use filbert::topology::Graph;
use rand::RngExt;

use super::failure::Failure;
use super::file::{File, Subject};
use super::load::Load;
use super::measure::Row;
use super::network::{Engine, Land};
use super::scene::Scene;
use super::strategy::{Strategy, Variant};
use crate::Error;
use crate::attack;
use crate::latency::Latency;
use crate::living;
use crate::network::{Behaviour, Network, Search};
use crate::random::{Purpose, generator};
use crate::search::{Ground, gia};
use crate::swarm;

/// A piece of work that depends on no other: a replica, and the variants for which one network
/// will do, since they differ in nothing but how searches go.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The replica.
    pub replica: u32,
    /// The network.
    pub kind: Kind,
}

/// What variants have to have in common to go over the same network.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// Whether servents go by routing tables.
    pub routing: bool,
    /// How long descriptors travel.
    pub latency: Latency,
    /// Who has failed.
    pub failure: Option<Failure>,
}

/// All that is to be done, in the order of its rows.
#[must_use]
pub fn plan(file: &File) -> Vec<Task> {
    let mut kinds: Vec<Kind> = Vec::new();
    for routing in [false, true] {
        for variant in file.variants.iter().filter(|v| v.routing == routing) {
            let kind = Kind::of(file, variant);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    if !matches!(file.subject(), Subject::Searches) {
        kinds.push(Kind {
            routing: false,
            latency: file.network.latency.clone(),
            failure: None,
        });
    }
    let of = |replica| {
        let task = move |kind| Task { replica, kind };
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
    if let Some(spec) = &file.swarm {
        return Ok(in_a_swarm(spec, seed, task.replica));
    }
    if let Some(spec) = &file.living {
        return Ok(while_they_live(spec, seed, task.replica));
    }
    let made = land.made(seed)?;
    if let Some(spec) = &file.attack {
        let graph = made.as_ref().or_else(|| land.read());
        return Ok(under_attack(spec, file, graph, seed, task.replica));
    }
    let Some(graph) = made.as_ref().or_else(|| land.read()) else {
        return Ok(Vec::new());
    };
    if let Some(spec) = &file.gia {
        return Ok(under_load(spec, graph, seed, task.replica));
    }
    let mut scene = Scene::set(file, graph, seed)?;
    let damage = task.kind.failure.map(|failure| failure.strike(graph, seed));
    if let Some(damage) = &damage {
        scene.suffer(|node| damage.stays(node));
    }
    let graph = damage.as_ref().map_or(graph, |damage| &damage.graph);
    match file.network.engine {
        Engine::Graph => Ok(on_the_graph(file, graph, &scene, seed, task)),
        Engine::Servents => among_servents(file, graph, &scene, seed, task),
    }
}

impl Kind {
    fn of(file: &File, variant: &Variant) -> Self {
        Self {
            routing: variant.routing,
            latency: file.latency(variant).clone(),
            failure: variant.failure,
        }
    }
}

impl Task {
    /// The variants that it is about.
    fn variants<'a>(&'a self, file: &'a File) -> impl Iterator<Item = &'a Variant> {
        let ours = |variant: &&Variant| Kind::of(file, variant) == self.kind;
        file.variants.iter().filter(ours)
    }
}

/// What a swarm comes to in each variant.
fn in_a_swarm(spec: &swarm::Spec, seed: u64, replica: u32) -> Vec<Row> {
    let variants = spec.variants.iter();
    let rows = variants.map(|variant| {
        let outcome = swarm::conduct(spec, spec.plan(variant), seed);
        Row::swarmed(swarm::Outcome {
            variant: variant.name.clone(),
            replica,
            ..outcome
        })
    });
    rows.collect()
}

/// What a living network comes to in each variant and phase.
fn while_they_live(spec: &living::Spec, seed: u64, replica: u32) -> Vec<Row> {
    let variants = spec.variants.iter();
    let rows = variants.flat_map(|variant| {
        let outcomes = living::conduct(&spec.of(variant), seed);
        outcomes.into_iter().map(move |outcome| {
            Row::lived(living::Outcome {
                variant: variant.name.clone(),
                replica,
                ..outcome
            })
        })
    });
    rows.collect()
}

/// What Gia comes to in each variant.
fn under_load(spec: &gia::Spec, graph: &Graph, seed: u64, replica: u32) -> Vec<Row> {
    let variants = spec.variants.iter();
    let rows = variants.map(|variant| {
        Row::loaded(gia::Outcome {
            replica,
            ..gia::conduct(spec, variant, graph, seed)
        })
    });
    rows.collect()
}

/// What an attack comes to in each variant.
fn under_attack(
    spec: &attack::Spec,
    file: &File,
    graph: Option<&Graph>,
    seed: u64,
    replica: u32,
) -> Vec<Row> {
    let network = &file.network;
    let rules = (&network.latency, network.profile.rules(CLASSIC_TTL));
    let outcomes = attack::conduct(spec, graph, rules, seed);
    let rows = outcomes
        .into_iter()
        .map(|outcome| Row::attacked(attack::Outcome { replica, ..outcome }));
    rows.collect()
}

/// What strategies do on the bare graph.
fn on_the_graph(file: &File, graph: &Graph, scene: &Scene, seed: u64, task: &Task) -> Vec<Row> {
    let mut ground = Ground::new(graph);
    let mut rows = Vec::new();
    for variant in task.variants(file) {
        let begun = rows.len();
        let policy = variant.policy();
        for (number, question) in scene.questions() {
            let holders = &scene.holders[question.place];
            ground.hold(holders);
            let rng = &mut generator(seed, Purpose::Search { number });
            let trace = policy.search(&mut ground, question.source, rng);
            rows.push(Row {
                variant: variant.name.clone(),
                replica: task.replica,
                file: question.file.clone(),
                census: scene.census,
                ..Row::traced(&trace, graph.id(question.source), holders.len() as u64)
            });
        }
        bear(&mut rows[begun..], ground.take_loads());
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
        latency: task.kind.latency.clone(),
        wire: false,
        query_routing: task.kind.routing,
    };
    let mut network = Network::new(
        graph,
        Some(&scene.contents),
        behaviour,
        &mut generator(seed, Purpose::Servents),
    );
    network.settle(&mut generator(seed, Purpose::Settling));
    let mut rows = Vec::new();
    for variant in task.variants(file) {
        let begun = rows.len();
        let dynamic = (variant.strategy == Strategy::Dynamic).then(|| dynamic_query::Settings {
            wanted_own: variant.wanted,
            wanted_leaf: variant.wanted,
            max_ttl: variant.ttl,
            ..dynamic_query::Settings::default()
        });
        for (number, question) in scene.questions() {
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
                census: scene.census,
                ..Row::of(
                    &outcome,
                    graph.id(question.source),
                    scene.others_holding(question),
                )
            });
        }
        bear(&mut rows[begun..], network.take_loads());
    }
    match network.closed() {
        Some(why) => Err(Error::LinkClosed(why.to_owned())),
        None => Ok(rows),
    }
}

/// Says in the rows of a variant what its searches brought to each servent.
fn bear(rows: &mut [Row], loads: Vec<u64>) {
    let load = Load::of(loads, rows.len());
    for row in rows {
        row.load = Some(load);
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

/// How far queries go under attack where the profile leaves it open.
const CLASSIC_TTL: u8 = 7;
