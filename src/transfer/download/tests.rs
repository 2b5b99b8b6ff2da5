//! Downloads from real sockets that answer rightly and wrongly.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use sha1::Digest;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::*;
use crate::transfer::scripted::{Asked, Reply, Server, answer, part};

/// A file of `size` bytes that do not repeat.
fn file(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

/// Where nothing is expected to come.
const SHORT: Duration = Duration::from_millis(100);

fn quick() -> Settings {
    Settings {
        retry_delay: Duration::from_millis(1),
        busy_delay: Duration::from_millis(1),
        longest_wait: Duration::from_secs(2),
        ..Settings::default()
    }
}

/// A download of a file into a folder of its own.
struct Try {
    home: TempDir,
    job: Job,
    settings: Settings,
    events: Mutex<Vec<Progress>>,
}

impl Try {
    fn new(file: &[u8], sources: &[SocketAddr]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let source = |address: &SocketAddr| Source {
            address: *address,
            index: 1,
            name: "a.bin".to_owned(),
            servent: Guid::from_bytes([7; 16]),
        };
        let job = Job {
            sha1: Sha1::from_bytes(sha1::Sha1::digest(file).into()),
            size: file.len() as u64,
            name: "a.bin".to_owned(),
            sources: sources.iter().map(source).collect(),
            incomplete: home.path().join("incomplete"),
            target: home.path().join("downloads"),
            from: None,
        };
        let events = Mutex::default();
        let settings = quick();
        Self {
            home,
            job,
            settings,
            events,
        }
    }

    fn part(&self) -> PathBuf {
        self.job.incomplete.join(format!("{}.part", self.job.sha1))
    }

    /// Leaves these bytes as an earlier run would.
    fn leave(&self, bytes: &[u8]) {
        fs::create_dir_all(&self.job.incomplete).unwrap();
        fs::write(self.part(), bytes).unwrap();
    }

    fn run(&self) -> Result<Finished, Error> {
        let tell = |event| self.events.lock().unwrap().push(event);
        runtime::block_on(run_with(self.job.clone(), &self.settings, tell))
    }

    /// Runs and expects the whole file from `source`, and nothing else lying about.
    fn succeed(&self, file: &[u8], source: SocketAddr) -> Finished {
        let finished = self.run().unwrap();
        assert!(
            fs::read(&finished.path).unwrap() == file,
            "the bytes differ"
        );
        assert_eq!((finished.bytes, finished.from), (file.len() as u64, source));
        assert_eq!(entries(&self.job.incomplete), 0);
        assert_eq!(finished.path.parent(), Some(&*self.job.target));
        finished
    }

    /// Runs and expects that no source gives it; what the first one did.
    fn fail(&self) -> source::Error {
        match self.run() {
            Err(Error::NoSource { mut failures }) => {
                assert_eq!(entries(&self.job.target), 0, "nothing unverified");
                failures.remove(0).error
            }
            other => panic!("{other:?}"),
        }
    }

    fn events(&self) -> Vec<Progress> {
        self.events.lock().unwrap().clone()
    }
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// A servent that gives whatever is asked.
fn honest(file: &[u8]) -> Server {
    let file = file.to_owned();
    Server::new(move |asked| {
        let (first, last) = asked.range();
        Reply::Keep(part(&file, first, last))
    })
}

/// A servent that answers every request alike, and closes.
fn always(bytes: Vec<u8>) -> Server {
    Server::new(move |_| Reply::Close(bytes.clone()))
}

/// An address where nobody listens, and nobody can as long as the socket is held.
fn nobody() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn the_whole_file_in_one_answer() {
    let file = file(700_000);
    let server = honest(&file);
    let attempt = Try::new(&file, &[server.address]);
    let finished = attempt.succeed(&file, server.address);
    assert_eq!(finished.path, attempt.job.target.join("a.bin"));
    let [Asked { head, .. }] = &server.asked()[..] else {
        panic!("one request is enough");
    };
    let first = format!("GET /uri-res/N2R?urn:sha1:{} HTTP/1.1", attempt.job.sha1);
    assert!(head.starts_with(&first), "{head}");
    assert!(
        head.contains(&format!("\r\nHost: {}\r\n", server.address)),
        "{head}"
    );
    assert!(head.contains("\r\nUser-Agent: Filbert/"), "{head}");
    assert!(head.contains("\r\nRange: bytes=0-699999\r\n"), "{head}");
    let events = attempt.events();
    assert_eq!(
        events.first(),
        Some(&Progress::Connecting {
            source: server.address
        })
    );
    assert_eq!(events.last(), Some(&Progress::Verifying));
    assert!(events.contains(&Progress::Received { bytes: 700_000 }));
}

#[test]
fn short_answers_are_asked_on_over_one_connection() {
    let file = file(100_000);
    let contents = file.clone();
    let server = Server::new(move |asked| {
        let (first, last) = asked.range();
        Reply::Keep(part(&contents, first, last.min(first + 29_999)))
    });
    Try::new(&file, &[server.address]).succeed(&file, server.address);
    let asked: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| (asked.connection, asked.range()))
        .collect();
    let expected = [0, 30_000, 60_000, 90_000].map(|first| (0, (first, 99_999)));
    assert_eq!(asked, expected);
}

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
fn a_silent_server_is_left() {
    let file = file(1_000);
    let contents = file.clone();
    let silent = Server::new(move |asked| match asked.connection {
        0 => Reply::Hang(Vec::new()),
        _ => Reply::Hang(part(&contents, 0, 999)[..500].to_owned()),
    });
    let mut attempt = Try::new(&file, &[silent.address]);
    attempt.settings.attempts = 1;
    (attempt.settings.headers, attempt.settings.stall) = (SHORT, SHORT);
    assert!(matches!(attempt.fail(), source::Error::Silent(SHORT)));
    attempt.settings.headers = Settings::default().headers;
    assert!(matches!(attempt.fail(), source::Error::Silent(SHORT)));
    assert!(file.starts_with(&fs::read(attempt.part()).unwrap()));
}

#[test]
fn refusals_end_it_with_a_source_at_once() {
    for status in [
        "404 Not Found",
        "403 Forbidden",
        "416 Range Not Satisfiable",
        "301 Moved",
        "204 No Content",
    ] {
        let server = always(answer(status, "Location: http://127.0.0.1:1/\r\n", b""));
        let error = Try::new(b"file", &[server.address]).fail();
        let code: u16 = status[..3].parse().unwrap();
        assert!(
            matches!(error, source::Error::Refused { status } if status == code),
            "{error}"
        );
        assert_eq!(server.asked().len(), 1, "{status}");
    }
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
fn wrong_ranges_are_not_written() {
    let file = file(1_000);
    let ranges = [
        "Content-Range: bytes 10-999/1000\r\n",
        "Content-Range: bytes 0-1000/1000\r\n",
        "Content-Range: bytes 0-998/1000\r\n",
        "Content-Range: bytes 999-0/1000\r\n",
        "Content-Range: bytes */1000\r\n",
        "Content-Range: nonsense\r\n",
        "",
    ];
    for range in ranges {
        let server = always(answer("206 Partial Content", range, &file));
        let attempt = Try::new(&file, &[server.address]);
        let error = attempt.fail();
        assert!(
            matches!(error, source::Error::WrongRange { asked: 0, .. }),
            "{range}: {error}"
        );
        assert!(!attempt.part().exists());
    }
}

#[test]
fn another_size_is_another_file() {
    let file = file(1_000);
    let longer = [&file[..], b"more"].concat();
    for server in [
        honest(&longer),
        always(answer("200 OK", "", &longer)),
        always(answer("200 OK", "", b"")),
    ] {
        let attempt = Try::new(&file, &[server.address]);
        let error = attempt.fail();
        assert!(
            matches!(
                error,
                source::Error::WrongSize {
                    expected: 1_000,
                    ..
                }
            ),
            "{error}"
        );
        assert!(!attempt.part().exists());
    }
}

#[test]
fn a_plain_200_serves_from_the_beginning_and_to_resume() {
    let file = file(1_000);
    let server = always(answer("200 OK", "", &file));
    Try::new(&file, &[server.address]).succeed(&file, server.address);
    let attempt = Try::new(&file, &[server.address]);
    attempt.leave(&file[..300]);
    attempt.succeed(&file, server.address);
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let file = file(1_000);
    let whole = [b"HTTP/1.0 200 OK\r\n\r\n", &file[..]].concat();
    let server = always(whole.clone());
    Try::new(&file, &[server.address]).succeed(&file, server.address);
    let mut cut = whole;
    cut.truncate(500);
    let server = always(cut);
    let mut attempt = Try::new(&file, &[server.address]);
    attempt.settings.attempts = 1;
    assert!(matches!(attempt.fail(), source::Error::Broken(_)));
}

#[test]
fn more_than_announced_is_never_written() {
    let file = file(1_000);
    let endless = Server::new({
        let file = file.clone();
        move |_| Reply::Endless([b"HTTP/1.1 200 OK\r\n\r\n", &file[..]].concat())
    });
    // The first copy of the file is all that is taken: what follows is not even looked at.
    Try::new(&file, &[endless.address]).succeed(&file, endless.address);

    let half = "Transfer-Encoding: chunked\r\nContent-Range: bytes 0-499/1000\r\n\r\n";
    let mut chunked = format!("HTTP/1.1 206 Partial Content\r\n{half}258\r\n").into_bytes();
    chunked.extend_from_slice(&file[..600]);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let server = always(chunked);
    let attempt = Try::new(&file, &[server.address]);
    assert!(matches!(attempt.fail(), source::Error::TooMuch));
    assert!(fs::read(attempt.part()).unwrap() == file[..500]);
}

#[test]
fn another_content_urn_is_refused_and_the_right_one_in_any_form_accepted() {
    let file = file(1_000);
    let other = "urn:sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ";
    let own = format!("urn:sha1:{}", Try::new(&file, &[]).job.sha1);
    let tiger = "LWPNACQDBZRYXW3VHJVCJ64QBZNGHOHHHZWCLNQ";
    let bitprint = format!("{}.{tiger}", own.replace("sha1", "bitprint"));
    for (header, right) in [
        (format!("X-Gnutella-Content-URN: {own}"), true),
        (
            format!("x-content-urn: urn:md5:abc, {}", bitprint.to_lowercase()),
            true,
        ),
        (
            format!("X-Gnutella-Content-URN: urn:tree:tiger:{tiger}"),
            true,
        ),
        ("X-Gnutella-Content-URN: nonsense".to_owned(), true),
        (format!("X-Gnutella-Content-URN: {other}"), false),
        (
            format!("X-Content-URN: {own}\r\nX-Content-URN: {other}"),
            false,
        ),
    ] {
        let server = always(answer("200 OK", &format!("{header}\r\n"), &file));
        let attempt = Try::new(&file, &[server.address]);
        if right {
            attempt.succeed(&file, server.address);
        } else {
            let error = attempt.fail();
            assert!(
                matches!(error, source::Error::WrongContent(_)),
                "{header}: {error}"
            );
        }
    }
}

#[test]
fn endless_headers_and_things_that_are_not_http_end_it() {
    let header = format!("X-Long: {}\r\n", "x".repeat(1_000)).into_bytes();
    let endless = Server::new(move |asked| match asked.connection {
        0 => Reply::Endless([b"HTTP/1.1 200 OK\r\n", &header[..]].concat()),
        1 => Reply::Endless(b"x".to_vec()),
        _ => Reply::Close(b"GNUTELLA/0.6 200 OK\r\n\r\n".to_vec()),
    });
    assert!(matches!(
        Try::new(b"file", &[endless.address]).fail(),
        source::Error::Broken(_)
    ));
    assert_eq!(endless.asked().len(), 3);
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
