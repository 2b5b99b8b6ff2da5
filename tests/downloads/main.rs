//! Downloads of a live node: from good and bad sources, stopped, resumed, and without any source.

#[path = "../common/mod.rs"]
mod common;
mod disk;
#[cfg(feature = "cli")]
mod full;
mod giving;
mod hostile;
mod introduced;
#[cfg(feature = "cli")]
mod kill;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod memory;
mod mend;
mod pushed;
mod queued;
mod scale;
mod source;
mod web;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use common::{PATIENCE, builder, until, write};
use filbert::node::state::{DownloadPhase, DownloadState, FailureKind, Priority};
use filbert::node::{DownloadLimits, Node, Target, UploadLimits};
use filbert::runtime::block_on;

use source::{File, Manners, Source};

fn start(home: &Path) -> Node {
    block_on(builder().home(home).start()).unwrap()
}

fn stop(node: Node) {
    block_on(node.stop());
}

fn get(node: &Node, file: &File, sources: &[SocketAddr]) -> u64 {
    let link = file.magnet(sources, false);
    node.fetch(&Target::Magnet(link.parse().unwrap()), None)
        .unwrap()
}

/// The download once it is in this phase.
fn reaches(node: &Node, id: u64, phase: DownloadPhase) -> DownloadState {
    let there = |state: &DownloadState| state.phase == phase;
    let state = block_on(node.download_when(id, PATIENCE, there)).unwrap();
    assert_eq!(state.phase, phase, "{state:?}");
    state
}

