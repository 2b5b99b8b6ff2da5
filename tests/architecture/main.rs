//! Holds the design: who may use whom, where foreign names stand, what the pure rooms leave out,
//! how long a file may be, what lies at the top of the repository, and that the documents name
//! files that are there.
//!
//! It reads the sources as text, so it needs no tool and says in one line what is wrong where.

mod rules;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What may lie at the top, besides entries that begin with a dot.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "docs",
    "sim",
    "src",
    "target",
    "tests",
];

/// The features of the package, in the order in which each builds on those before it.
const FEATURES: &[&str] = &["default", "node", "tls", "web", "cli"];

#[test]
fn the_sources_keep_the_rules() {
    let breaches: Vec<String> = sources()
        .iter()
        .flat_map(|(file, text)| rules::judge(file, text))
        .map(|breach| breach.to_string())
        .collect();
    assert!(
        breaches.is_empty(),
        "{} against docs/architecture.md:\n{}\n",
        breaches.len(),
        breaches.join("\n")
    );
}

#[test]
fn the_table_of_arrows_names_every_room_and_no_other() {
    let built: BTreeSet<String> = sources()
        .iter()
        .filter_map(|(file, _)| rules::room(file).map(str::to_owned))
        .collect();
    let named: BTreeSet<String> = rules::ARROWS
        .iter()
        .map(|(room, _)| (*room).to_owned())
        .collect();
    assert_eq!(built, named);
}

#[test]
fn the_top_of_the_repository_stays_small() {
    for entry in fs::read_dir(root()).expect("the repository can be listed") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        assert!(
            name.starts_with('.') || TOP.contains(&&*name),
            "`{name}` lies at the top; only {} may, and entries that begin with a dot",
            TOP.join(", ")
        );
    }
}

#[test]
fn the_features_are_those_of_the_design() {
    let manifest = read(&root().join("Cargo.toml"));
    let mut found: Vec<&str> = section(&manifest, "[features]")
        .filter(|line| !line.starts_with([' ', '#', ']']))
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .collect();
    found.sort_by_key(|name| FEATURES.iter().position(|known| known == name));
    assert_eq!(found, FEATURES);
}

#[test]
fn the_simulator_takes_the_pure_rooms_only() {
    let manifest = read(&root().join("sim/Cargo.toml"));
    let line = section(&manifest, "[dependencies]")
        .find(|line| line.starts_with("filbert ="))
        .expect("the simulator depends on the library");
    assert!(
        line.contains("default-features = false") && !line.contains(" features = "),
        "sim/Cargo.toml: `{line}` must take the library without default features and add none"
    );
}

#[test]
fn every_dependency_is_used() {
    for (manifest, folder) in [("Cargo.toml", "src/"), ("sim/Cargo.toml", "sim/src/")] {
        let sources = sources();
        let used: BTreeSet<&str> = sources
            .iter()
            .filter(|(file, _)| file.starts_with(folder))
            .flat_map(|(_, text)| source::tokens(text))
            .map(|token| token.text)
            .collect();
        for line in section(&read(&root().join(manifest)), "[dependencies]") {
            let Some((name, _)) = line.split_once(" = ") else {
                continue;
            };
            assert!(
                used.contains(name.replace('-', "_").as_str()),
                "{manifest}: nothing in {folder} names `{name}`"
            );
        }
    }
}

#[test]
fn the_documents_name_files_that_exist() {
    let sources = sources();
    let known = |name: &str| {
        let ending = format!("/{name}");
        root().join(name).exists() || sources.iter().any(|(file, _)| file.ends_with(&ending))
    };
    let docs = fs::read_dir(root().join("docs")).expect("there are documents");
    let docs = docs.map(|entry| entry.expect("an entry").path());
    for document in docs.chain([root().join("README.md")]) {
        if document.extension().is_none_or(|kind| kind != "md") {
            continue;
        }
        let (text, shown) = (read(&document), document.display());
        for name in text.split('`').filter(|name| name.ends_with(".rs")) {
            assert!(known(name), "{shown}: there is no `{name}`");
        }
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().expect("a first part");
            let here = document.parent().expect("a folder").join(target);
            let outside = target.starts_with("https://");
            assert!(
                outside || here.exists(),
                "{shown}: the link to {target} leads nowhere"
            );
        }
    }
}

/// The sources of the library and of the simulator: their paths from the top, and their text.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["src", "sim/src"] {
        collect(&root().join(folder), &mut files);
    }
    files.sort();
    assert!(!files.is_empty(), "no sources found");
    files
        .iter()
        .map(|file| {
            let name = file.strip_prefix(root()).expect("a file of ours");
            let name = name.to_string_lossy().replace('\\', "/");
            (name, read(file))
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of ours can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
}

/// The lines of one section of a manifest.
fn section<'a>(manifest: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    manifest
        .lines()
        .skip_while(move |line| *line != name)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
