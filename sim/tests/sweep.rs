//! The commands around an experiment from outside: a sweep that is interrupted and goes on, its
//! page, and what a second run says of the first.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const EXPERIMENT: &str = r#"
    title = "How far a flood goes"
    replicas = 3
    [network]
    topology = "gnm:n=60,m=120"
    [[files]]
    name = "some"
    copies = 3
    [queries]
    each = 2
    from = "anyone"
    [[variant]]
    name = "flood"
    strategy = "flood"
    ttl = 1
    [[claim]]
    says = "somebody hears of it"
    measure = "reached"
    variant = "flood"
    file = "some"
    at_least = 1.0
    [sweep]
    network.topology = ["gnm:n=60,m=120", "grid:w=6,h=10"]
    variant.flood.ttl = [1, 2, 3]
"#;

fn filbert_sim(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_filbert-sim"))
        .current_dir(folder)
        .args(arguments.split(' '))
        .output()
        .unwrap()
}

fn done(folder: &Path, arguments: &str) -> String {
    let output = filbert_sim(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_sweep_goes_on_where_it_was_and_is_the_same_by_any_way() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fs::write(home.join("far.toml"), EXPERIMENT).unwrap();
    let plan = done(home, "plan far.toml");
    assert!(plan.starts_with("far: 6 points\n"), "{plan}");
    assert!(
        plan.contains("network.topology=grid:w=6,h=10 variant.flood.ttl=3"),
        "{plan}"
    );

    done(home, "sweep far.toml --jobs 2 --out whole");
    let whole = files(&home.join("whole"));
    assert_eq!(
        whole.len(),
        12,
        "rows and findings of each point, and nothing else"
    );
    for point in 0..6 {
        done(home, &format!("run far.toml --point {point} --out single"));
    }
    assert_eq!(files(&home.join("single")), whole);

    fs::remove_file(home.join("single/far-00004.json")).unwrap();
    let again = filbert_sim(home, "sweep far.toml --out single");
    let log = String::from_utf8(again.stderr).unwrap();
    assert!(
        log.contains("6 points in single, 5 of them from before"),
        "{log}"
    );
    assert_eq!(files(&home.join("single")), whole);

    let other = filbert_sim(home, "sweep far.toml --out single --seed 8");
    assert_eq!(other.status.code(), Some(1), "not the same experiment");
    let beyond = filbert_sim(home, "run far.toml --point 6");
    assert_eq!(beyond.status.code(), Some(2));
}

#[test]
fn a_page_shows_all_and_a_second_run_finds_what_was_altered() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fs::write(home.join("far.toml"), EXPERIMENT).unwrap();
    done(home, "sweep far.toml --out results");
    done(home, "report results -o page.html");
    let page = fs::read_to_string(home.join("page.html")).unwrap();
    for part in [
        "<svg",
        "<td class='reproduced'>reproduced<td>somebody hears of it",
        "6 claims: 6 reproduced, 0 unverified, 0 missed.",
        "title = &quot;How far a flood goes&quot;",
        "Seed 0, 3 replicas",
        "variant.flood.ttl = 3",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for outside in ["http:", "https:", "src=", "<link", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }

    let same = done(home, "verify results");
    assert_eq!(same.lines().count(), 6, "{same}");
    assert!(
        same.lines()
            .all(|line| line.starts_with("same    far-0000")),
        "{same}"
    );
    let rows = home.join("results/far-00002.csv");
    let altered = fs::read_to_string(&rows)
        .unwrap()
        .replacen("flood,0", "flood,1", 1);
    fs::write(rows, altered).unwrap();
    let output = filbert_sim(home, "verify results --threads 2");
    assert_eq!(output.status.code(), Some(8));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("differs far-00002: the rows in its CSV"),
        "{told}"
    );
}
