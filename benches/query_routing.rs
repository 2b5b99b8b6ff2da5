//! Query routing: a query against the tables of an ultrapeer's leaves, and the tables themselves.
//!
//! `cargo bench --bench query_routing`

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use filbert::overlay::Link;
use filbert::overlay::limits::Limits;
use filbert::overlay::query_routing::updates;
use filbert::overlay::query_routing::{LookedUp, NeighbourTables, Receiver, Table, TableBuilder};
use filbert::wire::query::Query;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

fn main() {
    divan::main();
}

const LEAVES: u32 = 300;

/// How many different queries are asked in turn.
const QUERIES: u32 = 100;

/// The table of a leaf with so many words of eight letters, three slots each. Each query matches three leaves of 300.
fn leaf(leaf: u32, words: u32, rng: &mut Pcg64Mcg) -> Table {
    let mut builder = TableBuilder::default();
    for _ in 0..words {
        builder.name(&format!("{:08x}", rng.random::<u32>()));
    }
    for query in (0..QUERIES).filter(|query| (leaf + query).is_multiple_of(100)) {
        builder.name(&text(query));
    }
    builder.build()
}

fn text(query: u32) -> String {
    format!("first{query} second{query}")
}

fn leaves(words: u32) -> Vec<Table> {
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    (0..LEAVES).map(|n| leaf(n, words, &mut rng)).collect()
}

fn lookups() -> impl Iterator<Item = LookedUp> {
    let query = |n| Query::keywords(&text(n)).expect("two words");
    (0..QUERIES).map(move |n| LookedUp::new(&query(n)))
}

/// A query of two words to 300 leaves of which three match, with so many words in each table.
#[divan::bench(args = [30, 300, 1_000])]
fn route_to_leaves(bencher: Bencher<'_, '_>, words: u32) {
    let mut tables = NeighbourTables::default();
    for (link, table) in (0..).map(Link).zip(leaves(words)) {
        tables.insert(link, table);
    }
    let queries: Vec<LookedUp> = lookups().collect();
    let mut queries = queries.iter().cycle();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        let mut found = 0;
        tables.for_each_match(queries.next().expect("endless"), |_| found += 1);
        assert!(found >= 3);
        found
    });
}

/// The same by asking every table.
#[divan::bench(args = [30, 300, 1_000])]
fn ask_every_leaf(bencher: Bencher<'_, '_>, words: u32) {
    let tables = leaves(words);
    let queries: Vec<LookedUp> = lookups().collect();
    let mut queries = queries.iter().cycle();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        let query = queries.next().expect("endless");
        tables.iter().filter(|table| table.matches(query)).count()
    });
}

/// Hashing the words of a query.
#[divan::bench]
fn look_up(bencher: Bencher<'_, '_>) {
    let query = Query::keywords("linux iso").expect("two words");
    bencher.bench(|| LookedUp::new(black_box(&query)));
}

/// What other ultrapeers are told: the tables of 300 leaves in one.
#[divan::bench(args = [300, 1_000])]
fn aggregate(bencher: Bencher<'_, '_>, words: u32) {
    let tables = leaves(words);
    bencher.bench(|| Table::aggregate(&tables));
}

/// A leaf's table, told in full and put together.
#[divan::bench(args = [300, 1_000])]
fn tell_and_receive(bencher: Bencher<'_, '_>, words: u32) {
    let (tables, limits) = (leaves(words), Limits::default());
    let mut tables = tables.iter().cycle();
    bencher.bench_local(|| {
        let mut receiver = Receiver::leaf();
        for update in updates(None, tables.next().expect("endless")) {
            black_box(receiver.receive(&update, &limits)).expect("well formed");
        }
    });
}
