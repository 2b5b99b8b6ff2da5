//! Overlays with a name, and with a secret: who is let in, and what strangers learn.

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::{PATIENCE, Probe, builder, until, write};
use filbert::net::Stream;
use filbert::net::tls::{Ends, Identity};
use filbert::node::state::DownloadPhase;
use filbert::node::{Network, Node, Target};
use filbert::runtime::{self, TcpListener, block_on, timeout};
use futures::future::{Either, select};
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};

fn named(name: &str) -> Network {
    Network::new(name).unwrap()
}

fn secret(name: &str, secret: &str) -> Network {
    named(name).with_secret(secret).unwrap()
}

fn start(network: Option<Network>) -> Node {
    let builder = match network {
        Some(network) => builder().network(network),
        None => builder(),
    };
    block_on(builder.start()).unwrap()
}

/// A node of a network that shares one file.
fn sharing(network: Network) -> (Node, tempfile::TempDir) {
    let shared = common::directory();
    write(shared.path(), "almond notes.txt", b"almonds");
    let node = block_on(builder().network(network).share(shared.path()).start()).unwrap();
    block_on(node.shared());
    (node, shared)
}

fn stop(nodes: &[&Node]) {
    block_on(futures::future::join_all(
        nodes.iter().map(|node| node.stop()),
    ));
}

/// Searches and fetches, with every byte between two members.
fn finds_and_fetches(searcher: &Node) {
    block_on(async {
        let mut search = searcher.search("almond").unwrap();
        let hit = timeout(PATIENCE, search.next()).await.unwrap().unwrap();
        let id = searcher.fetch(&Target::Number(hit.number), None).unwrap();
        let state = searcher.finished(id).await.unwrap();
        assert_eq!((state.phase, state.error), (DownloadPhase::Done, None));
        assert_eq!(std::fs::read(state.path.unwrap()).unwrap(), b"almonds");
    });
}

fn refused(from: &Node, to: SocketAddr, why: &str) {
    let error = block_on(from.connect(to)).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
    assert!(from.peers().is_empty());
}

#[test]
fn networks_do_not_mix_in_any_direction() {
    let nodes = [
        start(None),
        start(Some(named("club"))),
        start(Some(named("pub"))),
    ];
    for (place, from) in nodes.iter().enumerate() {
        for (other, to) in nodes.iter().enumerate() {
            if place != other {
                refused(from, to.address(), "403 Not a member of this network");
                let why = to.status().why.unwrap();
                assert!(why.contains("it belongs to"), "{why}");
            }
        }
    }
    let networks = nodes.each_ref().map(|node| node.status().network);
    assert_eq!(
        networks.each_ref().map(Option::as_deref),
        [None, Some("club"), Some("pub")]
    );
    stop(&nodes.each_ref());
}

#[test]
fn members_of_a_named_network_find_and_fetch() {
    let (holder, _shared) = sharing(named("club"));
    let member = start(Some(named("club")));
    block_on(member.connect(holder.address())).unwrap();
    finds_and_fetches(&member);
    // The one that was dialled learns where the other listens, though only from the last block.
    until("dialled once is enough", || {
        block_on(holder.connect(member.address())).is_err() && holder.peers().len() == 1
    });
    stop(&[&holder, &member]);
}

#[test]
fn a_stranger_learns_no_address_and_gets_no_file() {
    let (holder, _shared) = sharing(named("club"));
    let member = start(Some(named("club")));
    block_on(member.connect(holder.address())).unwrap();
    for more in [
        "X-Ultrapeer: True\r\n",
        "X-Ultrapeer: False\r\n",
        "Crawler: 0.1\r\n",
        "X-Ultrapeer: True\r\nX-Network: pub\r\n",
    ] {
        let mut stranger = Probe::dial(holder.address());
        let hello = format!("GNUTELLA CONNECT/0.6\r\nUser-Agent: probe/1\r\n{more}\r\n");
        stranger.say(hello.as_bytes());
        let expected = "GNUTELLA/0.6 403 Not a member of this network\r\n\r\n";
        assert_eq!(stranger.block(), expected);
        assert_eq!(stranger.closed(), None);
    }
    for path in ["/get/1/almond%20notes.txt", "/", "/uri-res/N2R?urn:sha1:X"] {
        let mut stranger = Probe::dial(holder.address());
        stranger.say(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        let head = stranger.block();
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        assert!(!head.contains("Filbert"), "{head}");
    }
    stop(&[&holder, &member]);
}

#[test]
fn whoever_is_dialled_learns_no_listening_address_before_it_proved_to_be_a_member() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let member = start(Some(named("club")));
    let dialling = {
        let (member, address) = (member.clone(), listener.local_addr().unwrap());
        std::thread::spawn(move || block_on(member.connect(address)).unwrap_err().to_string())
    };
    let (stream, _) = listener.accept().unwrap();
    let mut met = Probe::over(stream);
    let hello = met.block();
    assert!(hello.contains("X-Network: club\r\n"), "{hello}");
    assert!(!hello.contains("Listen-IP"), "{hello}");
    met.say(b"GNUTELLA/0.6 200 OK\r\nUser-Agent: x\r\nX-Ultrapeer: True\r\n\r\n");
    let last = met.block();
    let expected = "GNUTELLA/0.6 403 Not a member of this network\r\n\r\n";
    assert_eq!(last, expected);
    let error = dialling.join().unwrap();
    assert!(error.contains("Not a member"), "{error}");
    stop(&[&member]);
}

#[test]
fn members_with_the_secret_link_and_fetch_inside_tls() {
    let (holder, _shared) = sharing(secret("club", "correct horse battery"));
    let member = start(Some(secret("club", "correct horse battery")));
    block_on(member.connect(holder.address())).unwrap();
    assert!(member.peers()[0].tls);
    finds_and_fetches(&member);
    stop(&[&holder, &member]);
}

