//! The command `reach`: floods a query for every source and TTL, and tells whom it reached and
//! what it cost.

use std::io::Write;
use std::time::Instant;

use filbert::topology::Graph;

use crate::Error;
use crate::arguments::{Engine, Profile, Reach, Ttls};
use crate::flood::{self, Bare, Divided, Servents, build, flood_all};
use crate::latency::Latency;
use crate::memory;
use crate::network::Behaviour;
use crate::outcome::Flood;
use crate::report::{self, Row, Run};

/// Runs the command; `out` takes the rows and `log` what the run cost.
///
/// # Errors
/// When the graph or the sources cannot be had, the engine does not know what was asked, or the
/// rows cannot be written.
pub fn run(arguments: &Reach, out: &mut impl Write, log: &mut impl Write) -> Result<(), Error> {
    let before = memory::resident();
    let (name, graph) = arguments.origin.load(arguments.seed)?;
    check(arguments, &graph)?;
    let sources = arguments.sources.choose(&graph, arguments.seed)?;
    let threads = usize::from(arguments.threads).min(sources.len());
    let subject = Subject {
        arguments,
        before,
        name: &name,
        graph: &graph,
        sources: &sources,
    };
    let (rows, run) = match arguments.engine {
        Engine::Servents => {
            let behaviour = Behaviour {
                profile: arguments.profile.rules(arguments.ttl.last()),
                latency: arguments.latency.clone(),
                wire: arguments.wire,
                query_routing: false,
            };
            let seed = arguments.seed;
            if arguments.parts > 1 {
                let parts = arguments.parts.into();
                let new = |graph| Divided::new(graph, &behaviour, parts, seed);
                let engines: Option<Vec<_>> = build(&graph, threads, new).into_iter().collect();
                subject.flood(engines.ok_or(Error::NoTime)?)
            } else {
                let new = |graph| Servents::new(graph, behaviour.clone(), seed);
                subject.flood(build(&graph, threads, new))
            }
        }
        Engine::Graph => {
            let new = |graph| Bare::new(graph, arguments.profile);
            subject.flood(build(&graph, threads, new))
        }
    };
    report::write(&rows, &run, arguments.format, out)?;
    out.flush()?;
    // The rows are what was asked for: nothing is lost when nobody reads this.
    let _ = report::write_run(&run, log);
    Ok(())
}

/// Whether the engine can tell what is asked of it.
fn check(arguments: &Reach, graph: &Graph) -> Result<(), Error> {
    if arguments.engine == Engine::Servents {
        return Ok(());
    }
    if arguments.latency != Latency::Unit {
        return Err(Error::BareGraph("--latency"));
    }
    if arguments.parts > 1 {
        return Err(Error::BareGraph("--parts"));
    }
    if arguments.wire {
        return Err(Error::BareGraph("--wire"));
    }
    // There a later copy may go further: ultrapeers ask for a leaf with a TTL of their own.
    if arguments.profile == Profile::Public && graph.has_leaves() {
        return Err(Error::BareGraph("--profile public in two tiers"));
    }
    Ok(())
}

/// What is flooded.
struct Subject<'a> {
    arguments: &'a Reach,
    /// Memory that was resident before there was a graph.
    before: Option<u64>,
    name: &'a str,
    graph: &'a Graph,
    sources: &'a [u32],
}

impl Subject<'_> {
    /// Floods with these engines and tells what that cost.
    fn flood<E: flood::Engine>(&self, mut engines: Vec<E>) -> (Vec<Row>, Run) {
        let threads = engines.iter().map(flood::Engine::threads).sum();
        let servents = (self.graph.nodes() * engines.len()).max(1) as u64;
        let bytes_per_servent = Option::zip(memory::resident(), self.before)
            .map(|(after, before)| after.saturating_sub(before) / servents);
        let ttls = self.arguments.ttl;

        let start = Instant::now();
        let floods = flood_all(&mut engines, self.sources, ttls);
        let elapsed = start.elapsed();

        let messages = floods.iter().flatten().map(|flood| flood.messages).sum();
        let per_second = u128::from(messages) * NANOSECONDS / elapsed.as_nanos().max(1);
        let run = Run {
            seconds: elapsed.as_secs_f64(),
            messages,
            messages_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            peak_bytes: memory::peak(),
            bytes_per_servent,
            threads,
            seed: self.arguments.seed,
        };
        let rows = rows(self.name, self.graph, self.sources, ttls, &floods);
        (rows, run)
    }
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
