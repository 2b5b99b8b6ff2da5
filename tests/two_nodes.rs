//! Live servents on loopback, through the library's public face.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::{builder, until, write};
use filbert::node::state::{DownloadPhase, DownloadState, FailureKind};
use filbert::node::{Node, Target};
use filbert::runtime::{block_on, timeout};
use futures::StreamExt;

/// A chain of nodes, the last of which shares `files`.
fn chain(length: usize, files: &[(&str, &[u8])]) -> (Vec<Node>, tempfile::TempDir) {
    let shared = common::directory();
    for (name, bytes) in files {
        write(shared.path(), name, bytes);
    }
    let nodes: Vec<Node> = (1..=length)
        .map(|place| {
            let node = if place == length {
                builder().share(shared.path())
            } else {
                builder()
            };
            block_on(node.start()).unwrap()
        })
        .collect();
    for pair in nodes.windows(2) {
        block_on(pair[0].connect(pair[1].address())).unwrap();
    }
    block_on(nodes[length - 1].shared());
    (nodes, shared)
}

fn stop(nodes: &[Node]) {
    block_on(futures::future::join_all(nodes.iter().map(Node::stop)));
}

#[test]
fn a_file_three_links_away_is_found_and_fetched() {
    let bytes: Vec<u8> = (0..700_000_u32)
        .map(|n| n.to_le_bytes()[n as usize % 3])
        .collect();
    let (nodes, _shared) = chain(4, &[("walnut songs.ogg", &bytes), ("other.txt", b"x")]);
    let target = common::directory();
    block_on(async {
        let mut search = nodes[0].search("walnut song").unwrap();
        let hit = timeout(common::PATIENCE, search.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (hit.name.as_str(), hit.size, hit.source.hops),
            ("walnut songs.ogg", 700_000, 3)
        );
        assert_eq!(
            (hit.source.address, hit.source.servent),
            (nodes[3].address(), nodes[3].guid())
        );

        let fetch = Target::Number(hit.number);
        let id = nodes[0]
            .fetch(&fetch, Some(target.path().to_owned()))
            .unwrap();
        let state = nodes[0].finished(id).await.unwrap();
        assert_eq!(
            (state.phase, state.error, state.verified),
            (DownloadPhase::Done, None, 700_000)
        );
        let path = state.path.unwrap();
        assert_eq!(path, target.path().join("walnut songs.ogg"));
        assert!(std::fs::read(path).unwrap() == bytes);

        // Again: the name is taken, the bytes come again under a numbered one.
        let id = nodes[0]
            .fetch(&fetch, Some(target.path().to_owned()))
            .unwrap();
        let state = nodes[0].finished(id).await.unwrap();
        assert_eq!(
            state.path.unwrap(),
            target.path().join("walnut songs (1).ogg")
        );
    });
    stop(&nodes);
}

#[test]
fn a_bare_urn_finds_its_sources() {
    let (nodes, _shared) = chain(2, &[("pecan pie.txt", b"one pecan pie")]);
    let hashes = filbert::library::hash::hash_file(&_shared.path().join("pecan pie.txt"), |_| {});
    let urn = format!("urn:sha1:{}", hashes.unwrap().sha1);
    block_on(async {
        let id = nodes[0]
            .fetch(&Target::Urn(urn.parse().unwrap()), None)
            .unwrap();
        let state = nodes[0].finished(id).await.unwrap();
        assert_eq!(
            (state.phase, state.name.as_str()),
            (DownloadPhase::Done, "pecan pie.txt")
        );
        assert_eq!(
            std::fs::read(state.path.unwrap()).unwrap(),
            b"one pecan pie"
        );
    });
    stop(&nodes);
}

