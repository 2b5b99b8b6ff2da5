//! Requests over real sockets, as servents and strangers send them.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Instant, UNIX_EPOCH};

use sha1::Digest;
use tempfile::TempDir;

use super::*;
use crate::library::index::SharedFile;
use crate::library::{HashMemory, Hashed, Version};
use crate::net::handshake::Tls;
use crate::net::http;
use crate::transfer::download::{self, Job, Source};
use crate::wire::Guid;
use crate::wire::tiger_tree::{TigerTree, TreeHasher};
use crate::wire::urn::TigerRoot;

/// More than the sockets of a connection hold, so that an upload that is not read stays under way.
const LARGE: usize = 24 << 20;

/// Knows the hash of every file, so that none is computed.
#[derive(Debug)]
struct Known(Sha1);

impl HashMemory for Known {
    fn recall(&self, _: &Path, _: Version) -> Option<Hashed> {
        let tiger_root = TigerRoot::from_bytes([3; 24]);
        Some(Hashed {
            sha1: self.0,
            tiger_root,
        })
    }

    fn remember(&self, _: &Path, _: Version, _: Hashed) {}

    fn recall_tree(&self, root: TigerRoot) -> Option<TigerTree> {
        (root == TigerRoot::from_bytes([3; 24])).then(large_tree)
    }
}

/// The tree that goes with every file that is not small.
fn large_tree() -> TigerTree {
    let mut hasher = TreeHasher::new();
    hasher.update(&vec![1; 1 << 20]);
    hasher.finish()
}

/// A servent that shares one file.
struct Sharer {
    _home: TempDir,
    address: SocketAddr,
    uploads: Uploads,
    contents: Vec<u8>,
    shared: SharedFile,
}

impl Sharer {
    fn new(name: &str, contents: &[u8]) -> Self {
        let sha1 = Sha1::from_bytes(sha1::Sha1::digest(contents).into());
        Self::sharing(name, contents, sha1, Limits::default())
    }

    /// Shares a file that is larger than a connection holds, under a hash that is made up.
    fn large(limits: Limits) -> Self {
        Self::sharing("large", &vec![7; LARGE], Sha1::from_bytes([7; 20]), limits)
    }

    fn sharing(name: &str, contents: &[u8], sha1: Sha1, limits: Limits) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("shared");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(name), contents).unwrap();
        fs::write(home.path().join("secret"), b"secret").unwrap();
        let library = Arc::new(Library::new(vec![folder], Arc::new(Known(sha1))));
        library.scan(&|_| ());
        let shared = library.by_sha1(&sha1).unwrap();
        let uploads = Uploads::new(library, Arc::new(Exchange::new(true)), limits);
        let listener = runtime::block_on(runtime::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = uploads.clone();
        runtime::spawn_detached(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let uploads = serving.clone();
                runtime::spawn_detached(async move {
                    let respond = |request| uploads.respond(peer, request);
                    let _ = http::serve(stream, respond).await;
                    uploads.hung_up(peer);
                });
            }
        });
        let contents = contents.to_owned();
        Self {
            _home: home,
            address,
            uploads,
            contents,
            shared,
        }
    }

    fn path(&self) -> PathBuf {
        self.shared.path.clone()
    }

    fn by_hash(&self) -> String {
        format!("/uri-res/N2R?urn:sha1:{}", self.shared.sha1)
    }

    fn by_number(&self) -> String {
        format!("/get/{}/{}", self.shared.index, self.shared.name)
    }

    /// One exchange on a connection of its own.
    fn exchange(&self, method: &str, target: &str, headers: &str) -> Answer {
        let mut connection = Connection::new(self.address);
        connection.ask(method, target, headers);
        connection.answer(method == "HEAD")
    }

    fn get(&self, target: &str, headers: &str) -> Answer {
        self.exchange("GET", target, headers)
    }

    /// Waits until as many uploads are under way; a slot is given back a moment after its bytes.
    fn wait_for_active(&self, count: usize) {
        let begun = Instant::now();
        while self.uploads.active() != count {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{} are active",
                self.uploads.active()
            );
            std::thread::yield_now();
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn one_slot() -> Limits {
    let queue = QueueSettings {
        slots: 1,
        poll: Duration::from_secs(1),
        ..QueueSettings::default()
    };
    Limits {
        queue,
        ..Limits::default()
    }
}

struct Connection(TcpStream);

impl Connection {
    fn new(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).unwrap())
    }

    fn ask(&mut self, method: &str, target: &str, headers: &str) {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        self.0.write_all(request.as_bytes()).unwrap();
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    fn answer(&mut self, bodiless: bool) -> Answer {
        let head = self.head();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        let length = answer.header("Content-Length").unwrap().parse().unwrap();
        if !bodiless {
            answer.body = vec![0; length];
            self.0.read_exact(&mut answer.body).unwrap();
        }
        answer
    }
}

