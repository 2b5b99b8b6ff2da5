//! Sources that send us to others, and that pack what they send.

use super::*;
use crate::wire::tiger_tree::TreeHasher;

/// A servent that sends everybody there.
fn pointer(location: &str) -> Server {
    always(answer(
        "302 Found",
        &format!("Location: {location}\r\n"),
        b"there",
    ))
}

#[test]
fn a_source_may_send_us_elsewhere_once() {
    let file = file(1_000);
    let there = honest(&file);
    let first = pointer(&format!("http://{}/other/file?x", there.address));
    let mut attempt = Try::new(&file, &[first.address]);
    let mut hasher = TreeHasher::new();
    hasher.update(&file);
    // So that it is known at once whose bytes are right.
    (attempt.job.root, attempt.job.proven) = (Some(hasher.finish().root()), true);
    attempt.succeed(&file, first.address);
    assert_eq!(first.asked().len(), 1);
    let [asked] = &there.asked()[..] else {
        panic!("one request is enough");
    };
    assert!(asked.head.starts_with("GET /other/file?x HTTP/1.1\r\n"));
    let host = there.address.to_string();
    assert_eq!(asked.header("Host"), Some(&*host));
    let gave = |event: &Progress| matches!(event, Progress::Gave { .. });
    assert!(!attempt.events().iter().any(gave), "that is not its merit");

    let twice = pointer(&format!("http://{}/", first.address));
    let error = Try::new(&file, &[twice.address]).fail();
    assert!(matches!(error, Error::Refused { status: 302 }), "{error}");
}

#[test]
fn on_the_same_servent_the_same_connection_serves() {
    let file = file(1_000);
    let contents = file.clone();
    let server = Server::new(move |asked| match asked.head.starts_with("GET /get/1/a ") {
        true => Reply::Keep(part(&contents, 0, 999)),
        false => Reply::Keep(answer("301 Moved", "Location: /get/1/a\r\n", b"there")),
    });
    Try::new(&file, &[server.address]).succeed(&file, server.address);
    assert!(server.asked().iter().all(|asked| asked.connection == 0));
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn nobody_is_followed_to_another_scheme_or_nowhere() {
    for location in ["https://127.0.0.1/x", "file:///etc/passwd", "//x", "x"] {
        let error = Try::new(b"file", &[pointer(location).address]).fail();
        assert!(matches!(error, Error::Elsewhere(_)), "{location}: {error}");
    }
    let nowhere = always(answer("302 Found", "", b""));
    let error = Try::new(b"file", &[nowhere.address]).fail();
    assert!(matches!(error, Error::Refused { status: 302 }), "{error}");
}

#[test]
fn packed_bytes_were_not_asked_for() {
    let file = file(1_000);
    for coding in ["gzip", "deflate", "identity, gzip", "br"] {
        let header = format!("Content-Encoding: {coding}\r\n");
        let server = always(answer("200 OK", &header, &file));
        let attempt = Try::new(&file, &[server.address]);
        let error = attempt.fail();
        assert!(matches!(error, Error::Packed(_)), "{coding}: {error}");
        assert_eq!(server.asked().len(), 1, "it is asked no more");
    }
    let plain = always(answer("200 OK", "Content-Encoding: Identity\r\n", &file));
    Try::new(&file, &[plain.address]).succeed(&file, plain.address);
}