#[test]
fn a_wrong_secret_none_or_no_tls_is_refused() {
    let (holder, _shared) = sharing(secret("club", "correct horse battery"));
    let guesser = start(Some(secret("club", "correct horse cattery")));
    refused(
        &guesser,
        holder.address(),
        "Secret of this network not proven",
    );
    refused(
        &holder,
        guesser.address(),
        "Secret of this network not proven",
    );
    let without = start(Some(named("club")));
    refused(&without, holder.address(), "403");
    refused(
        &holder,
        without.address(),
        "Secret of this network not proven",
    );
    // Nor is there a file for them, whatever they say.
    for proof in ["", &"0".repeat(64)] {
        let request = format!(
            "GET /get/1/almond%20notes.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             X-Network: club\r\nX-Network-Proof: {proof}\r\n\r\n"
        );
        let answer = said_inside_tls(holder.address(), request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(!answer.contains("almonds"), "{answer}");
    }
    stop(&[&holder, &guesser, &without]);
}

#[test]
fn servents_of_one_network_find_each_other_with_no_address_given() {
    // A name that no other run of this test has.
    let name = format!("test {}", filbert::wire::Guid::random(&mut rand::rng()));
    let start = |network| block_on(common::seeker().network(network).lan().start()).unwrap();
    let (one, two) = (start(named(&name)), start(named(&name)));
    let other = start(named("another"));
    until("linked", || {
        one.peers().len() == 1 && two.peers().len() == 1
    });
    assert!(other.peers().is_empty());
    stop(&[&one, &two, &other]);
}

#[test]
fn a_secret_takes_tls() {
    let encryption = filbert::node::Encryption::Off;
    let network = secret("club", "correct horse battery");
    let error = block_on(builder().network(network).encrypt(encryption).start()).unwrap_err();
    assert!(error.to_string().contains("--tls"), "{error}");
}

/// Copies what comes from one stream to another until either ends, and keeps it.
async fn pass(
    mut from: impl futures::AsyncRead + Unpin,
    mut to: impl futures::AsyncWrite + Unpin,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        heard.lock().unwrap().extend_from_slice(&bytes[..length]);
        if to.write_all(&bytes[..length]).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
}

/// One between two servents. With `ends` it has a TLS session with each, without it it passes on
/// what it cannot read. What it heard from the one that dialled, and said to it.
struct Between {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Between {
    fn new(to: SocketAddr, ends: Option<Ends>) -> Self {
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, said) = (Arc::default(), Arc::default());
        let between = Self {
            address,
            heard: Arc::clone(&heard),
            said: Arc::clone(&said),
        };
        runtime::spawn_detached(async move {
            let (near, _) = listener.accept().await.unwrap();
            let far = runtime::connect(None, to, PATIENCE).await.unwrap();
            let (near, far): (Stream, Stream) = match ends {
                None => (near.into(), far.into()),
                Some(ends) => (
                    ends.acceptor.accept(near.into()).await.unwrap(),
                    ends.connector.connect(far, PATIENCE).await.unwrap(),
                ),
            };
            let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
            let there = pass(from_near, to_far, heard).boxed();
            let back = pass(from_far, to_near, said).boxed();
            if let Either::Left((_, back)) = select(there, back).await {
                back.await;
            }
        });
        between
    }
}

/// What a servent answers to `words` inside a TLS session.
fn said_inside_tls(to: SocketAddr, words: &[u8]) -> String {
    block_on(async {
        let stream = runtime::connect(None, to, PATIENCE).await.unwrap();
        let mut stream = some_ends()
            .connector
            .connect(stream, PATIENCE)
            .await
            .unwrap();
        stream.write_all(words).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        let reading = stream.read_to_end(&mut answer);
        // However it ends, what came before counts.
        let _reset = timeout(PATIENCE, reading).await.unwrap();
        String::from_utf8(answer).unwrap()
    })
}

fn some_ends() -> Ends {
    Ends::new(&Identity::generate().unwrap()).unwrap()
}

#[test]
fn a_man_in_the_middle_gets_nowhere_and_what_he_heard_is_worth_nothing() {
    let (holder, _shared) = sharing(secret("club", "correct horse battery"));
    let member = start(Some(secret("club", "correct horse battery")));
    let middle = Between::new(holder.address(), Some(some_ends()));
    refused(&member, middle.address, "Secret of this network not proven");
    assert!(holder.peers().is_empty());
    let heard = middle.heard.lock().unwrap().clone();
    let hello = String::from_utf8(heard.clone()).unwrap();
    assert!(hello.contains("X-Network-Proof: "), "{hello}");
    assert!(!hello.contains("horse"), "{hello}");
    let said = String::from_utf8(middle.said.lock().unwrap().clone()).unwrap();
    assert!(said.starts_with("GNUTELLA/0.6 403 Secret"), "{said}");

    // The same words again, in a session of his own; once more the holder tells him nothing.
    let answer = said_inside_tls(holder.address(), &heard);
    assert_eq!(
        answer,
        "GNUTELLA/0.6 403 Secret of this network not proven\r\n\r\n"
    );
    assert!(holder.peers().is_empty());

    // Who only passes on what he cannot read is no obstacle, and hears no name.
    let wire = Between::new(holder.address(), None);
    block_on(member.connect(wire.address)).unwrap();
    let heard = wire.heard.lock().unwrap().clone();
    let clear = |bytes: &[u8]| bytes.windows(4).any(|window| window == b"club");
    assert!(!heard.is_empty() && !clear(&heard) && !clear(&wire.said.lock().unwrap()));
    stop(&[&holder, &member]);
}