fn completes(node: &Node, id: u64, file: &File) {
    let state = reaches(node, id, DownloadPhase::Done);
    let bytes = std::fs::read(state.path.unwrap()).unwrap();
    assert!(bytes == file.bytes, "the bytes differ");
    assert_eq!(state.error, None);
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Slow enough to be stopped half-way.
fn slow() -> Manners {
    Manners {
        rate: Some(300_000),
        ..Manners::default()
    }
}

#[test]
fn without_a_source_it_waits_and_goes_on_when_somebody_comes_who_has_it() {
    let shared = common::directory();
    let file = File::new(700_000);
    write(shared.path(), "almond.bin", &file.bytes);
    let useless = Source::new(
        &file,
        Manners {
            knows_nothing: true,
            ..Manners::default()
        },
    );
    let home = common::directory();
    let node = start(home.path());
    let id = get(&node, &file, &[useless.address]);
    let state = reaches(&node, id, DownloadPhase::Waiting);
    let failure = state.error.unwrap();
    assert_eq!(failure.kind, FailureKind::Network);
    assert!(failure.message.contains("404"), "{}", failure.message);
    assert_eq!(useless.asked(), []);
    let holder = block_on(builder().share(shared.path()).start()).unwrap();
    block_on(holder.shared());
    block_on(holder.connect(node.address())).unwrap();
    completes(&node, id, &file);
    stop(holder);
    stop(node);
}

#[test]
fn a_source_that_comes_back_is_found_again() {
    let file = File::new(700_000);
    let source = Source::new(
        &file,
        Manners {
            knows_nothing: true,
            ..Manners::default()
        },
    );
    let home = common::directory();
    let node = start(home.path());
    let id = get(&node, &file, &[source.address]);
    reaches(&node, id, DownloadPhase::Waiting);
    source.manners.lock().unwrap().knows_nothing = false;
    node.resume_download(id).unwrap();
    completes(&node, id, &file);
    stop(node);
}

#[test]
fn paused_it_stays_so_over_a_restart_and_keeps_its_number_and_what_is_there() {
    let file = File::new(1_500_000);
    let source = Source::new(&file, slow());
    let home = common::directory();
    let node = start(home.path());
    let gone = get(&node, &File::new(10), &[]);
    let id = get(&node, &file, &[source.address]);
    until("some of it", || node.download(id).unwrap().received > 0);
    node.pause_download(id).unwrap();
    node.prefer_download(id, Priority::High).unwrap();
    node.remove_download(gone).unwrap();
    stop(node);
    let asked = source.asked().len();

    let node = start(home.path());
    let [state] = &node.downloads()[..] else {
        panic!("{:?}", node.downloads());
    };
    assert_eq!((state.id, state.phase), (id, DownloadPhase::Paused));
    assert_eq!((state.priority, &state.error), (Priority::High, &None));
    let next = get(&node, &File::new(20), &[]);
    assert!(next > id, "a number is given once");
    assert_eq!(source.asked().len(), asked, "nobody is asked meanwhile");
    source.manners.lock().unwrap().rate = None;
    node.resume_download(id).unwrap();
    completes(&node, id, &file);
    assert!(source.sent() < 2_500_000, "{}", source.sent());
    stop(node);
}

#[test]
fn removed_it_leaves_nothing() {
    let file = File::new(1_500_000);
    let source = Source::new(&file, slow());
    let home = common::directory();
    let node = start(home.path());
    let id = get(&node, &file, &[source.address]);
    until("some of it", || node.download(id).unwrap().received > 0);
    assert_eq!(node.remove_download(id).unwrap().id, id);
    assert!(node.remove_download(id).is_err() && node.pause_download(id).is_err());
    until("an empty folder", || {
        entries(&home.path().join("incomplete")) == 0
    });
    stop(node);
    let node = start(home.path());
    assert!(node.downloads().is_empty());
    stop(node);
}

#[test]
fn what_cannot_exist_fails_stays_in_the_list_and_is_not_tried_at_each_start() {
    let (file, other) = (File::new(700_000), File::new(600_000));
    let source = Source::new(&file, Manners::default());
    let home = common::directory();
    let node = start(home.path());
    // The tree is the file's, the SHA-1 is not: nobody can have it.
    let link = file.magnet(&[source.address], true);
    let link = link.replace(&file.sha1.to_string(), &other.sha1.to_string());
    let id = node
        .fetch(&Target::Magnet(link.parse().unwrap()), None)
        .unwrap();
    let state = reaches(&node, id, DownloadPhase::Failed);
    assert_eq!(state.error.unwrap().kind, FailureKind::Verification);
    let asked = source.asked().len();
    stop(node);
    let node = start(home.path());
    let state = node.download(id).unwrap();
    assert_eq!(state.phase, DownloadPhase::Failed);
    assert_eq!(state.error.unwrap().kind, FailureKind::Verification);
    assert_eq!(source.asked().len(), asked);
    node.resume_download(id).unwrap();
    reaches(&node, id, DownloadPhase::Failed);
    assert!(source.asked().len() > asked, "asked for, it is tried again");
    node.remove_download(id).unwrap();
    stop(node);
}

#[test]
fn a_folder_that_cannot_be_written_pauses_it_with_a_reason() {
    let file = File::new(700_000);
    let source = Source::new(&file, Manners::default());
    let home = common::directory();
    let node = start(home.path());
    let folder = home.path().join("mine");
    std::fs::write(&folder, b"in the way").unwrap();
    let link = file.magnet(&[source.address], false);
    let target = Target::Magnet(link.parse().unwrap());
    let id = node.fetch(&target, Some(folder.clone())).unwrap();
    let state = reaches(&node, id, DownloadPhase::Paused);
    let failure = state.error.unwrap();
    assert_eq!(failure.kind, FailureKind::Disk);
    assert!(failure.message.contains("mine"), "{}", failure.message);
    std::fs::remove_file(&folder).unwrap();
    node.resume_download(id).unwrap();
    completes(&node, id, &file);
    assert!(folder.join("almond").is_file());
    stop(node);
}

#[test]
fn a_poisoner_a_staller_and_one_that_closes_do_no_harm() {
    let file = File::new(8 << 20);
    let manners = |change: fn(&mut Manners)| {
        let mut manners = Manners {
            rate: Some(2 << 20),
            ..Manners::default()
        };
        change(&mut manners);
        Source::new(&file, manners)
    };
    let poisoner = manners(|manners| manners.poisons = true);
    let staller = manners(|manners| manners.stalls_after = Some(100_000));
    let closer = manners(|manners| manners.closes_after = Some(300_000));
    let good = manners(|_| ());
    let sources = [&poisoner, &staller, &closer, &good].map(|source| source.address);
    let node = block_on(builder().start()).unwrap();
    let link = file.magnet(&sources, true);
    let id = node
        .fetch(&Target::Magnet(link.parse().unwrap()), None)
        .unwrap();
    completes(&node, id, &file);
    assert_eq!(node.download(id).unwrap().liars, [poisoner.address]);
    // Nobody can tell before the tree is there.
    assert!(poisoner.asked().len() <= 3, "{:?}", poisoner.asked());
    assert!(closer.asked().len() > 1 && !staller.asked().is_empty());
    stop(node);
}

#[test]
fn a_false_tree_is_found_out_whoever_serves_it_and_the_file_is_right() {
    let (file, other) = (File::new(3 << 20), File::with_seed(3 << 20, 99));
    // It serves another file under this one's hash, with a tree that fits.
    let liar = Source::under(&other, file.sha1, Manners::default());
    let good: Vec<Source> = (0..2)
        .map(|_| {
            let rate = Some(4 << 20);
            let manners = Manners {
                rate,
                ..Manners::default()
            };
            Source::new(&file, manners)
        })
        .collect();
    let node = block_on(builder().start()).unwrap();
    let sources = [liar.address, good[0].address, good[1].address];
    let id = get(&node, &file, &sources);
    completes(&node, id, &file);
    stop(node);
}

#[test]
fn a_few_run_at_once_and_the_dearer_ones_first() {
    let files: Vec<Arc<File>> = [700_000, 700_001, 700_002].map(File::new).into();
    let sources: Vec<Source> = files.iter().map(|file| Source::new(file, slow())).collect();
    let limits = DownloadLimits {
        active: 1,
        ..DownloadLimits::default()
    };
    let node = block_on(builder().download_limits(limits).start()).unwrap();
    let ids: Vec<u64> = files
        .iter()
        .zip(&sources)
        .map(|(file, source)| get(&node, file, &[source.address]))
        .collect();
    reaches(&node, ids[0], DownloadPhase::Active);
    for id in &ids[1..] {
        assert_eq!(node.download(*id).unwrap().phase, DownloadPhase::Queued);
    }
    node.prefer_download(ids[2], Priority::High).unwrap();
    reaches(&node, ids[2], DownloadPhase::Active);
    assert_eq!(node.download(ids[0]).unwrap().phase, DownloadPhase::Queued);
    for source in &sources {
        source.manners.lock().unwrap().rate = None;
    }
    for (id, file) in ids.iter().zip(&files) {
        completes(&node, *id, file);
    }
    stop(node);
}
