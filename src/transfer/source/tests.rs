//! What one source may say and send.

mod called;
mod elsewhere;
mod queue;
mod web;

use std::sync::atomic::Ordering;

use super::*;
use crate::transfer::attempt::{SHORT, Try, always, file, honest};
use crate::transfer::download::Progress;
use crate::transfer::scripted::{Asked, Reply, Server, answer, part};

#[test]
fn the_whole_file_in_one_answer() {
    let file = file(200_000);
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
    assert!(head.contains("\r\nRange: bytes=0-199999\r\n"), "{head}");
    let events = attempt.events();
    assert_eq!(
        events.first(),
        Some(&Progress::Connecting {
            source: server.address
        })
    );
    assert_eq!(events.last(), Some(&Progress::Verifying));
    let there = |event: &Progress| matches!(event, Progress::Standing(standing) if standing.received == 200_000);
    assert!(events.iter().any(there));
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
fn a_silent_server_is_left() {
    let file = file(1_000);
    let contents = file.clone();
    let silent = Server::new(move |asked| match asked.connection {
        0 => Reply::Hang(Vec::new()),
        _ => Reply::Hang(part(&contents, 0, 999)[..500].to_owned()),
    });
    let mut attempt = Try::new(&file, &[silent.address]);
    attempt.settings.swarm.attempts = 1;
    (attempt.settings.headers, attempt.settings.stall) = (SHORT, SHORT);
    assert!(matches!(attempt.fail(), Error::Silent(SHORT)));
    attempt.settings.headers = Settings::default().headers;
    assert!(matches!(attempt.fail(), Error::Silent(SHORT)));
    assert!(!attempt.part().exists(), "nothing of use came");
}

#[test]
fn refusals_end_it_with_a_source_at_once() {
    for status in ["404 Not Found", "403 Forbidden", "204 No Content"] {
        let server = always(answer(status, "", b""));
        let error = Try::new(b"file", &[server.address]).fail();
        let code: u16 = status[..3].parse().unwrap();
        assert!(
            matches!(error, Error::Refused { status } if status == code),
            "{error}"
        );
        assert_eq!(server.asked().len(), 1, "{status}");
    }
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
            matches!(error, Error::WrongRange { asked: 0, .. }),
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
                Error::WrongSize {
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
fn a_plain_200_serves() {
    let file = file(1_000);
    let server = always(answer("200 OK", "", &file));
    Try::new(&file, &[server.address]).succeed(&file, server.address);
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
    attempt.settings.swarm.attempts = 1;
    assert!(matches!(attempt.fail(), Error::Broken(_)));
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
    assert!(matches!(attempt.fail(), Error::TooMuch));
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
            assert!(matches!(error, Error::WrongContent(_)), "{header}: {error}");
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
        Error::Broken(_)
    ));
    assert_eq!(endless.asked().len(), 3);
}

#[test]
fn a_source_that_is_asked_for_nothing_is_hung_up_on() {
    let file = file(700_000);
    let quick = honest(&file);
    let (contents, ended) = (file.clone(), quick.ended());
    let slow = Server::new(move |asked| {
        // The quick one has sent all there is for it, and waits.
        let begun = Instant::now();
        while ended.load(Ordering::SeqCst) == 0 && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (first, last) = asked.range();
        Reply::Keep(part(&contents, first, last))
    });
    let mut attempt = Try::new(&file, &[quick.address, slow.address]);
    attempt.settings.idle = Duration::from_millis(50);
    attempt.settings.swarm.copies = 1;
    attempt.succeed(&file, slow.address);
    assert_eq!(quick.ended().load(Ordering::SeqCst), 1);
}