#[test]
fn a_download_whose_source_is_gone_waits_with_a_reason() {
    let (nodes, _shared) = chain(2, &[("pecan pie.txt", b"one pecan pie")]);
    block_on(async {
        let mut search = nodes[0].search("pecan").unwrap();
        let hit = timeout(common::PATIENCE, search.next())
            .await
            .unwrap()
            .unwrap();
        std::fs::remove_file(_shared.path().join("pecan pie.txt")).unwrap();
        let id = nodes[0].fetch(&Target::Number(hit.number), None).unwrap();
        let waits = |state: &DownloadState| state.phase == DownloadPhase::Waiting;
        let state = nodes[0].download_when(id, common::PATIENCE, waits).await;
        let state = state.unwrap();
        assert_eq!(state.phase, DownloadPhase::Waiting);
        let failure = state.error.unwrap();
        assert_eq!(failure.kind, FailureKind::Network);
        assert!(failure.message.contains("404"), "{}", failure.message);
        assert!(nodes[0].fetch(&Target::Number(99), None).is_err());
    });
    stop(&nodes);
}

#[test]
fn two_that_dial_each_other_at_once_keep_one_link() {
    for _ in 0..10 {
        let (one, two) = (
            block_on(builder().start()).unwrap(),
            block_on(builder().start()).unwrap(),
        );
        let dials = futures::future::join(one.connect(two.address()), two.connect(one.address()));
        let _either_may_be_refused = block_on(dials);
        until("the two ends of one link are all there is", || {
            let (at_one, at_two) = (one.peers(), two.peers());
            at_one.len() == 1 && at_two.len() == 1 && at_one[0].direction != at_two[0].direction
        });
        stop(&[one, two]);
    }
}

#[test]
fn nobody_links_to_itself_or_twice() {
    let (one, two) = (
        block_on(builder().start()).unwrap(),
        block_on(builder().start()).unwrap(),
    );
    let error = block_on(one.connect(one.address())).unwrap_err();
    assert!(error.to_string().contains("yourself"), "{error}");
    block_on(one.connect(two.address())).unwrap();
    let error = block_on(one.connect(two.address())).unwrap_err();
    assert!(error.to_string().contains("Already connected"), "{error}");
    assert_eq!((one.peers().len(), two.peers().len()), (1, 1));
    stop(&[one, two]);
}

#[test]
fn a_named_servent_is_dialled_until_it_is_there() {
    let (early, late) = (builder(), block_on(builder().start()).unwrap());
    let address = late.address();
    block_on(late.stop());
    drop(late);
    let early = block_on(early.peer(address).start()).unwrap();
    until("it says why", || {
        early
            .status()
            .why
            .is_some_and(|why| why.contains(&address.to_string()))
    });
    let SocketAddr::V4(again) = address else {
        unreachable!("bound so")
    };
    let late = block_on(Node::builder().listen(again).start()).unwrap();
    until("linked", || {
        early.peers().len() == 1 && late.peers().len() == 1
    });
    assert_eq!(early.status().why, None);
    stop(&[early, late]);
}

#[test]
fn a_home_has_one_process_and_keeps_the_servent() {
    let home = common::directory();
    let node = block_on(builder().home(home.path()).start()).unwrap();
    let guid = node.guid();
    let second = block_on(builder().home(home.path()).start()).unwrap_err();
    assert!(second.to_string().contains("in use"), "{second}");
    block_on(node.stop());
    drop(node);
    // The last task of the first life may still be on its way out.
    let again = std::cell::OnceCell::new();
    until("the home is given back", || {
        block_on(builder().home(home.path()).start()).is_ok_and(|node| again.set(node).is_ok())
    });
    assert_eq!(again.get().unwrap().guid(), guid);
}

#[test]
fn a_share_that_holds_the_home_is_refused() {
    let shared = common::directory();
    let home = shared.path().join("home");
    let error = block_on(builder().home(&home).share(shared.path()).start()).unwrap_err();
    assert!(error.to_string().contains("holds the home"), "{error}");
    // Hidden directories are never looked into.
    let home = shared.path().join(".hidden").join("home");
    let node = block_on(builder().home(home).share(shared.path()).start()).unwrap();
    stop(&[node]);
}

#[test]
fn a_goodbye_is_said_at_the_end() {
    let node = block_on(builder().start()).unwrap();
    let mut probe = common::Probe::neighbour(node.address());
    until("linked", || node.peers().len() == 1);
    block_on(node.stop());
    assert_eq!(probe.closed(), Some(200));
}

