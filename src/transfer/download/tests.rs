//! Which source is asked, how often, and what becomes of the file.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::*;
use crate::swarm::download::Order;
use crate::transfer::attempt::{Try, always, entries, file, honest, nobody};
use crate::transfer::scripted::{Asked, Reply, Server, answer, part};
use crate::wire::thex;
use crate::wire::tiger_tree::TreeHasher;

/// How long a tile of a file of 700,000 bytes is.
const TILE: usize = 256 * 1024;

#[test]
fn a_server_that_closes_after_each_answer_is_dialled_again() {
    let file = file(100_000);
    let contents = file.clone();
    let server = Server::new(move |asked| {
        let (first, last) = asked.range();
        Reply::Close(part(&contents, first, last.min(first + 9_999)))
    });
    Try::new(&file, &[server.address]).succeed(&file, server.address);
    assert_eq!(server.asked().len(), 10);
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let file = file(100_000);
    let contents = file.clone();
    let server = Server::new(move |asked| {
        let (first, last) = asked.range();
        let mut answer = part(&contents, first, last);
        if asked.connection == 0 {
            answer.truncate(answer.len() - 60_000);
            return Reply::Close(answer);
        }
        Reply::Keep(answer)
    });
    Try::new(&file, &[server.address]).succeed(&file, server.address);
    let asked: Vec<_> = server.asked().iter().map(Asked::range).collect();
    assert_eq!(asked, [(0, 99_999), (40_000, 99_999)]);
}

/// A servent that gives the first tile of a file of three, and then does this.
fn one_tile(file: &[u8], then: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    let contents = file.to_owned();
    Server::new(move |asked| match asked.range() {
        (0, last) => Reply::Keep(part(&contents, 0, last)),
        _ => then(),
    })
}

fn in_order(attempt: &mut Try) {
    attempt.settings.swarm.order = Order::Sequential;
}

#[test]
fn a_later_run_resumes_and_another_source_may_finish() {
    let file = file(700_000);
    let first = one_tile(&file, || Reply::Close(answer("404 Gone", "", b"")));
    let mut attempt = Try::new(&file, &[first.address]);
    in_order(&mut attempt);
    assert!(matches!(attempt.fail(), source::Error::Refused { .. }));
    assert!(fs::read(attempt.part()).unwrap().starts_with(&file[..TILE]));
    let second = honest(&file);
    attempt.job.sources[0].address = second.address;
    attempt.succeed(&file, second.address);
    assert!(second.asked().iter().all(|asked| asked.range().0 >= TILE));
    let resumed = Progress::Resumed { bytes: TILE as u64 };
    assert!(attempt.events().contains(&resumed));
}

#[test]
fn dropped_half_way_it_keeps_the_part_and_runs_again() {
    let file = file(700_000);
    let server = one_tile(&file, || Reply::Hang(Vec::new()));
    let mut attempt = Try::new(&file, &[server.address]);
    in_order(&mut attempt);
    runtime::block_on(async {
        let notes = Arc::clone(&attempt.notes) as _;
        let (_more, offers) = mpsc::unbounded();
        let run = std::pin::pin!(run_with(
            attempt.job.clone(),
            notes,
            &attempt.settings,
            offers,
            |_| ()
        ));
        let noted = std::pin::pin!(async {
            while attempt.notes.kept.lock().unwrap().is_none() {
                runtime::sleep(Duration::from_millis(1)).await;
            }
        });
        match future::select(run, noted).await {
            Either::Left((ended, _)) => panic!("{ended:?}"),
            Either::Right(_) => {}
        }
    });
    let other = honest(&file);
    attempt.job.sources[0].address = other.address;
    attempt.succeed(&file, other.address);
    assert!(other.asked().iter().all(|asked| asked.range().0 >= TILE));
}

#[test]
fn wrong_bytes_are_thrown_away_their_sender_named_and_the_next_source_asked() {
    let file = file(50_000);
    let mut wrong = file.clone();
    wrong[49_999] ^= 1;
    let (liar, good) = (honest(&wrong), honest(&file));
    let attempt = Try::new(&file, &[liar.address, good.address]);
    attempt.succeed(&file, good.address);
    assert!(attempt.events().contains(&Progress::Rejected {
        sources: vec![liar.address]
    }));
    assert_eq!(good.asked()[0].range(), (0, 49_999));
}

