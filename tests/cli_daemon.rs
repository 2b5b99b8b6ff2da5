//! Daemons as processes, and the commands that speak to them.

#![cfg(feature = "cli")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use common::{until, write};
use serde_json::Value;

fn filbert(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filbert"));
    command
        .arg("--home")
        .arg(home)
        .args(arguments)
        .stdin(Stdio::null());
    for name in [
        "FILBERT_HOME",
        "FILBERT_API",
        "FILBERT_LISTEN",
        "FILBERT_DOWNLOADS",
        "FILBERT_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A daemon on free loopback ports, killed when the test ends before it.
struct Daemon {
    home: PathBuf,
    child: Child,
}

impl Daemon {
    fn start(home: &Path, arguments: &[&str]) -> Self {
        let child = filbert(
            home,
            &["run", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"],
        )
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        let daemon = Self {
            home: home.to_owned(),
            child,
        };
        until("a daemon is up", || {
            daemon.command(&["status"]).status.success()
        });
        daemon
    }

    fn command(&self, arguments: &[&str]) -> Output {
        filbert(&self.home, arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[arguments, &["--json"]].concat());
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn address(&self) -> String {
        self.json(&["status"])["listen"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end; gives the exit status and what it said.
    fn ended(mut self) -> (Option<i32>, String) {
        let stderr = self.child.stderr.take().unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), std::io::read_to_string(stderr).unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Usually it has ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A daemon that shares `files` and one that has it for a neighbour, under one directory.
fn pair(directory: &Path, files: &[(&str, &[u8])]) -> (Daemon, Daemon) {
    let shared = directory.join("shared");
    for (name, bytes) in files {
        write(&shared, name, bytes);
    }
    let holder = Daemon::start(
        &directory.join("holder"),
        &["--mode", "ultrapeer", "--share", shared.to_str().unwrap()],
    );
    let seeker = Daemon::start(&directory.join("seeker"), &["--peer", &holder.address()]);
    until("the daemons are neighbours", || {
        seeker.json(&["status"])["connected"] == true
    });
    until("all is hashed", || {
        holder.json(&["status"])["shared"]["hashed"] == files.len()
    });
    (holder, seeker)
}

#[test]
fn uploads_are_shown_and_the_list_of_another_is_browsed() {
    let directory = common::directory();
    let bytes = vec![7; 24 << 20];
    let holder = directory.path().join("holder");
    let settings = "[transfers]\nslots = 1\n[[transfers.schedule]]\nfrom = \"00:00\"\n\
                    to = \"12:00\"\ndownload_limit = \"900M\"\n";
    write(&holder, "filbert.toml", settings.as_bytes());
    let (holder, seeker) = pair(directory.path(), &[("walnut.bin", &bytes)]);
    let output = seeker.command(&["browse", &holder.address(), "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed["results"][0]["name"], "walnut.bin");
    let sha1 = listed["results"][0]["sha1"].as_str().unwrap();
    let ask = |headers: &str| {
        let mut asker = common::Probe::dial(holder.address().parse().unwrap());
        let request =
            format!("GET /uri-res/N2R?urn:sha1:{sha1} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        asker.say(request.as_bytes());
        let head = asker.block();
        (asker, head)
    };
    let (_served, head) = ask("User-Agent: probe/1\r\n");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (_waiting, head) = ask("X-Queue: 0.1\r\n");
    assert!(
        head.contains("position=1,length=1,limit=1,pollMin=2,pollMax=17"),
        "{head}"
    );
    let uploads = holder.json(&["uploads"]);
    assert_eq!(
        (&uploads[0]["state"], &uploads[0]["agent"]),
        (&"active".into(), &"probe/1".into())
    );
    assert_eq!(
        (&uploads[1]["state"], &uploads[1]["position"]),
        (&"queued".into(), &1.into())
    );
    let table = text(&holder.command(&["uploads"]).stdout);
    assert!(
        table.contains("queued 1") && table.contains("walnut.bin"),
        "{table}"
    );
    seeker.json(&["get", "1"]);
    until("the place in the queue of the only source is told", || {
        seeker.json(&["downloads"])[0]["sources"]["queues"][0]["position"] == 2
    });
    let table = text(&seeker.command(&["downloads"]).stdout);
    assert!(table.contains("queued 2 of 2 at "), "{table}");
    let status = holder.json(&["status"]);
    assert_eq!(
        status["uploads"],
        serde_json::json!({"active": 1, "queued": 2})
    );
    assert!(status["exchanged"]["given"].as_u64().unwrap() > 0);
    let shown = text(&holder.command(&["config", "show"]).stdout);
    assert!(
        shown.contains("transfers.slots") && shown.contains("900M"),
        "{shown}"
    );
}

#[test]
fn a_file_is_found_and_fetched_between_two_daemons() {
    let directory = common::directory();
    let bytes: Vec<u8> = (0..600_000_u32)
        .map(|n| n.to_le_bytes()[n as usize % 3])
        .collect();
    let files: [(&str, &[u8]); 2] = [("walnut songs.ogg", &bytes), ("walnut notes.txt", b"notes")];
    let (holder, seeker) = pair(directory.path(), &files);

    let peers = seeker.json(&["peers"]);
    assert_eq!(peers[0]["address"], holder.address());
    assert_eq!(peers[0]["direction"], "outgoing");
    assert_eq!(holder.json(&["peers"])[0]["direction"], "incoming");
    let shares = holder.json(&["share", "ls"]);
    assert_eq!(
        (&shares[0]["name"], &shares[0]["files"]),
        (&"shared".into(), &2.into())
    );

    let search = seeker.json(&["search", "walnut", "--min-size", "1k", "--limit", "1"]);
    let found = &search["results"][0];
    assert_eq!(search["results"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&found["name"], &found["size"]),
        (&"walnut songs.ogg".into(), &600_000.into())
    );
    assert_eq!(
        (&found["hops"], &found["sources"][0]["hops"]),
        (&1.into(), &1.into())
    );
    assert_eq!(found["sources"][0]["address"], holder.address());
    let id = search["id"].to_string();
    assert_eq!(seeker.json(&["results", &id])["query"], "walnut");
    assert_eq!(seeker.json(&["results"])["id"], search["id"]);

    let lines = seeker.command(&["search", "walnut", "--jsonl", "--limit", "2"]);
    assert_eq!(text(&lines.stdout).lines().count(), 2);
    let table = text(&seeker.command(&["search", "notes", "--limit", "1"]).stdout);
    assert!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .ends_with("5 B     1  walnut notes.txt"),
        "{table}"
    );

    let target = directory.path().join("fetched");
    let number = found["number"].to_string();
    let folder = target.to_str().unwrap();
    let fetched = seeker.command(&["get", &number, "-o", folder, "--wait"]);
    assert_eq!(fetched.status.code(), Some(0), "{}", text(&fetched.stderr));
    let path = target.join("walnut songs.ogg");
    assert_eq!(text(&fetched.stdout).trim_end(), path.to_str().unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let download = &seeker.json(&["downloads"])[0];
    assert_eq!(
        (&download["state"], &download["verified"]),
        (&"done".into(), &600_000.into())
    );

    assert_eq!(seeker.command(&["stop"]).status.code(), Some(0));
    assert_eq!(seeker.ended().0, Some(0));
    holder.signal("TERM");
    assert_eq!(holder.ended().0, Some(0));
}

#[test]
fn search_and_get_work_without_a_daemon() {
    let directory = common::directory();
    let (holder, _seeker) = pair(directory.path(), &[("hazel song.ogg", b"hazel")]);
    let nobody = directory.path().join("nobody");
    let peer = holder.address();

    let search = filbert(
        &nobody,
        &["search", "hazel", "--limit", "1", "--json", "--peer", &peer],
    )
    .output()
    .unwrap();
    assert_eq!(search.status.code(), Some(0), "{}", text(&search.stderr));
    assert!(text(&search.stderr).contains("no daemon runs"));
    let search: Value = serde_json::from_slice(&search.stdout).unwrap();
    let urn = format!(
        "urn:sha1:{}",
        search["results"][0]["sha1"].as_str().unwrap()
    );

    let here = directory.path().join("here");
    std::fs::create_dir(&here).unwrap();
    let fetched = filbert(&nobody, &["get", &urn, "--peer", &peer])
        .current_dir(&here)
        .output()
        .unwrap();
    assert_eq!(fetched.status.code(), Some(0), "{}", text(&fetched.stderr));
    assert_eq!(
        std::fs::read(here.join("hazel song.ogg")).unwrap(),
        b"hazel"
    );

    let url = format!("http://{peer}/uri-res/N2R?{urn}");
    let fetched = filbert(
        &nobody,
        &["get", &url, "-o", "there", "--json", "--peer", &peer],
    )
    .current_dir(&here)
    .output()
    .unwrap();
    assert_eq!(fetched.status.code(), Some(0), "{}", text(&fetched.stderr));
    let downloads: Value = serde_json::from_slice(&fetched.stdout).unwrap();
    assert_eq!(downloads[0]["state"], "done");
    assert!(here.join("there").is_dir() && !nobody.exists());
    assert!(text(&fetched.stderr).contains("`give_back` in the settings"));

    // A link with the size and nobody who has it.
    let file = directory.path().join("hazel song.ogg");
    std::fs::write(&file, b"hazel").unwrap();
    let mut link = filbert(&nobody, &["magnet", file.to_str().unwrap()]);
    let link = link.output().unwrap().stdout;
    let fetched = filbert(
        &nobody,
        &["get", text(&link).trim(), "-o", "linked", "--peer", &peer],
    )
    .current_dir(&here)
    .output()
    .unwrap();
    assert_eq!(fetched.status.code(), Some(0), "{}", text(&fetched.stderr));
    assert!(here.join("linked").join("hazel song.ogg").is_file());

    let numbered = filbert(&nobody, &["get", "1"]).output().unwrap();
    assert_eq!(numbered.status.code(), Some(4));
    let alone = filbert(&nobody, &["search", "hazel"]).output().unwrap();
    assert_eq!(alone.status.code(), Some(6), "{}", text(&alone.stderr));
}

#[test]
fn a_servent_told_of_nobody_asks_the_host_cache_of_its_settings() {
    let directory = common::directory();
    let (holder, _seeker) = pair(directory.path(), &[("hazel song.ogg", b"hazel")]);
    let alone = directory.path().join("alone");
    let settings = format!("[hosts]\nudp_caches = [\"{}\"]\n", holder.address());
    write(&alone, "filbert.toml", settings.as_bytes());
    let search = filbert(&alone, &["search", "hazel", "--limit", "1", "--json"])
        .output()
        .unwrap();
    assert_eq!(search.status.code(), Some(0), "{}", text(&search.stderr));
    let daemon = Daemon::start(&alone, &[]);
    until("the daemon has a neighbour", || {
        daemon.json(&["status"])["connected"] == true
    });
}

#[test]
fn the_exit_status_tells_what_was_missing() {
    let directory = common::directory();
    let (_holder, seeker) = pair(directory.path(), &[("hazel song.ogg", b"hazel")]);
    let nothing = seeker.command(&["search", "walnut", "--timeout", "1"]);
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(3), 0));
    let missing = seeker.command(&["get", "999"]);
    assert_eq!(missing.status.code(), Some(1));
    let refused = seeker.command(&["connect", "127.0.0.1:1"]);
    assert_eq!(refused.status.code(), Some(6), "{}", text(&refused.stderr));

    let second = filbert(&seeker.home, &["run", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("in use"),
        "{}",
        text(&second.stderr)
    );

    std::fs::write(seeker.home.join("token"), "wrong\n").unwrap();
    assert_eq!(seeker.command(&["status"]).status.code(), Some(5));
}

#[test]
fn downloads_are_stopped_preferred_and_removed_by_number() {
    let directory = common::directory();
    let (_holder, seeker) = pair(directory.path(), &[("hazel song.ogg", b"hazel")]);
    let urn = "urn:sha1:LMAGNHCIBVOP7PP2RPN2TFLBCYHS2G3X";
    let waited = seeker.command(&["get", urn, "--wait", "--timeout", "0"]);
    assert_eq!(waited.status.code(), Some(7), "{}", text(&waited.stderr));
    let id = seeker.json(&["downloads"])[0]["id"].to_string();
    let paused = seeker.json(&["downloads", "pause", &id]);
    assert_eq!(paused[0]["state"], "paused");
    let preferred = seeker.json(&["downloads", "priority", "high", &id]);
    assert_eq!(
        (&preferred[0]["state"], &preferred[0]["priority"]),
        (&"paused".into(), &"high".into())
    );
    let table = text(&seeker.command(&["downloads", "ls"]).stdout);
    assert!(table.contains("paused"), "{table}");
    let resumed = seeker.json(&["downloads", "resume", &id]);
    assert_ne!(resumed[0]["state"], "paused");
    let removed = seeker.json(&["downloads", "rm", &id]);
    assert_eq!(removed[0]["id"].to_string(), id);
    assert_eq!(seeker.json(&["downloads"]), serde_json::json!([]));
    let gone = seeker.command(&["downloads", "resume", &id]);
    assert_eq!(gone.status.code(), Some(1), "{}", text(&gone.stderr));
}

#[test]
fn wishes_are_kept_shown_and_removed() {
    let directory = common::directory();
    let home = directory.path().join("home");
    let daemon = Daemon::start(&home, &[]);
    let wish = daemon.json(&[
        "wish", "add", "hazel", "song", "--type", "audio", "--fetch", "2",
    ]);
    let known = &wish[0];
    assert_eq!(known["query"], "hazel song");
    assert_eq!(
        (&known["fetch"], &known["types"][0]),
        (&2.into(), &"audio".into())
    );
    assert_eq!(daemon.json(&["wish", "ls"])[0]["id"], known["id"]);
    let refused = daemon.command(&["wish", "add", "a"]);
    assert_eq!(refused.status.code(), Some(1), "nothing to search for");
    let table = text(&daemon.command(&["wish", "ls"]).stdout);
    assert!(
        table.contains("0/2") && table.contains("hazel song"),
        "{table}"
    );
    let id = known["id"].to_string();
    assert_eq!(daemon.json(&["wish", "rm", &id])[0]["id"], known["id"]);
    let again = daemon.command(&["wish", "rm", &id]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
    assert_eq!(daemon.json(&["wish", "ls"]), Value::Array(Vec::new()));
}

#[test]
fn an_interrupted_daemon_says_so_and_leaves_its_home_in_order() {
    let directory = common::directory();
    let home = directory.path().join("home");
    let daemon = Daemon::start(&home, &[]);
    let alone = daemon.command(&["search", "walnut", "--timeout", "1"]);
    assert_eq!(alone.status.code(), Some(6));
    daemon.signal("INT");
    let (exit, said) = daemon.ended();
    assert_eq!(exit, Some(130));
    assert!(
        said.starts_with("filbert: listening on 127.0.0.1:"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    let status = filbert(&home, &["status"]).output().unwrap();
    assert_eq!(status.status.code(), Some(4));
    let again = Daemon::start(&home, &[]);
    assert!(again.command(&["stop"]).status.success());
    assert_eq!(again.ended().0, Some(0));
}
