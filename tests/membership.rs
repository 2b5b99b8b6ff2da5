//! Servents that choose their roles and find each other, live.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{Probe, seeker, until};
use filbert::node::state::Role;
use filbert::node::{Mode, Node};
use filbert::overlay::limits::Limits;
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
    // It looks for three. It has no place for a fourth, since those who hear of it may dial it.
    let three = Limits {
        ultrapeers: 3,
        ..Limits::default()
    };
    let leaf = seeker().mode(Mode::Leaf).limits(three);
    let leaf = block_on(leaf.peer(entry.address()).start()).unwrap();
    until("three ultrapeers", || leaf.status().ultrapeers == 3);
    assert_eq!((leaf.status().role, leaf.status().leaves), (Role::Leaf, 0));
    stop(&all);
    stop(&[leaf]);
}

#[test]
fn one_who_knows_nobody_hears_of_others_from_a_host_cache() {
    let cache = block_on(seeker().mode(Mode::Ultrapeer).start()).unwrap();
    let other = seeker().mode(Mode::Ultrapeer).peer(cache.address());
    let other = block_on(other.start()).unwrap();
    until("linked", || other.status().ultrapeers == 1);
    let leaf = seeker()
        .mode(Mode::Leaf)
        .udp_cache("localhost.invalid:1")
        .udp_cache(cache.address().to_string());
    let leaf = block_on(leaf.start()).unwrap();
    until("linked with both", || leaf.status().ultrapeers == 2);
    stop(&[leaf, other, cache]);
}

#[test]
fn a_servent_remembers_its_overlay_from_run_to_run() {
    let home = common::directory();
    let ultrapeer = block_on(seeker().mode(Mode::Ultrapeer).start()).unwrap();
    let first = seeker().mode(Mode::Leaf).home(home.path());
    let node = block_on(first.peer(ultrapeer.address()).start()).unwrap();
    until("linked", || node.status().ultrapeers == 1);
    block_on(node.stop());
    drop(node);
    // The last task of the first life may still be on its way out.
    let again = std::cell::OnceCell::new();
    until("the home is given back", || {
        let again_here = seeker().mode(Mode::Leaf).home(home.path());
        block_on(again_here.start()).is_ok_and(|node| again.set(node).is_ok())
    });
    let node = again.into_inner().unwrap();
    until("linked again", || node.status().ultrapeers == 1);
    stop(&[node, ultrapeer]);
}

#[test]
fn who_names_its_packets_is_answered_in_kind_and_gnutella_2_alone_is_refused() {
    let node = block_on(seeker().mode(Mode::Ultrapeer).start()).unwrap();
    let shake = |accept: &str| {
        let mut caller = Probe::dial(node.address());
        let hello = format!(
            "GNUTELLA CONNECT/0.6\r\nUser-Agent: probe/1\r\nX-Ultrapeer: False\r\n{accept}\r\n\r\n"
        );
        caller.say(hello.as_bytes());
        caller.block()
    };
    let both = "Accept: application/x-gnutella-packets,application/x-gnutella2";
    let answer = shake(both);
    assert!(answer.starts_with("GNUTELLA/0.6 200 OK\r\n"), "{answer}");
    for line in ["Accept", "Content-Type"] {
        let line = format!("\r\n{line}: application/x-gnutella-packets\r\n");
        assert!(answer.contains(&line), "{answer}");
    }
    let answer = shake("Accept: application/x-gnutella2");
    assert!(answer.starts_with("GNUTELLA/0.6 406 "), "{answer}");
    let answer = shake("FP-Auth-Challenge: x");
    assert!(answer.starts_with("GNUTELLA/0.6 403 "), "{answer}");
    let answer = shake("X-Requeries: False");
    assert!(!answer.contains("Content-Type"), "{answer}");
    stop(&[node]);
}

#[test]
fn a_crawler_is_told_of_the_neighbours_and_let_go() {
    let ultrapeer = block_on(seeker().mode(Mode::Ultrapeer).start()).unwrap();
    let leaf = seeker().mode(Mode::Leaf).peer(ultrapeer.address());
    let leaf = block_on(leaf.start()).unwrap();
    until("linked", || ultrapeer.status().leaves == 1);
    let mut crawler = Probe::dial(ultrapeer.address());
    crawler.say(b"GNUTELLA CONNECT/0.6\r\nUser-Agent: crawler/1\r\nCrawler: 0.1\r\n\r\n");
    let answer = crawler.block();
    assert!(answer.starts_with("GNUTELLA/0.6 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains(&format!("Leaves: {}\r\n", leaf.address())),
        "{answer}"
    );
    assert!(answer.contains("\r\nX-Live-Since: "), "{answer}");
    crawler.say(b"GNUTELLA/0.6 200 OK\r\n\r\n");
    assert!(crawler.next().is_none(), "the connection ends");
    assert_eq!(ultrapeer.peers().len(), 1);
    stop(&[leaf, ultrapeer]);
}

#[test]
fn who_finds_no_place_is_told_of_others() {
    let few = Limits {
        leaves: 1,
        ..Default::default()
    };
    let full = block_on(seeker().mode(Mode::Ultrapeer).limits(few).start()).unwrap();
    let other = seeker().mode(Mode::Ultrapeer).peer(full.address());
    let other = block_on(other.start()).unwrap();
    until("linked", || full.status().ultrapeers == 1);
    let leaves = [0, 1].map(|_| {
        let leaf = seeker().mode(Mode::Leaf).peer(full.address());
        block_on(leaf.start()).unwrap()
    });
    until("both found a place", || linked(&leaves));
    until("one of them with the other ultrapeer", || {
        other.status().leaves >= 1
    });
    assert_eq!(full.status().leaves, 1);
    stop(&leaves);
    stop(&[full, other]);
}
