//! Web servers as sources: they know ranges or not, send us on, and lie.

use super::*;
use crate::transfer::web_seed::WebSeed;
use crate::wire::tiger_tree::TreeHasher;

/// A download from web servers and servents, with a root that is vouched for.
fn attempt(file: &[u8], seeds: &[&Server], servents: &[&Server]) -> Try {
    let all: Vec<_> = seeds.iter().chain(servents).map(|s| s.address).collect();
    let mut attempt = Try::new(file, &all);
    for seed in seeds {
        let url: WebSeed = format!("http://{}/pub/a%20b.bin?x", seed.address)
            .parse()
            .unwrap();
        attempt.job.web_seeds.note(seed.address, url);
    }
    let mut hasher = TreeHasher::new();
    hasher.update(file);
    let tree = hasher.finish();
    (attempt.job.root, attempt.job.proven) = (Some(tree.root()), true);
    *attempt.notes.tree.lock().unwrap() = Some(tree);
    attempt
}

/// A web server that gives the whole file whatever is asked.
fn rangeless(file: &[u8]) -> Server {
    let whole = answer("200 OK", "", file);
    Server::new(move |_| Reply::Keep(whole.clone()))
}

#[test]
fn a_web_server_is_asked_for_its_path_and_told_nothing_of_gnutella() {
    let file = file(700_000);
    let server = honest(&file);
    let attempt = attempt(&file, &[&server], &[]);
    attempt.succeed(&file, server.address);
    for Asked { head, .. } in server.asked() {
        assert!(
            head.starts_with("GET /pub/a%20b.bin?x HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains(&format!("\r\nHost: {}\r\n", server.address)),
            "{head}"
        );
        assert!(
            !head.contains("\r\nX-") && !head.contains("uri-res"),
            "{head}"
        );
    }
    let told = |event: &Progress| matches!(event, Progress::Gave { .. } | Progress::Sources(_));
    assert!(!attempt.events().iter().any(told), "it is no servent");
}

#[test]
fn one_without_ranges_is_read_once_when_it_is_alone() {
    let file = file(3_000_000);
    let server = rangeless(&file);
    attempt(&file, &[&server], &[]).succeed(&file, server.address);
    // The first question may have been for the middle; the answer to it is read from the beginning.
    assert!(server.asked().len() <= 2, "{}", server.asked().len());
}

#[test]
fn one_without_ranges_helps_a_servent() {
    let file = file(3_000_000);
    let (seed, servent) = (rangeless(&file), honest(&file));
    let attempt = attempt(&file, &[&seed], &[&servent]);
    let finished = attempt.run().unwrap();
    assert!(std::fs::read(finished.path).unwrap() == file);
    assert!(!seed.asked().is_empty() && !servent.asked().is_empty());
}

#[test]
fn a_web_server_that_lies_is_named_and_asked_no_more() {
    let file = file(1_000_000);
    let wrong: Vec<u8> = file.iter().map(|byte| !byte).collect();
    for liar in [honest(&wrong), rangeless(&wrong)] {
        let servent = honest(&file);
        let attempt = attempt(&file, &[&liar], &[&servent]);
        let finished = attempt.run().unwrap();
        assert!(std::fs::read(finished.path).unwrap() == file);
        let blamed = |event: &Progress| matches!(event, Progress::Blamed { source, .. } if *source == liar.address);
        assert!(attempt.events().iter().any(blamed));
    }
}

#[test]
fn a_web_server_of_another_file_is_left() {
    let file = file(100_000);
    for (reply, fits) in [
        (answer("404 Not Found", "", b"no"), false),
        (answer("200 OK", "", &file[1..]), false),
        (answer("200 OK", "Content-Encoding: gzip\r\n", &file), false),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                .iter()
                .chain(&file)
                .copied()
                .collect(),
            true,
        ),
    ] {
        let server = always(reply);
        let attempt = attempt(&file, &[&server], &[]);
        assert_eq!(attempt.run().is_ok(), fits);
    }
}

#[test]
fn a_web_server_may_send_us_on_by_name() {
    let file = file(1_000);
    let there = honest(&file);
    let location = format!(
        "Location: http://localhost:{}/other\r\n",
        there.address.port()
    );
    let first = always(answer("302 Found", &location, b"there"));
    attempt(&file, &[&first], &[]).succeed(&file, first.address);
    let [asked] = &there.asked()[..] else {
        panic!("one request is enough");
    };
    assert!(asked.head.starts_with("GET /other HTTP/1.1\r\n"));
    assert!(
        asked
            .header("Host")
            .is_some_and(|host| host.starts_with("localhost:"))
    );
}
