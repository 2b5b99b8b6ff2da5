//! Conversations captured with servents in use, gtk-gnutella 1.2.3 and GnutellaBun 1.2, played
//! again to a live node over real sockets: where the captured servent answered, so does the node,
//! with the same kind of answer within two seconds, and neither side closes.
//!
//! A file in `data/replay` is one conversation. The node has the place that the capture tells: in
//! files named `…_to_us` it stands where the captured servent stood and hears what that one was
//! asked; in files named `…_itself` it hears what that one said. Only what no replay can keep was
//! changed: addresses (`{peer}`, `{port}`), the node's own GUID (`{servent}`), and hashes, which
//! are those of the files here, whose contents are their names. In place of the full routing table
//! that the capturing leaf told, which this servent refuses, stands one that a leaf of the same
//! vendor told.

mod common;
#[path = "replay/peer.rs"]
mod peer;

use std::time::Duration;

use common::{builder, directory, until, write};
use data_encoding::HEXLOWER;
use filbert::node::state::Role;
use filbert::node::{Builder, Node};
use filbert::runtime::block_on;
use filbert::wire::Kind;
use peer::{Answer, Datagrams, Peer};
use serde::Deserialize;

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(2);

/// A conversation, as it lies in a file.
#[derive(Deserialize)]
struct Conversation {
    /// The place of the node: `ultrapeer` or `leaf`.
    node: String,
    /// Who opens the link: `peer` or `node`.
    dials: String,
    /// The peer's first header block.
    hello: Vec<String>,
    /// The block with which a peer that dialled ends the handshake.
    last: Option<Vec<String>>,
    /// Names of the files that the node shares.
    shared: Vec<String>,
    /// Names of the files that a leaf of the node shares.
    leaf: Vec<String>,
    /// What the node says unasked.
    greets: Vec<String>,
    steps: Vec<Step>,
}

/// One message of the captured servent or of who asked it.
#[derive(Deserialize)]
struct Step {
    name: String,
    /// The message in hex.
    say: String,
    /// What came back in the capture; nothing where nothing came, or where we answer otherwise
    /// (`docs/interoperability.md`).
    answer: Option<String>,
}

