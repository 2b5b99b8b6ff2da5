//! How fast servents flood: one query at TTL 7 through ten thousand of them, in copies a second.

use divan::Bencher;
use divan::counter::ItemsCount;
use filbert::overlay::Profile;
use filbert::topology::Spec;
use filbert_sim::network::{Behaviour, Network};
use filbert_sim::random::{Purpose, generator};

fn main() {
    divan::main();
}

#[divan::bench(args = ["unit", "uniform:10-100"])]
fn flood(bencher: Bencher<'_, '_>, latency: &str) {
    run(bencher, latency, false);
}

#[divan::bench]
fn flood_over_the_wire(bencher: Bencher<'_, '_>) {
    run(bencher, "unit", true);
}

fn run(bencher: Bencher<'_, '_>, latency: &str, wire: bool) {
    let spec = Spec::Regular { n: 10_000, d: 5 };
    let graph = spec
        .build(&mut generator(1, Purpose::Graph))
        .expect("there are such graphs");
    let latency = latency.parse().expect("a latency model");
    let behaviour = Behaviour {
        profile: Profile::CLASSIC,
        latency,
        wire,
        query_routing: false,
    };
    let mut network = Network::new(
        &graph,
        None,
        behaviour,
        &mut generator(1, Purpose::Servents),
    );
    let mut flood = || {
        network.flood(
            0,
            7,
            &mut generator(1, Purpose::Flood { source: 0, ttl: 7 }),
        )
    };
    bencher
        .counter(ItemsCount::new(flood().messages))
        .bench_local(flood);
}
