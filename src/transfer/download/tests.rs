//! Which source is asked, how often, and what becomes of the file.

use std::fs;
use std::time::Duration;

use super::*;
use crate::transfer::attempt::{Try, always, entries, file, honest, nobody};
use crate::transfer::scripted::{Asked, Reply, Server, answer, part};

#[test]
fn a_server_that_closes_after_each_answer_is_dialled_again() {
    let file = file(100_000);
    let contents = file.clone();
    let server = Server::new(move |asked| {
        let (first, last) = asked.range();
        Reply::Close(part(&contents, first, last.min(first + 9_999)))
    });
    let mut attempt = Try::new(&file, &[server.address]);
    attempt.settings.worthwhile = 10_000;
    attempt.succeed(&file, server.address);
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

#[test]
fn a_later_run_resumes_and_another_source_may_finish() {
    let file = file(100_000);
    let contents = file.clone();
    let first = Server::new(move |asked| {
        let (first, last) = asked.range();
        let mut answer = part(&contents, first, last);
        answer.truncate(answer.len() - 60_000);
        Reply::Close(answer)
    });
    let mut attempt = Try::new(&file, &[first.address]);
    attempt.settings.attempts = 1;
    assert!(matches!(attempt.fail(), source::Error::Broken(_)));
    assert!(fs::read(attempt.part()).unwrap() == file[..40_000]);
    let second = honest(&file);
    attempt.job.sources[0].address = second.address;
    attempt.succeed(&file, second.address);
    assert_eq!(second.asked()[0].range(), (40_000, 99_999));
    assert!(
        attempt
            .events()
            .contains(&Progress::Resumed { bytes: 40_000 })
    );
}

#[test]
fn dropped_half_way_it_keeps_the_part_and_runs_again() {
    let file = file(600_000);
    let contents = file.clone();
    let server = Server::new(move |asked| {
        let (first, last) = asked.range();
        let mut answer = part(&contents, first, last);
        if asked.connection == 0 {
            answer.truncate(answer.len() - 100_000);
            return Reply::Hang(answer);
        }
        Reply::Keep(answer)
    });
    let attempt = Try::new(&file, &[server.address]);
    runtime::block_on(async {
        let (send, written) = async_channel();
        let tell = move |event| {
            if matches!(event, Progress::Received { .. }) {
                let _ = send.unbounded_send(());
            }
        };
        let run = std::pin::pin!(run_with(attempt.job.clone(), &attempt.settings, tell));
        let written = std::pin::pin!(written.into_future());
        match futures::future::select(run, written).await {
            futures::future::Either::Left((ended, _)) => panic!("{ended:?}"),
            futures::future::Either::Right(_) => {}
        }
    });
    attempt.succeed(&file, server.address);
    assert!(server.asked()[1].range().0 >= 256 * 1024);
}

fn async_channel() -> (
    futures::channel::mpsc::UnboundedSender<()>,
    futures::stream::StreamFuture<futures::channel::mpsc::UnboundedReceiver<()>>,
) {
    use futures::StreamExt;
    let (send, receive) = futures::channel::mpsc::unbounded();
    (send, receive.into_future())
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
            assert_eq!(sources, addresses);
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
fn of_two_that_gave_parts_the_honest_one_is_not_blamed() {
    let file = file(50_000);
    let mut wrong = file.clone();
    wrong[0] ^= 1;
    let liar = Server::new(move |asked| {
        let (first, last) = asked.range();
        let mut answer = part(&wrong, first, last);
        if asked.connection == 0 {
            answer.truncate(answer.len() - 20_000);
        }
        Reply::Close(answer)
    });
    let good = honest(&file);
    let mut attempt = Try::new(&file, &[liar.address, good.address]);
    attempt.settings.retry_delay = Duration::from_secs(60);
    attempt.settings.attempts = 1;
    attempt.succeed(&file, good.address);
    let both = Progress::Rejected {
        sources: vec![liar.address, good.address],
    };
    assert!(attempt.events().contains(&both));
}

#[test]
fn wrong_bytes_of_an_earlier_run_blame_nobody() {
    let file = file(50_000);
    let good = honest(&file);
    let attempt = Try::new(&file, &[good.address]);
    attempt.leave(&[9; 10_000]);
    attempt.succeed(&file, good.address);
    let asked: Vec<_> = good.asked().iter().map(Asked::range).collect();
    assert_eq!(asked, [(10_000, 49_999), (0, 49_999)]);
}

#[test]
fn a_part_that_is_whole_needs_nobody() {
    let file = file(50_000);
    let attempt = Try::new(&file, &[nobody().1]);
    attempt.leave(&file);
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
        .filter(|event| matches!(event, Progress::Connecting { .. }))
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
    let waited = |event: &Progress| matches!(event, Progress::Waiting { source, .. } if *source == server.address);
    assert!(attempt.events().iter().any(waited));
}

#[test]
fn a_server_that_is_always_or_very_long_busy_is_left() {
    let server = always(answer("503 Busy", "", b""));
    let mut attempt = Try::new(b"file", &[server.address]);
    attempt.settings.refusals = 2;
    assert!(matches!(
        attempt.fail(),
        source::Error::Busy { status: 503, .. }
    ));
    assert_eq!(server.asked().len(), 3);
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
        attempt.settings.refusals = 1;
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
    assert!(
        !attempt
            .events()
            .iter()
            .any(|event| matches!(event, Progress::Waiting { .. }))
    );
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
    let task = runtime::spawn(run(job, |_| ()));
    let finished = runtime::block_on(task).unwrap();
    assert!(fs::read(finished.path).unwrap() == file);
}