fn bytes(hex: &str, peer: u16, node: &Node) -> Vec<u8> {
    let hex = hex
        .replace("{port}", &HEXLOWER.encode(&peer.to_le_bytes()))
        .replace("{servent}", &node.guid().to_string());
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

/// A node that shares files of these names.
fn sharing(builder: Builder, names: &[String]) -> (Node, tempfile::TempDir) {
    let shared = directory();
    for name in names {
        write(shared.path(), name, name.as_bytes());
    }
    let node = block_on(builder.share(shared.path()).start()).unwrap();
    block_on(node.shared());
    (node, shared)
}

fn replay(file: &str) {
    let conversation: Conversation = serde_json::from_str(file).unwrap();
    let listener = peer::listen();
    let here = listener.local_addr().unwrap();
    let role = match conversation.node.as_str() {
        "leaf" => Role::Leaf,
        _ => Role::Ultrapeer,
    };
    let mut settings = builder().role(role).compress(true);
    if conversation.dials == "node" {
        settings = settings.peer(here);
    }
    let (node, _shared) = sharing(settings, &conversation.shared);
    let leaf = (!conversation.leaf.is_empty()).then(|| {
        let settings = builder().role(Role::Leaf).peer(node.address());
        let leaf = sharing(settings, &conversation.leaf);
        let told = || node.counters().stats.received_of(Kind::RouteTableUpdate);
        until("the leaf told its table", || told() >= 2);
        leaf
    });
    let mut peer = match conversation.dials.as_str() {
        "node" => Peer::accept(&listener, &conversation.hello),
        _ => Peer::dial(
            node.address(),
            here,
            &conversation.hello,
            &conversation.last.unwrap(),
        ),
    };
    let mut answered = Vec::new();
    for greeting in &conversation.greets {
        answered.push(peer.expect(&Answer::parse(greeting), None, SOON, "the handshake"));
    }
    for step in &conversation.steps {
        let message = bytes(&step.say, here.port(), &node);
        peer.say(&message);
        answered.push(match step.answer.as_deref() {
            Some("giv") => peer::giv(&listener, &node, SOON),
            Some(answer) => peer.expect(&Answer::parse(answer), Some(&message), SOON, &step.name),
            None => Ok(()),
        });
    }
    // Neither side closed.
    peer.alive(SOON);
    let missing: Vec<_> = answered.into_iter().filter_map(Result::err).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(node.peers().len(), 1 + usize::from(leaf.is_some()));
    if let Some((leaf, _)) = leaf {
        block_on(leaf.stop());
    }
    block_on(node.stop());
}

#[test]
fn a_leaf_asks_what_it_asked_gtk_gnutella() {
    replay(include_str!("data/replay/gtkg_leaf_to_us.json"));
}

#[test]
fn gtk_gnutella_is_a_leaf_of_ours() {
    replay(include_str!("data/replay/gtkg_leaf_itself.json"));
}

#[test]
fn an_ultrapeer_asks_what_it_asked_a_gtk_gnutella_leaf() {
    replay(include_str!("data/replay/gtkg_ultrapeer_to_us.json"));
}

#[test]
fn gtk_gnutella_takes_us_as_its_leaf() {
    replay(include_str!("data/replay/gtkg_ultrapeer_itself.json"));
}

#[test]
fn an_ultrapeer_asks_what_it_asked_gtk_gnutella() {
    replay(include_str!("data/replay/gtkg_ultrapeer_beside_us.json"));
}

#[test]
fn gtk_gnutella_is_an_ultrapeer_beside_us() {
    replay(include_str!(
        "data/replay/gtkg_ultrapeer_itself_beside_us.json"
    ));
}

#[test]
fn a_leaf_asks_what_it_asked_gnutella_bun() {
    replay(include_str!("data/replay/bun_leaf_to_us.json"));
}

#[test]
fn gnutella_bun_is_a_leaf_of_ours() {
    replay(include_str!("data/replay/bun_leaf_itself.json"));
}

#[test]
fn an_ultrapeer_asks_what_it_asked_a_gnutella_bun_leaf() {
    replay(include_str!("data/replay/bun_ultrapeer_to_us.json"));
}

#[test]
fn gnutella_bun_takes_us_as_its_leaf() {
    replay(include_str!("data/replay/bun_ultrapeer_itself.json"));
}

/// Datagrams, each from a source of its own, as in the capture.
#[derive(Deserialize)]
struct Exchange {
    shared: Vec<String>,
    steps: Vec<Step>,
}

#[test]
fn datagrams_that_gtk_gnutella_answered() {
    let exchange: Exchange =
        serde_json::from_str(include_str!("data/replay/gtkg_datagrams.json")).unwrap();
    let (node, _shared) = sharing(builder(), &exchange.shared);
    let mut missing = Vec::new();
    for step in &exchange.steps {
        let peer = Datagrams::new(node.address());
        let message = bytes(&step.say, peer.port(), &node);
        peer.say(&message);
        if let Some(answer) = &step.answer {
            let answered = peer.expect(&Answer::parse(answer), &message, SOON, &step.name);
            missing.extend(answered.err());
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    block_on(node.stop());
}

/// What goes through the node from one peer to another.
#[derive(Deserialize)]
struct Relay {
    /// The first header blocks of both peers.
    asker: Vec<String>,
    holder: Vec<String>,
    steps: Vec<Passed>,
}

/// A message of one peer, and as what the other gets it.
#[derive(Deserialize)]
struct Passed {
    name: String,
    from: String,
    say: String,
    answer: Option<String>,
}

#[test]
fn pushes_go_the_way_of_the_hit_as_through_gnutella_bun() {
    let relay: Relay = serde_json::from_str(include_str!("data/replay/bun_pushes.json")).unwrap();
    let (node, _shared) = sharing(builder().role(Role::Ultrapeer), &[]);
    let listeners = [peer::listen(), peer::listen()];
    let [here, there] = listeners.each_ref().map(|at| at.local_addr().unwrap());
    let last = ["GNUTELLA/0.6 200 OK".to_owned()];
    let mut asker = Peer::dial(node.address(), here, &relay.asker, &last);
    let mut holder = Peer::dial(node.address(), there, &relay.holder, &last);
    let mut missing = Vec::new();
    for step in &relay.steps {
        let message = bytes(&step.say, here.port(), &node);
        let (from, to) = match step.from.as_str() {
            "asker" => (&mut asker, &mut holder),
            _ => (&mut holder, &mut asker),
        };
        from.say(&message);
        if let Some(answer) = &step.answer {
            let passed = to.expect(&Answer::parse(answer), Some(&message), SOON, &step.name);
            missing.extend(passed.err());
        }
        from.alive(SOON);
    }
    assert!(missing.is_empty(), "{missing:#?}");
    asker.alive(SOON);
    holder.alive(SOON);
    block_on(node.stop());
}
