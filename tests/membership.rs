//! Servents that choose their roles and find each other, live.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{seeker, until};
use filbert::node::state::Role;
use filbert::node::{Mode, Node};
use filbert::runtime::block_on;

fn stop(nodes: &[Node]) {
    block_on(futures::future::join_all(nodes.iter().map(Node::stop)));
}

fn linked(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| !node.peers().is_empty())
}

#[test]
fn two_that_know_only_each_other_connect_within_ten_seconds() {
    let first = block_on(seeker().start()).unwrap();
    assert_eq!(first.status().role, Role::Leaf);
    let why = first.status().why.unwrap();
    assert!(why.contains("no servent is known"), "{why}");
    let start = Instant::now();
    let second = block_on(seeker().peer(first.address()).start()).unwrap();
    let nodes = [first, second];
    until("linked", || linked(&nodes));
    assert!(start.elapsed() < Duration::from_secs(10), "the limit");
    let roles = nodes.each_ref().map(|node| node.status().role);
    assert!(roles.contains(&Role::Ultrapeer), "{roles:?}");
    assert_eq!(nodes.each_ref().map(|node| node.peers().len()), [1, 1]);
    stop(&nodes);
}

#[test]
fn a_leaf_finds_more_ultrapeers_than_it_was_told_of() {
    let ultrapeer = |peer: Option<SocketAddr>| {
        let mut builder = seeker().mode(Mode::Ultrapeer);
        if let Some(peer) = peer {
            builder = builder.peer(peer);
        }
        block_on(builder.start()).unwrap()
    };
    let entry = ultrapeer(None);
    let others = [0, 1, 2].map(|_| ultrapeer(Some(entry.address())));
    let all: Vec<Node> = others.into_iter().chain([entry.clone()]).collect();
    until("every ultrapeer has every other", || {
        all.iter().all(|node| node.status().ultrapeers == 3)
    });
    let leaf = block_on(seeker().mode(Mode::Leaf).peer(entry.address()).start()).unwrap();
    until("three ultrapeers", || leaf.status().ultrapeers == 3);
    assert_eq!((leaf.status().role, leaf.status().leaves), (Role::Leaf, 0));
    stop(&all);
    stop(&[leaf]);
}
