//! A collection whose files are on web servers only.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use percent_encoding::percent_decode_str;

use super::common::head;
use super::processes::{Daemon, json, runs};
use super::*;

/// A web server that has a folder, with ranges or without.
fn web(folder: &Path, ranges: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder: Arc<Path> = folder.into();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let folder = Arc::clone(&folder);
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                while answer(&mut stream, &folder, ranges).is_some() {}
            });
        }
    });
    address
}

/// Answers one request; nothing once the connection is over.
fn answer(stream: &mut TcpStream, folder: &Path, ranges: bool) -> Option<()> {
    let head = head(stream)?;
    let path = head.split(' ').nth(1)?.trim_start_matches('/');
    let path = percent_decode_str(path).decode_utf8().ok()?.into_owned();
    let Ok(bytes) = fs::read(folder.join(path)) else {
        let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        return stream.write_all(gone.as_bytes()).ok();
    };
    let mut lines = head.lines();
    let range = lines.find_map(|line| line.strip_prefix("Range: bytes="));
    let (status, range) = match range.filter(|_| ranges) {
        Some(range) => {
            let (first, last) = range.split_once('-')?;
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            let told = format!("Content-Range: bytes {first}-{last}/{}\r\n", bytes.len());
            (format!("206 Partial Content\r\n{told}"), first..last + 1)
        }
        None => ("200 OK\r\n".to_owned(), 0..bytes.len()),
    };
    let head = format!("HTTP/1.1 {status}Content-Length: {}\r\n\r\n", range.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&bytes[range]).ok()
}

#[test]
fn a_collection_whose_files_are_only_on_the_web_is_fetched_whole() {
    let (home, shared, target) = (
        common::directory(),
        common::directory(),
        common::directory(),
    );
    let names = [
        "a.bin",
        "b c.bin",
        "100% d#1.bin",
        "\u{e9}t\u{e9}.bin",
        "e.bin",
    ];
    let contents: Vec<_> = (0..5)
        .map(|seed| bytes(seed, 1 + seed as usize * 90_000))
        .collect();
    let parts = shared.path().join("parts");
    for (name, bytes) in names.iter().zip(&contents) {
        write(&parts, name, bytes);
    }
    // One server lacks a file and has another that is wrong.
    let worse = common::directory();
    fs::create_dir(worse.path().join("parts")).unwrap();
    for name in &names[1..] {
        fs::copy(parts.join(name), worse.path().join("parts").join(name)).unwrap();
    }
    write(&worse.path().join("parts"), "e.bin", &bytes(99, 360_001));
    let (ranges, whole) = (web(worse.path(), true), web(shared.path(), false));
    let file = home.path().join("walnut.collection");
    let (ranges, whole) = (format!("http://{ranges}"), format!("http://{whole}/"));
    let create = [
        "collection",
        "create",
        "Walnut",
        parts.to_str().unwrap(),
        "--from",
        &ranges,
        "--from",
        &whole,
        "-o",
        file.to_str().unwrap(),
    ];
    let made = runs(home.path(), &create);
    assert!(made.status.success(), "{made:?}");

    // It knows no servent at all.
    let _daemon = Daemon::start(home.path(), &[]);
    let into = target.path().to_str().unwrap();
    let get = ["get", file.to_str().unwrap(), "-o", into, "--wait"];
    let got = runs(home.path(), &get);
    let said = String::from_utf8_lossy(&got.stderr);
    assert!(got.status.success(), "{said}");
    for (name, bytes) in names.iter().zip(&contents) {
        let path = target.path().join("Walnut/parts").join(name);
        assert!(fs::read(&path).unwrap() == *bytes, "{}", path.display());
    }
    assert_eq!(tree(target.path()).len(), names.len() + 1);
    let list = json(home.path(), &["downloads", "--json"]);
    assert_eq!(list[0]["collection"]["done"], 5, "{list}");
    assert_eq!(list.as_array().unwrap().len(), 6, "{list}");
    // Taken from the list it leaves what is complete.
    assert!(
        runs(home.path(), &["downloads", "rm", "1"])
            .status
            .success()
    );
    let list = json(home.path(), &["downloads", "--json"]);
    assert_eq!(list, serde_json::json!([]));
    assert_eq!(tree(target.path()).len(), names.len() + 1);
}
