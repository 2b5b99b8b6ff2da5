//! The upload side of live nodes: who gets what first, who waits, and what is shown of it.

#[path = "downloads/source.rs"]
#[allow(dead_code, reason = "only its files are used here")]
mod source;

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{PATIENCE, builder, until, write};
use filbert::node::state::{DownloadPhase, DownloadState};
use filbert::node::{GiveBack, Node, QueueSettings, Rates, Target, UploadLimits, UploadState};
use filbert::runtime::block_on;
use source::File;

/// A node on a loopback address of its own, by which others know it.
fn at(last: u8, home: &Path, shared: Option<&Path>, limits: UploadLimits) -> Node {
    let builder = builder()
        .listen(format!("127.0.7.{last}:0").parse().unwrap())
        .home(home)
        // They do not help each other: one uploader is all there is.
        .give_back(GiveBack::Never)
        .upload_limits(limits);
    let builder = match shared {
        Some(shared) => builder.share(shared),
        None => builder,
    };
    let node = block_on(builder.start()).unwrap();
    block_on(node.shared());
    node
}

fn fetch(node: &Node, file: &File, from: SocketAddr) -> u64 {
    let link = file.magnet(&[from], true);
    node.fetch(&Target::Magnet(link.parse().unwrap()), None)
        .unwrap()
}

fn stop(node: Node) {
    block_on(node.stop());
}

fn done(node: &Node, id: u64, file: &File) {
    let over = |state: &DownloadState| state.phase.is_over();
    let limit = Duration::from_secs(120);
    let state = block_on(node.download_when(id, limit, over)).unwrap();
    assert_eq!(state.phase, DownloadPhase::Done, "{state:?}");
    assert!(std::fs::read(state.path.unwrap()).unwrap() == file.bytes);
}

fn limits(slots: usize, rate: Option<u64>) -> UploadLimits {
    let queue = QueueSettings {
        slots,
        poll: Duration::from_secs(1),
        ..QueueSettings::default()
    };
    UploadLimits {
        queue,
        rate,
        ..UploadLimits::default()
    }
}

/// A bare connection, from an address of its own.
struct Asker(TcpStream);

impl Asker {
    fn new(from: [u8; 4], to: SocketAddr) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::new(IpAddr::from(from), 0).into())
            .unwrap();
        socket.connect(&to.into()).unwrap();
        let stream: TcpStream = socket.into();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    fn ask(&mut self, file: &File, headers: &str) {
        self.say(&format!(
            "GET /uri-res/N2R?urn:sha1:{} HTTP/1.1\r\nHost: x\r\n{headers}\r\n",
            file.sha1
        ));
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return String::from_utf8_lossy(&head).into_owned(),
            }
        }
        String::from_utf8(head).unwrap()
    }

    /// An answer with its whole body.
    fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.head();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let known = name.eq_ignore_ascii_case("content-length");
            known.then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).unwrap();
        (head, body)
    }
}

fn position(uploads: &[UploadState], address: [u8; 4]) -> Option<usize> {
    let known = uploads
        .iter()
        .find(|upload| upload.peer.ip() == IpAddr::from(address));
    known.unwrap_or_else(|| panic!("{uploads:?}")).position
}

