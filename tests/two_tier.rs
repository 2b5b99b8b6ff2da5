//! Two tiers: leaves that let ultrapeers relay, with query routing and dynamic queries.

mod common;

use std::time::Duration;

use common::{builder, until, write};
use filbert::node::state::{DownloadPhase, Role};
use filbert::node::{Builder, Encryption, Node, Target};
use filbert::overlay::stats::Drop;
use filbert::runtime::{block_on, timeout};
use filbert::wire::Kind;
use filbert::wire::query::Query;
use futures::StreamExt;

/// A node and the directory it shares.
struct Member {
    node: Node,
    _shared: tempfile::TempDir,
}

fn member(builder: Builder, files: &[&str]) -> Member {
    let shared = common::directory();
    for file in files {
        write(shared.path(), file, file.as_bytes());
    }
    let node = block_on(builder.share(shared.path()).start()).unwrap();
    block_on(node.shared());
    Member {
        node,
        _shared: shared,
    }
}

fn leaf(files: &[&str]) -> Member {
    member(builder().role(Role::Leaf), files)
}

fn connect(from: &Member, to: &Member) {
    block_on(from.node.connect(to.node.address())).unwrap();
}

fn tables(member: &Member) -> u64 {
    member.node.counters().stats.tables
}

fn queries(member: &Member) -> u64 {
    member.node.counters().stats.received_of(Kind::Query)
}

/// The first hit of a search, as its name and hops.
fn find(member: &Member, words: &str) -> Option<(String, u8)> {
    block_on(async {
        let mut search = member.node.search(words).unwrap();
        let hit = timeout(common::PATIENCE, search.next())
            .await
            .ok()
            .flatten();
        search.cancel();
        hit.map(|hit| (hit.name, hit.source.hops))
    })
}

fn stop(members: &[&Member]) {
    block_on(futures::future::join_all(
        members.iter().map(|member| member.node.stop()),
    ));
}

#[test]
fn an_ultrapeer_asks_only_the_leaf_that_may_have_it() {
    let ultrapeer = member(builder(), &["acorn calendar.txt"]);
    let (asks, has, has_not) = (
        leaf(&[]),
        leaf(&["walnut songs.ogg"]),
        leaf(&["pecan pie.txt"]),
    );
    for leaf in [&asks, &has, &has_not] {
        connect(leaf, &ultrapeer);
    }
    until("three tables told", || tables(&ultrapeer) >= 3);
    let status = ultrapeer.node.status();
    assert_eq!(
        (status.ultrapeers, status.leaves, status.role),
        (0, 3, Role::Ultrapeer)
    );
    assert_eq!(asks.node.status().role, Role::Leaf);

    assert_eq!(
        find(&asks, "walnut songs"),
        Some(("walnut songs.ogg".to_owned(), 2))
    );
    assert_eq!(
        find(&asks, "acorn"),
        Some(("acorn calendar.txt".to_owned(), 1))
    );
    assert_eq!(
        (queries(&has), queries(&has_not), queries(&asks)),
        (1, 0, 0)
    );
    assert!(ultrapeer.node.counters().stats.spared >= 3);
    assert_eq!(
        find(&ultrapeer, "pecan"),
        Some(("pecan pie.txt".to_owned(), 1))
    );
    stop(&[&asks, &has, &has_not, &ultrapeer]);
}

#[test]
fn a_leaf_finds_what_a_leaf_of_another_ultrapeer_has() {
    for dynamic in [false, true] {
        let near = member(builder().dynamic(dynamic), &[]);
        let far = member(builder().dynamic(dynamic), &[]);
        let other = member(builder().dynamic(dynamic), &["beech sketches.txt"]);
        let (asks, has) = (leaf(&[]), leaf(&["walnut songs.ogg"]));
        connect(&asks, &near);
        connect(&has, &far);
        connect(&near, &far);
        connect(&near, &other);
        // The far one's own table, and the aggregate once its leaf has told.
        until("tables told", || tables(&near) >= 3 && tables(&far) >= 2);
        assert_eq!(
            find(&asks, "walnut songs"),
            Some(("walnut songs.ogg".to_owned(), 3))
        );

        block_on(async {
            let mut search = asks.node.search("walnut").unwrap();
            let hit = timeout(common::PATIENCE, search.next())
                .await
                .unwrap()
                .unwrap();
            let id = asks.node.fetch(&Target::Number(hit.number), None).unwrap();
            let done = asks.node.finished(id).await.unwrap();
            assert_eq!(done.phase, DownloadPhase::Done, "{done:?}");
        });
        assert_eq!(queries(&asks), 0, "a leaf without the words is spared");
        let outcomes = near.node.counters().stats.dynamic;
        assert_eq!(outcomes.started > 0, dynamic);
        stop(&[&asks, &has, &near, &far, &other]);
    }
}

