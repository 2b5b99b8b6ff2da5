//! The command `run`: named experiments at a size that suits a test, and the same rows whatever
//! must not change them.

use std::path::PathBuf;

use clap::Parser;
use filbert_sim::arguments::{Arguments, Command};
use filbert_sim::experiment::{File, Findings, Measure, Row, Table};
use filbert_sim::progress::Progress;
use filbert_sim::run;

/// A named experiment over another network and with so many replicas.
fn smaller(name: &str, topology: &str, replicas: u32) -> (File, Vec<Row>) {
    let path = format!("{}/experiments/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let (_, points) = run::read(&PathBuf::from(path)).unwrap();
    let mut file = points.into_iter().next().unwrap().file;
    file.network.topology = Some(topology.parse().unwrap());
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
    let findings = Findings::of(&file, &Table::default(), 1, &rows);
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

/// The rows of a flood, but for what one engine alone can say.
fn floods(engine: &str) -> Vec<Row> {
    let text = format!(
        r#"
        title = "both"
        replicas = 2
        [network]
        topology = "gnm:n=200,m=500"
        engine = "{engine}"
        [[files]]
        name = "some"
        copies = 7
        [queries]
        each = 5
        from = "anyone"
        [[variant]]
        name = "near"
        strategy = "flood"
        ttl = 2
        [[variant]]
        name = "far"
        strategy = "flood"
        ttl = 6
        "#
    );
    let file = File::parse(&text).unwrap();
    let mut rows = run::conduct(&file, 3, 1, &Progress::quiet()).unwrap();
    for row in &mut rows {
        (row.bytes, row.first_hops, row.first_ms) = (None, None, None);
        (row.query_bytes, row.hits, row.hit_bytes) = (None, None, None);
        // The way back of hits is load as well.
        row.load = None;
        // On the bare graph, who has the file itself is a holder and finds it.
        (row.holders, row.answered, row.results) = (0, 0, 0);
    }
    rows
}

#[test]
fn a_variant_may_have_latencies_of_its_own() {
    let rows = |network: &str, variant: &str| {
        let text = format!(
            r#"
            title = "late"
            replicas = 2
            [network]
            topology = "gnm:n=300,m=750"
            {network}
            [queries]
            each = 5
            from = "anyone"
            [[variant]]
            name = "flood"
            strategy = "flood"
            ttl = 7
            {variant}
            [[variant]]
            name = "unit"
            strategy = "flood"
            ttl = 7
            latency = "unit"
            "#
        );
        let file = File::parse(&text).unwrap();
        run::conduct(&file, 3, 1, &Progress::quiet()).unwrap()
    };
    let late = rows("", r#"latency = "uniform:10-100""#);
    assert_eq!(late, rows(r#"latency = "uniform:10-100""#, ""));
    let copies = |variant| mean(&late, variant, "", Measure::Messages);
    assert!(copies("flood") < 0.95 * copies("unit"));
}

/// Rows of a small experiment with some parts of its own.
fn small(parts: &str) -> Vec<Row> {
    let file = File::parse(&format!("title = \"small\"\nreplicas = 3\n{parts}")).unwrap();
    run::conduct(&file, 5, 1, &Progress::quiet()).unwrap()
}

#[test]
fn copies_by_the_square_root_are_found_by_fewest_probes() {
    let catalogue = |replication| {
        format!(
            "[[catalogue]]\nname = \"{replication}\"\nfiles = 50\npopularity = 1.2\ncopies = 1000\n\
             replication = \"{replication}\"\n"
        )
    };
    let rows = small(&format!(
        r#"
        [network]
        topology = "grid:w=40,h=25"
        engine = "graph"
        {}{}{}
        [queries]
        each = 2000
        from = "anyone"
        [[variant]]
        name = "probe"
        strategy = "probe"
        steps = 100000
        "#,
        catalogue("uniform"),
        catalogue("proportional"),
        catalogue("square-root"),
    ));
    let probes = |file| mean(&rows, "probe", file, Measure::Messages);
    assert!((47.0..53.0).contains(&probes("uniform")));
    assert!((45.0..55.0).contains(&probes("proportional")));
    assert!(probes("square-root") < 37.0);
}

#[test]
fn free_riders_share_nothing_and_both_engines_know() {
    for engine in ["graph", "servents"] {
        let rows = small(&format!(
            r#"
            sharing = "free-riders:0.75"
            [network]
            topology = "grid:w=10,h=10"
            engine = "{engine}"
            [[files]]
            name = "everywhere"
            share = 1.0
            [queries]
            each = 4
            from = "node:0"
            [[variant]]
            name = "flood"
            strategy = "flood"
            ttl = 14
            "#
        ));
        let of = |measure| mean(&rows, "flood", "everywhere", measure);
        assert_eq!(of(Measure::FreeRiders), 0.75);
        assert!(
            rows.iter()
                .all(|row| row.holders <= 25 && row.holders >= 24)
        );
    }
}

#[test]
fn what_a_search_costs_is_told_by_kind_and_by_servent() {
    let of = |engine, measure| {
        let rows = small(&format!(
            r#"
            [network]
            topology = "tree:degree=4,depth=2"
            engine = "{engine}"
            [[files]]
            name = "everywhere"
            share = 1.0
            [queries]
            each = 3
            from = "node:0"
            [[variant]]
            name = "flood"
            strategy = "flood"
            ttl = 7
            wanted = 16
            "#
        ));
        mean(&rows, "flood", "everywhere", measure)
    };
    // The root asks 16 others, who get one copy each; hits of 4 go one hop, those of 12 two.
    assert_eq!(of("graph", Measure::Busiest), 1.0);
    assert!((of("graph", Measure::LoadGini) - 1.0 / 17.0).abs() < 1e-12);
    assert_eq!(of("servents", Measure::Hits), 28.0);
    assert_eq!(of("servents", Measure::Busiest), 16.0);
    let parts = of("servents", Measure::QueryBytes) + of("servents", Measure::HitBytes);
    assert_eq!(parts, of("servents", Measure::Bytes));
    // The first hit is two hops away and the last four.
    let all = of("servents", Measure::SatisfiedMs);
    assert_eq!(all, 2.0 * of("servents", Measure::FirstMs));
}

#[test]
fn who_failed_neither_asks_nor_answers_nor_passes_on() {
    for engine in ["graph", "servents"] {
        let rows = small(&format!(
            r#"
            [network]
            topology = "tree:degree=5,depth=2"
            engine = "{engine}"
            [[files]]
            name = "everywhere"
            share = 1.0
            [queries]
            each = 30
            from = "anyone"
            [[variant]]
            name = "before"
            strategy = "flood"
            ttl = 7
            [[variant]]
            name = "after"
            strategy = "flood"
            ttl = 7
            failure = {{ share = 0.0385, first = "highest-degree" }}
            "#
        ));
        // 26 servents; one of the six with five links fails.
        let of = |variant, measure| mean(&rows, variant, "everywhere", measure);
        assert_eq!(of("before", Measure::Reached), 25.0);
        assert!(of("after", Measure::Reached) < 20.0);
        assert!(of("after", Measure::Recall) < 1.0);
        let count = |variant| rows.iter().filter(|row| row.variant == variant).count();
        assert!(count("after") <= count("before"));
        let holders = |variant| {
            rows.iter()
                .filter(|row| row.variant == variant)
                .map(|row| row.holders)
                .max()
        };
        assert_eq!(holders("after").unwrap() + 1, holders("before").unwrap());
    }
}

#[test]
fn the_bare_graph_counts_what_servents_do() {
    let rows = floods("graph");
    assert_eq!(rows.len(), 20);
    assert_eq!(rows, floods("servents"));
}

#[test]
fn figures_agree_with_the_table_of_another_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/lv-random.toml");
    let (_, points) = run::read(&PathBuf::from(path)).unwrap();
    let mut file = points.into_iter().next().unwrap().file;
    file.replicas = 60;
    // The long floods take too long for a test that is not optimised.
    file.variants
        .retain(|variant| ["flood-3", "walk-32"].contains(&variant.name.as_str()));
    let agreement = |file: &File| {
        let rows = run::conduct(file, 1, 1, &Progress::quiet()).unwrap();
        Table::of(file).unwrap().compare(&rows)
    };
    let found = agreement(&file);
    assert_eq!((found.cells, found.missed), (8, Vec::new()));
    // And it would be seen if they did not.
    file.variants
        .iter_mut()
        .for_each(|variant| variant.check_every = 128);
    assert_eq!(agreement(&file).missed.len(), 4);
}

#[test]
fn the_named_experiments_are_well_written() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/experiments"));
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            run::read(&path).unwrap();
        }
    }
}
