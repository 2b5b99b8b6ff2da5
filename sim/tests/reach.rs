//! The command `reach` against independent references, and against itself under every condition
//! that must not change its rows.

use std::collections::VecDeque;

use clap::Parser;
use filbert::topology::Graph;
use filbert_sim::arguments::{Arguments, Command};
use filbert_sim::reach;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

/// What `filbert-sim reach --format csv` prints with these arguments.
fn reach(arguments: &str) -> String {
    let words = ["filbert-sim", "reach", "--format", "csv"]
        .into_iter()
        .chain(arguments.split(' '));
    let Command::Reach(arguments) = Arguments::try_parse_from(words).unwrap().command else {
        panic!("not reach");
    };
    let (mut out, mut log) = (Vec::new(), Vec::new());
    reach::run(&arguments, &mut out, &mut log).unwrap();
    String::from_utf8(out).unwrap()
}

/// The last five columns of each row: source, ttl, reached, messages, duplicates.
fn numbers(csv: &str) -> Vec<[u64; 5]> {
    let row = |line: &str| {
        let mut columns = line
            .rsplitn(6, ',')
            .take(5)
            .map(|column| column.parse().unwrap());
        let mut row: [u64; 5] = std::array::from_fn(|_| columns.next().unwrap());
        row.reverse();
        row
    };
    csv.lines().skip(1).map(row).collect()
}

/// The reference rows of one graph, and its sources in their order.
fn reference(graph: &str) -> (String, String) {
    let all = std::fs::read_to_string(format!("{DATA}/reference.csv")).unwrap();
    let (header, rows) = all.split_once('\n').unwrap();
    let rows: Vec<&str> = rows
        .lines()
        .filter(|row| row.split(',').next() == Some(graph))
        .collect();
    let mut sources: Vec<&str> = rows
        .iter()
        .map(|row| row.split(',').nth(1).unwrap())
        .collect();
    sources.dedup();
    (
        format!("{header}\n{}\n", rows.join("\n")),
        sources.join(","),
    )
}

/// Floods by distance alone: whoever is within the TTL is reached, and everybody nearer than the
/// TTL passes the query on to all but one.
fn by_distance(graph: &Graph, source: u32, ttl: u64) -> (u64, u64) {
    let mut distances = vec![None; graph.nodes()];
    distances[source as usize] = Some(0);
    let mut queue = VecDeque::from([source]);
    let (mut reached, mut messages) = (0, graph.degree(source) as u64);
    while let Some(node) = queue.pop_front() {
        let distance: u64 = distances[node as usize].unwrap();
        if distance > 0 {
            reached += 1;
            messages += if distance < ttl {
                graph.degree(node) as u64 - 1
            } else {
                0
            };
        }
        for &neighbour in graph.neighbours(node).iter().filter(|_| distance < ttl) {
            if distances[neighbour as usize].is_none() {
                distances[neighbour as usize] = Some(distance + 1);
                queue.push_back(neighbour);
            }
        }
    }
    (reached, messages)
}

#[test]
fn a_tree_from_a_file_gives_the_reference_byte_for_byte() {
    let (rows, sources) = reference("tree4-d7");
    let found = reach(&format!(
        "--graph {DATA}/tree4-d7.txt --ttl 1-10 --sources {sources}"
    ));
    assert_eq!(found, rows);
    let counted = reach(&format!(
        "--graph {DATA}/tree4-d7.txt --ttl 1-10 --sources {sources} --engine graph"
    ));
    assert_eq!(counted, rows);
    let ritter = numbers(&reach(
        "--topology tree:degree=4,depth=7 --ttl 1-8 --sources 0",
    ));
    let reached: Vec<u64> = ritter.iter().map(|row| row[2]).collect();
    assert_eq!(reached, [4, 16, 52, 160, 484, 1456, 4372, 4372]);
}

#[test]
fn a_grid_full_of_duplicates_gives_the_reference() {
    let (rows, sources) = reference("grid-100x100");
    let arguments = format!("--topology grid:w=100,h=100 --ttl 1-10 --sources {sources}");
    assert_eq!(numbers(&reach(&arguments)), numbers(&rows));
    let counted = reach(&format!("{arguments} --engine graph"));
    assert_eq!(numbers(&counted), numbers(&rows));
}