#[test]
fn a_file_that_several_have_is_fetched_from_them_and_verified_by_its_tree() {
    let bytes: Vec<u8> = (0..2_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let shared = common::directory();
    write(shared.path(), "chestnut.bin", &bytes);
    let hub = block_on(builder().start()).unwrap();
    let holders: Vec<Node> = (0..3)
        .map(|_| block_on(builder().share(shared.path()).start()).unwrap())
        .collect();
    for holder in &holders {
        block_on(holder.connect(hub.address())).unwrap();
        block_on(holder.shared());
    }
    block_on(async {
        let mut search = hub.search("chestnut").unwrap();
        let mut number = 0;
        for _ in &holders {
            let hit = timeout(common::PATIENCE, search.next()).await.unwrap();
            number = hit.unwrap().number;
        }
        let id = hub.fetch(&Target::Number(number), None).unwrap();
        let state = hub.finished(id).await.unwrap();
        assert_eq!(
            (state.phase, state.error, state.verified),
            (DownloadPhase::Done, None, 2_000_000)
        );
        assert_eq!(state.sources_known, 3);
        assert!(std::fs::read(state.path.unwrap()).unwrap() == bytes);
    });
    stop(&holders);
    stop(&[hub]);
}

/// Serves ranges of a file: one until it is told to be generous, then all.
fn grudging(
    bytes: &[u8],
    generous: &Arc<AtomicBool>,
    asked: &Arc<Mutex<Vec<usize>>>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (bytes, generous, asked) = (bytes.to_owned(), Arc::clone(generous), Arc::clone(asked));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            loop {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let line = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Range: bytes="));
                let Some((first, last)) = line.and_then(|range| range.split_once('-')) else {
                    break;
                };
                let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                let before = asked.lock().unwrap().len();
                if before > 0 && !generous.load(Ordering::Relaxed) {
                    let _gone = stream.read(&mut byte);
                    break;
                }
                asked.lock().unwrap().push(first);
                let head = format!(
                    "HTTP/1.1 206 OK\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{last}/{}\r\n\r\n",
                    last + 1 - first,
                    bytes.len()
                );
                let answer = [head.as_bytes(), &bytes[first..=last]].concat();
                if stream.write_all(&answer).is_err() {
                    break;
                }
            }
        }
    });
    address
}

#[test]
fn a_download_goes_on_by_itself_when_the_node_runs_again() {
    let bytes: Vec<u8> = (0..700_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1])
        .collect();
    let home = common::directory();
    write(home.path(), "copy", &bytes);
    let sha1 = filbert::library::hash::hash_file(&home.path().join("copy"), |_| {})
        .unwrap()
        .sha1;
    let (generous, asked) = (Arc::default(), Arc::default());
    let source = grudging(&bytes, &generous, &asked);
    let link = format!(
        "magnet:?xt=urn:sha1:{sha1}&xl=700000&dn=almond&xs=http://{source}/uri-res/N2R?urn:sha1:{sha1}"
    );
    let run = || block_on(builder().home(home.path().join("home")).start()).unwrap();
    let node = run();
    let id = node
        .fetch(&Target::Magnet(link.parse().unwrap()), None)
        .unwrap();
    until("the first tile", || node.download(id).unwrap().received > 0);
    stop(&[node]);
    generous.store(true, Ordering::Relaxed);
    let node = run();
    let state = block_on(node.finished(node.downloads()[0].id)).unwrap();
    assert_eq!(
        (state.phase, state.name.as_str()),
        (DownloadPhase::Done, "almond")
    );
    assert!(std::fs::read(state.path.unwrap()).unwrap() == bytes);
    let mut asked = asked.lock().unwrap().clone();
    asked.sort_unstable();
    assert!(
        asked.is_sorted_by(|a, b| a < b),
        "nothing came twice: {asked:?}"
    );
    stop(&[node]);
    // And nothing is left to go on with.
    let node = run();
    assert!(node.downloads().is_empty());
    stop(&[node]);
}
