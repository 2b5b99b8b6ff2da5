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

/// A daemon whose unfinished files lie on a file system of their own.
#[cfg(target_os = "linux")]
struct Mounted {
    home: tempfile::TempDir,
    incomplete: std::path::PathBuf,
    daemon: std::process::Child,
}

#[cfg(target_os = "linux")]
impl Mounted {
    /// Mounts it so. That takes root: nothing for anybody else, for whom another test has to do.
    fn new(options: &str) -> Option<Self> {
        use std::process::{Command, Stdio};

        let own = |arguments: &[&str]| {
            let mut command = Command::new("unshare");
            command.arg("-m").args(arguments).stdin(Stdio::null());
            command
        };
        let allowed = own(&["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let home = common::directory();
        let incomplete = home.path().join("incomplete");
        std::fs::create_dir(&incomplete).unwrap();
        settings(home.path(), "[transfers]\nkeep_free = \"none\"\n");
        let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
        let mut run = own(&["sh", "-c", script, "sh", options]);
        run.arg(&incomplete)
            .arg(env!("CARGO_BIN_EXE_filbert"))
            .arg("--home")
            .arg(home.path())
            .args(["run", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let daemon = run.spawn().unwrap();
        up(home.path());
        Some(Self {
            home,
            incomplete,
            daemon,
        })
    }

    /// Mounts it otherwise.
    fn remount(&self, options: &str) {
        let inside = self.daemon.id().to_string();
        let changed = std::process::Command::new("nsenter")
            .args(["-t", &inside, "-m", "mount", "-o"])
            .arg(format!("remount,{options}"))
            .arg(&self.incomplete)
            .status();
        assert!(changed.unwrap().success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let _killed = self.daemon.kill();
        let _gone = self.daemon.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_disk_that_is_really_full_nothing_is_lost() {
    let Some(mounted) = Mounted::new("size=600k") else {
        return;
    };
    let home = &mounted.home;
    let file = File::new(1_500_000);
    let source = Source::new(&file, Manners::default());
    let link = file.magnet(&[source.address], true);
    let output = filbert(home.path(), &["get", &link, "--wait"]).output();
    assert_eq!(output.unwrap().status.code(), Some(9));
    let before = downloads(home.path())[0].clone();
    assert_eq!(before["error_code"], "no_space", "{before}");

    mounted.remount("size=8m");
    let asked = source.asked().len();
    let resumed = filbert(home.path(), &["downloads", "resume", "1"]).output();
    let done = filbert(home.path(), &["get", &link, "--wait"]).output();
    let after = downloads(home.path())[0].clone();
    assert!(resumed.unwrap().status.success());
    assert_eq!(done.unwrap().status.code(), Some(0), "{after}");
    let bytes = std::fs::read(after["path"].as_str().unwrap()).unwrap();
    assert!(bytes == file.bytes, "the bytes differ");
    let asked_again = source.asked().split_off(asked);
    let again: usize = asked_again.iter().map(ExactSizeIterator::len).sum();
    // Of the 600 KiB that there was room for, at least two tiles were whole.
    assert!(again > 0 && again <= 1_500_000 - 2 * 131_072, "{again}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_may_only_be_read_pauses_it_until_it_may_be_written() {
    let Some(mounted) = Mounted::new("size=8m,ro") else {
        return;
    };
    let home = mounted.home.path();
    let file = File::new(1_500_000);
    let source = Source::new(&file, Manners::default());
    let link = file.magnet(&[source.address], true);
    let begun = filbert(home, &["get", &link]).status().unwrap();
    assert!(begun.success());
    until("a reason", || downloads(home)[0]["error"].is_string());
    let paused = downloads(home)[0].clone();
    let why = paused["error"].as_str().unwrap();
    assert_eq!(paused["state"], "paused", "{paused}");
    assert!(
        why.contains("incomplete") && why.contains("cannot be written"),
        "{why}"
    );
    mounted.remount("rw");
    let resumed = filbert(home, &["downloads", "resume", "1"]).status();
    assert!(resumed.unwrap().success());
    let done = filbert(home, &["get", &link, "--wait"]).status().unwrap();
    assert_eq!(done.code(), Some(0), "{}", downloads(home)[0]);
}
