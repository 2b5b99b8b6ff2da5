//! Downloads whose disk is in the way: stopped with a reason, and nothing is lost.

use super::*;

#[cfg(unix)]
#[test]
fn with_too_little_room_it_pauses_with_a_reason_and_goes_on_when_there_is_some() {
    let file = File::new(700_000);
    let source = Source::new(&file, Manners::default());
    let home = common::directory();
    let greedy = DownloadLimits {
        keep_free: 1 << 60,
        ..DownloadLimits::default()
    };
    let node = builder().home(home.path()).download_limits(greedy);
    let node = block_on(node.start()).unwrap();
    let id = get(&node, &file, &[source.address]);
    let state = reaches(&node, id, DownloadPhase::Paused);
    let failure = state.error.unwrap();
    assert_eq!(failure.kind, FailureKind::NoSpace);
    assert!(failure.message.contains("bytes left"), "{failure:?}");
    assert_eq!(source.asked(), [], "nobody is asked in vain");
    stop(node);

    // It is not the user who stopped it, so it goes on by itself.
    let node = start(home.path());
    completes(&node, id, &file);
    stop(node);
}

/// Makes a folder of unfinished files whose mode can be set, and that may only be read; nothing for
/// root, who may write anywhere.
#[cfg(unix)]
pub(super) fn closed(home: &Path) -> Option<impl Fn(u32)> {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = home.join("incomplete");
    fs::create_dir(&folder).unwrap();
    let probe = folder.join("x");
    let allow = move |mode| fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    fs::write(probe, b"").is_err().then_some(allow)
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_only_be_read_pauses_it_until_it_may_be_written() {
    let file = File::new(700_000);
    let source = Source::new(&file, Manners::default());
    let home = common::directory();
    // For root there is the test of a disk that may only be read.
    let Some(allow) = closed(home.path()) else {
        return;
    };
    let node = start(home.path());
    let id = get(&node, &file, &[source.address]);
    let failure = reaches(&node, id, DownloadPhase::Paused).error.unwrap();
    assert_eq!(failure.kind, FailureKind::Disk);
    assert!(failure.message.contains("cannot be written"), "{failure:?}");
    assert_eq!(source.asked(), [], "nobody is asked in vain");
    allow(0o755);
    node.resume_download(id).unwrap();
    completes(&node, id, &file);
    stop(node);
}

#[test]
fn when_the_folder_of_unfinished_files_vanishes_it_begins_again_there() {
    let file = File::new(1_500_000);
    let source = Source::new(&file, slow());
    let home = common::directory();
    let node = start(home.path());
    let id = get(&node, &file, &[source.address]);
    until("some of it", || node.download(id).unwrap().received > 0);
    std::fs::remove_dir_all(home.path().join("incomplete")).unwrap();
    source.manners.lock().unwrap().rate = None;
    until("a reason or the file", || {
        let state = node.download(id).unwrap();
        state.phase == DownloadPhase::Done || state.error.is_some()
    });
    node.resume_download(id).unwrap();
    completes(&node, id, &file);
    stop(node);
}
