//! Servers that mean harm: each is asked beside a good one, or alone, and the outcome is clear.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::common::head;
use super::*;

/// A server that answers each request as it is told, with what it may send of the file.
struct Hostile {
    address: SocketAddr,
    /// The heads of the requests.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hostile {
    fn new(answer: impl Fn(&str, &mut TcpStream) -> Option<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, log, mut stream) =
                    (Arc::clone(&answer), Arc::clone(&log), stream.unwrap());
                thread::spawn(move || {
                    while let Some(head) = head(&mut stream) {
                        log.lock().unwrap().push(head.clone());
                        if answer(&head, &mut stream).is_none() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// One that sends the same to everybody who asks for bytes.
    fn saying(answer: Vec<u8>) -> Self {
        Self::new(move |_, stream| stream.write_all(&answer).ok())
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// The first byte that a request asks for.
fn first(head: &str) -> usize {
    let range = head.split_once("Range: bytes=").unwrap().1;
    range.split_once('-').unwrap().0.parse().unwrap()
}

fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 206 Partial Content\r\n{headers}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn good(file: &Arc<File>) -> Source {
    let rate = Some(4 << 20);
    let manners = Manners {
        rate,
        ..Manners::default()
    };
    Source::new(file, manners)
}

/// Fetches the file from a bad and a good source.
fn beside_a_good_one(file: &Arc<File>, bad: &[SocketAddr]) -> (Node, DownloadState) {
    let good = good(file);
    let sources: Vec<_> = bad.iter().copied().chain([good.address]).collect();
    let node = block_on(builder().start()).unwrap();
    let id = get(&node, file, &sources);
    completes(&node, id, file);
    let state = node.download(id).unwrap();
    (node, state)
}

/// What is said when there is nobody but a bad source.
fn alone(file: &File, bad: &Hostile) -> String {
    let node = block_on(builder().start()).unwrap();
    let id = get(&node, file, &[bad.address]);
    let state = reaches(&node, id, DownloadPhase::Waiting);
    assert_eq!(state.received, 0);
    stop(node);
    state.error.unwrap().message
}

#[test]
fn headers_without_end_are_cut_off() {
    let taken = Arc::new(Mutex::new(0));
    let count = Arc::clone(&taken);
    let bad = Hostile::new(move |_, stream| {
        stream.write_all(b"HTTP/1.1 206 Partial Content\r\n").ok()?;
        loop {
            let line = b"X-More: and more, and more, and more, and more\r\n";
            stream.write_all(line).ok()?;
            *count.lock().unwrap() += line.len();
        }
    });
    let file = File::new(1 << 20);
    let (node, _) = beside_a_good_one(&file, &[bad.address]);
    stop(node);
    // All that was not read stood in the sockets of this machine.
    let each = *taken.lock().unwrap() / bad.asked().max(1);
    assert!(bad.asked() > 0 && each < 16 << 20, "{each} bytes");
}

#[test]
fn ranges_that_were_not_asked_for_are_refused() {
    let file = File::new(1 << 20);
    let size = file.bytes.len();
    for range in [
        "bytes 7-262143/1048576",
        "bytes 0-1048576/1048576",
        "bytes 0-262143/1048577",
        "bytes 0-262143/5",
        "bytes -5-262143/1048576",
        "bytes 262143-0/1048576",
        "bytes 0-99999999999999999999999/1048576",
        "bytes 18446744073709551615-18446744073709551615/1048576",
        "bytes */1048576",
        "pages 0-1/2",
    ] {
        let length = 262_144.min(size);
        let bad = Hostile::saying(answer(
            &format!("Content-Range: {range}"),
            &file.bytes[..length],
        ));
        let said = alone(&file, &bad);
        assert!(said.contains("offer") || said.contains("bytes"), "{said}");
        assert_eq!(bad.asked(), 1, "{range} is asked no more");
    }
}

#[test]
fn what_it_says_to_have_may_overlap_be_negative_or_make_no_sense() {
    let file = File::new(1 << 20);
    let contents = Arc::clone(&file);
    let bad = Hostile::new(move |head, stream| {
        let at = first(head);
        let have = "X-Available-Ranges: bytes 0-300000,100-400000,-5-9,9--1,700000-600000,\
            99999999999999999999-5, 0-99999999999999999999,x-y,,-";
        let range = format!("Content-Range: bytes {at}-{at}/1048576\r\n{have}");
        let answer = answer(&range, &contents.bytes[at..=at]);
        stream.write_all(&answer).ok()
    });
    let (node, _) = beside_a_good_one(&file, &[bad.address]);
    stop(node);
}

#[test]
fn packed_bytes_are_refused() {
    let file = File::new(1 << 20);
    let headers = "Content-Encoding: gzip\r\nContent-Range: bytes 0-262143/1048576";
    // What would unpack to very much is not unpacked at all.
    let bad = Hostile::saying(answer(headers, &[0x1f; 262_144]));
    let said = alone(&file, &bad);
    assert!(said.contains("packs its answer"), "{said}");
    let (node, state) = beside_a_good_one(&file, &[bad.address]);
    assert_eq!(state.liars, []);
    stop(node);
}

#[test]
fn many_that_send_a_byte_a_second_do_not_hold_up_one_that_sends() {
    let file = File::new(1 << 20);
    let dribble = |stream: &mut TcpStream| {
        loop {
            stream.write_all(b"x").ok()?;
            thread::sleep(Duration::from_secs(1));
        }
    };
    let in_the_body = move |head: &str, stream: &mut TcpStream| {
        let at = first(head);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {at}-1048575/1048576\r\n\
             Content-Length: {}\r\n\r\n",
            (1 << 20) - at
        );
        stream.write_all(head.as_bytes()).ok()?;
        dribble(stream)
    };
    let mut bad: Vec<_> = (0..12).map(|_| Hostile::new(in_the_body)).collect();
    bad.extend((0..2).map(|_| Hostile::new(move |_, stream| dribble(stream))));
    let addresses: Vec<_> = bad.iter().map(|bad| bad.address).collect();
    let (node, _) = beside_a_good_one(&file, &addresses);
    stop(node);
}

#[test]
fn ten_thousand_alternates_are_not_taken() {
    let file = File::new(1 << 20);
    let contents = Arc::clone(&file);
    let told = Mutex::new(0_u16);
    let bad = Hostile::new(move |head, stream| {
        let at = first(head);
        let mut told = told.lock().unwrap();
        let mut others = String::new();
        // As many as a head may hold, others each time.
        for _ in 0..600 {
            *told = told.wrapping_add(1);
            let [high, low] = told.to_be_bytes();
            others += &format!("127.9.{high}.{low}:9,");
        }
        // So little that it is asked again and again.
        let last = (at + 16 * 1024 - 1).min((1 << 20) - 1);
        let range = format!("Content-Range: bytes {at}-{last}/1048576\r\nX-Alt: {others}");
        stream
            .write_all(&answer(&range, &contents.bytes[at..=last]))
            .ok()
    });
    let node = block_on(builder().start()).unwrap();
    let id = get(&node, &file, &[bad.address]);
    completes(&node, id, &file);
    let known = node.download(id).unwrap().sources_known;
    assert!(bad.asked() >= 17 && known <= 256, "{known}");
    stop(node);

    let endless = "1.2.3.4:5,".repeat(10_000);
    let headers = format!("Content-Range: bytes 0-262143/1048576\r\nX-Alt: {endless}");
    let bad = Hostile::saying(answer(&headers, &file.bytes[..262_144]));
    let (node, _) = beside_a_good_one(&file, &[bad.address]);
    stop(node);
}

#[test]
fn a_wicked_name_stays_in_the_folder() {
    let file = File::new(1_000);
    let source = Source::new(&file, Manners::default());
    let outside = common::directory();
    let node = start(&outside.path().join("home"));
    for (name, safe) in [
        ("..%2F..%2Fx", "_.._x".to_owned()),
        ("..%5C..%5Cx", "_.._x".to_owned()),
        (&*"n".repeat(4_000), "n".repeat(200)),
        ("NUL.txt", "_NUL.txt".to_owned()),
        ("com1", "_com1".to_owned()),
        ("song%E2%80%AE3pm.exe", "song3pm.exe".to_owned()),
        ("%00%0A", file.sha1.to_string()),
    ] {
        let link = file.magnet(&[source.address], false);
        let link = link.replace("dn=almond", &format!("dn={name}"));
        let folder = outside.path().join("target");
        let target = Target::Magnet(link.parse().unwrap());
        let id = node.fetch(&target, Some(folder.clone())).unwrap();
        completes(&node, id, &file);
        let path = node.download(id).unwrap().path.unwrap();
        println!("{name:.20}: {}", path.display());
        assert_eq!(path.parent(), Some(&*folder));
        if !name.starts_with("%00") {
            assert_eq!(path.file_name().unwrap().to_str(), Some(&*safe));
        }
        assert_eq!(entries(&folder), 1);
        assert_eq!(entries(outside.path()), 2, "nothing beside the folder");
        std::fs::remove_file(path).unwrap();
        node.remove_download(id).unwrap();
    }
    stop(node);
}