#[test]
fn when_all_lie_the_verification_fails_and_nothing_is_left() {
    let file = file(50_000);
    let liars = [honest(&vec![0; 50_000]), honest(&vec![1; 50_000])];
    let addresses = liars.each_ref().map(|liar| liar.address);
    let attempt = Try::new(&file, &addresses);
    match attempt.run() {
        Err(error @ Error::Verification { .. }) => {
            let text = error.to_string();
            assert!(text.contains(&attempt.job.sha1.to_string()), "{text}");
            let Error::Verification { sources, .. } = error else {
                unreachable!()
            };
            let sources: BTreeSet<_> = sources.into_iter().collect();
            assert_eq!(sources, BTreeSet::from(addresses));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        (
            entries(&attempt.job.incomplete),
            entries(&attempt.job.target)
        ),
        (0, 0)
    );
}

#[test]
fn without_verification_it_is_delivered_as_it_came_and_nobody_is_asked_for_a_tree() {
    let file = file(3_000_000);
    let tree = tree_of(&file);
    let wrong: Vec<u8> = file.iter().map(|byte| !byte).collect();
    let liar = with_tree(&wrong, &tree);
    let mut attempt = Try::new(&file, &[liar.address]);
    attempt.job.root = Some(tree.root());
    attempt.settings.verify = false;
    attempt.succeed(&wrong, liar.address);
    let asked = liar.asked();
    assert!(!asked.iter().any(|asked| asked.head.contains("N2X")));
    let gave = |event: &Progress| matches!(event, Progress::Gave { .. });
    assert!(!attempt.events().iter().any(gave));
}

/// A servent that gives this file, and a tree.
fn with_tree(file: &[u8], tree: &TigerTree) -> Server {
    let (file, tree) = (file.to_owned(), thex::encode(tree));
    Server::new(move |asked| {
        if asked.head.starts_with("GET /uri-res/N2X?") {
            return Reply::Keep(answer(
                "200 OK",
                "Content-Type: application/dime\r\n",
                &tree,
            ));
        }
        let (first, last) = asked.range();
        Reply::Keep(part(&file, first, last))
    })
}

fn tree_of(file: &[u8]) -> TigerTree {
    let mut hasher = TreeHasher::new();
    hasher.update(file);
    hasher.finish()
}

#[test]
fn with_a_tree_a_wrong_tile_shows_who_sent_it_and_nothing_wrong_is_written() {
    let file = file(3_000_000);
    let tree = tree_of(&file);
    let wrong: Vec<u8> = file.iter().map(|byte| !byte).collect();
    let liar = with_tree(&wrong, &tree);
    let good = [with_tree(&file, &tree), with_tree(&file, &tree)];
    let addresses = [liar.address, good[0].address, good[1].address];
    let mut attempt = Try::new(&file, &addresses);
    (attempt.job.root, attempt.job.proven) = (Some(tree.root()), true);
    let finished = attempt.run().unwrap();
    assert!(fs::read(finished.path).unwrap() == file);
    let blamed = |event: &Progress| match event {
        Progress::Blamed { source, .. } => Some(*source),
        _ => None,
    };
    let blamed: Vec<_> = attempt.events().iter().filter_map(blamed).collect();
    assert_eq!(blamed, [liar.address]);
    let bytes = |asked: &&Asked| asked.head.starts_with("GET /uri-res/N2R?");
    // Nobody can tell before the tree is there.
    assert!(liar.asked().iter().filter(bytes).count() <= 3);
    assert_eq!(*attempt.notes.tree.lock().unwrap(), Some(tree));
}

#[test]
fn a_false_tree_is_found_out() {
    let file = file(700_000);
    let other: Vec<u8> = file.iter().map(|byte| !byte).collect();
    let tree = tree_of(&other);
    let (liar, good) = (with_tree(&other, &tree), honest(&file));
    let mut attempt = Try::new(&file, &[liar.address]);
    attempt.job.root = Some(tree.root());
    match attempt.run() {
        Err(Error::Verification { sources, .. }) => assert_eq!(sources, [liar.address]),
        other => panic!("{other:?}"),
    }
    attempt.job.sources[0].address = good.address;
    attempt.job.root = None;
    attempt.succeed(&file, good.address);
}

#[test]
fn others_that_a_source_tells_of_are_asked_too() {
    let file = file(3_000_000);
    let tree = tree_of(&file);
    let second = honest(&file);
    let (contents, told) = (file.clone(), second.address);
    let first = Server::new(move |asked| {
        let (first, last) = asked.range();
        let range = format!(
            "Content-Range: bytes {first}-{last}/{}\r\nX-Alt: {told}\r\n",
            contents.len()
        );
        let bytes = &contents[first..=last];
        match first {
            0 => Reply::Keep(answer("206 Partial Content", &range, bytes)),
            _ => Reply::Hang(Vec::new()),
        }
    });
    let mut attempt = Try::new(&file, &[first.address]);
    in_order(&mut attempt);
    *attempt.notes.tree.lock().unwrap() = Some(tree.clone());
    attempt.job.root = Some(tree.root());
    let finished = attempt.run().unwrap();
    assert!(fs::read(finished.path).unwrap() == file);
    assert!(!second.asked().is_empty());
}

#[test]
fn wrong_bytes_of_an_earlier_run_blame_nobody() {
    let file = file(50_000);
    let good = honest(&file);
    let attempt = Try::new(&file, &[good.address]);
    attempt.leave(&[9; 50_000], 1);
    attempt.succeed(&file, good.address);
    let asked: Vec<_> = good.asked().iter().map(Asked::range).collect();
    assert_eq!(asked, [(0, 49_999)]);
}

#[test]
fn a_part_that_is_whole_needs_nobody() {
    let file = file(50_000);
    let attempt = Try::new(&file, &[nobody().1]);
    attempt.leave(&file, 1);
    attempt.succeed(&file, attempt.job.sources[0].address);
}

#[test]
fn an_empty_file_is_made_and_an_impossible_one_is_not() {
    let attempt = Try::new(b"", &[nobody().1]);
    attempt.succeed(b"", attempt.job.sources[0].address);
    let mut attempt = Try::new(b"x", &[nobody().1]);
    attempt.job.size = 0;
    assert!(matches!(attempt.run(), Err(Error::Verification { .. })));
    assert_eq!(entries(&attempt.job.incomplete), 0);
}

#[test]
fn without_a_source_it_says_so() {
    let error = Try::new(b"x", &[]).run().unwrap_err();
    assert!(
        matches!(&error, Error::NoSource { failures } if failures.is_empty()),
        "{error}"
    );
}

#[test]
fn a_refused_connection_goes_on_to_the_next_source() {
    let file = file(1_000);
    let ((_held, dead), good) = (nobody(), honest(&file));
    let attempt = Try::new(&file, &[dead, good.address]);
    attempt.succeed(&file, good.address);
    let attempt = Try::new(&file, &[dead]);
    assert!(matches!(attempt.fail(), source::Error::Connect(_)));
    let tries = attempt
        .events()
        .iter()
        .filter(|event| matches!(event, Progress::Failed { .. }))
        .count();
    assert_eq!(tries, 3);
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let file = file(1_000);
    let contents = file.clone();
    let server = Server::new(move |asked| match asked.connection {
        0 => Reply::Close(answer("503 Busy", "Retry-After: 1\r\n", b"busy")),
        1 => Reply::Close(answer("503 Busy", "", b"")),
        _ => Reply::Close(part(&contents, 0, 999)),
    });
    let attempt = Try::new(&file, &[server.address]);
    let begun = Instant::now();
    attempt.succeed(&file, server.address);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_server_that_is_always_or_very_long_busy_is_left() {
    let server = always(answer("503 Busy", "", b""));
    let mut attempt = Try::new(b"file", &[server.address]);
    attempt.settings.swarm.refusals = 2;
    assert!(matches!(
        attempt.fail(),
        source::Error::Busy { status: 503, .. }
    ));
    assert_eq!(server.asked().len(), 2);
    for later in [
        "86400",
        "99999999999999999999",
        "Fri, 31 Dec 2100 23:59:59 GMT",
    ] {
        let server = always(answer(
            "503 Busy",
            &format!("Retry-After: {later}\r\n"),
            b"",
        ));
        let mut attempt = Try::new(b"file", &[server.address]);
        attempt.settings.swarm.refusals = 1;
        attempt.fail();
        assert!(server.asked().len() <= 2, "{later}");
    }
}

#[test]
fn a_busy_source_does_not_hold_up_a_free_one() {
    let file = file(1_000);
    let busy = always(answer("503 Busy", "Retry-After: 2\r\n", b""));
    let good = honest(&file);
    let attempt = Try::new(&file, &[busy.address, good.address]);
    attempt.succeed(&file, good.address);
}

#[test]
fn a_name_that_is_taken_gets_a_number_and_a_wicked_one_stays_inside() {
    let file = file(1_000);
    let server = honest(&file);
    let mut attempt = Try::new(&file, &[server.address]);
    fs::create_dir_all(&attempt.job.target).unwrap();
    fs::write(attempt.job.target.join("a.bin"), b"mine").unwrap();
    let finished = attempt.succeed(&file, server.address);
    assert_eq!(finished.path, attempt.job.target.join("a (1).bin"));
    assert_eq!(fs::read(attempt.job.target.join("a.bin")).unwrap(), b"mine");
    attempt.job.name = "../../\u{202E}etc/passwd\0".to_owned();
    attempt.succeed(&file, server.address);
    assert_eq!(entries(attempt.home.path()), 2);
}

#[test]
fn folders_that_cannot_be_written_are_typed_before_anybody_is_asked() {
    let file = file(1_000);
    let server = honest(&file);
    for bad in 0..2 {
        let mut attempt = Try::new(&file, &[server.address]);
        let blocked = attempt.home.path().join("file");
        fs::write(&blocked, b"").unwrap();
        let folder = [&mut attempt.job.incomplete, &mut attempt.job.target];
        *folder.into_iter().nth(bad).unwrap() = blocked.join("folder");
        match attempt.run() {
            Err(Error::Disk(disk::Error::Unwritable { path, .. })) => {
                assert!(path.starts_with(&blocked), "{}", path.display());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn it_can_be_spawned_with_the_default_settings() {
    let file = file(1_000);
    let server = honest(&file);
    let attempt = Try::new(&file, &[server.address]);
    let Try {
        home: _home, job, ..
    } = attempt;
    let task = runtime::spawn(run(job, Arc::new(NoLedger), |_| ()));
    let finished = runtime::block_on(task).unwrap();
    assert!(fs::read(finished.path).unwrap() == file);
}

#[test]
fn with_nobody_left_it_waits_and_goes_on_with_who_is_offered() {
    let file = file(700_000);
    let first = one_tile(&file, || Reply::Close(answer("404 Gone", "", b"")));
    let second = honest(&file);
    let mut attempt = Try::new(&file, &[first.address]);
    in_order(&mut attempt);
    let (offer, offers) = mpsc::unbounded();
    let notes = Arc::clone(&attempt.notes) as _;
    let tell = |event| {
        if let Progress::Exhausted { lied, reason } = &event {
            assert!(!lied && reason.contains("404"), "{reason}");
            offer.unbounded_send(second.address).unwrap();
        }
        attempt.events.lock().unwrap().push(event);
    };
    let run = run_with(attempt.job.clone(), notes, &attempt.settings, offers, tell);
    let finished = runtime::block_on(run).unwrap();
    assert!(fs::read(finished.path).unwrap() == file);
    assert!(second.asked().iter().all(|asked| asked.range().0 >= TILE));
    let told = Progress::Sources(vec![first.address]);
    assert!(attempt.events().contains(&told), "{:?}", attempt.events());
}

#[cfg(unix)]
#[test]
fn what_is_to_stay_free_is_left_and_what_is_there_is_kept() {
    let file = file(700_000);
    let server = honest(&file);
    let mut attempt = Try::new(&file, &[server.address]);
    attempt.settings.keep_free = 1 << 60;
    match attempt.run() {
        Err(Error::Disk(disk::Error::KeptFree { keep, .. })) => assert_eq!(keep, 1 << 60),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.asked().len(), 0);
    // What is whole takes no more room.
    attempt.leave(&file, 3);
    attempt.succeed(&file, server.address);
    assert_eq!(server.asked().len(), 0);
}
