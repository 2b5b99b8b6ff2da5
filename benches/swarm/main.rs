//! The more who fetch, the more who give. 1, 2, 4, 8, 16 and 32 servents fetch one file at the same
//! time from one seed whose uploads are limited, the only source they know at first. Beside it, as
//! many plain clients of the same seed, as of any server: they take and give nothing.
//!
//! The bound, set before it was measured: with one server the time grows with the number; all
//! servents have the file within three times what one copy takes.
//!
//! `cargo bench --bench swarm [-- MOST] [--chart FILE.svg]`, `MOST` servents at most (32)

mod chart;
#[path = "../servent/mod.rs"]
mod servent;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use filbert::api::{DownloadPhase, GetRequest, Watch};
use filbert::runtime::block_on;
use filbert::wire::tiger_tree::TreeHasher;
use filbert::wire::urn::Sha1;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tempfile::TempDir;

use servent::Servent;

/// Bytes of the file.
const SIZE: usize = 16 << 20;
/// What the seed gives, in bytes a second.
const RATE: usize = 4 << 20;
/// In so many times of one copy all servents are to have it.
const BOUND: f64 = 3.0;
/// How many fetch at once.
const COUNTS: [usize; 6] = [1, 2, 4, 8, 16, 32];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let most = arguments.iter().find_map(|one| one.parse().ok());
    let chart = arguments.iter().position(|one| one == "--chart");
    let chart = chart.map(|at| arguments.get(at + 1).expect("--chart takes a file"));
    let file = File::new();
    let copy = SIZE as f64 / RATE as f64;
    println!("times of one copy ({copy} s) until all have it; bound {BOUND} for the servents");
    println!(
        "{:>6}{:>12}{:>12}{:>20}",
        "many", "one server", "servents", "copies of the seed"
    );
    let mut rows = Vec::new();
    for count in COUNTS
        .into_iter()
        .filter(|count| *count <= most.unwrap_or(32))
    {
        let server = file.served_to(count) / copy;
        let (swarm, copies) = file.shared_by(count);
        let swarm = swarm / copy;
        println!("{count:>6}{server:>12.2}{swarm:>12.2}{copies:>20.2}");
        rows.push(chart::Row {
            count,
            server,
            swarm,
        });
    }
    if let Some(path) = chart {
        std::fs::write(path, chart::draw(&rows, BOUND)).expect("a file to write");
    }
    match rows.iter().all(|row| row.swarm <= BOUND) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What all want.
struct File {
    bytes: Vec<u8>,
    folder: TempDir,
    sha1: Sha1,
    link: String,
}

impl File {
    fn new() -> Self {
        let mut bytes = vec![0; SIZE];
        Pcg64Mcg::seed_from_u64(1).fill(&mut bytes[..]);
        let folder = tempfile::Builder::new().prefix("filbert-bench-").tempdir();
        let folder = folder.expect("a temporary directory");
        std::fs::write(folder.path().join("almond.bin"), &bytes).expect("a file");
        let digest: [u8; 20] = <sha1::Sha1 as sha1::Digest>::digest(&bytes).into();
        let sha1 = Sha1::from_bytes(digest);
        let mut tree = TreeHasher::new();
        tree.update(&bytes);
        let link = format!(
            "magnet:?xt=urn:bitprint:{sha1}.{}&xl={SIZE}&dn=almond.bin",
            tree.finish().root()
        );
        Self {
            bytes,
            folder,
            sha1,
            link,
        }
    }

    /// A seed that shares it, at the limit.
    fn seed(&self) -> Servent {
        let folder = self.folder.path().to_str().expect("a plain path");
        let limit = RATE.to_string();
        let settings = "[transfers]\nslots = 64\nslots_per_address = 64\n";
        let seed = Servent::start(settings, &["--share", folder, "--upload-limit", &limit]);
        let begun = Instant::now();
        while !self.ask(seed.address, "HEAD").1.starts_with("HTTP/1.1 200") {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is shared");
            std::thread::sleep(Duration::from_millis(50));
        }
        seed
    }

    /// How long the seed takes to give it to so many who give nothing, in seconds.
    fn served_to(&self, count: usize) -> f64 {
        let seed = self.seed();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    let (mut stream, head) = self.ask(seed.address, "GET");
                    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                    let mut bytes = Vec::with_capacity(SIZE);
                    stream.read_to_end(&mut bytes).expect("it serves");
                    assert!(bytes == self.bytes, "the bytes differ");
                });
            }
        });
        begun.elapsed().as_secs_f64()
    }

    /// How long so many servents take until all have it, in seconds, and how many copies the seed
    /// gave.
    fn shared_by(&self, count: usize) -> (f64, f64) {
        let seed = self.seed();
        let servents: Vec<Servent> = (0..count).map(|_| Servent::start("", &[])).collect();
        let clients: Vec<_> = servents.iter().map(Servent::client).collect();
        let (address, sha1) = (seed.address, &self.sha1);
        let target = format!(
            "{}&xs=http://{address}/uri-res/N2R?urn:sha1:{sha1}",
            self.link
        );
        let request = GetRequest { target, dir: None };
        let begun = Instant::now();
        let begin = |client| block_on(filbert::api::client::Client::get(client, &request));
        let mut states: Vec<_> = clients
            .iter()
            .map(|client| begin(client).expect("it begins"))
            .collect();
        for (state, client) in states.iter_mut().zip(&clients) {
            while !state.state.is_over() {
                let watch = Watch {
                    after: state.version,
                    wait_ms: 20_000,
                };
                *state = block_on(client.download(state.id, watch)).expect("it runs");
            }
        }
        let took = begun.elapsed().as_secs_f64();
        for state in states {
            assert_eq!(state.state, DownloadPhase::Done, "{state:?}");
            let bytes = std::fs::read(state.path.expect("it is done")).expect("a file");
            assert!(bytes == self.bytes, "the bytes differ");
        }
        let given = block_on(seed.client().status()).expect("it runs").exchanged;
        (took, given.given as f64 / SIZE as f64)
    }

    /// Asks for it on a connection of its own; gives that and the head of the answer.
    fn ask(&self, address: SocketAddr, method: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let request = format!(
            "{method} /uri-res/N2R?urn:sha1:{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            self.sha1
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        (stream, String::from_utf8(head).expect("text"))
    }
}
