//! The same from the outside: commands and daemons.

use std::process::{Child, Command, Output, Stdio};

use rand::{RngExt, SeedableRng};

use super::*;

fn filbert(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filbert"));
    command.arg("--home").arg(home).args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove("FILBERT_LOG")
        .env_remove("FILBERT_API");
    command
}

pub(crate) fn runs(home: &Path, arguments: &[&str]) -> Output {
    filbert(home, arguments).output().unwrap()
}

pub(crate) fn json(home: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = runs(home, arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// A daemon, killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    address: String,
}

impl Daemon {
    pub(crate) fn start(home: &Path, more: &[&str]) -> Self {
        let addresses = ["run", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"];
        let mut command = filbert(home, &addresses);
        command
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let _stale = fs::remove_file(home.join("api"));
        let mut daemon = Self {
            child,
            address: String::new(),
        };
        until("the daemon is up", || {
            json(home, &["status", "--json"])["listen"].is_string()
        });
        let status = json(home, &["status", "--json"]);
        daemon.address = status["listen"].as_str().unwrap().to_owned();
        daemon
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn hashed(home: &Path, files: u64) {
    until("all is hashed", || {
        json(home, &["status", "--json"])["shared"]["hashed"] == files
    });
}

/// A folder to share with some files and a collection of them, made by the command.
fn sharing(home: &Path, contents: &[Vec<u8>]) -> tempfile::TempDir {
    let shared = common::directory();
    let mut arguments = vec!["collection", "create", "Walnut recipes", "-o"];
    let output = shared.path().join("Walnut recipes.collection");
    arguments.push(output.to_str().unwrap());
    let folder = shared.path().join("parts");
    for (number, bytes) in contents.iter().enumerate() {
        write(&folder, &format!("{number}.bin"), bytes);
    }
    arguments.push(folder.to_str().unwrap());
    let made = runs(home, &arguments);
    assert!(made.status.success(), "{made:?}");
    assert!(
        !runs(home, &arguments).status.success(),
        "nothing is overwritten"
    );
    shared
}

fn holds(folder: &Path, contents: &[Vec<u8>]) {
    for (number, bytes) in contents.iter().enumerate() {
        let path = folder.join(format!("Walnut recipes/parts/{number}.bin"));
        assert!(fs::read(&path).unwrap() == *bytes, "{}", path.display());
    }
    let all = tree(folder);
    assert_eq!(all.len(), contents.len() + 1, "{all:?}");
}

#[test]
fn one_shares_another_finds_it_by_a_word_and_has_it_with_one_command() {
    let contents: Vec<_> = (0..40).map(|seed| bytes(seed, 20_000)).collect();
    let (home, other, target) = (
        common::directory(),
        common::directory(),
        common::directory(),
    );
    let shared = sharing(home.path(), &contents);
    let folder = shared.path().to_str().unwrap();
    let holder = Daemon::start(home.path(), &["--mode", "ultrapeer", "--share", folder]);
    hashed(home.path(), 41);
    let _taker = Daemon::start(other.path(), &["--peer", &holder.address]);
    until("a neighbour", || {
        json(other.path(), &["status", "--json"])["connected"] == true
    });
    let number = || {
        let search = ["search", "walnut", "--limit", "1", "--json"];
        json(other.path(), &search)["results"][0]["number"].as_u64()
    };
    until("found", || number().is_some());
    let number = number().unwrap().to_string();
    let into = target.path().to_str().unwrap();
    let got = runs(other.path(), &["get", &number, "-o", into, "--wait"]);
    let said = String::from_utf8_lossy(&got.stderr);
    assert!(got.status.success(), "{said}");
    assert!(
        said.contains("40 files") && said.contains("signed by"),
        "{said}"
    );
    let path = String::from_utf8_lossy(&got.stdout);
    assert_eq!(path.trim_end(), format!("{into}/Walnut recipes"));
    holds(target.path(), &contents);
    let shown = json(
        home.path(),
        &[
            "collection",
            "show",
            &format!("{into}/Walnut recipes/Walnut recipes.collection"),
            "--json",
        ],
    );
    assert_eq!(shown["files"].as_array().unwrap().len(), 40);
    let list = json(other.path(), &["downloads", "--json"]);
    assert_eq!(list[0]["collection"]["signer"], shown["signer"]);
    assert_eq!(list[1]["part_of"], list[0]["id"]);
}

#[test]
fn a_collection_at_hand_is_fetched_by_its_path_and_a_changed_one_is_not() {
    let contents: Vec<_> = (0..3).map(|seed| bytes(seed, 20_000)).collect();
    let (home, other, target) = (
        common::directory(),
        common::directory(),
        common::directory(),
    );
    let shared = sharing(home.path(), &contents);
    let folder = shared.path().to_str().unwrap();
    let holder = Daemon::start(home.path(), &["--mode", "ultrapeer", "--share", folder]);
    hashed(home.path(), 4);
    let file = shared.path().join("Walnut recipes.collection");
    let into = target.path().to_str().unwrap();
    let get = |file: &Path| {
        let peer = holder.address.as_str();
        let file = file.to_str().unwrap();
        runs(other.path(), &["get", file, "-o", into, "--peer", peer])
    };
    let got = get(&file);
    let said = String::from_utf8_lossy(&got.stderr);
    assert!(got.status.success(), "{said}");
    holds(target.path(), &contents);
    let text = fs::read_to_string(&file).unwrap();
    let changed = other.path().join("changed.collection");
    fs::write(&changed, text.replace("2.bin", "3.bin")).unwrap();
    let refused = get(&changed);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(8), "{said}");
    assert!(said.contains("signature"), "{said}");
    holds(target.path(), &contents);
    let path = changed.to_str().unwrap();
    let shown = runs(other.path(), &["collection", "show", path]);
    assert_eq!(shown.status.code(), Some(8));
}

#[test]
fn killed_in_the_middle_it_goes_on() {
    let contents: Vec<_> = (0..12).map(|seed| bytes(seed, 200_000)).collect();
    let (home, other, target) = (
        common::directory(),
        common::directory(),
        common::directory(),
    );
    let shared = sharing(home.path(), &contents);
    let folder = shared.path().to_str().unwrap();
    let holder = Daemon::start(home.path(), &["--share", folder, "--upload-limit", "600k"]);
    hashed(home.path(), 13);
    let file = shared.path().join("Walnut recipes.collection");
    let into = target.path().to_str().unwrap();
    let start = || Daemon::start(other.path(), &["--peer", &holder.address]);
    let mut taker = start();
    let found = json(home.path(), &["magnet", file.to_str().unwrap(), "--json"]);
    let link = format!(
        "{}&xs=http://{}/uri-res/N2R?{}",
        found[0]["magnet"].as_str().unwrap(),
        holder.address,
        found[0]["urn"].as_str().unwrap()
    );
    let got = runs(other.path(), &["get", &link, "-o", into]);
    assert!(got.status.success(), "{got:?}");
    let state = || json(other.path(), &["downloads", "--json"]);
    let mut rng = rand_pcg::Pcg32::seed_from_u64(5);
    for kill in 0..3 {
        let files = kill * 2 + rng.random_range(0..3);
        until("some files", || {
            let done = state()[0]["collection"]["done"].as_u64();
            done.is_some_and(|done| done >= files)
        });
        taker.kill();
        taker = start();
    }
    until("all of it", || {
        state()[0]["state"] == "done" || state().as_array().is_some_and(Vec::is_empty)
    });
    holds(target.path(), &contents);
    taker.kill();
}