#[test]
fn a_leaf_neither_takes_leaves_nor_relays() {
    let (one, two) = (leaf(&[]), leaf(&[]));
    let error = block_on(one.node.connect(two.node.address())).unwrap_err();
    assert!(error.to_string().contains("Shielded leaf node"), "{error}");

    let (ultrapeer, other) = (member(builder(), &[]), member(builder(), &[]));
    connect(&one, &ultrapeer);
    connect(&one, &other);
    let mut probe = common::Probe::neighbour(one.node.address());
    let query = Query::keywords("walnut songs").unwrap().encode();
    probe.send(Kind::Query, 3, 0, &query);
    until("it came", || queries(&one) == 1);
    assert_eq!((queries(&ultrapeer), queries(&other)), (0, 0));
    stop(&[&one, &two, &ultrapeer, &other]);
}

#[test]
fn a_leaf_that_relays_loses_its_link() {
    let ultrapeer = member(builder(), &[]);
    let mut probe = common::Probe::leaf(ultrapeer.node.address());
    let query = Query::keywords("walnut songs").unwrap().encode();
    probe.send(Kind::Query, 3, 1, &query);
    assert_eq!(probe.closed(), Some(414));
    let dropped = ultrapeer.node.counters().stats.dropped(Drop::LeafRelayed);
    assert_eq!(dropped, 1);
    stop(&[&ultrapeer]);
}

#[test]
fn a_table_that_breaks_the_rules_ends_the_link() {
    let ultrapeer = member(builder(), &[]);
    let bad: [&[u8]; 2] = [
        // A patch before any reset; a reset to more slots than anybody has.
        b"\x01\x01\x01\x00\x04\x00\xa0\x00\x00",
        b"\x00\x00\x00\x00\x80\x07",
    ];
    for payload in bad {
        let mut probe = common::Probe::leaf(ultrapeer.node.address());
        probe.send(Kind::RouteTableUpdate, 1, 0, payload);
        assert_eq!(probe.closed(), Some(413), "{payload:?}");
    }
    stop(&[&ultrapeer]);
}

#[test]
fn links_are_compressed_and_encrypted_where_both_can() {
    let cases = [
        (true, Encryption::Off),
        (false, Encryption::Offer),
        (true, Encryption::Offer),
        (true, Encryption::Require),
    ];
    for (compress, encryption) in cases {
        let secured = || builder().compress(compress).encrypt(encryption);
        let (one, two) = (
            member(secured(), &[]),
            member(secured(), &["walnut songs.ogg"]),
        );
        connect(&one, &two);
        until("linked at both ends", || two.node.peers().len() == 1);
        for peer in one.node.peers().iter().chain(&two.node.peers()) {
            assert_eq!(
                (peer.compressed, peer.tls),
                (compress, encryption != Encryption::Off)
            );
        }
        assert_eq!(
            find(&one, "walnut"),
            Some(("walnut songs.ogg".to_owned(), 1))
        );
        stop(&[&one, &two]);
    }
}

#[test]
fn who_requires_encryption_takes_no_other_link() {
    let strict = member(builder().encrypt(Encryption::Require), &[]);
    let plain = member(builder().encrypt(Encryption::Off), &[]);
    let refused = |from: &Member, to: &Member| {
        let connecting = from.node.connect(to.node.address());
        block_on(timeout(Duration::from_secs(20), connecting))
            .unwrap()
            .unwrap_err()
    };
    refused(&plain, &strict);
    refused(&strict, &plain);
    assert_eq!(
        (strict.node.peers().len(), plain.node.peers().len()),
        (0, 0)
    );
    stop(&[&strict, &plain]);
}
