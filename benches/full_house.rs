//! A servent with every place taken: 32 neighbours and 300 leaves, all links compressed, half of
//! them encrypted, a routing table from each leaf. How much memory that takes at rest and under
//! load, how much of a core, and how long a query takes from one neighbour to another.
//!
//! `cargo bench --bench full_house [-- SECONDS]`

mod servent;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use filbert::net::handshake::{self, Judgement, Policy, Shaken, Tls};
use filbert::net::link::{self, Outbox, Taken};
use filbert::net::tls::{Ends, Identity};
use filbert::net::{Rewind, Stream};
use filbert::overlay::query_routing::{TableBuilder, updates};
use filbert::runtime;
use filbert::wire::handshake::{Greeting, Version};
use filbert::wire::query::Query;
use filbert::wire::{Descriptor, Guid, Header, Kind};
use futures::FutureExt;
use futures::future::{self, Either};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use servent::Servent;

const NEIGHBOURS: usize = 32;
const LEAVES: usize = 300;
/// Files whose words are in the table of a leaf.
const FILES: usize = 100;
/// Queries that each neighbour sends a second; the servent passes each on to 31 others.
const RATE: u64 = 25;
/// Different words in names and queries.
const WORDS: u32 = 20_000;

fn main() {
    let seconds = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(20);
    let servent = Servent::start("", &["--tls", "offer", "--compress", "yes"]);
    let empty = servent.resident();
    runtime::block_on(async {
        let house = Arc::new(House::new());
        let leaves: Vec<Peer> = house.open(&servent, LEAVES, false).await;
        let neighbours: Vec<Peer> = house.open(&servent, NEIGHBOURS, true).await;
        runtime::sleep(Duration::from_secs(3)).await;
        println!("resident, nobody there: {empty:.1} MiB");
        println!(
            "resident, {NEIGHBOURS} neighbours and {LEAVES} leaves at rest: {:.1} MiB",
            servent.resident()
        );
        let (cpu, start) = (servent.cpu_seconds(), Instant::now());
        let mut highest = servent.resident();
        let mut rng = Pcg64Mcg::seed_from_u64(7);
        let rounds = seconds * RATE;
        for round in 0..rounds {
            for neighbour in &neighbours {
                house.ask(neighbour, &mut rng);
            }
            if round % RATE == 0 {
                highest = highest.max(servent.resident());
            }
            let due = start + Duration::from_millis(1_000 * (round + 1) / RATE);
            runtime::sleep(due.saturating_duration_since(Instant::now())).await;
        }
        let took = start.elapsed().as_secs_f64();
        runtime::sleep(Duration::from_secs(2)).await;
        house.report(took, servent.cpu_seconds() - cpu, highest);
        house.over.store(true, Ordering::Relaxed);
        drop((leaves, neighbours));
    });
}

/// What all peers share.
struct House {
    policies: [Policy; 2],
    /// When each query was sent, by its GUID.
    sent: Mutex<HashMap<Guid, Instant>>,
    /// Times to a neighbour, in microseconds.
    times: Mutex<Vec<u64>>,
    to_leaves: AtomicU64,
    /// The servent may go.
    over: AtomicBool,
}

/// A peer that plays neighbour or leaf.
struct Peer {
    outbox: Arc<Waiting>,
}