#[test]
#[cfg(target_os = "linux")]
fn who_gave_is_served_faster_and_who_only_takes_is_served() {
    let (gift, wanted) = (File::with_seed(24 << 20, 3), File::with_seed(6 << 20, 4));
    let homes: Vec<_> = (0..5).map(|_| common::directory()).collect();
    let (given, shared) = (homes[3].path(), homes[4].path());
    write(given, "gift.bin", &gift.bytes);
    write(shared, "wanted.bin", &wanted.bytes);
    let free = UploadLimits::default;
    let uploader = at(1, homes[0].path(), Some(shared), limits(20, Some(2 << 20)));
    let giver = at(2, homes[1].path(), Some(given), free());
    let leecher = at(3, homes[2].path(), None, free());
    let id = fetch(&uploader, &gift, giver.address());
    done(&uploader, id, &gift);

    // Both at once, the leecher first, and one that claims to be the giver.
    let begun = Instant::now();
    let taking = fetch(&leecher, &wanted, uploader.address());
    let mut forger = Asker::new([127, 0, 7, 4], uploader.address());
    let forged = format!(
        "User-Agent: Filbert/9\r\nX-GUID: {}\r\nX-Node: {}\r\nX-Alt: {}\r\nX-Downloaded: 1\r\n\
         X-Queue: 0.1\r\n",
        giver.guid(),
        giver.address(),
        giver.address()
    );
    forger.ask(&wanted, &forged);
    assert!(forger.head().starts_with("HTTP/1.1 200"));
    let earning = fetch(&giver, &wanted, uploader.address());
    done(&giver, earning, &wanted);
    let giver_took = begun.elapsed();
    let weights: Vec<_> = uploader
        .uploads()
        .iter()
        .map(|upload| (upload.peer.ip().to_string(), upload.weight))
        .collect();
    assert!(
        weights.contains(&("127.0.7.4".to_owned(), 1)),
        "{weights:?}"
    );
    let left = leecher.download(taking).unwrap();
    assert!(
        left.received < wanted.bytes.len() as u64 * 2 / 3,
        "the leecher has {} when the giver is done",
        left.received
    );
    drop(forger);
    done(&leecher, taking, &wanted);
    println!(
        "the giver took {giver_took:.1?}, the leecher {:.1?}",
        begun.elapsed()
    );
    for node in [uploader, giver, leecher] {
        stop(node);
    }
}

/// A node that encrypts what it fetches from others that do.
#[cfg(feature = "tls")]
fn encrypting(last: u8, home: &Path, shared: &Path) -> Node {
    let builder = builder()
        .listen(format!("127.0.7.{last}:0").parse().unwrap())
        .home(home)
        .encrypt(filbert::node::Encryption::Offer)
        .give_back(GiveBack::Never)
        .upload_limits(limits(20, Some(2 << 20)))
        .share(shared);
    let node = block_on(builder.start()).unwrap();
    block_on(node.shared());
    node
}

/// Has a node find a file at another by a word, and fetch it.
#[cfg(feature = "tls")]
fn found(node: &Node, at: &Node, word: &str) -> u64 {
    until("a neighbour", || {
        !node.peers().is_empty() && !at.peers().is_empty()
    });
    let search = node.search(word).unwrap();
    let state = || node.search_state(search.id()).unwrap();
    until("a hit", || !state().results.is_empty());
    let target = Target::Number(state().results[0].number);
    node.fetch(&target, None).unwrap()
}

