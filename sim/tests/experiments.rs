//! The command `run`: named experiments at a size that suits a test, and the same rows whatever
//! must not change them.

use std::path::PathBuf;

use clap::Parser;
use filbert_sim::arguments::{Arguments, Command};
use filbert_sim::experiment::{File, Findings, Measure, Row};
use filbert_sim::progress::Progress;
use filbert_sim::run;

/// A named experiment over another network and with so many replicas.
fn smaller(name: &str, topology: &str, replicas: u32) -> (File, Vec<Row>) {
    let path = format!("{}/experiments/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let (_, points) = run::read(&PathBuf::from(path)).unwrap();
    let mut file = points.into_iter().next().unwrap().file;
    file.network.topology = topology.parse().unwrap();
    file.replicas = replicas;
    file.queries.each = 3;
    let rows = run::conduct(&file, 1, 1, &Progress::quiet()).unwrap();
    (file, rows)
}

fn mean(rows: &[Row], variant: &str, file: &str, measure: Measure) -> f64 {
    let of = |row: &&Row| row.variant == variant && row.file == file;
    let values: Vec<f64> = rows
        .iter()
        .filter(of)
        .filter_map(|row| measure.of(row))
        .collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn tables_and_budgets_save_copies_and_lose_no_answer() {
    let topology = "two-tier:n=120,ultrapeers=0.2,degree=5,parents=2";
    let (file, rows) = smaller("two-tier", topology, 1);
    assert_eq!(rows.len(), 4 * 3 * 3);
    let of = |variant, name, measure| mean(&rows, variant, name, measure);
    for name in file.file_names() {
        // A flood reaches everybody, or with tables everybody who can answer.
        assert_eq!(of("flood", name, Measure::Reached), 119.0);
        assert_eq!(of("flood", name, Measure::Recall), 1.0, "{name}");
        assert_eq!(of("routed-flood", name, Measure::Recall), 1.0, "{name}");
    }
    assert_eq!(of("dynamic", "rarest", Measure::Recall), 1.0);
    let messages = |variant| of(variant, "rarest", Measure::Messages);
    let leaves = |variant| of(variant, "rarest", Measure::LeafMessages);
    assert!(messages("routed-flood") < messages("flood"));
    assert!(leaves("routed-flood") < leaves("flood") / 10.0);
    assert!(messages("dynamic") < messages("flood"));
}

#[test]
fn the_last_hop_of_a_small_tree_is_that_of_the_formula() {
    let (file, rows) = smaller("last-hop-tree", "tree:degree=8,depth=3", 1);
    // 8 * 49 of 8 + 8 * 7 + 8 * 49.
    let last = mean(&rows, "flood", "", Measure::LastHop);
    assert!((last - 392.0 / 456.0).abs() < 1e-5, "{last}");
    let findings = Findings::of(&file, 1, &rows);
    assert!(!findings.holds(), "the claims are about a larger tree");
}

fn printed(arguments: &str) -> String {
    let words = ["filbert-sim", "run"].into_iter();
    let arguments = Arguments::try_parse_from(words.chain(arguments.split(' ')));
    let Command::Run(arguments) = arguments.unwrap().command else {
        panic!("not run");
    };
    let (mut out, mut log) = (Vec::new(), Vec::new());
    run::run(&arguments, &mut out, &mut log).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_file_and_the_seed_decide_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.toml");
    let experiment = r#"
        title = "small"
        replicas = 3
        [network]
        topology = "two-tier:n=40,ultrapeers=0.25,degree=4,parents=2"
        latency = "uniform:10-100"
        profile = "public"
        [[files]]
        name = "some"
        share = 0.2
        [queries]
        each = 2
        from = "leaves"
        [[variant]]
        name = "flood"
        strategy = "flood"
        ttl = 4
        [[variant]]
        name = "dynamic"
        strategy = "dynamic"
        ttl = 4
        wanted = 4
        routing = true
        [[claim]]
        says = "somebody answers"
        measure = "results"
        variant = "dynamic"
        file = "some"
        at_least = 1.0
    "#;
    std::fs::write(&path, experiment).unwrap();
    let base = path.to_str().unwrap();
    let rows = printed(&format!("{base} --format csv"));
    assert_eq!(rows.lines().count(), 1 + 3 * 2 * 2);
    for threads in [2, 5] {
        let again = printed(&format!("{base} --format csv --threads {threads}"));
        assert_eq!(again, rows);
    }
    assert_ne!(printed(&format!("{base} --format csv --seed 9")), rows);
    let out = folder.path().join("out");
    let table = printed(&format!("{base} --out {}", out.display()));
    assert!(table.contains("reproduced  somebody answers"), "{table}");
    assert_eq!(
        std::fs::read_to_string(out.join("small.csv")).unwrap(),
        rows
    );
    let json = std::fs::read_to_string(out.join("small.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["claims"][0]["verdict"], "reproduced");
    assert_eq!(json["hash"].as_str().unwrap().len(), 40);
    assert_eq!(json["text"], experiment);
}

#[test]
fn the_named_experiments_are_well_written() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/experiments"));
    for entry in std::fs::read_dir(folder).unwrap() {
        run::read(&entry.unwrap().path()).unwrap();
    }
}
