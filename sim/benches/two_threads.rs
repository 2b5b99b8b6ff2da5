//! What two threads give: floods of servents in one part and in two, and beside them a bare
//! program that does nothing but wait for memory, on one thread and on two, so that it shows how
//! much two threads can give on this machine in this minute. They take turns; the best round of
//! each counts.
//!
//! `cargo bench -p filbert-sim --bench two_threads [-- SPEC TTL SOURCES ROUNDS [LATENCY] [wire]]`
//!
//! Without words it floods a million servents: `gnm:n=1000000,m=2500000 7 20 5`.

use std::hint;
use std::time::Instant;

use filbert::overlay::Profile;
use filbert::topology::{Graph, Spec};
use filbert_sim::arguments::Ttls;
use filbert_sim::flood::{Divided, Engine, Servents, flood_all};
use filbert_sim::network::Behaviour;
use filbert_sim::parallel::in_parallel;
use filbert_sim::random::{Purpose, generator};
use filbert_sim::sources::Sources;

fn main() {
    // What runs benches adds options of its own.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let word = |place: usize, default| words.get(place).map_or(default, String::as_str);
    let spec: Spec = word(0, "gnm:n=1000000,m=2500000").parse().expect("a graph");
    let ttls: Ttls = word(1, "7").parse().expect("a TTL");
    let sources = Sources::Random(word(2, "20").parse().expect("a number of sources"));
    let rounds: usize = word(3, "5").parse().expect("a number of rounds");
    let behaviour = Behaviour {
        profile: Profile {
            max_ttl: ttls.last(),
            ..Profile::CLASSIC
        },
        latency: word(4, "unit").parse().expect("a latency model"),
        wire: words.iter().any(|word| word == "wire"),
        query_routing: false,
    };

    let graph = spec
        .build(&mut generator(0, Purpose::Graph))
        .expect("there is such a graph");
    let sources = sources.choose(&graph, 0).expect("enough nodes");
    let whole = Servents::new(&graph, behaviour.clone(), 0);
    let halves = Divided::new(&graph, &behaviour, 2, 0).expect("copies take time");
    let mut whole = [whole];
    let mut halves = [halves];
    let mut bare = [Bare::new(&graph), Bare::new(&graph)];

    println!("million copies a second");
    let names = ["bare, one", "two", "servents, one", "two"];
    println!("{}", names.map(|name| format!("{name:>14}")).concat());
    let mut best = [0.0_f64; 4];
    for _ in 0..rounds {
        let round = [
            rate(|| flood_bare(&mut bare[..1], &sources, ttls.last())),
            rate(|| flood_bare(&mut bare, &sources, ttls.last())),
            rate(|| flood(&mut whole, &sources, ttls)),
            rate(|| flood(&mut halves, &sources, ttls)),
        ];
        println!("{}", round.map(|rate| format!("{rate:14.2}")).concat());
        for (best, rate) in best.iter_mut().zip(round) {
            *best = best.max(rate);
        }
    }
    println!(
        "{}   best",
        best.map(|rate| format!("{rate:14.2}")).concat()
    );
    let [one, two, whole, halves] = best;
    println!(
        "two threads give {:.2} bare, {:.2} servents",
        two / one,
        halves / whole
    );
}

/// Millions of copies in a second.
fn rate(flood: impl FnOnce() -> u64) -> f64 {
    let start = Instant::now();
    let copies = flood();
    copies as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn flood<E: Engine>(engines: &mut [E], sources: &[u32], ttls: Ttls) -> u64 {
    let floods = flood_all(engines, sources, ttls);
    floods.iter().flatten().map(|flood| flood.messages).sum()
}

/// All floods several times, shared out among as many threads.
fn flood_bare(threads: &mut [Bare<'_>], sources: &[u32], ttl: u8) -> u64 {
    let all: Vec<u32> = sources.repeat(TIMES);
    let share = all.len().div_ceil(threads.len());
    let work = threads.iter_mut().zip(all.chunks(share));
    let work = work.map(|(bare, sources)| {
        move || {
            sources
                .iter()
                .map(|&source| bare.flood(source, ttl))
                .sum::<u64>()
        }
    });
    in_parallel(work).into_iter().sum()
}

/// A flood over arrays, with a line of memory for each node.
struct Bare<'a> {
    graph: &'a Graph,
    nodes: Vec<Node>,
    floods: u64,
    now: Vec<u32>,
    next: Vec<u32>,
}

/// What a node knows.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Node {
    /// The last flood that reached it.
    last: u64,
    /// Copies that came.
    came: u64,
}

impl<'a> Bare<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            nodes: vec![Node::default(); graph.nodes()],
            floods: 0,
            now: Vec::new(),
            next: Vec::new(),
        }
    }

    /// Floods over links that all take the same time, and counts copies.
    fn flood(&mut self, source: u32, ttl: u8) -> u64 {
        self.floods += 1;
        self.nodes[source as usize].last = self.floods;
        self.now.push(source);
        let mut copies = 0;
        for hop in 0..ttl {
            for &node in &self.now {
                for &end in self.graph.neighbours(node) {
                    let node = &mut self.nodes[end as usize];
                    node.came += 1;
                    if node.last != self.floods {
                        node.last = self.floods;
                        self.next.push(end);
                    }
                }
                // Nobody sends back over the link that the query came from.
                copies += self.graph.degree(node) as u64 - u64::from(hop > 0);
            }
            self.now.clear();
            std::mem::swap(&mut self.now, &mut self.next);
        }
        self.now.clear();
        hint::black_box(&self.nodes);
        copies
    }
}

/// A bare flood takes less time than one of servents: it is done so many times.
const TIMES: usize = 4;
