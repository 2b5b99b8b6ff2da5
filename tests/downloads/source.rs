//! A servent that has a file, made of bare sockets: it serves ranges and the tree, as well or as
//! badly as it is told.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use filbert::wire::thex;
use filbert::wire::tiger_tree::{TigerTree, TreeHasher};
use filbert::wire::urn::{Sha1, TigerRoot};

/// A file of bytes that do not repeat.
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sha1: Sha1,
    tree: TigerTree,
}

impl File {
    pub(crate) fn new(size: usize) -> Arc<Self> {
        Self::with_seed(size, 7)
    }

    pub(crate) fn with_seed(size: usize, seed: u64) -> Arc<Self> {
        let mut state = seed;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| next()).collect();
        bytes.truncate(size);
        let mut hasher = TreeHasher::new();
        hasher.update(&bytes);
        let digest: [u8; 20] = <sha1::Sha1 as sha1::Digest>::digest(&bytes).into();
        Arc::new(Self {
            sha1: Sha1::from_bytes(digest),
            tree: hasher.finish(),
            bytes,
        })
    }

    pub(crate) fn root(&self) -> TigerRoot {
        self.tree.root()
    }

    /// A link to the file at these sources, with the root of its tree or without.
    pub(crate) fn magnet(&self, sources: &[SocketAddr], vouched: bool) -> String {
        let topic = match vouched {
            true => format!("urn:bitprint:{}.{}", self.sha1, self.root()),
            false => format!("urn:sha1:{}", self.sha1),
        };
        let at =
            |source: &SocketAddr| format!("&xs=http://{source}/uri-res/N2R?urn:sha1:{}", self.sha1);
        let at: String = sources.iter().map(at).collect();
        format!("magnet:?xt={topic}&xl={}&dn=almond{at}", self.bytes.len())
    }
}

/// How a source behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manners {
    /// Bytes a second, all connections together; without it as fast as it goes.
    pub(crate) rate: Option<u64>,
    /// It sends wrong bytes.
    pub(crate) poisons: bool,
    /// It sends this many bytes of each answer, and then nothing more.
    pub(crate) stalls_after: Option<usize>,
    /// It closes after about so many bytes.
    pub(crate) closes_after: Option<usize>,
    /// It gives at most so many bytes in one answer.
    pub(crate) at_most: Option<usize>,
    /// It does not know the file.
    pub(crate) knows_nothing: bool,
    /// It is a web server, which has the file there.
    pub(crate) path: Option<&'static str>,
}

/// A source under way.
pub(crate) struct Source {
    pub(crate) address: SocketAddr,
    pub(crate) manners: Arc<Mutex<Manners>>,
    asked: Arc<Mutex<Vec<Range<usize>>>>,
    sent: Arc<Mutex<usize>>,
}

/// One connection, and what it shares with the others.
struct Conversation {
    file: Arc<File>,
    sha1: Sha1,
    manners: Arc<Mutex<Manners>>,
    asked: Arc<Mutex<Vec<Range<usize>>>>,
    sent: Arc<Mutex<usize>>,
    /// When the next bytes may go.
    turn: Arc<Mutex<Instant>>,
    stream: TcpStream,
}

impl Source {
    pub(crate) fn new(file: &Arc<File>, manners: Manners) -> Self {
        Self::under(file, file.sha1, manners)
    }

    /// One that says its file has this hash.
    pub(crate) fn under(file: &Arc<File>, sha1: Sha1, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let source = Self {
            address: listener.local_addr().unwrap(),
            manners: Arc::new(Mutex::new(manners)),
            asked: Arc::default(),
            sent: Arc::default(),
        };
        let turn = Arc::new(Mutex::new(Instant::now()));
        let (file, manners) = (Arc::clone(file), Arc::clone(&source.manners));
        let (asked, sent) = (Arc::clone(&source.asked), Arc::clone(&source.sent));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut conversation = Conversation {
                    file: Arc::clone(&file),
                    sha1,
                    manners: Arc::clone(&manners),
                    asked: Arc::clone(&asked),
                    sent: Arc::clone(&sent),
                    turn: Arc::clone(&turn),
                    stream: stream.unwrap(),
                };
                std::thread::spawn(move || while conversation.answer().is_some() {});
            }
        });
        source
    }

    /// The ranges of the file that it was asked for, in this order.
    pub(crate) fn asked(&self) -> Vec<Range<usize>> {
        self.asked.lock().unwrap().clone()
    }

    /// Bytes of the file that it handed to its sockets.
    pub(crate) fn sent(&self) -> usize {
        *self.sent.lock().unwrap()
    }
}

impl Conversation {
    /// Answers one request; nothing when the connection is over.
    fn answer(&mut self) -> Option<()> {
        let head = self.head()?;
        let manners = self.manners.lock().unwrap().clone();
        if manners.knows_nothing {
            return self.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
        if head.starts_with("GET /uri-res/N2X?") {
            let tree = thex::encode(&self.file.tree);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", tree.len());
            return self.send(&[head.as_bytes(), &tree].concat());
        }
        if let Some(path) = manners.path
            && head.split(' ').nth(1) != Some(path)
        {
            return self.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
        if head.starts_with("HEAD ") {
            let size = self.file.bytes.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
            return self.send(head.as_bytes());
        }
        let range = head
            .lines()
            .find_map(|line| line.strip_prefix("Range: bytes="))?;
        let (first, last) = range.split_once('-')?;
        let first: usize = first.parse().ok()?;
        let end = last.parse::<usize>().ok()? + 1;
        let range = first..manners.at_most.map_or(end, |most| end.min(first + most));
        self.asked.lock().unwrap().push(range.clone());
        let (size, sha1) = (self.file.bytes.len(), self.sha1);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\n\
             Content-Range: bytes {}-{}/{size}\r\n\
             X-Thex-URI: /uri-res/N2X?urn:sha1:{sha1};{}\r\n\r\n",
            range.len(),
            range.start,
            range.end - 1,
            self.file.root(),
        );
        self.send(head.as_bytes())?;
        let file = Arc::clone(&self.file);
        let mut left = &file.bytes[range];
        let mut gone = 0;
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(8 * 1024));
            if manners.stalls_after.is_some_and(|most| gone >= most) {
                // Until the other side gives up.
                let _gone = self.stream.read(&mut [0]);
                return None;
            }
            if manners.closes_after.is_some_and(|most| gone >= most) {
                let _gone = self.stream.shutdown(Shutdown::Both);
                return None;
            }
            self.wait_for_turn(now.len());
            match manners.poisons {
                true => self.send(&now.iter().map(|byte| !byte).collect::<Vec<_>>())?,
                false => self.send(now)?,
            }
            *self.sent.lock().unwrap() += now.len();
            gone += now.len();
            left = later;
        }
        Some(())
    }

    /// Keeps to the rate that all connections share.
    fn wait_for_turn(&self, count: usize) {
        let Some(rate) = self.manners.lock().unwrap().rate else {
            return;
        };
        let takes = Duration::from_secs_f64(count as f64 / rate as f64);
        let mut turn = self.turn.lock().unwrap();
        let now = Instant::now();
        // What was not used a while ago is lost.
        let mine = (*turn).max(now.checked_sub(Duration::from_millis(50)).unwrap_or(now));
        *turn = mine + takes;
        drop(turn);
        std::thread::sleep(mine.saturating_duration_since(now));
    }

    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).ok()
    }

    fn head(&mut self) -> Option<String> {
        super::common::head(&mut self.stream)
    }
}
