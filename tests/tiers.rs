//! Servents that start as nothing, choose their places, and settle to two tiers in which everything
//! is found. Twenty-four of them by default; `FILBERT_TIERS` says how many.

mod common;

use std::time::{Duration, Instant};

use common::{seeker, until, write};
use filbert::node::state::{Role, Status};
use filbert::node::{Node, Sample};
use filbert::runtime::{block_on, timeout};
use futures::StreamExt;

/// How long they may take to settle where that is what `FILBERT_TIERS` asks about.
const SETTLING: Duration = Duration::from_secs(60);
/// How long elsewhere, on a machine that does much else.
const LEISURELY: Duration = Duration::from_secs(240);
/// Ultrapeers that a leaf looks for.
const ENOUGH: usize = 3;
/// Leaves for each ultrapeer from which on others are needed.
const MANY: usize = 8;

/// How many there are, and how long they have to settle.
fn servents() -> (usize, Duration) {
    std::env::var("FILBERT_TIERS").map_or((24, LEISURELY), |text| (text.parse().unwrap(), SETTLING))
}

/// The words by which one file is found and no other.
fn words(holder: usize, file: usize) -> String {
    let letters = |mut number: usize| -> String {
        let mut text = String::new();
        for _ in 0..3 {
            text.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
            number /= 26;
        }
        text
    };
    format!("tiers{} walnut{}", letters(holder), letters(file))
}

/// Whether every leaf has enough ultrapeers that know what it shares, and nobody is left alone.
fn settled(nodes: &[Node], strict: bool) -> bool {
    let states: Vec<_> = nodes.iter().map(Node::status).collect();
    let ultrapeers = states.iter().filter(|s| s.role == Role::Ultrapeer).count();
    // Where ultrapeers carry many leaves there are to be more of them.
    let crowded = |state: &Status| state.leaves >= MANY * (state.ultrapeers + 1);
    let enough = match strict && states.iter().any(crowded) {
        true => ENOUGH,
        false => ENOUGH.min(ultrapeers).max(1),
    };
    nodes
        .iter()
        .zip(&states)
        .all(|(node, state)| match state.role {
            Role::Leaf => state.leaves == 0 && state.ultrapeers >= enough,
            Role::Ultrapeer => {
                state.ultrapeers + 1 >= ultrapeers.min(ENOUGH) && told(node) == state.leaves
            }
        })
}

/// How many of its leaves told an ultrapeer what they share.
fn told(node: &Node) -> usize {
    let of_leaves = |sample: &&Sample| {
        let leaves = sample.labels.iter().any(|(_, value)| value == "leaves");
        sample.name == "routing_tables" && leaves
    };
    let gauges = node.counters().gauges;
    let tables = gauges
        .iter()
        .find(of_leaves)
        .map_or(0, |sample| sample.value);
    usize::try_from(tables).unwrap_or(usize::MAX)
}

#[test]
fn servents_that_choose_their_places_settle_and_find_everything() {
    const FILES: usize = 2;
    let (count, settling) = servents();
    let shared = common::directory();
    let share = |number: usize| {
        let directory = shared.path().join(number.to_string());
        for file in 0..FILES {
            let name = words(number, file);
            write(&directory, &format!("{name}.txt"), name.as_bytes());
        }
        directory
    };
    let begun = Instant::now();
    let entry = block_on(seeker().share(share(0)).start()).unwrap();
    let more = (1..count).map(|number| {
        let builder = seeker().share(share(number)).peer(entry.address());
        block_on(builder.start()).unwrap()
    });
    let nodes: Vec<Node> = std::iter::once(entry.clone()).chain(more).collect();
    block_on(futures::future::join_all(nodes.iter().map(Node::shared)));
    // A third ultrapeer may be long in coming where the machine does much else; then two will do.
    let strict = || settling == SETTLING || begun.elapsed() < LEISURELY / 2;
    until_within(settling, || settled(&nodes, strict()), || states(&nodes));
    let took = begun.elapsed();

    let leaves: Vec<usize> = (0..count)
        .filter(|number| nodes[*number].status().role == Role::Leaf)
        .collect();
    assert!(leaves.len() > count / 2, "{} leaves", leaves.len());
    let wanted: Vec<_> = leaves
        .iter()
        .flat_map(|holder| (0..FILES).map(move |file| (*holder, file)))
        .take(100)
        .collect();
    for searcher in nodes.iter().step_by(10) {
        let searches = wanted
            .iter()
            .filter(|(holder, _)| nodes[*holder].guid() != searcher.guid());
        for (holder, file) in searches {
            let name = words(*holder, *file);
            let mut search = searcher.search(&name).unwrap();
            let hit = block_on(timeout(common::PATIENCE, search.next()));
            let hit = hit
                .ok()
                .flatten()
                .unwrap_or_else(|| panic!("{name} was not found"));
            assert_eq!(hit.name, format!("{name}.txt"));
            assert_eq!(hit.source.servent, nodes[*holder].guid());
            search.cancel();
        }
    }
    println!(
        "{count} servents settled in {took:?}, {} of them leaves; {} files found from {}",
        leaves.len(),
        wanted.len(),
        count.div_ceil(10)
    );
    until("still settled", || settled(&nodes, strict()));
    block_on(futures::future::join_all(nodes.iter().map(Node::stop)));
}

/// What each of them is, for whoever wonders why they do not settle.
fn states(nodes: &[Node]) -> String {
    let state = |node: &Node| {
        let state = node.status();
        let (ultrapeers, leaves, told) = (state.ultrapeers, state.leaves, told(node));
        format!(
            "{:?}: {ultrapeers} ultrapeers, {leaves} leaves, {told} told",
            state.role
        )
    };
    nodes.iter().map(state).collect::<Vec<_>>().join("\n")
}

/// Waits until `condition` holds, so long and no longer.
fn until_within(limit: Duration, condition: impl Fn() -> bool, else_told: impl Fn() -> String) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "never settled:\n{}", else_told());
        std::thread::sleep(Duration::from_millis(50));
    }
}