fn digits() -> Vec<u8> {
    (0..1_000)
        .flat_map(|number| format!("{number:03}").into_bytes())
        .collect()
}

#[test]
fn the_whole_file_by_hash_and_by_number() {
    let sharer = Sharer::new("a b.txt", &digits());
    let sha1 = sharer.shared.sha1;
    for target in [
        sharer.by_hash(),
        sharer.by_hash().to_lowercase().replace("urn:", "URN%3A"),
        format!(
            "/uri-res/N2R?urn:bitprint:{sha1}.{}",
            sharer.shared.tiger_root
        ),
        sharer.by_number().replace(' ', "%20"),
    ] {
        let answer = sharer.get(&target, "");
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.body, sharer.contents, "{target}");
        assert_eq!(answer.header("Server"), Some(AGENT));
        assert_eq!(
            answer.header("Content-Type"),
            Some("application/octet-stream")
        );
        assert_eq!(answer.header("Accept-Ranges"), Some("bytes"));
        assert_eq!(answer.header("Content-Range"), None);
        let urn = format!("\r\nX-Gnutella-Content-Urn: urn:sha1:{sha1}\r\n").to_lowercase();
        assert!(answer.head.to_lowercase().contains(&urn), "{}", answer.head);
        let modified = httpdate::parse_http_date(answer.header("Last-Modified").unwrap()).unwrap();
        let true_one = fs::metadata(sharer.path()).unwrap().modified().unwrap();
        assert!(true_one.duration_since(modified).unwrap() < Duration::from_secs(1));
    }
    sharer.wait_for_active(0);
    assert_eq!(sharer.uploads.sent(), 4 * 3_000);
}

#[test]
fn ranges_of_all_kinds() {
    let sharer = Sharer::new("a.txt", &digits());
    for (range, first, last) in [
        ("0-99", 0, 99),
        ("100-199", 100, 199),
        ("2990-", 2_990, 2_999),
        ("-24", 2_976, 2_999),
        ("-9999", 0, 2_999),
        ("0-", 0, 2_999),
        ("2999-99999", 2_999, 2_999),
    ] {
        let answer = sharer.get(&sharer.by_hash(), &format!("Range: bytes={range}\r\n"));
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.body, sharer.contents[first..=last], "{range}");
        let range = format!("bytes {first}-{last}/3000");
        assert_eq!(answer.header("Content-Range"), Some(&*range));
    }
    for range in [
        "bytes=3000-",
        "bytes=-0",
        "bytes=9-0",
        "bytes=0-1,4-5",
        "bytes=x",
        "bytes=\u{e9}-",
    ] {
        let answer = sharer.get(&sharer.by_hash(), &format!("Range: {range}\r\n"));
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("Content-Range"), Some("bytes */3000"));
    }
    let answer = sharer.get(&sharer.by_hash(), "Range: pages=1-2\r\n");
    assert_eq!((answer.status, answer.body.len()), (200, 3_000));
}

