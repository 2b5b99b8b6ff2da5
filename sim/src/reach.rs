//! The command `reach`: floods a query for every source and TTL, and tells whom it reached and
//! what it cost.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use filbert::topology::Graph;

use crate::Error;
use crate::arguments::{Reach, Ttls};
use crate::memory;
use crate::network::{Behaviour, Network};
use crate::outcome::Flood;
use crate::parallel::in_parallel;
use crate::random::{Purpose, generator};
use crate::report::{self, Row, Run};

/// Runs the command; `out` takes the rows and `log` what the run cost.
///
/// # Errors
/// When the graph or the sources cannot be had, or the rows cannot be written.
pub fn run(arguments: &Reach, out: &mut impl Write, log: &mut impl Write) -> Result<(), Error> {
    let before = memory::resident();
    let (name, graph) = arguments.origin.load(arguments.seed)?;
    let sources = arguments.sources.choose(&graph, arguments.seed)?;
    let threads = usize::from(arguments.threads).min(sources.len());
    let mut networks = build(&graph, arguments, threads);
    let servents = (graph.nodes() * threads) as u64;
    let bytes_per_servent = Option::zip(memory::resident(), before)
        .map(|(after, before)| after.saturating_sub(before) / servents);

    let start = Instant::now();
    let floods = flood_all(
        &mut networks,
        &graph,
        &sources,
        arguments.ttl,
        arguments.seed,
    );
    let elapsed = start.elapsed();

    let rows = rows(&name, &graph, &sources, arguments.ttl, &floods);
    let messages = floods.iter().flatten().map(|flood| flood.messages).sum();
    let per_second = u128::from(messages) * NANOSECONDS / elapsed.as_nanos().max(1);
    let run = Run {
        seconds: elapsed.as_secs_f64(),
        messages,
        messages_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
        peak_bytes: memory::peak(),
        bytes_per_servent,
        threads,
        seed: arguments.seed,
    };
    report::write(&rows, &run, arguments.format, out)?;
    out.flush()?;
    // The rows are what was asked for: nothing is lost when nobody reads this.
    let _ = report::write_run(&run, log);
    Ok(())
}

/// As many equal networks as there are threads.
fn build<'a>(graph: &'a Graph, arguments: &Reach, threads: usize) -> Vec<Network<'a>> {
    let profile = arguments.profile.rules(arguments.ttl.last());
    let Reach {
        latency,
        wire,
        seed,
        ..
    } = *arguments;
    let behaviour = Behaviour {
        profile,
        latency,
        wire,
        query_routing: false,
    };
    let network = || {
        Network::new(
            graph,
            None,
            behaviour,
            &mut generator(seed, Purpose::Servents),
        )
    };
    in_parallel((0..threads).map(|_| network))
}

/// The floods of each source, in the order of sources. Each thread takes the next source that
/// nobody took; what a flood does depends on its source and TTL alone.
fn flood_all(
    networks: &mut [Network<'_>],
    graph: &Graph,
    sources: &[u32],
    ttls: Ttls,
    seed: u64,
) -> Vec<Vec<Flood>> {
    let next = AtomicUsize::new(0);
    let work = networks.iter_mut().map(|network| {
        || {
            let mut done = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(&source) = sources.get(place) else {
                    return done;
                };
                let floods = ttls.iter().map(|ttl| {
                    let purpose = Purpose::Flood {
                        source: graph.id(source),
                        ttl,
                    };
                    network.flood(source, ttl, &mut generator(seed, purpose))
                });
                done.push((place, floods.collect()));
            }
        }
    });
    let mut floods: Vec<(usize, Vec<Flood>)> = in_parallel(work).into_iter().flatten().collect();
    floods.sort_unstable_by_key(|&(place, _)| place);
    floods.into_iter().map(|(_, floods)| floods).collect()
}

fn rows(name: &str, graph: &Graph, sources: &[u32], ttls: Ttls, floods: &[Vec<Flood>]) -> Vec<Row> {
    let row = |source, (ttl, &Flood { reached, messages })| Row {
        graph: name.to_owned(),
        source,
        ttl,
        reached,
        messages,
        duplicates: messages - reached,
    };
    let of_source = |(&source, floods)| {
        ttls.iter()
            .zip(floods)
            .map(move |flood| row(graph.id(source), flood))
    };
    sources.iter().zip(floods).flat_map(of_source).collect()
}

/// Nanoseconds in a second.
const NANOSECONDS: u128 = 1_000_000_000;
