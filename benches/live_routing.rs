//! What a live servent routes: unique queries come in over one plain link on loopback, three
//! neighbours behind it get each of them; descriptors in and out a CPU second of the servent's
//! own process.
//!
//! `cargo bench --bench live_routing [-- QUERIES]`

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use filbert::wire::query::Query;
use filbert::wire::{Descriptor, Guid, HEADER_LEN, Header, Kind};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// Neighbours that the queries go to.
const BEHIND: usize = 3;

fn main() {
    let queries = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000_usize);
    let home = tempfile::tempdir().expect("a temporary directory");
    let (mut servent, address) = start(home.path());
    let mut sender = link(address);
    let sinks: Vec<TcpStream> = (0..BEHIND).map(|_| link(address)).collect();

    let payload = Query::keywords("linux iso").expect("two words").encode();
    let size = HEADER_LEN + payload.len();
    let before = cpu_seconds(servent.id());
    let start = Instant::now();
    let readers: Vec<_> = sinks
        .into_iter()
        .map(|sink| std::thread::spawn(move || count(sink, queries, size)))
        .collect();
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut batch = Vec::with_capacity(size * 200);
    for number in 1..=queries {
        batch.extend_from_slice(&encode(&mut rng, &payload));
        if number % 200 == 0 || number == queries {
            sender.write_all(&batch).expect("the servent reads");
            batch.clear();
        }
    }
    let out: usize = readers
        .into_iter()
        .map(|reader| reader.join().expect("a reader"))
        .sum();
    let (cpu, seconds) = (
        cpu_seconds(servent.id()) - before,
        start.elapsed().as_secs_f64(),
    );
    servent.kill().expect("it runs");
    servent.wait().expect("it runs");
    let routed = (queries + out) as f64;
    println!("queries in {queries}, out {out} of {}", queries * BEHIND);
    println!("{seconds:.2} s, {cpu:.2} CPU s of the servent");
    println!("{:.0} descriptors in and out a CPU second", routed / cpu);
    println!("{:.0} queries a CPU second", queries as f64 / cpu);
}

/// Starts a servent in a process of its own.
fn start(home: &std::path::Path) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_filbert"))
        .args([
            "run",
            "--listen",
            "127.0.0.1:0",
            "--api",
            "127.0.0.1:0",
            "--home",
        ])
        .arg(home)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the servent starts");
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    let mut byte = [0];
    while !said.ends_with('\n') {
        assert_eq!(
            stderr.read(&mut byte).expect("it speaks"),
            1,
            "it ended: {said}"
        );
        said.push(char::from(byte[0]));
    }
    // Nobody may block it by not reading.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    let address = said
        .split("listening on ")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    (
        child,
        address
            .and_then(|text| text.parse().ok())
            .expect("it says where it listens"),
    )
}

/// A neighbour of the servent.
fn link(to: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("it listens");
    let hello = b"GNUTELLA CONNECT/0.6\r\nUser-Agent: bench/1\r\nX-Ultrapeer: True\r\n\
        X-Max-TTL: 4\r\n\r\n";
    stream.write_all(hello).expect("it reads");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("it answers");
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"GNUTELLA/0.6 200"), "refused");
    stream
        .write_all(b"GNUTELLA/0.6 200 OK\r\n\r\n")
        .expect("it reads");
    stream
}

fn encode(rng: &mut Pcg64Mcg, payload: &Bytes) -> Bytes {
    let header = Header {
        guid: Guid::random(rng),
        kind: Kind::Query,
        ttl: 4,
        hops: 0,
    };
    let payload = payload.clone();
    Descriptor { header, payload }.encode().expect("small")
}

/// Counts queries until all have come, or nothing comes any more.
fn count(mut stream: TcpStream, wanted: usize, size: usize) -> usize {
    let quiet = Some(std::time::Duration::from_secs(3));
    stream.set_read_timeout(quiet).expect("a socket");
    let (mut bytes, mut read) = (0, vec![0; 1 << 18]);
    // The handshake ping is a header more.
    while bytes < wanted * size {
        match stream.read(&mut read) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes += length,
        }
    }
    bytes / size
}

/// User and system time of a process, in seconds.
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .expect("a name")
        .split_whitespace()
        .collect();
    let ticks: u64 =
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
    // Linux counts them in hundredths everywhere.
    ticks as f64 / 100.0
}
