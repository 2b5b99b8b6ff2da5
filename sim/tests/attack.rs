//! Attackers on small networks: each does what it is said to do, the servent's rules help, and the same rows
//! come out whatever must not change them.

use filbert_sim::experiment::{Measure, Row, points};
use filbert_sim::progress::Progress;
use filbert_sim::run;

/// All rows of an experiment with these parts, on so many threads.
fn conducted(parts: &str, threads: usize) -> Vec<Row> {
    let text = format!("title = \"small\"\nreplicas = 2\n{parts}");
    let file = points(&text).unwrap().remove(0).file;
    run::conduct(&file, 1, threads, &Progress::quiet()).unwrap()
}

/// The mean over the replicas.
fn mean(rows: &[Row], variant: &str, measure: Measure) -> f64 {
    let of = rows.iter().filter(|row| row.variant == variant);
    let values: Vec<f64> = of.filter_map(|row| measure.of(row)).collect();
    assert!(!values.is_empty(), "{variant} has no {measure:?}");
    values.iter().sum::<f64>() / values.len() as f64
}

/// Flat networks of thirty servents with these variants.
fn flat(variants: &str) -> Vec<Row> {
    conducted(&flat_parts(variants), 1)
}

fn flat_parts(variants: &str) -> String {
    format!(
        "[network]\ntopology = \"regular:n=30,d=4\"\nlatency = \"uniform:20-100\"\n\
         profile = \"public\"\n[attack.overlay]\nfiles = 80\ncopies = 4\nevery = 8.0\n\
         warm_up = 4\nseconds = 5\npatience = 2\nup = 8000\nattackers_up = 200000\n{variants}"
    )
}

fn variant(name: &str, settings: &str) -> String {
    format!("[[attack.overlay.variant]]\nname = \"{name}\"\nattackers = 0.1\n{settings}\n")
}

#[test]
fn flooders_take_what_others_need_until_rules_stop_them() {
    let flood = "does = { flood = { per_minute = 24000 } }";
    let variants = [
        variant("honest", ""),
        variant("defended", flood),
        variant("undefended", &format!("{flood}\ndefence = false")),
    ];
    let parts = flat_parts(&variants.concat()).replace("up = 8000", "up = 4000");
    let rows = conducted(&parts.replace("n=30", "n=80"), 1);
    let of = |variant, measure| mean(&rows, variant, measure);
    assert!(of("honest", Measure::Recall) > 0.7);
    let lost = of("undefended", Measure::Recall) / of("honest", Measure::Recall);
    assert!(lost < 0.7, "{lost}");
    assert!(of("defended", Measure::Recall) > 0.9 * of("honest", Measure::Recall));
    assert!(of("undefended", Measure::Load) > 10.0 * of("honest", Measure::Load));
    assert!(of("defended", Measure::Load) < of("undefended", Measure::Load) / 3.0);
    assert_eq!(of("undefended", Measure::AttackersCut), 0.0);
    assert_eq!(of("defended", Measure::AttackersCut), 1.0);
    assert_eq!(of("defended", Measure::LinksLost), 0.0);
}

#[test]
fn spam_is_shown_unless_it_only_repeats_the_search() {
    let spam = |echo| format!("does = {{ spam = {{ results = 10, echo = {echo} }} }}");
    let variants = [
        variant("honest", ""),
        variant("dressed", &spam(false)),
        variant("echo", &spam(true)),
        variant(
            "echo-undefended",
            &format!("{}\ndefence = false", spam(true)),
        ),
    ];
    let rows = flat(&variants.concat());
    let share = |variant| mean(&rows, variant, Measure::GenuineShare);
    assert_eq!((share("honest"), share("echo")), (1.0, 1.0));
    assert!(share("echo-undefended") < 0.3 && share("dressed") < 0.3);
    for variant in ["dressed", "echo"] {
        let kept = mean(&rows, variant, Measure::Recall) / mean(&rows, "honest", Measure::Recall);
        assert!(kept > 0.95, "{variant}: {kept}");
    }
}

#[test]
fn answers_go_to_who_guesses_guids_only_where_they_are_counted() {
    let variants = [
        variant("honest", ""),
        variant("counted", "counted = true"),
        variant("guess", "does = \"guess\""),
        variant("guess-counted", "does = \"guess\"\ncounted = true"),
        variant("swallow", "does = \"swallow\""),
    ];
    let rows = flat(&variants.concat());
    let of = |variant, measure| mean(&rows, variant, measure);
    let recall = |variant| of(variant, Measure::Recall);
    assert!(recall("guess") > 0.97 * recall("honest"));
    // Who searches twice within half a second is taken for one who floods.
    assert!(recall("counted") > 0.85 * recall("honest"));
    assert!(recall("guess-counted") < 0.8 * recall("honest"));
    assert!(of("swallow", Measure::HitsLost) > 0.05);
    assert_eq!(of("honest", Measure::HitsLost), 0.0);
}

