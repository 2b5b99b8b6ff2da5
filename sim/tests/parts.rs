//! Floods in parts: the whole network on one thread is the oracle, and whatever it says they say,
//! byte for byte.

use clap::Parser;
use filbert_sim::arguments::{Arguments, Command};
use filbert_sim::{Error, reach};

/// What `filbert-sim reach --format csv` prints with these arguments.
fn try_reach(arguments: &str) -> Result<String, Error> {
    let words = ["filbert-sim", "reach", "--format", "csv"]
        .into_iter()
        .chain(arguments.split(' '));
    let Command::Reach(arguments) = Arguments::try_parse_from(words).unwrap().command else {
        panic!("not reach");
    };
    let mut out = Vec::new();
    reach::run(&arguments, &mut out, &mut Vec::new())?;
    Ok(String::from_utf8(out).unwrap())
}

fn reach(arguments: &str) -> String {
    try_reach(arguments).unwrap()
}

/// Compares the rows of a flood in parts with those of the whole.
fn agree(base: &str, changes: &[&str]) {
    let whole = reach(base);
    for change in changes {
        let parts = reach(&format!("{base} {change}"));
        assert_eq!(parts, whole, "{base} {change}");
    }
}

const PARTS: [&str; 4] = ["--parts 2", "--parts 3", "--parts 4", "--parts 2 --wire"];

fn all_latencies(graph: &str) {
    // Copies that arrive at one time; few and many windows; draws of one number and of two.
    for latency in ["unit", "uniform:10-100", "uniform:1-2", "lognormal:50,0.5"] {
        let base =
            format!("--topology {graph} --ttl 5-6 --sources random:2 --seed 3 --latency {latency}");
        agree(&base, &PARTS);
    }
}

#[test]
fn parts_of_a_uniformly_random_graph_do_what_the_whole_does() {
    all_latencies("gnm:n=1000,m=2500");
}

#[test]
fn parts_of_a_graph_with_hubs_do_what_the_whole_does() {
    all_latencies("ba:n=900,m=3");
}

#[test]
fn parts_of_a_regular_graph_do_what_the_whole_does() {
    all_latencies("regular:n=1000,d=4");
}

#[test]
fn parts_of_two_tiers_do_what_the_whole_does() {
    all_latencies("two-tier:n=1000,ultrapeers=0.2,degree=6,parents=2");
}

/// Copies that come at the same time with different TTLs, copies that go on a second time, and
/// places between which a copy takes different times.
#[test]
fn ties_are_broken_as_in_the_whole() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "4 20 90\n20 6 40\n90 40 4\n").unwrap();
    let graph = "--topology gnm:n=1000,m=2500 --sources random:3 --ttl 5-7";
    agree(
        &format!("{graph} --profile public --latency uniform:1-2"),
        &PARTS,
    );
    agree(
        &format!("{graph} --latency matrix:{}", file.path().display()),
        &PARTS,
    );
    agree(&format!("{graph} --latency uniform:7-7"), &PARTS);
}

#[test]
fn there_may_be_more_parts_than_nodes_and_more_threads_than_sources() {
    let grid = "--topology grid:w=3,h=2 --ttl 1-4 --sources 0,1,2,3,4,5";
    agree(
        grid,
        &[
            "--parts 8",
            "--threads 2 --parts 2",
            "--threads 9 --parts 2",
        ],
    );
}

#[test]
fn what_cannot_be_done_in_parts_is_refused() {
    let graph = "--topology gnm:n=100,m=200 --ttl 3 --parts 2";
    for (change, complaint) in [
        (
            "--latency uniform:0-5",
            "--parts needs a latency that is never 0",
        ),
        ("--engine graph", "leave out --parts"),
    ] {
        let error = try_reach(&format!("{graph} {change}")).unwrap_err();
        assert!(error.to_string().contains(complaint), "{error}");
    }
}
