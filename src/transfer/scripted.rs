//! For tests: a server on loopback that answers exactly what a script says, right or wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the script does with a request.
pub(super) enum Reply {
    /// Sends these bytes and waits for the next request.
    Keep(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Close(Vec<u8>),
    /// Sends these bytes and then nothing, with the connection open.
    Hang(Vec<u8>),
    /// Sends these bytes over and over.
    Endless(Vec<u8>),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Counted from 0 over all connections.
    pub(super) connection: usize,
    /// All of its lines.
    pub(super) head: String,
}

impl Asked {
    /// What a header says, by its name as it is written.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        headers.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The bytes asked for.
    pub(super) fn range(&self) -> (usize, usize) {
        let line = self
            .head
            .lines()
            .find(|line| line.starts_with("Range: bytes="));
        let range = line.unwrap().trim_start_matches("Range: bytes=");
        let (first, last) = range.split_once('-').unwrap();
        (first.parse().unwrap(), last.parse().unwrap())
    }
}

/// A server under way and what it was asked.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn new(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicUsize::new(0));
        let (script, log, over) = (Arc::new(script), Arc::clone(&asked), Arc::clone(&ended));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (script, log, over) =
                    (Arc::clone(&script), Arc::clone(&log), Arc::clone(&over));
                thread::spawn(move || {
                    converse(connection, stream.unwrap(), &*script, &log);
                    over.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            asked,
            ended,
        }
    }

    /// How many connections have ended, as one that can be asked elsewhere.
    pub(super) fn ended(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.ended)
    }

    /// Every request so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// An answer with the length of its body.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// The answer a good servent gives for these bytes of a file.
pub(super) fn part(file: &[u8], first: usize, last: usize) -> Vec<u8> {
    let range = format!("Content-Range: bytes {first}-{last}/{}\r\n", file.len());
    answer("206 Partial Content", &range, &file[first..=last])
}

fn converse(
    connection: usize,
    mut stream: TcpStream,
    script: &dyn Fn(&Asked) -> Reply,
    log: &Mutex<Vec<Asked>>,
) {
    while let Some(head) = head(&mut stream) {
        let asked = Asked { connection, head };
        log.lock().unwrap().push(asked.clone());
        // A client that has heard enough may be gone.
        let (bytes, next) = match script(&asked) {
            Reply::Keep(bytes) => (bytes, true),
            Reply::Close(bytes) => (bytes, false),
            Reply::Hang(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.read(&mut [0]);
                return;
            }
            Reply::Endless(bytes) => {
                while stream.write_all(&bytes).is_ok() {}
                return;
            }
        };
        if stream.write_all(&bytes).is_err() || !next {
            return;
        }
    }
}

fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    String::from_utf8(head).ok()
}