#[test]
#[cfg(all(target_os = "linux", feature = "tls"))]
fn a_giver_keeps_its_credit_at_another_address_and_nobody_inherits_it_at_the_old_one() {
    let (gift, wanted) = (File::with_seed(6 << 20, 3), File::with_seed(4 << 20, 4));
    let homes: Vec<_> = (0..4).map(|_| common::directory()).collect();
    let (given, shared) = (homes[2].path(), homes[3].path());
    write(given, "gift.bin", &gift.bytes);
    write(shared, "wanted.bin", &wanted.bytes);
    let uploader = encrypting(21, homes[0].path(), shared);
    let giver = encrypting(22, homes[1].path(), given);
    block_on(uploader.connect(giver.address())).unwrap();
    let id = found(&uploader, &giver, "gift");
    done(&uploader, id, &gift);
    stop(giver);

    // The same servent elsewhere, and two others where it was: one of them with a key of its own.
    let moved = encrypting(25, homes[1].path(), given);
    let home = common::directory();
    let heir = encrypting(22, home.path(), given);
    let mut taking = Vec::new();
    for node in [&moved, &heir] {
        block_on(node.connect(uploader.address())).unwrap();
        taking.push((node, found(node, &uploader, "wanted")));
    }
    let mut forger = Asker::new([127, 0, 7, 22], uploader.address());
    let forged = format!(
        "X-GUID: {}\r\nX-Node: {}\r\n",
        moved.guid(),
        moved.address()
    );
    forger.ask(&wanted, &forged);
    assert!(forger.head().starts_with("HTTP/1.1 200"));
    let weights = || {
        let mut weights: Vec<_> = uploader
            .uploads()
            .iter()
            .map(|upload| (upload.peer.ip().to_string(), upload.weight))
            .collect();
        weights.sort();
        weights
    };
    let asks = |address: &str, count| {
        let asking = |(known, _): &&(String, u32)| known == address;
        until(address, || weights().iter().filter(asking).count() >= count);
    };
    asks("127.0.7.25", 1);
    asks("127.0.7.22", 2);
    for (address, weight) in weights() {
        assert_eq!(weight > 1, address == "127.0.7.25", "{:?}", weights());
    }
    drop(forger);
    for (node, id) in taking {
        done(node, id, &wanted);
    }
    for node in [uploader, moved, heir] {
        stop(node);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn in_the_queue_a_giver_passes_a_leecher_and_is_remembered_over_a_restart() {
    let (gift, wanted) = (File::with_seed(8 << 20, 3), File::with_seed(32 << 20, 4));
    let homes: Vec<_> = (0..4).map(|_| common::directory()).collect();
    let (given, shared) = (homes[2].path(), homes[3].path());
    write(given, "gift.bin", &gift.bytes);
    write(shared, "wanted.bin", &wanted.bytes);
    let uploader = at(11, homes[0].path(), Some(shared), limits(1, None));
    let giver = at(12, homes[1].path(), Some(given), UploadLimits::default());
    let id = fetch(&uploader, &gift, giver.address());
    done(&uploader, id, &gift);
    stop(uploader);
    stop(giver);

    let uploader = at(11, homes[0].path(), Some(shared), limits(1, None));
    let mut holder = Asker::new([127, 0, 7, 13], uploader.address());
    holder.ask(&wanted, "");
    assert!(holder.head().starts_with("HTTP/1.1 200"));
    let queue = "X-Queue: 0.1\r\nRange: bytes=0-9\r\n";
    let mut leecher = Asker::new([127, 0, 7, 14], uploader.address());
    leecher.ask(&wanted, queue);
    assert!(leecher.answer().0.contains("position=1,length=1,limit=1"));
    let mut giver = Asker::new([127, 0, 7, 12], uploader.address());
    giver.ask(&wanted, queue);
    assert!(giver.answer().0.contains("position=2,length=2,limit=1"));
    until("the giver passes the leecher", || {
        let uploads = uploader.uploads();
        position(&uploads, [127, 0, 7, 12]) == Some(1)
            && position(&uploads, [127, 0, 7, 14]) == Some(2)
    });
    assert_eq!(position(&uploader.uploads(), [127, 0, 7, 13]), None);
    stop(uploader);
}

#[test]
#[cfg(target_os = "linux")]
fn more_than_there_are_slots_all_finish_by_the_queue() {
    let file = File::with_seed(3 << 20, 5);
    let homes: Vec<_> = (0..6).map(|_| common::directory()).collect();
    write(homes[5].path(), "almond.bin", &file.bytes);
    let mut settings = limits(1, Some(4 << 20));
    settings.queue.turn = Duration::from_millis(200);
    let seed = at(20, homes[4].path(), Some(homes[5].path()), settings);
    let nodes: Vec<Node> = (0..4)
        .map(|n| {
            let last = u8::try_from(21 + n).unwrap();
            at(last, homes[n].path(), None, UploadLimits::default())
        })
        .collect();
    let ids: Vec<u64> = nodes
        .iter()
        .map(|node| fetch(node, &file, seed.address()))
        .collect();
    for (node, id) in nodes.iter().zip(ids) {
        done(node, id, &file);
    }
    let samples = seed.counters().samples();
    let of = |name: &str| {
        samples
            .iter()
            .find(|sample| sample.name == name)
            .unwrap()
            .value
    };
    assert!(of("uploads_queued") > 0 && of("uploads_granted") > 0);
    assert_eq!(of("uploads_banned"), 0, "our own polls are in time");
    for node in nodes {
        stop(node);
    }
    stop(seed);
}

#[test]
fn downloads_keep_to_their_limits() {
    let file = File::with_seed(2 << 20, 6);
    let shared = common::directory();
    write(shared.path(), "almond.bin", &file.bytes);
    let seed = block_on(builder().share(shared.path()).start()).unwrap();
    block_on(seed.shared());
    for rates in [
        Rates {
            download: Some(1 << 20),
            ..Rates::default()
        },
        Rates {
            download_each: Some(1 << 20),
            ..Rates::default()
        },
    ] {
        let node = block_on(builder().rates(rates).start()).unwrap();
        let begun = Instant::now();
        let id = fetch(&node, &file, seed.address());
        done(&node, id, &file);
        assert!(
            begun.elapsed() > Duration::from_millis(1_500),
            "{:?}",
            begun.elapsed()
        );
        stop(node);
    }
    stop(seed);
}

#[test]
fn the_list_is_shown_to_servents_and_browsers_and_can_be_turned_off() {
    let shared = common::directory();
    for number in 0..25 {
        let name = format!("almond <{number}>.txt");
        write(shared.path(), &name, format!("almond {number}").as_bytes());
    }
    let seed = block_on(builder().share(shared.path()).start()).unwrap();
    block_on(seed.shared());
    let node = block_on(builder().start()).unwrap();
    let listed = block_on(node.browse(seed.address())).unwrap();
    assert_eq!(listed.results.len(), 25);
    let found = &listed.results[7];
    assert_eq!(found.sources[0].address, seed.address());
    let id = node.fetch(&Target::Number(found.number), None).unwrap();
    let over = |state: &DownloadState| state.phase.is_over();
    let state = block_on(node.download_when(id, PATIENCE, over)).unwrap();
    assert_eq!(state.phase, DownloadPhase::Done);

    let mut browser = Asker::new([127, 0, 0, 1], seed.address());
    browser.say("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    let mut page = String::new();
    browser.0.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/html"));
    assert!(page.contains("almond &lt;7&gt;.txt") && page.contains("/uri-res/N2R?urn:sha1:"));
    let mut odd = Asker::new([127, 0, 0, 1], seed.address());
    odd.say("GET / HTTP/1.1\r\nHost: x\r\nAccept: image/png\r\n\r\n");
    assert!(odd.head().starts_with("HTTP/1.1 406"));
    stop(seed);

    let shy = block_on(builder().browse(false).start()).unwrap();
    let error = block_on(node.browse(shy.address())).unwrap_err();
    assert!(error.to_string().contains("403"), "{error}");
    stop(shy);
    stop(node);
}

#[test]
fn hostile_clients_get_a_clear_answer_or_none_and_others_are_served() {
    let file = File::with_seed(1 << 20, 7);
    let shared = common::directory();
    write(shared.path(), "almond.bin", &file.bytes);
    let seed = block_on(builder().share(shared.path()).start()).unwrap();
    block_on(seed.shared());
    let asker = || Asker::new([127, 0, 0, 1], seed.address());
    // Heads that never end.
    let mut endless = asker();
    endless.say("GET / HTTP/1.1\r\nHost: x\r\n");
    let line = format!("X-More: {}\r\n", "x".repeat(1_000));
    while endless.0.write_all(line.as_bytes()).is_ok() {}
    // Half a request, many times over.
    let slow: Vec<Asker> = (0..100)
        .map(|_| {
            let mut asker = asker();
            asker.say("GET /uri-res/N2R?urn:sha1:");
            asker
        })
        .collect();
    // Ranges that make no sense.
    for (range, status) in [
        ("bytes=-5", "206"),
        ("bytes=5--2", "416"),
        ("bytes=-0", "416"),
        ("bytes=9-3", "416"),
        ("bytes=0-9,5-14", "416"),
        ("bytes=99999999999999999999-", "416"),
        ("bytes=0-99999999999999999999", "206"),
    ] {
        let mut asker = asker();
        asker.ask(&file, &format!("Range: {range}\r\n"));
        let (head, body) = asker.answer();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{range}: {head}"
        );
        assert!(status == "416" || body.len() <= file.bytes.len());
    }
    // Everybody else is served meanwhile.
    let node = block_on(builder().start()).unwrap();
    let id = fetch(&node, &file, seed.address());
    done(&node, id, &file);
    drop(slow);
    stop(node);
    stop(seed);
}
