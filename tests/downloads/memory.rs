//! What a daemon needs that fetches one file from many at once, as the system counts it.
//! `FILBERT_SCALE` takes a larger file.

use super::kill::{daemon, downloads, filbert};
use super::scale::two_hundred;
use super::*;

/// The most that the daemon may ever have in memory, in KiB. Set before it was first measured.
const MOST: u64 = 64 << 10;

/// The most that a process ever had in memory, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.unwrap().trim().trim_end_matches(" kB");
    figure.parse().unwrap()
}

#[test]
fn two_hundred_sources_take_little_memory() {
    let size = match std::env::var_os("FILBERT_SCALE") {
        Some(_) => 64 << 20,
        None => 8 << 20,
    };
    let file = File::new(size);
    let sources = two_hundred(&file);
    let addresses: Vec<_> = sources.iter().map(|source| source.address).collect();
    let home = common::directory();
    let mut child = daemon(home.path());
    until("the daemon is up", || {
        let status = filbert(home.path(), &["status"]).status().unwrap();
        status.success()
    });
    let before = peak(child.id());
    let link = file.magnet(&addresses, true);
    let done = filbert(home.path(), &["get", &link, "--wait"]).status();
    let after = peak(child.id());
    let state = downloads(home.path())[0].clone();
    let _killed = child.kill();
    let _gone = child.wait();
    assert!(done.unwrap().success(), "{state}");
    let bytes = std::fs::read(state["path"].as_str().unwrap()).unwrap();
    assert!(bytes == file.bytes, "the bytes differ");
    let helped = sources.iter().filter(|source| source.sent() > 0).count();
    println!("{helped} of 200 helped; {before} KiB before, {after} KiB at most");
    assert!(helped > 24, "{helped} helped");
    assert!(after <= MOST, "{after} KiB at most");
}