#[test]
fn both_engines_agree() {
    for (spec, profiles) in [
        ("gnm:n=600,m=1500", &["classic", "public"][..]),
        ("ba:n=600,m=3", &["classic", "public"]),
        ("ws:n=600,k=4,p=0.1", &["classic"]),
        ("regular:n=40,d=39", &["public"]),
        (
            "two-tier:n=400,ultrapeers=0.15,degree=5,parents=3",
            &["classic"],
        ),
        (
            "two-tier:n=100,ultrapeers=0.5,degree=1,parents=1",
            &["classic"],
        ),
        (
            "two-tier:n=100,ultrapeers=0.03,degree=2,parents=2",
            &["classic"],
        ),
    ] {
        for profile in profiles {
            // Beyond 14 hops a leaf of the farthest ultrapeer would be too far for the protocol.
            let base = format!(
                "--topology {spec} --ttl 1-14 --sources random:20 --seed 5 --profile {profile}"
            );
            let counted = reach(&format!("{base} --engine graph"));
            let flooded = reach(&base);
            for (counted, flooded) in counted.lines().zip(flooded.lines()) {
                assert_eq!(counted, flooded, "{profile}");
            }
            let threads = reach(&format!("{base} --engine graph --threads 3"));
            assert!(counted == threads && counted.len() == flooded.len());
        }
    }
}

#[test]
fn floods_of_random_graphs_go_by_distance() {
    for spec in [
        "gnm:n=600,m=1500",
        "ba:n=600,m=3",
        "ws:n=600,k=4,p=0.1",
        "regular:n=600,d=4",
        "regular:n=40,d=39",
    ] {
        let csv = reach(&format!(
            "--topology {spec} --ttl 1-15 --sources random:8 --seed 5"
        ));
        let mut rng = filbert_sim::random::generator(5, filbert_sim::random::Purpose::Graph);
        let graph = spec
            .parse::<filbert::topology::Spec>()
            .unwrap()
            .build(&mut rng)
            .unwrap();
        for [source, ttl, reached, messages, duplicates] in numbers(&csv) {
            let expected = by_distance(&graph, graph.node(source).unwrap(), ttl);
            assert_eq!(
                (reached, messages),
                expected,
                "{spec} source {source} TTL {ttl}"
            );
            assert_eq!(duplicates, messages - reached);
        }
    }
}

#[test]
fn threads_and_the_wire_change_nothing() {
    for latency in ["unit", "uniform:10-100", "uniform:0-1", "lognormal:50,1"] {
        let base = format!(
            "--topology gnm:n=2000,m=5000 --ttl 3-7 --sources random:9 --seed 3 --latency {latency}"
        );
        let rows = reach(&base);
        assert_eq!(rows.lines().count(), 1 + 9 * 5);
        for change in ["--threads 2", "--threads 3", "--threads 20", "--wire"] {
            assert_eq!(
                reach(&format!("{base} {change}")),
                rows,
                "{latency} {change}"
            );
        }
        assert_ne!(reach(&base.replace("--seed 3", "--seed 4")), rows);
    }
}

#[test]
fn a_flood_does_not_depend_on_those_before_it() {
    let base = "--topology gnm:n=2000,m=5000 --latency uniform:10-100";
    let together = numbers(&reach(&format!("{base} --ttl 5-7 --sources 11,12,11")));
    let alone = numbers(&reach(&format!("{base} --ttl 6 --sources 11")));
    assert_eq!(together[1], alone[0]);
    assert_eq!(together[7], alone[0], "the same flood again");
}

/// PeerSim, an independent event heap and this agree on what random latencies cost: first copies
/// come by longer ways with less TTL left. The means are those of the experiments' document.
#[test]
fn random_latency_shortens_floods() {
    let mean = |latency: &str| {
        let rows = numbers(&reach(&format!(
            "--topology gnm:n=10000,m=25000 --ttl 7 --sources random:60 --latency {latency}"
        )));
        let sum = |column: usize| rows.iter().map(|row| row[column]).sum::<u64>() as f64;
        (sum(2) / rows.len() as f64, sum(3) / rows.len() as f64)
    };
    let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.04;
    let (reached, messages) = mean("unit");
    assert!(
        near(reached, 9_456.0) && near(messages, 32_152.0),
        "{reached} {messages}"
    );
    let (reached, messages) = mean("uniform:10-100");
    assert!(
        near(reached, 8_644.0) && near(messages, 19_489.0),
        "{reached} {messages}"
    );
}

#[test]
fn the_public_profile_goes_four_hops() {
    let tree = "--topology tree:degree=4,depth=7 --sources 0";
    let public = numbers(&reach(&format!("{tree} --ttl 7 --profile public")));
    let classic = numbers(&reach(&format!("{tree} --ttl 4")));
    assert_eq!(public[0][2..], classic[0][2..]);
}
