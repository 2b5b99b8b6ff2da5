//! What a live servent routes: unique queries come in over one plain link on loopback, three
//! neighbours behind it get each of them; descriptors in and out a CPU second of the servent's
//! own process.
//!
//! The sender keeps so many queries on their way that the servent is never idle, and no more than
//! its queues hold, so that nothing is dropped and every copy counts.
//!
//! `cargo bench --bench live_routing [-- QUERIES]`

mod servent;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use filbert::wire::query::Query;
use filbert::wire::{Descriptor, Guid, HEADER_LEN, Header, Kind};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use servent::Servent;

/// Neighbours that the queries go to.
const BEHIND: usize = 3;
/// Queries on their way at once.
const WINDOW: usize = 20_000;
/// Queries written at once.
const BATCH: usize = 200;

fn main() {
    let queries = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000_usize);
    // Room for what is on its way, and no cap on what one neighbour asks.
    let servent = Servent::start(
        "[limits]\nqueue_bytes = 8388608\nprivate_queries_per_minute = 0\n\
         descriptors_per_minute = 0\n",
        &[],
    );
    let mut sender = link(servent.address);
    let sinks: Vec<TcpStream> = (0..BEHIND).map(|_| link(servent.address)).collect();

    let payload = Query::keywords("linux iso").expect("two words").encode();
    let size = HEADER_LEN + payload.len();
    let before = servent.cpu_seconds();
    let start = Instant::now();
    let arrived: Vec<_> = (0..BEHIND).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let readers: Vec<_> = sinks
        .into_iter()
        .zip(&arrived)
        .map(|(sink, arrived)| {
            let arrived = Arc::clone(arrived);
            std::thread::spawn(move || count(sink, queries, size, &arrived))
        })
        .collect();
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut batch = Vec::with_capacity(size * BATCH);
    let mut stuck = None;
    for number in 1..=queries {
        batch.extend_from_slice(&encode(&mut rng, &payload));
        if number % BATCH == 0 || number == queries {
            sender.write_all(&batch).expect("the servent reads");
            batch.clear();
            while number > WINDOW + slowest(&arrived) {
                let since = *stuck.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_secs(3) {
                    // Some were dropped: then the window never opens again.
                    break;
                }
                std::thread::sleep(Duration::from_micros(50));
            }
            stuck = stuck.filter(|_| number > WINDOW + slowest(&arrived));
        }
    }
    let out: usize = readers
        .into_iter()
        .map(|reader| reader.join().expect("a reader"))
        .sum();
    let (cpu, seconds) = (
        servent.cpu_seconds() - before,
        start.elapsed().as_secs_f64(),
    );
    let routed = (queries + out) as f64;
    println!("queries in {queries}, out {out} of {}", queries * BEHIND);
    let resident = servent.resident();
    println!(
        "{seconds:.2} s, {cpu:.2} CPU s of the servent, {resident:.0} MiB resident at the end"
    );
    println!("{:.0} descriptors in and out a CPU second", routed / cpu);
    println!("{:.0} queries a CPU second", queries as f64 / cpu);
}

fn slowest(arrived: &[Arc<AtomicUsize>]) -> usize {
    let counts = arrived.iter().map(|count| count.load(Ordering::Relaxed));
    counts.min().unwrap_or(0)
}

/// A neighbour of the servent.
fn link(to: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("it listens");
    let hello = b"GNUTELLA CONNECT/0.6\r\nUser-Agent: bench/1\r\nX-Ultrapeer: True\r\n\
        X-Dynamic-Querying: 0.1\r\nX-Max-TTL: 4\r\n\r\n";
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
fn count(mut stream: TcpStream, wanted: usize, size: usize, arrived: &AtomicUsize) -> usize {
    let quiet = Some(Duration::from_secs(5));
    stream.set_read_timeout(quiet).expect("a socket");
    let (mut bytes, mut read) = (0, vec![0; 1 << 18]);
    // The handshake ping is a header more.
    while bytes < wanted * size {
        match stream.read(&mut read) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes += length,
        }
        arrived.store(bytes / size, Ordering::Relaxed);
    }
    bytes / size
}
