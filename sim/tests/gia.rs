//! Gia as an experiment: the rows that a file and a seed decide, and what is wrong with files.

use filbert_sim::experiment::{File, Findings, Measure, Row, Table};
use filbert_sim::progress::Progress;
use filbert_sim::results;
use filbert_sim::run;

const SMALL: &str = r#"
    title = "small"
    replicas = 2
    [network]
    topology = "gnm:n=100,m=400"
    engine = "graph"
    largest_component = true
    [gia]
    replication = 0.02
    queries = 50
    settle = 20.0
    patience_seconds = 0.5
    capacities = [[1, 0.2], [10, 0.5], [100, 0.3]]
    [[gia.variant]]
    name = "gia"
    mechanisms = ["adaptation", "bias", "replication", "tokens"]
    [[gia.variant]]
    name = "walk"
    [[gia.variant]]
    name = "flood"
    search = "flood"
    [[claim]]
    says = "Gia bears more than floods"
    measure = "collapse_rate"
    variant = "gia"
    over = { variant = "flood" }
    at_least = 1.0
    unverified = true
"#;

fn rows(file: &File, seed: u64, threads: usize) -> Vec<Row> {
    run::conduct(file, seed, threads, &Progress::quiet()).unwrap()
}

#[test]
fn the_file_and_the_seed_decide_every_row_and_gia_bears_most() {
    let file = File::parse(SMALL).unwrap();
    let found = rows(&file, 1, 1);
    assert_eq!(found.len(), 2 * 3);
    let csv = results::csv(&found).unwrap();
    assert_eq!(results::csv(&rows(&file, 1, 2)).unwrap(), csv);
    assert_ne!(results::csv(&rows(&file, 2, 2)).unwrap(), csv);
    for replica in found.chunks(3) {
        let rate = |row: &Row| Measure::CollapseRate.of(row).unwrap();
        assert!(rate(&replica[0]) > rate(&replica[1]) && rate(&replica[1]) > 0.0);
        assert!(rate(&replica[0]) > rate(&replica[2]) && rate(&replica[2]) > 0.0);
    }
    let findings = Findings::of(&file, &Table::default(), 1, &found);
    assert_eq!(findings.claims[0].verdict.name(), "unverified");
}

#[test]
fn every_mistake_is_told() {
    for (old, new, complaint) in [
        ("replication = 0.02", "replication = 0.0", "above 0"),
        ("[100, 0.3]", "[100, 0.4]", "their shares make 1"),
        ("settle", "setle", "unknown field `setle`"),
        (
            "search = \"flood\"",
            "search = \"flood\"\nmechanisms = [\"bias\"]",
            "no use for bias",
        ),
        ("engine = \"graph\"", "", "use engine = \"graph\""),
        (
            "name = \"walk\"",
            "name = \"gia\"",
            "two variants have the same name",
        ),
        ("\"tokens\"]", "\"luck\"]", "unknown variant `luck`"),
    ] {
        let error = File::parse(&SMALL.replacen(old, new, 1)).unwrap_err();
        assert!(error.contains(complaint), "{new}: {error}");
    }
}
