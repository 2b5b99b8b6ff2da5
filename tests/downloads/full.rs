//! A daemon whose disk is full, and what the command says of it.

use std::path::Path;

use super::kill::{daemon, downloads, filbert};
use super::*;

/// Settings of a home.
fn settings(home: &Path, text: &str) {
    std::fs::write(home.join("filbert.toml"), text).unwrap();
}

fn up(home: &Path) {
    until("the daemon is up", || {
        let status = filbert(home, &["status"]).output().unwrap();
        status.status.success()
    });
}

#[test]
fn who_waits_for_a_file_is_told_by_the_exit_status_that_there_is_no_room() {
    let file = File::new(1_500_000);
    let source = Source::new(&file, Manners::default());
    let home = common::directory();
    settings(home.path(), "[transfers]\nkeep_free = \"100000T\"\n");
    let mut child = daemon(home.path());
    up(home.path());
    let link = file.magnet(&[source.address], true);
    let output = filbert(home.path(), &["get", &link, "--wait"]).output();
    let _killed = child.kill();
    let _gone = child.wait();
    assert_eq!(output.unwrap().status.code(), Some(9));
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_disk_that_is_really_full_nothing_is_lost() {
    use std::process::{Command, Stdio};

    // Its own mounts, which takes root; elsewhere the test of what is to stay free has to do.
    let own = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.arg("-m").args(arguments).stdin(Stdio::null());
        command
    };
    let allowed = own(&["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return;
    }
    let file = File::new(1_500_000);
    let source = Source::new(&file, Manners::default());
    let home = common::directory();
    let incomplete = home.path().join("incomplete");
    std::fs::create_dir(&incomplete).unwrap();
    settings(home.path(), "[transfers]\nkeep_free = \"none\"\n");
    let script = "mount -t tmpfs -o size=600k tmpfs \"$1\" && shift && exec \"$@\"";
    let mut run = own(&["sh", "-c", script, "sh"]);
    run.arg(&incomplete)
        .arg(env!("CARGO_BIN_EXE_filbert"))
        .arg("--home")
        .arg(home.path())
        .args(["run", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = run.spawn().unwrap();
    up(home.path());
    let link = file.magnet(&[source.address], true);
    let output = filbert(home.path(), &["get", &link, "--wait"]).output();
    assert_eq!(output.unwrap().status.code(), Some(9));
    let before = downloads(home.path())[0].clone();
    assert_eq!(before["error_code"], "no_space", "{before}");

    let inside = child.id().to_string();
    let larger = Command::new("nsenter")
        .args(["-t", &inside, "-m", "mount", "-o", "remount,size=8m"])
        .arg(&incomplete)
        .output();
    let asked = source.asked().len();
    let resumed = filbert(home.path(), &["downloads", "resume", "1"]).output();
    let done = filbert(home.path(), &["get", &link, "--wait"]).output();
    let after = downloads(home.path())[0].clone();
    let _killed = child.kill();
    let _gone = child.wait();
    assert!(larger.unwrap().status.success() && resumed.unwrap().status.success());
    assert_eq!(done.unwrap().status.code(), Some(0), "{after}");
    let bytes = std::fs::read(after["path"].as_str().unwrap()).unwrap();
    assert!(bytes == file.bytes, "the bytes differ");
    let asked_again = source.asked().split_off(asked);
    let again: usize = asked_again.iter().map(ExactSizeIterator::len).sum();
    // Of the 600 KiB that there was room for, at least two tiles were whole.
    assert!(again > 0 && again <= 1_500_000 - 2 * 131_072, "{again}");
}
