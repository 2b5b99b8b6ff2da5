//! Waiting in the queue of a source.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::swarm::download::QueuePlace;

#[test]
fn the_number_of_the_place_is_shown_again_and_the_place_told() {
    let file = file(1_000);
    let contents = file.clone();
    let server = Server::new(move |asked| {
        let position = 3 - asked.connection;
        let place = format!(
            "X-Queued: position={position}; length=12; ID=ABCD{position}\r\nRetry-After: 0\r\n"
        );
        match position {
            1 => Reply::Close(part(&contents, 0, 999)),
            _ => Reply::Close(answer("503 Queued", &place, b"later")),
        }
    });
    let attempt = Try::new(&file, &[server.address]);
    attempt.succeed(&file, server.address);
    let shown: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| {
            assert_eq!(asked.header("X-Queue"), Some("1.0"));
            asked.header("X-Queued").map(str::to_owned)
        })
        .collect();
    let expected = [
        None,
        Some("position=3; ID=ABCD3".to_owned()),
        Some("position=2; ID=ABCD2".to_owned()),
    ];
    assert_eq!(shown, expected);
    let told = |event: &Progress| match event {
        Progress::Queues(queues) => Some(queues.clone()),
        _ => None,
    };
    let told: Vec<_> = attempt.events().iter().filter_map(told).collect();
    let at = |position| {
        let place = QueuePlace {
            position: Some(position),
            length: Some(12),
        };
        vec![(server.address, place)]
    };
    assert_eq!(told, [at(3), at(2), Vec::new()]);
}

#[test]
fn a_queue_that_knows_us_by_the_connection_is_asked_again_on_it() {
    let file = file(1_000);
    let contents = file.clone();
    let asked_before = AtomicUsize::new(0);
    let server = Server::new(move |asked| match asked.connection {
        0 if asked_before.fetch_add(1, Ordering::SeqCst) == 0 => {
            let place = "X-Queue: position=1,length=1,limit=4,pollMin=1,pollMax=30\r\n";
            Reply::Keep(answer("503 Queued", place, b"later"))
        }
        0 => Reply::Keep(part(&contents, 0, 999)),
        _ => Reply::Close(answer("404 Gone", "", b"")),
    });
    let mut attempt = Try::new(&file, &[server.address]);
    attempt.settings.swarm.longest_wait = Duration::from_secs(60);
    // A connection that is good for nothing else would be closed by then.
    attempt.settings.idle = Duration::from_millis(50);
    attempt.succeed(&file, server.address);
    assert_eq!(server.asked().len(), 2);
    assert!(server.asked().iter().all(|asked| asked.connection == 0));
}