#[test]
fn masses_of_guids_push_genuine_ones_out_of_a_small_table() {
    let masses = "does = { flood = { per_minute = 6000 } }\nroutes = 20";
    let counting = "does = { flood = { per_minute = 6000, counted = true } }\nroutes = 20";
    let variants = [
        variant("defended", masses),
        variant("counting", counting),
        variant("undefended", &format!("{masses}\ndefence = false")),
    ];
    // Not for a lack of bandwidth.
    let parts = flat_parts(&variants.concat()).replace("up = 8000", "up = 100000");
    let rows = conducted(&parts, 1);
    let lost = |variant| mean(&rows, variant, Measure::HitsLost);
    assert!(lost("undefended") > 0.3);
    assert!(lost("defended") < 0.1 && lost("counting") < 0.05);
}

#[test]
fn leaves_attack_where_there_are_some() {
    let flood = "does = { flood = { per_minute = 6000 } }\nleaves = true";
    let variants = [
        variant("defended", flood),
        variant("undefended", &format!("{flood}\ndefence = false")),
    ];
    let parts = flat_parts(&variants.concat());
    let tiers = "two-tier:n=60,ultrapeers=0.25,degree=4,parents=2";
    let parts = parts.replace("up = 8000", "up = 40000");
    let rows = conducted(&parts.replace("regular:n=30,d=4", tiers), 1);
    let of = |variant, measure| mean(&rows, variant, measure);
    assert!(of("defended", Measure::Recall) > 0.9);
    assert!(of("undefended", Measure::Load) > 3.0 * of("defended", Measure::Load));
    assert!(of("defended", Measure::AttackersCut) > 0.9);
}

const SYBIL: &str = "[attack.sybil]\nminutes = 30\nhonest = 200\ncalls = 0.67\nsession = 15.0\n\
     free = 0.5\n";

fn sybil(name: &str, settings: &str) -> String {
    format!("[[attack.sybil.variant]]\nname = \"{name}\"\n{settings}\n")
}

#[test]
fn one_network_gets_its_places_and_no_more() {
    let variants = [
        sybil("nobody", ""),
        sybil("address", "identities = 300\nprefix = 32"),
        sybil("24", "identities = 300\nprefix = 24"),
        sybil("16", "identities = 300\nprefix = 16"),
        sybil(
            "24-undefended",
            "identities = 300\nprefix = 24\ndefence = false",
        ),
    ];
    let rows = conducted(&format!("{SYBIL}{}", variants.concat()), 1);
    let of = |variant| mean(&rows, variant, Measure::SybilShare) * 32.0;
    assert_eq!(
        [of("nobody"), of("address"), of("24"), of("16")],
        [0.0, 1.0, 2.0, 8.0]
    );
    assert!(of("24-undefended") > 16.0);
    let honest = |variant| mean(&rows, variant, Measure::HonestShare);
    assert!(honest("nobody") > 0.7 && honest("24-undefended") < 0.5);
}

#[test]
fn threads_change_no_row() {
    let variants = [
        variant("honest", ""),
        variant("guess", "does = \"guess\""),
        variant("spam", "does = { spam = { results = 30 } }"),
        variant("flood", "does = { flood = { per_minute = 600 } }"),
    ];
    let parts = flat_parts(&variants.concat());
    assert_eq!(conducted(&parts, 1), conducted(&parts, 2));
    let parts = format!("{SYBIL}{}", sybil("some", "identities = 50"));
    assert_eq!(conducted(&parts, 1), conducted(&parts, 2));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = flat_parts(&variant("a", "does = \"guess\""));
    for (old, new, complaint) in [
        ("attackers = 0.1", "attackers = 2.0", "between 0 and 1"),
        ("attackers = 0.1", "", "it has no attackers"),
        ("does = \"guess\"", "routes = 3", "routes of variant \"a\""),
        (
            "does = \"guess\"",
            "does = { flood = { per_minute = 0 } }",
            "out of bounds",
        ),
        (
            "does = \"guess\"",
            "does = { spam = { reslts = 3 } }",
            "reslts",
        ),
        ("every = 8.0", "every = 0.0", "every is more than 0"),
        ("regular:n=30,d=4", "regular:n=30", "d is missing"),
    ] {
        let text = format!("title = \"t\"\n{}", good.replace(old, new));
        let error = points(&text).unwrap_err();
        assert!(error.contains(complaint), "{error}");
    }
    let text = format!("title = \"t\"\n{SYBIL}{}", sybil("a", "prefix = 17"));
    assert!(points(&text).unwrap_err().contains("8, 16, 24 or 32"));
}
