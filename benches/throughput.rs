//! One source without limits, one file: how long until it lies on the disk, whole, verified and
//! synced, and what processor time both servents take for it. Beside it, in the same run, the same
//! without verification, by a servent in the bench's own process, as `filbert` does not offer that,
//! and `curl` from nginx into a file, and `sync`. Where one of these programs is missing, their times
//! are left out.
//!
//! `cargo bench --bench throughput [-- MEBIBYTES [ROUNDS]]` (1024, 5)

mod servent;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use filbert::api::{DownloadPhase, GetRequest, Watch};
use filbert::node::state::DownloadPhase as Phase;
use filbert::node::{Node, Target};
use filbert::runtime::block_on;
use filbert::wire::tiger_tree::TreeHasher;
use filbert::wire::urn::Sha1;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use sha1::Digest;
use tempfile::TempDir;

use servent::Servent;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let mebibytes = numbers.first().copied().unwrap_or(1_024);
    let rounds = numbers.get(1).copied().unwrap_or(5);
    let shared = folder();
    let topic = write(&shared.path().join("almond.bin"), mebibytes);
    let path = shared.path().to_str().expect("a plain path");
    let seed = Servent::start("", &["--share", path]);
    let address = seed.address;
    wait_until_hashed(&seed);
    let leecher = Servent::start("", &[]);
    let blind = Blind::start();
    let target = format!(
        "magnet:?xt=urn:bitprint:{topic}&xl={}&dn=almond.bin\
         &xs=http://{address}/uri-res/N2R?urn:sha1:{}",
        mebibytes << 20,
        &topic[..32]
    );
    let nginx = Nginx::start(shared.path());
    let (mut curls, mut ours, mut given, mut taken) = (vec![], vec![], vec![], vec![]);
    let mut unverified = vec![];
    for _ in 0..rounds {
        if let Some(nginx) = &nginx {
            curls.extend(nginx.fetch(mebibytes));
        }
        let before = (seed.cpu_seconds(), leecher.cpu_seconds());
        ours.push(fetch(&leecher, &target));
        let gib = mebibytes as f64 / 1_024.0;
        given.push((seed.cpu_seconds() - before.0) / gib);
        taken.push((leecher.cpu_seconds() - before.1) / gib);
        unverified.push(blind.fetch(&target));
    }
    println!("{mebibytes} MiB, medians of {rounds}:");
    let time = median(&mut ours);
    println!("a servent: {time:.2} s to a verified, synced file");
    println!(
        "processor seconds a GiB: {:.2} of who gives, {:.2} of who takes",
        median(&mut given),
        median(&mut taken)
    );
    let blind = median(&mut unverified);
    println!("with verification off: {blind:.2} s");
    match curls.is_empty() {
        true => println!("no nginx or no curl to compare with"),
        false => {
            let theirs = median(&mut curls);
            println!(
                "curl from nginx, and sync: {theirs:.2} s; {:.2} of that rate, {:.2} with verification off",
                theirs / time,
                theirs / blind
            );
        }
    }
}

/// A servent that believes what comes.
struct Blind {
    node: Node,
    _home: TempDir,
}

impl Blind {
    fn start() -> Self {
        let home = folder();
        let loopback = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let builder = Node::builder().home(home.path()).listen(loopback);
        let node = block_on(builder.unverified().start()).expect("it starts");
        Self { node, _home: home }
    }

    /// Seconds until the file is there and synced; it is removed again.
    fn fetch(&self, target: &str) -> f64 {
        let folder = folder();
        let target = Target::Magnet(target.parse().expect("a magnet"));
        let begun = Instant::now();
        let directory = Some(folder.path().to_owned());
        let id = self.node.fetch(&target, directory).expect("it begins");
        let state = block_on(self.node.finished(id)).expect("it is known");
        let took = begun.elapsed().as_secs_f64();
        assert_eq!(state.phase, Phase::Done, "{state:?}");
        self.node.remove_download(id).expect("it is known");
        took
    }
}

/// Seconds until the file is there; it is removed again.
fn fetch(leecher: &Servent, target: &str) -> f64 {
    let folder = folder();
    let request = GetRequest {
        target: target.to_owned(),
        dir: Some(folder.path().to_owned()),
    };
    let client = leecher.client();
    let begun = Instant::now();
    let mut state = block_on(client.get(&request)).expect("it begins");
    while !state.state.is_over() {
        let watch = Watch {
            after: state.version,
            wait_ms: 20_000,
        };
        state = block_on(client.download(state.id, watch)).expect("it runs");
    }
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(state.state, DownloadPhase::Done, "{state:?}");
    block_on(client.remove_download(state.id)).expect("it is known");
    took
}

/// A running nginx; ends when dropped.
struct Nginx {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    fn start(root: &Path) -> Option<Self> {
        let folder = folder();
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let place = folder.path().display();
        let mut temporary = String::new();
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            write!(temporary, "{kind}_temp_path {place}/{kind}; ").expect("a string takes all");
        }
        let settings = format!(
            "daemon off; worker_processes 1; pid {place}/pid; error_log {place}/errors;\n\
             events {{}}\n\
             http {{ access_log off; sendfile on; {temporary}\n\
             server {{ listen {address}; root {}; }} }}\n",
            root.display()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, settings).expect("a file");
        // Its workers may run as somebody else.
        let process = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .args(["-g", "user root;"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let nginx = Self {
            process,
            address,
            _folder: folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > Duration::from_secs(5) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(nginx)
    }

    /// Seconds that curl and sync take; nothing if there is no curl.
    fn fetch(&self, mebibytes: usize) -> Option<f64> {
        let folder = folder();
        let file = folder.path().join("almond.bin");
        let begun = Instant::now();
        let done = Command::new("curl")
            .args(["--silent", "--fail", "--output"])
            .arg(&file)
            .arg(format!("http://{}/almond.bin", self.address))
            .status()
            .ok()?;
        assert!(done.success(), "curl: {done}");
        File::open(&file)
            .and_then(|file| file.sync_all())
            .expect("a file to sync");
        let took = begun.elapsed().as_secs_f64();
        let length = fs::metadata(&file).expect("a file").len();
        assert_eq!(length, (mebibytes as u64) << 20);
        Some(took)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only if it may tell them.
        let stopped = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        if stopped.is_ok_and(|status| status.success()) {
            let _ended = self.process.wait();
        }
    }
}

fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("filbert-bench-").tempdir();
    folder.expect("a temporary directory")
}

/// Writes a file of bytes that do not repeat; gives its SHA-1 and Tiger root, as a bitprint.
fn write(path: &Path, mebibytes: usize) -> String {
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let (mut sha1, mut tree) = (sha1::Sha1::new(), TreeHasher::new());
    let mut file = File::create(path).expect("a file");
    let mut bytes = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        rng.fill(&mut bytes[..]);
        file.write_all(&bytes).expect("room on the disk");
        sha1.update(&bytes);
        tree.update(&bytes);
    }
    file.sync_all().expect("a file");
    let digest: [u8; 20] = sha1.finalize().into();
    format!("{}.{}", Sha1::from_bytes(digest), tree.finish().root())
}

fn wait_until_hashed(servent: &Servent) {
    let begun = Instant::now();
    let hashed = || block_on(servent.client().status()).is_ok_and(|now| now.shared.hashed > 0);
    while !hashed() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it is hashed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
