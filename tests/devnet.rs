//! The main job: many real servents on loopback find and fetch files.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{builder, write};
use filbert::devnet::{Devnet, Error, Plan};
use filbert::node::state::DownloadPhase;
use filbert::node::{Node, Target};
use filbert::runtime::{block_on, timeout};
use futures::StreamExt;
use serde_json::Value;

/// A plan whose servents share a few made-up files.
fn plan(servents: u32, shares: &Path) -> Plan {
    Plan {
        servents: Some(servents),
        shares: vec![shares.to_owned()],
        ..Plan::default()
    }
}

fn songs(count: usize) -> tempfile::TempDir {
    let directory = common::directory();
    for number in 0..count {
        let name = format!("song number {number} of the orchard.ogg");
        write(directory.path(), &name, name.repeat(number + 1).as_bytes());
    }
    directory
}

/// How many holders answer a search for the devnet's words.
async fn hits(node: &Node, words: &str, wanted: usize) -> usize {
    let mut search = node.search(words).unwrap();
    let mut count = 0;
    let listening = async {
        while count < wanted && search.next().await.is_some() {
            count += 1;
        }
    };
    let _late = timeout(Duration::from_secs(5), listening).await;
    search.cancel();
    count
}

#[test]
fn small_and_large_devnets_find_and_fetch() {
    let shares = songs(30);
    for servents in [5, 6, 11, 12, 20, 40] {
        let story = block_on(async {
            let devnet = Devnet::start(plan(servents, shares.path())).await.unwrap();
            let story = devnet.run().await;
            devnet.stop().await;
            story
        });
        assert!(story.held(), "{servents}: {story:?}");
        assert_eq!(
            (story.servents, story.files, story.skipped),
            (servents as usize, 30, 0)
        );
        assert!(
            story.searches.iter().all(|search| search.hops >= 3),
            "{story:?}"
        );
        // Every search reaches every other servent exactly once, in these small graphs.
        let reached = story.messages - story.duplicates;
        assert_eq!(
            reached,
            u64::from(servents - 1) * story.searches.len() as u64,
            "{story:?}"
        );
    }
}

#[test]
fn killing_any_one_servent_that_holds_no_copy_changes_nothing() {
    let shares = songs(12);
    block_on(async {
        for killed in 0..12 {
            let devnet = Devnet::start(plan(12, shares.path())).await.unwrap();
            let entry = devnet
                .nodes()
                .iter()
                .position(|node| node.guid() == devnet.entry().guid());
            let holders = devnet.holders();
            if holders.contains(&killed) || entry == Some(killed) {
                continue;
            }
            devnet.nodes()[killed].stop().await;
            let found = hits(devnet.entry(), devnet.words(), holders.len()).await;
            assert_eq!(found, holders.len(), "without servent {killed}");
            devnet.stop().await;
        }
    });
}

#[test]
fn a_servent_from_outside_joins_finds_and_fetches() {
    let shares = songs(12);
    block_on(async {
        let devnet = Devnet::start(plan(12, shares.path())).await.unwrap();
        let guest = builder()
            .peer(devnet.entry().address())
            .start()
            .await
            .unwrap();
        let mut search = guest.search(devnet.words()).unwrap();
        let hit = timeout(common::PATIENCE, search.next())
            .await
            .unwrap()
            .unwrap();
        assert!(hit.source.hops >= 4);
        let id = guest.fetch(&Target::Number(hit.number), None).unwrap();
        assert_eq!(guest.finished(id).await.unwrap().phase, DownloadPhase::Done);
        guest.stop().await;
        devnet.stop().await;
    });
}

#[test]
fn what_cannot_be_searched_is_left_out_and_counted() {
    let shares = songs(12);
    write(shares.path(), "empty file.txt", b"");
    write(shares.path(), "--.--", b"no word in the name");
    let twin = std::fs::read(shares.path().join("song number 3 of the orchard.ogg")).unwrap();
    write(shares.path(), "twin song.ogg", &twin);
    let story = block_on(async {
        let devnet = Devnet::start(plan(12, shares.path())).await.unwrap();
        devnet.run().await
    });
    assert!(story.held(), "{story:?}");
    assert_eq!((story.files, story.skipped), (12, 3));
}