#[test]
fn a_long_range_comes_in_one_answer() {
    let contents = digits().repeat(1_000);
    let sharer = Sharer::new("a.txt", &contents);
    let answer = sharer.get(&sharer.by_hash(), "Range: bytes=1-\r\n");
    assert!(answer.status == 206 && answer.body == contents[1..]);
}

#[test]
fn head_tells_all_and_sends_nothing() {
    let sharer = Sharer::new("a.txt", &digits());
    let mut connection = Connection::new(sharer.address);
    for (headers, status, length) in [("", 200, "3000"), ("Range: bytes=5-9\r\n", 206, "5")] {
        connection.ask("HEAD", &sharer.by_hash(), headers);
        let answer = connection.answer(true);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("Content-Length"), Some(length));
    }
    // The next answer follows at once: no body was in between.
    connection.ask("GET", &sharer.by_hash(), "Range: bytes=0-2\r\n");
    assert_eq!(connection.answer(false).body, b"000");
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    let sharer = Sharer::new("a.txt", &digits());
    let mut connection = Connection::new(sharer.address);
    connection.ask("GET", &sharer.by_hash(), "Range: bytes=0-2\r\n");
    assert_eq!(connection.answer(false).body, b"000");
    connection.ask("GET", "/nothing", "");
    assert_eq!(connection.answer(false).status, 404);
    // And without waiting for each other.
    connection.ask("GET", &sharer.by_hash(), "Range: bytes=3-5\r\n");
    connection.ask("GET", &sharer.by_hash(), "Range: bytes=6-8\r\n");
    assert_eq!(connection.answer(false).body, b"001");
    assert_eq!(connection.answer(false).body, b"002");
}

#[test]
fn an_empty_file_is_served_whole() {
    let sharer = Sharer::new("empty", b"");
    let answer = sharer.get(&sharer.by_hash(), "");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(
        sharer.get(&sharer.by_hash(), "Range: bytes=0-\r\n").status,
        416
    );
}

#[test]
fn what_is_not_shared_is_not_found() {
    let sharer = Sharer::new("a.txt", &digits());
    let index = sharer.shared.index;
    for target in [
        "/".to_owned(),
        "/a.txt".to_owned(),
        "/../../etc/passwd".to_owned(),
        "//etc/passwd".to_owned(),
        "/uri-res/../../etc/passwd".to_owned(),
        "/uri-res/N2R?urn:sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA7".to_owned(),
        format!("/get/{index}/b.txt"),
        format!("/get/{index}/../../../etc/passwd"),
        format!("/get/{index}/..%2F..%2Fetc%2Fpasswd"),
        format!("/get/{index}/%2e%2e/secret"),
        format!("/get/{index}/a.txt%00"),
        format!("/get/{}/a.txt", index + 1),
        "/get/0/a.txt".to_owned(),
    ] {
        let answer = sharer.get(&target, "");
        assert_eq!(answer.status, 404, "{target}");
        assert!(
            !answer
                .body
                .windows(6)
                .any(|bytes| bytes == b"secret" || bytes == b"root:x")
        );
    }
}

#[test]
fn broken_requests_are_refused() {
    let sharer = Sharer::new("a.txt", &digits());
    for target in [
        "/uri-res/N2R?urn:sha1:xyz",
        "/uri-res/N2R",
        "/get/x/a.txt",
        "/get/99999999999/a",
    ] {
        assert_eq!(sharer.get(target, "").status, 400, "{target}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let answer = sharer.exchange(method, &sharer.by_hash(), "");
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("Allow"), Some("GET, HEAD"));
    }
}

