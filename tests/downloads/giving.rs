//! Whoever downloads already gives: what is verified, to who asks for it, and who else has it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::*;

/// An answer of a node.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn available(&self) -> Vec<(usize, usize)> {
        let ranges = self.header("x-available-ranges").unwrap();
        let ranges = ranges.trim_start_matches("bytes").trim();
        let ranges = ranges.split(", ").filter(|range| !range.is_empty());
        ranges
            .map(|range| {
                let (first, last) = range.split_once('-').unwrap();
                (first.parse().unwrap(), last.parse().unwrap())
            })
            .collect()
    }
}

fn ask(to: SocketAddr, method: &str, file: &File, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "{method} /uri-res/N2R?urn:sha1:{} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n",
        file.sha1
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head,
        body: all[end..].to_vec(),
    }
}

#[test]
fn what_is_verified_is_given_and_nothing_else() {
    let file = File::new(3 << 20);
    let source = Source::new(&file, slow());
    let node = block_on(builder().start()).unwrap();
    let link = file.magnet(&[source.address], true);
    let id = node
        .fetch(&Target::Magnet(link.parse().unwrap()), None)
        .unwrap();
    until("two tiles", || {
        node.download(id).unwrap().verified > 300_000
    });
    node.pause_download(id).unwrap();
    until("nothing given while it rests", || {
        ask(node.address(), "HEAD", &file, "").status == 404
    });
    node.resume_download(id).unwrap();
    until("given again", || {
        let answer = ask(node.address(), "HEAD", &file, "");
        answer.status != 404 && !answer.available().is_empty()
    });
    let head = ask(node.address(), "HEAD", &file, "Range: bytes=0-\r\n");
    assert_eq!(head.status, 206, "{}", head.head);
    for (first, last) in head.available() {
        let range = format!("Range: bytes={first}-{last}\r\n");
        let answer = ask(node.address(), "GET", &file, &range);
        assert_eq!(answer.status, 206);
        assert!(answer.body == file.bytes[first..=last]);
        // More than is there: what is there of it.
        let range = format!("Range: bytes={last}-\r\n");
        let answer = ask(node.address(), "GET", &file, &range);
        assert!(answer.body.len() < file.bytes.len() - last || answer.status == 206);
    }
    let whole = ask(node.address(), "GET", &file, "");
    assert_eq!(whole.status, 416, "{}", whole.head);
    let missing = (0..24).map(|tile| tile * (128 << 10)).find(|first| {
        let range = format!("Range: bytes={first}-{first}\r\n");
        ask(node.address(), "GET", &file, &range).status == 416
    });
    assert!(missing.is_some(), "not all of it is there");
    assert_eq!(whole.header("content-range"), Some("bytes */3145728"));
    assert!(whole.header("retry-after").is_some());
    source.manners.lock().unwrap().rate = None;
    completes(&node, id, &file);
    // On private ground it is given on.
    let whole = ask(node.address(), "GET", &file, "");
    assert!(whole.status == 200 && whole.body == file.bytes);
    stop(node);
}

#[test]
fn holders_that_speak_for_themselves_are_told_to_others() {
    let shared = common::directory();
    let file = File::new(100_000);
    write(shared.path(), "almond.bin", &file.bytes);
    let node = block_on(builder().share(shared.path()).start()).unwrap();
    block_on(node.shared());
    let say = |headers: &str| ask(node.address(), "HEAD", &file, headers);
    assert_eq!(
        say("X-Alt: 127.0.0.1:77, 9.9.9.9:5\r\n").header("x-alt"),
        None
    );
    assert_eq!(say("").header("x-alt"), Some("127.0.0.1:77"));
    for _ in 0..3 {
        say("X-NAlt: 127.0.0.1:77\r\n");
    }
    assert_eq!(say("").header("x-alt"), None);
    stop(node);
}

#[test]
fn who_fetches_from_us_is_a_source_of_ours() {
    let file = File::new(3 << 20);
    let seed = Source::new(&file, slow());
    let other = Source::new(&file, Manners::default());
    let node = block_on(builder().start()).unwrap();
    let link = file.magnet(&[seed.address], true);
    let id = node
        .fetch(&Target::Magnet(link.parse().unwrap()), None)
        .unwrap();
    until("something to give", || {
        ask(node.address(), "HEAD", &file, "").status != 404
    });
    // It says of itself that it has some of it.
    ask(
        node.address(),
        "HEAD",
        &file,
        &format!("X-Alt: {}\r\n", other.address),
    );
    completes(&node, id, &file);
    assert!(
        other.sent() > seed.sent(),
        "{} {}",
        other.sent(),
        seed.sent()
    );
    stop(node);
}

#[test]
fn those_who_fetch_the_same_help_each_other() {
    // `FILBERT_SCALE` takes more of them and a larger file, to measure the time that is printed.
    let full = std::env::var_os("FILBERT_SCALE").is_some();
    let (size, count, rate) = match full {
        true => (64 << 20, 20, 4 << 20),
        false => (6 << 20, 5, 1 << 20),
    };
    let file = File::new(size);
    let shared = common::directory();
    write(shared.path(), "almond.bin", &file.bytes);
    let limits = UploadLimits {
        rate: Some(rate),
        ..UploadLimits::default()
    };
    let seed = block_on(builder().share(shared.path()).upload_limits(limits).start()).unwrap();
    block_on(seed.shared());
    let nodes: Vec<Node> = (0..count)
        .map(|_| block_on(builder().start()).unwrap())
        .collect();
    let link: String = file.magnet(&[seed.address()], true);
    let begun = Instant::now();
    let ids: Vec<u64> = nodes
        .iter()
        .map(|node| {
            let target = Target::Magnet(link.parse().unwrap());
            node.fetch(&target, None).unwrap()
        })
        .collect();
    for (node, id) in nodes.iter().zip(ids) {
        let over = |state: &DownloadState| state.phase.is_over();
        let limit = Duration::from_secs(120);
        let state = block_on(node.download_when(id, limit, over)).unwrap();
        assert_eq!(state.phase, DownloadPhase::Done, "{state:?}");
        assert!(std::fs::read(state.path.unwrap()).unwrap() == file.bytes);
    }
    let copies = seed.uploaded() as f64 / file.bytes.len() as f64;
    let took = begun.elapsed().as_secs_f64() * rate as f64 / size as f64;
    println!("{count} fetch: the seed gave {copies:.2} copies, in {took:.2} one-copy times");
    assert!(copies <= 4.0, "the seed gave {copies} copies to {count}");
    for node in nodes {
        stop(node);
    }
    stop(seed);
}