#[test]
fn what_cannot_be_is_said() {
    let (shares, nothing) = (songs(3), common::directory());
    let failure = |plan: Plan| block_on(Devnet::start(plan)).unwrap_err();
    assert!(matches!(failure(plan(4, shares.path())), Error::Size(4)));
    assert!(matches!(
        failure(plan(12, nothing.path())),
        Error::NothingToSearch
    ));
    assert!(matches!(
        failure(plan(12, Path::new("/nowhere"))),
        Error::Share { .. }
    ));
    let star = Plan {
        topology: Some("tree:degree=9,depth=1".parse().unwrap()),
        ..plan(10, shares.path())
    };
    assert!(
        matches!(failure(star), Error::NothingToSearch),
        "nobody is three links away"
    );
    let apart = Plan {
        topology: Some("gnm:n=9,m=0".parse().unwrap()),
        ..plan(9, shares.path())
    };
    assert!(matches!(failure(apart), Error::Apart(_)));
    let sizes = Plan {
        topology: Some("grid:w=3,h=3".parse().unwrap()),
        ..plan(12, shares.path())
    };
    assert!(matches!(failure(sizes), Error::TopologySize { .. }));
}

fn devnet(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filbert"));
    command
        .arg("devnet")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn once_prints_one_object_and_succeeds_only_if_everything_held() {
    let shares = songs(400);
    let output = devnet(&[
        "--once",
        "--json",
        "--share",
        shares.path().to_str().unwrap(),
    ]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(told["servents"], 12);
    assert_eq!(told["files"], 400);
    for search in told["searches"].as_array().unwrap() {
        assert!(
            search["hits"].as_u64() >= Some(1) && search["hops"].as_u64() >= Some(3),
            "{search}"
        );
        assert!(
            search["words"].is_string() && search["first_hit_ms"].is_u64(),
            "{search}"
        );
    }
    for fetch in told["fetches"].as_array().unwrap() {
        assert_eq!(
            (&fetch["verified"], &fetch["sources"]),
            (&true.into(), &1.into()),
            "{fetch}"
        );
        assert_eq!(fetch["sha1"].as_str().unwrap().len(), 32);
        assert!(fetch["name"].is_string() && fetch["size"].is_u64() && fetch["ms"].is_u64());
    }
    assert!(told["messages"].as_u64() > told["duplicates"].as_u64());

    let output = devnet(&["--once", "--share", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot share /nowhere"), "{said}");
    assert_eq!(devnet(&["4", "--once"]).status.code(), Some(2));
}

/// A devnet that stays up, driven through its control plane.
#[test]
fn a_standing_devnet_says_how_to_reach_it() {
    let shares = songs(12);
    let mut child = Command::new(env!("CARGO_BIN_EXE_filbert"))
        .args(["devnet", "--json", "--share"])
        .arg(shares.path())
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let standing: Value = serde_json::from_str(&line).unwrap();
    let token_file = PathBuf::from(standing["token_file"].as_str().unwrap());
    assert!(token_file.is_file());
    assert!(
        standing["entry"]
            .as_str()
            .unwrap()
            .parse::<std::net::SocketAddr>()
            .is_ok()
    );
    let output = Command::new(env!("CARGO_BIN_EXE_filbert"))
        .args([
            "--json",
            "--api",
            standing["api"].as_str().unwrap(),
            "--home",
        ])
        .arg(token_file.parent().unwrap())
        .arg("peers")
        .output()
        .unwrap();
    let peers: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(peers.as_array().unwrap().len(), 4, "{peers}");
    let output = Command::new(env!("CARGO_BIN_EXE_filbert"))
        .args(["--api", standing["api"].as_str().unwrap(), "--home"])
        .arg(token_file.parent().unwrap())
        .arg("stop")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(child.wait().unwrap().success());
    assert!(!token_file.exists(), "it leaves nothing behind");
}