#[test]
fn when_the_slots_are_full_one_is_told_when_to_come_back() {
    let sharer = Sharer::large(one_slot());
    let mut holder = Connection::new(sharer.address);
    holder.ask("GET", &sharer.by_hash(), "");
    assert!(holder.head().starts_with("HTTP/1.1 200 OK"));
    assert_eq!(sharer.uploads.active(), 1);
    let mut second = Connection::new(sharer.address);
    second.ask("GET", &sharer.by_hash(), "");
    let refusal = second.answer(false);
    assert_eq!(refusal.status, 503);
    assert_eq!(refusal.header("Retry-After"), Some("60"));
    assert_eq!(
        sharer.exchange("HEAD", &sharer.by_hash(), "").status,
        200,
        "takes no slot"
    );
    drop(holder);
    sharer.wait_for_active(0);
    // The connection of a refusal stays good.
    second.ask("GET", &sharer.by_hash(), "Range: bytes=0-0\r\n");
    assert_eq!(second.answer(false).status, 206);
}

#[test]
fn a_place_is_kept_on_the_connection_and_told_in_the_older_way() {
    let sharer = Sharer::large(one_slot());
    let mut holder = Connection::new(sharer.address);
    holder.ask("GET", &sharer.by_hash(), "");
    holder.head();
    let ask = |connection: &mut Connection| {
        let headers = "X-Queue: 0.1\r\nRange: bytes=0-9\r\n";
        connection.ask("GET", &sharer.by_hash(), headers);
        connection.answer(false)
    };
    let mut second = Connection::new(sharer.address);
    let place = ask(&mut second);
    assert_eq!(place.status, 503);
    let told = "position=1,length=1,limit=1,pollMin=1,pollMax=16";
    assert_eq!(place.header("X-Queue"), Some(told));
    // Some who wait take the next byte of the connection for the next answer.
    assert_eq!(
        (place.header("Content-Length"), place.body.len()),
        (Some("0"), 0)
    );
    let mut third = Connection::new(sharer.address);
    let told = "position=2,length=2,limit=1,pollMin=2,pollMax=17";
    assert_eq!(ask(&mut third).header("X-Queue"), Some(told));
    let listed = sharer.uploads.list();
    let places: Vec<_> = listed.iter().map(|listed| listed.position).collect();
    assert_eq!(places, [None, Some(1), Some(2)]);
    drop(holder);
    sharer.wait_for_active(0);
    // Too early, and out of turn: nothing is gained.
    assert_eq!(ask(&mut third).status, 503);
    let begun = Instant::now();
    while ask(&mut second).status != 206 {
        assert!(begun.elapsed() < Duration::from_secs(20), "never its turn");
        std::thread::sleep(Duration::from_millis(450));
    }
    let counts = sharer.uploads.counts();
    assert!(counts.early > 0 && counts.banned == 0, "{counts:?}");
}

#[test]
fn a_ticket_is_told_in_the_newer_way_and_good_on_another_connection() {
    let sharer = Sharer::large(one_slot());
    let mut holder = Connection::new(sharer.address);
    holder.ask("GET", &sharer.by_hash(), "");
    holder.head();
    let place = sharer.get(&sharer.by_hash(), "X-Queue: 1.0\r\n");
    assert_eq!(place.status, 503);
    assert_eq!(place.header("Retry-After"), Some("1"));
    assert_eq!(
        (place.header("Content-Length"), place.body.len()),
        (Some("0"), 0)
    );
    let told = place.header("X-Queued").unwrap().to_owned();
    let id = told.split_once("ID=").unwrap().1.to_owned();
    assert_eq!(
        told,
        format!("position=1; length=1; ETA=10; lifetime=16; ID={id}")
    );
    drop(holder);
    sharer.wait_for_active(0);
    let headers = format!("X-Queue: 1.0\r\nX-Queued: position=1; id={id}\r\nRange: bytes=0-9\r\n");
    let begun = Instant::now();
    loop {
        let answer = sharer.get(&sharer.by_hash(), &headers);
        if answer.status == 206 {
            assert_eq!(answer.header("X-Queued"), Some(&*format!("ID={id}")));
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{answer:?}");
        std::thread::sleep(Duration::from_millis(450));
    }
}

#[test]
fn who_hammers_is_banned() {
    let sharer = Sharer::large(one_slot());
    let mut holder = Connection::new(sharer.address);
    holder.ask("GET", &sharer.by_hash(), "");
    holder.head();
    let mut hasty = Connection::new(sharer.address);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        hasty.ask("GET", &sharer.by_hash(), "X-Queue: 0.1\r\n");
        let answer = hasty.answer(false);
        statuses.push(answer.status);
        if answer.status == 403 {
            break;
        }
    }
    assert_eq!(statuses, [503, 503, 503, 503, 503, 403]);
    assert_eq!(hasty.0.read(&mut [0]).unwrap(), 0, "and hung up on");
}

