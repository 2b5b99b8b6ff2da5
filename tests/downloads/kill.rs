//! A daemon that is killed at any moment goes on where it was. `FILBERT_KILLS` says how often it is
//! killed, of a file of 64 MiB then.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::{RngExt, SeedableRng};

use super::*;

/// How long a tile of the files here is.
const TILE: usize = 128 << 10;
/// Tiles that a connection may have on the way: one that is coming, one that is being compared, one
/// that is being written.
const IN_FLIGHT: usize = 3;

pub(crate) fn filbert(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filbert"));
    command.arg("--home").arg(home).args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .env_remove("FILBERT_LOG")
        .env_remove("FILBERT_API");
    command
}

pub(crate) fn daemon(home: &Path) -> Child {
    let addresses = ["run", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"];
    filbert(home, &addresses).spawn().unwrap()
}

pub(crate) fn downloads(home: &Path) -> serde_json::Value {
    let output = filbert(home, &["downloads", "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[test]
fn killed_at_any_moment_it_goes_on_and_the_file_is_right() {
    let kills = std::env::var("FILBERT_KILLS").ok();
    let kills: Option<usize> = kills.map(|kills| kills.parse().unwrap());
    let (size, rate) = match kills {
        Some(_) => (64 << 20, 1 << 20),
        None => (16 << 20, 1 << 20),
    };
    let kills = kills.unwrap_or(8);
    let file = File::new(size);
    let sources: Vec<Source> = (0..2)
        .map(|_| {
            let rate = Some(rate);
            let manners = Manners {
                rate,
                ..Manners::default()
            };
            Source::new(&file, manners)
        })
        .collect();
    let addresses: Vec<_> = sources.iter().map(|source| source.address).collect();
    let link = file.magnet(&addresses, true);
    let (home, target) = (common::directory(), common::directory());
    let folder = target.path().to_str().unwrap();
    let mut child = daemon(home.path());
    let succeeds = |arguments: &[&str]| {
        let output = filbert(home.path(), arguments).output();
        output.unwrap().status.success()
    };
    until("the daemon is up", || succeeds(&["status"]));
    assert!(succeeds(&["get", &link, "-o", folder]));
    until("some of it", || {
        downloads(home.path())[0]["verified"]
            .as_u64()
            .is_some_and(|verified| verified > 0)
    });
    let mut rng = rand_pcg::Pcg32::seed_from_u64(50);
    let mut landed = 0;
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(rng.random_range(50..1_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        landed += usize::from(std::fs::read_dir(target.path()).unwrap().next().is_none());
        child = daemon(home.path());
    }
    for source in &sources {
        source.manners.lock().unwrap().rate = None;
    }
    let path = target.path().join("almond");
    until("the file", || path.is_file());
    assert!(std::fs::read(&path).unwrap() == file.bytes);
    child.kill().unwrap();
    child.wait().unwrap();
    let sent: usize = sources.iter().map(Source::sent).sum();
    let twice = sent.saturating_sub(size);
    println!("{landed} of {kills} kills before the end, {twice} bytes sent twice");
    assert!(landed * 2 > kills, "only {landed} of {kills} came half-way");
    let most = (kills + 1) * sources.len() * IN_FLIGHT * TILE;
    assert!(twice <= most, "{twice} bytes twice, of {most}");
}