impl House {
    fn new() -> Self {
        let identity = Identity::generate().expect("randomness");
        let ends = Ends::new(&identity).expect("a sound identity");
        let plain = Policy::default();
        let encrypted = Policy {
            tls: Tls::Offer(ends),
            ..Policy::default()
        };
        Self {
            policies: [plain, encrypted],
            sent: Mutex::default(),
            times: Mutex::default(),
            to_leaves: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Opens links to the servent, every other one encrypted.
    async fn open(self: &Arc<Self>, servent: &Servent, count: usize, ultrapeer: bool) -> Vec<Peer> {
        let mut peers = Vec::new();
        for number in 0..count {
            let stream = runtime::TcpStream::connect(servent.address).await;
            let stream = Rewind::new(Bytes::new(), Stream::from(stream.expect("it listens")));
            let ours = greeting(ultrapeer).to_headers();
            let policy = &self.policies[number % 2];
            let accept = |_: &_| Judgement::Accept(Default::default());
            let shaken = handshake::initiate(stream, ours, policy, accept).await;
            let shaken = shaken.expect("it takes us");
            assert!(shaken.compressed_in && shaken.compressed_out);
            assert_eq!(shaken.tls, number % 2 == 1);
            let outbox = Arc::new(Waiting::default());
            if !ultrapeer {
                outbox.push(tables(number));
            }
            let live = Arc::clone(self).live(shaken, Arc::clone(&outbox), ultrapeer);
            runtime::spawn_detached(live);
            peers.push(Peer { outbox });
        }
        peers
    }

    async fn live(self: Arc<Self>, shaken: Shaken, outbox: Arc<Waiting>, ultrapeer: bool) {
        let Shaken { reader, writer, .. } = shaken;
        let answers = Arc::clone(&outbox);
        let on_batch = |batch: &mut Vec<Descriptor>| {
            for descriptor in batch.drain(..) {
                match descriptor.header.kind {
                    Kind::Query if ultrapeer => self.arrived(descriptor.header.guid),
                    Kind::Query => {
                        self.to_leaves.fetch_add(1, Ordering::Relaxed);
                    }
                    Kind::Ping => answers.push(vec![pong(&descriptor)]),
                    _ => {}
                }
            }
            ControlFlow::Continue(Duration::ZERO)
        };
        let patience = Duration::from_secs(600);
        let reading = link::read(reader, patience, on_batch);
        let writing = link::write(writer, patience, &*outbox);
        let ended = match future::select(reading.boxed(), writing.boxed()).await {
            Either::Left((ended, _)) => format!("{ended:?}"),
            Either::Right((ended, _)) => format!("{ended:?}"),
        };
        let over = self.over.load(Ordering::Relaxed);
        assert!(over, "the servent ended a link: {ended}");
    }

    fn ask(&self, neighbour: &Peer, rng: &mut Pcg64Mcg) {
        let words = format!("{} {}", word(rng), word(rng));
        let payload = Query::keywords(&words).expect("two words").encode();
        let header = Header {
            guid: Guid::random(rng),
            kind: Kind::Query,
            ttl: 3,
            hops: 1,
        };
        let mut sent = self.sent.lock().expect("nobody panics");
        sent.insert(header.guid, Instant::now());
        drop(sent);
        neighbour.outbox.push(vec![Descriptor { header, payload }]);
    }

    fn arrived(&self, query: Guid) {
        let sent = self
            .sent
            .lock()
            .expect("nobody panics")
            .get(&query)
            .copied();
        if let Some(sent) = sent {
            let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.times.lock().expect("nobody panics").push(micros);
        }
    }

    fn report(&self, seconds: f64, cpu: f64, highest: f64) {
        let mut times = self.times.lock().expect("nobody panics");
        times.sort_unstable();
        let asked = self.sent.lock().expect("nobody panics").len();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100] as f64 / 1e3;
        println!("under load, at most: {highest:.1} MiB");
        println!(
            "{asked} queries in {seconds:.1} s, {} of {} copies to neighbours, {} to leaves",
            times.len(),
            asked * (NEIGHBOURS - 1),
            self.to_leaves.load(Ordering::Relaxed)
        );
        println!("{:.0} % of a core", 100.0 * cpu / seconds);
        println!(
            "from neighbour to neighbour: {:.1} ms in the middle, {:.1} ms of 99 %, {:.1} ms at most",
            at(50),
            at(99),
            at(100)
        );
    }
}

/// What waits for the servent.
#[derive(Default)]
struct Waiting {
    descriptors: Mutex<Vec<Descriptor>>,
    waker: futures::task::AtomicWaker,
}

impl Waiting {
    fn push(&self, more: Vec<Descriptor>) {
        self.descriptors.lock().expect("nobody panics").extend(more);
        self.waker.wake();
    }
}

impl Outbox for &Waiting {
    fn poll_take(&self, cx: &mut Context<'_>, batch: &mut Vec<Descriptor>) -> Poll<Taken> {
        self.waker.register(cx.waker());
        batch.append(&mut self.descriptors.lock().expect("nobody panics"));
        match batch.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(Taken::More),
        }
    }
}

fn greeting(ultrapeer: bool) -> Greeting {
    Greeting {
        agent: Some("bench/1".to_owned()),
        ultrapeer: Some(ultrapeer),
        query_routing: Some(Version { major: 0, minor: 2 }),
        ultrapeer_query_routing: true,
        dynamic_querying: true,
        ext_probes: ultrapeer,
        max_ttl: Some(4),
        degree: Some(32),
        requeries: Some(false),
        ggep: true,
        bye: true,
        ..Greeting::default()
    }
}

/// The routing table of a leaf, as its first updates.
fn tables(leaf: usize) -> Vec<Descriptor> {
    let mut rng = Pcg64Mcg::seed_from_u64(leaf as u64);
    let mut builder = TableBuilder::default();
    for _ in 0..FILES {
        builder.name(&format!(
            "{} {} {}.ogg",
            word(&mut rng),
            word(&mut rng),
            word(&mut rng)
        ));
    }
    let table = builder.build();
    let descriptor = |update: filbert::wire::route_table_update::RouteTableUpdate| Descriptor {
        header: Header {
            guid: Guid::random(&mut rng),
            kind: Kind::RouteTableUpdate,
            ttl: 1,
            hops: 0,
        },
        payload: update.encode(),
    };
    updates(None, &table).into_iter().map(descriptor).collect()
}

/// A word that names and queries have; some are in many of them, most in few.
fn word(rng: &mut Pcg64Mcg) -> String {
    let most = rng.random_range(1..=WORDS);
    format!("word{}", rng.random_range(0..most))
}

/// The answer to a ping.
fn pong(ping: &Descriptor) -> Descriptor {
    Descriptor {
        header: Header {
            kind: Kind::Pong,
            ttl: 1,
            hops: 0,
            ..ping.header
        },
        payload: Bytes::from_static(&[202, 24, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    }
}
