//! Servents that record are simulated from their recordings: the same topology, asked what was
//! asked, by whom it was asked, reaches as many.

mod common;

use std::fmt::Write;
use std::fs;

use common::{builder, directory, until, write};
use filbert::node::{Node, Profile};
use filbert::overlay::recording::{Event, parse};
use filbert::runtime::{block_on, timeout};
use filbert::wire::Kind;
use filbert_sim::experiment::{File, Land, plan, trial};
use filbert_sim::replay::count_heard;
use futures::StreamExt;

/// Servents, and how far each one on the ring is linked.
const SERVENTS: usize = 24;
const CHORDS: [usize; 2] = [1, 5];

/// Starts servents that record into files in this directory, each with one file to share.
fn start(home: &std::path::Path) -> Vec<Node> {
    let start = |number: usize| {
        let shared = home.join(format!("shared-{number}"));
        let name = format!("song n{number}x of the orchard.ogg");
        write(&shared, &name, name.as_bytes());
        let node = builder()
            .profile(Profile::PUBLIC)
            .share(shared)
            .record(home.join(format!("{number}.txt")), None);
        block_on(async {
            let node = node.start().await.unwrap();
            node.shared().await;
            node
        })
    };
    (0..SERVENTS).map(start).collect()
}

#[test]
fn a_recorded_devnet_is_replayed_with_the_same_reach() {
    let home = directory();
    let nodes = start(home.path());
    let mut edges = String::new();
    for number in 0..SERVENTS {
        for chord in CHORDS {
            let other = (number + chord) % SERVENTS;
            block_on(nodes[number].connect(nodes[other].address())).unwrap();
            writeln!(edges, "{number} {other}").unwrap();
        }
    }
    let tables = |node: &Node| node.counters().stats.tables;
    let all = (2 * CHORDS.len() * SERVENTS) as u64;
    until("all tables are told", || {
        nodes.iter().map(tables).sum::<u64>() >= all
    });
    for (number, node) in nodes.iter().enumerate() {
        // What somebody has, and what nobody has.
        let wanted = format!("n{}x orchard", (number + 2) % SERVENTS);
        for words in [wanted.as_str(), "filbert nowhere"] {
            block_on(async {
                let mut search = node.search(words).unwrap();
                let _late = timeout(std::time::Duration::from_millis(150), search.next()).await;
                search.cancel();
            });
        }
    }
    let counts = || {
        let counters = || nodes.iter().map(Node::counters);
        let sent: u64 = counters().map(|one| one.queries_sent).sum();
        let received = counters().map(|one| one.stats.received_of(Kind::Query));
        (sent, received.sum::<u64>())
    };
    until("all copies arrived", || {
        let (sent, received) = counts();
        sent == received
    });
    block_on(async {
        for node in &nodes {
            node.stop().await;
        }
    });

    let (mut asked, mut heard) = (0, 0);
    for (number, node) in nodes.iter().enumerate() {
        let text = fs::read_to_string(home.path().join(format!("{number}.txt"))).unwrap();
        assert!(!text.contains("127.0.0.1") && !text.contains("orchard"));
        let guid = node.guid().to_string();
        assert!(!text.contains(&guid), "its own GUID");
        let records = parse(&text).unwrap();
        let own = |event: &Event| matches!(event, Event::Asked(_));
        asked += records.iter().filter(|record| own(&record.event)).count();
        heard += count_heard(&records);
    }
    assert_eq!(asked, 2 * SERVENTS);
    let live = heard as f64 / asked as f64;

    fs::write(home.path().join("edges.txt"), edges).unwrap();
    let files: Vec<String> = (0..SERVENTS).map(|n| format!("\"{n}.txt\"")).collect();
    let text = format!(
        "title = \"a recorded devnet\"\nseed = 1\n\
         [network]\ngraph = \"edges.txt\"\nprofile = \"public\"\n\
         [queries]\nrecorded = [{}]\n\
         [[variant]]\nname = \"flood\"\nstrategy = \"flood\"\nttl = 4\nrouting = true\n",
        files.join(", ")
    );
    let mut file = File::parse(&text).unwrap();
    home.path().clone_into(&mut file.network.folder);
    let land = Land::of(&file.network).unwrap();
    let rows: Vec<_> = plan(&file)
        .iter()
        .flat_map(|task| trial(&file, &land, file.seed, task).unwrap())
        .collect();
    assert_eq!(rows.len(), asked);
    let reached: u64 = rows.iter().map(|row| row.top_reached).sum();
    let simulated = reached as f64 / rows.len() as f64;
    eprintln!("mean reach {live:.3} live, {simulated:.3} simulated");
    assert!(live > 8.0, "{live}");
    assert!(
        (simulated / live - 1.0).abs() < 0.02,
        "{live} live, {simulated} simulated"
    );
}
