//! Neighbours that mean harm, sixteen of a kind at a time, and what good ones have of it: how long
//! they wait for answers of the servent, for answers of another good neighbour through it, and for
//! a place; and what memory of the servent the hostile take. The first row is without them.
//!
//! Borne is a kind when no answer is lost, 99 of 100 come within a quarter of a second, and memory
//! grows by no more than 16 MiB. The hostile burn the same two cores, so the longest waits say as
//! much about the machine as about the servent.
//!
//! `cargo bench --bench hostile [-- SECONDS] [KIND]`, seconds for each kind

mod attackers;
mod good;
#[path = "../servent/mod.rs"]
mod servent;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use good::{Good, Waits};
use servent::Servent;

/// Hostile neighbours at once.
const MANY: usize = 16;
/// What memory may grow by while they are there, in MiB.
const FLAT: f64 = 16.0;
/// Within this 99 of 100 answers come.
const SOON: Duration = Duration::from_millis(250);
/// Time between two questions of a good neighbour.
const PACE: Duration = Duration::from_millis(50);
/// Time between two newcomers.
const NEWCOMERS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds = arguments.iter().find_map(|one| one.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(10));
    let wanted = |name: &str| {
        let mut names = arguments.iter().filter(|one| !one.starts_with("--"));
        names.all(|one| one.parse::<u64>().is_ok() || name.contains(one.as_str()))
    };
    let shared = tempfile::Builder::new()
        .prefix("filbert-hostile-")
        .tempdir()
        .expect("a temporary directory");
    std::fs::write(shared.path().join("linux tapes.iso"), b"tapes").expect("a file");
    let share = shared.path().to_str().expect("a readable path");
    let arguments = ["--compress", "yes", "--tls", "offer", "--share", share];
    let servent = Servent::start("", &arguments);
    println!(
        "{:<20}{:>24}   {:<17}{:>6}{:>6}{:>9}{:>9}{:>9}",
        "16 neighbours",
        "resident MiB",
        "good ones wait",
        "asked",
        "lost",
        "median",
        "99 %",
        "worst"
    );
    let mut borne = true;
    for (name, attack) in attackers::KINDS {
        if wanted(name) {
            borne &= measure(&servent, name, attack, time);
        }
    }
    match borne {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One kind for so long; says whether the servent bore it.
fn measure(servent: &Servent, name: &str, attack: attackers::Attack, time: Duration) -> bool {
    let address = servent.address;
    let over = AtomicBool::new(false);
    let (before, dropped) = (servent.resident(), servent.dropped());
    let mut most = before;
    let (mut joins, mut waits) = (Waits::new(), Vec::new());
    thread::scope(|scope| {
        let good = Good::open(address).expect("places for the good neighbours");
        for _ in 0..MANY {
            scope.spawn(|| {
                // It may be thrown out at any time, and comes again.
                while !over.load(Ordering::Relaxed) {
                    let _thrown_out = attack(address, &over);
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                joins.note(join(address));
                thread::sleep(NEWCOMERS);
            }
        });
        let start = Instant::now();
        while start.elapsed() < time {
            good.ask();
            most = most.max(servent.resident());
            thread::sleep(PACE);
        }
        waits = good.waits();
        over.store(true, Ordering::Relaxed);
    });
    let after = servent.resident();
    waits.push(("for a place", joins));
    let memory = format!("{before:.1} .. {most:.1} .. {after:.1}");
    let mut labels = [name, ""].into_iter().chain(std::iter::repeat(""));
    let mut memories = [memory.as_str()].into_iter().chain(std::iter::repeat(""));
    let mut borne = most - before <= FLAT;
    for (what, waits) in &waits {
        let (label, memory) = (labels.next(), memories.next());
        println!(
            "{:<20}{:>24}   {what:<17}{waits}",
            label.unwrap_or_default(),
            memory.unwrap_or_default()
        );
        borne &= waits.lost() == 0 && waits.of(99) <= SOON;
    }
    if !borne {
        println!("not borne; dropped meanwhile: {}", more(&dropped, servent));
    }
    borne
}

/// How long a newcomer waits for its place.
fn join(address: SocketAddr) -> Option<Duration> {
    let start = Instant::now();
    good::shake(address, "").ok().map(|_| start.elapsed())
}

/// What the servent dropped since, by reason.
fn more(before: &[(String, u64)], servent: &Servent) -> String {
    let now = servent.dropped();
    let grown = now.iter().filter_map(|(why, count)| {
        let was = before.iter().find(|(one, _)| one == why);
        let grown = count - was.map_or(0, |(_, was)| *was);
        (grown > 0).then(|| format!("{why} {grown}"))
    });
    grown.collect::<Vec<_>>().join(", ")
}
