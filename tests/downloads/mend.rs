//! Downloads whose disk was in the way go on by themselves once it is not any more.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;

/// One that tries the disk again soon.
fn eager(home: &Path, keep_free: u64) -> Node {
    let limits = DownloadLimits {
        keep_free,
        disk_pause: Duration::from_millis(50),
        ..DownloadLimits::default()
    };
    block_on(builder().home(home).download_limits(limits).start()).unwrap()
}

#[test]
fn a_folder_that_may_be_made_again_is_used_without_a_word() {
    let file = File::new(700_000);
    let source = Source::new(&file, Manners::default());
    let home = common::directory();
    let node = eager(home.path(), 0);
    let folder = home.path().join("mine");
    fs::write(&folder, b"in the way").unwrap();
    let link = file.magnet(&[source.address], false);
    let target = Target::Magnet(link.parse().unwrap());
    let id = node.fetch(&target, Some(folder.clone())).unwrap();
    reaches(&node, id, DownloadPhase::Paused);
    fs::remove_file(&folder).unwrap();
    completes(&node, id, &file);
    assert!(folder.join("almond").is_file());
    stop(node);
}

#[test]
fn when_the_folder_of_unfinished_files_is_back_it_goes_on_there() {
    let file = File::new(1_500_000);
    let source = Source::new(&file, slow());
    let home = common::directory();
    let node = eager(home.path(), 0);
    let id = get(&node, &file, &[source.address]);
    until("some of it", || node.download(id).unwrap().received > 0);
    let incomplete = home.path().join("incomplete");
    fs::remove_dir_all(&incomplete).unwrap();
    fs::write(&incomplete, b"in the way").unwrap();
    source.manners.lock().unwrap().rate = None;
    let state = reaches(&node, id, DownloadPhase::Paused);
    assert_eq!(state.error.unwrap().kind, FailureKind::Disk);
    fs::remove_file(&incomplete).unwrap();
    completes(&node, id, &file);
    stop(node);
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_be_written_again_is_used_without_a_word() {
    let file = File::new(700_000);
    let source = Source::new(&file, Manners::default());
    let home = common::directory();
    // For root there is the test of a disk that may only be read.
    let Some(allow) = disk::closed(home.path()) else {
        return;
    };
    let node = eager(home.path(), 0);
    let id = get(&node, &file, &[source.address]);
    reaches(&node, id, DownloadPhase::Paused);
    allow(0o755);
    completes(&node, id, &file);
    stop(node);
}

/// By which the test that mounts a disk knows that it sees mounts of its own.
#[cfg(target_os = "linux")]
const OWN_MOUNTS: &str = "FILBERT_TEST_OWN_MOUNTS";

#[cfg(target_os = "linux")]
fn mount(arguments: &[&str], on: &Path) {
    let status = std::process::Command::new("mount")
        .args(arguments)
        .arg(on)
        .status();
    assert!(status.unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_was_full_or_could_only_be_read_is_used_again_without_a_word() {
    use std::process::{Command, Stdio};

    if std::env::var_os(OWN_MOUNTS).is_none() {
        // Mounting takes root: nothing for anybody else, for whom the tests above have to do.
        let own = |program: &Path| {
            let mut command = Command::new("unshare");
            command.arg("-m").arg(program).stdin(Stdio::null());
            command
        };
        let allowed = own(Path::new("true")).output();
        if allowed.is_ok_and(|output| output.status.success()) {
            let this =
                "mend::a_disk_that_was_full_or_could_only_be_read_is_used_again_without_a_word";
            let mut again = own(&std::env::current_exe().unwrap());
            let output = again.args(["--exact", this]).env(OWN_MOUNTS, "1").output();
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && said.contains("1 passed"),
                "{said}"
            );
        }
        return;
    }
    let home = common::directory();
    let incomplete = home.path().join("incomplete");
    fs::create_dir(&incomplete).unwrap();
    mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], &incomplete);
    fs::write(incomplete.join("ballast"), vec![1; 3_500_000]).unwrap();
    let files = [File::new(1_500_000), File::new(1_500_001)];
    let sources = files
        .each_ref()
        .map(|file| Source::new(file, Manners::default()));
    let node = eager(home.path(), 0);
    let full = get(&node, &files[0], &[sources[0].address]);
    let state = reaches(&node, full, DownloadPhase::Paused);
    assert_eq!(state.error.unwrap().kind, FailureKind::NoSpace);
    fs::remove_file(incomplete.join("ballast")).unwrap();
    completes(&node, full, &files[0]);

    mount(&["-o", "remount,ro"], &incomplete);
    let closed = get(&node, &files[1], &[sources[1].address]);
    let state = reaches(&node, closed, DownloadPhase::Paused);
    assert_eq!(state.error.unwrap().kind, FailureKind::Disk);
    mount(&["-o", "remount,rw"], &incomplete);
    completes(&node, closed, &files[1]);
    stop(node);
    // So that the folder can be removed.
    let gone = Command::new("umount").arg(&incomplete).status();
    assert!(gone.unwrap().success());
}