#[test]
fn a_file_that_has_changed_is_not_served_and_the_library_told() {
    let sharer = Sharer::new("a.txt", &digits());
    let file = File::options().write(true).open(sharer.path()).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000))
        .unwrap();
    assert_eq!(sharer.get(&sharer.by_hash(), "").status, 404);
    assert!(
        sharer
            .uploads
            .library
            .by_sha1(&sharer.shared.sha1)
            .is_none()
    );

    let sharer = Sharer::new("a.txt", &digits());
    fs::remove_file(sharer.path()).unwrap();
    assert_eq!(sharer.exchange("HEAD", &sharer.by_hash(), "").status, 404);
    assert!(
        sharer
            .uploads
            .library
            .by_sha1(&sharer.shared.sha1)
            .is_none()
    );
}

#[test]
fn a_file_cut_during_the_upload_breaks_the_connection() {
    let sharer = Sharer::large(Limits::default());
    let mut connection = Connection::new(sharer.address);
    connection.ask("GET", &sharer.by_hash(), "");
    connection.head();
    File::options()
        .write(true)
        .open(sharer.path())
        .unwrap()
        .set_len(1)
        .unwrap();
    let mut received = Vec::new();
    let _ = connection.0.read_to_end(&mut received);
    assert!(received.len() < LARGE);
    sharer.wait_for_active(0);
}

#[test]
fn our_own_download_fetches_it() {
    let sharer = Sharer::new("a b.bin", &digits().repeat(1_000));
    let home = tempfile::tempdir().unwrap();
    let job = Job {
        sha1: sharer.shared.sha1,
        size: sharer.shared.size,
        name: sharer.shared.name.clone(),
        root: None,
        proven: false,
        sources: vec![Source {
            address: sharer.address,
            index: sharer.shared.index,
            name: sharer.shared.name.clone(),
            servent: Guid::from_bytes([7; 16]),
        }],
        incomplete: home.path().join("incomplete"),
        target: home.path().to_owned(),
        from: Some([127, 0, 0, 1].into()),
        tls: Tls::Off,
        network: None,
        call_back: None,
        web_seeds: Arc::default(),
        own: None,
        private: true,
        exchange: None,
        announce: None,
    };
    let ledger = Arc::new(download::NoLedger);
    let finished = runtime::block_on(download::run(job, ledger, |_| ())).unwrap();
    assert_eq!(finished.path, home.path().join("a b.bin"));
    assert!(fs::read(finished.path).unwrap() == sharer.contents);
}

#[test]
fn a_tree_is_told_of_and_given() {
    let sharer = Sharer::new("a.bin", &vec![1; 1 << 20]);
    let file = sharer.exchange("HEAD", &sharer.by_hash(), "");
    let (uri, root) = file.header("X-Thex-Uri").unwrap().split_once(';').unwrap();
    assert_eq!(root, sharer.shared.tiger_root.to_string());
    let answer = sharer.get(uri, "Accept: application/dime\r\n");
    assert_eq!(
        (answer.status, answer.header("Content-Type")),
        (200, Some("application/dime"))
    );
    let tree = large_tree();
    let told = thex::decode(&answer.body.into(), 1 << 20, tree.root());
    assert_eq!(told, Ok(tree));
    let unknown = format!("/uri-res/N2X?urn:sha1:{}", Sha1::from_bytes([9; 20]));
    assert_eq!(sharer.get(&unknown, "").status, 404);
    assert_eq!(sharer.get("/uri-res/N2X?urn:x", "").status, 400);
}
