//! For tests: a download into a folder of its own, from servers that answer rightly and wrongly.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::channel::mpsc;
use sha1::Digest;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::download::{Error, Finished, Job, Kept, Ledger, Progress, Settings, Source, run_with};
use super::scripted::{Reply, Server, part};
use super::source;
use crate::net::handshake::Tls;
use crate::runtime;
use crate::swarm;
use crate::swarm::tile_set::TileSet;
use crate::wire::Guid;
use crate::wire::tiger_tree::{TigerTree, kept_node_len};
use crate::wire::urn::{Sha1, TigerRoot};

/// A file of `size` bytes that do not repeat.
pub(super) fn file(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

/// Where nothing is expected to come.
pub(super) const SHORT: Duration = Duration::from_millis(100);

fn quick() -> Settings {
    let instant = Duration::from_millis(1);
    Settings {
        swarm: swarm::download::Settings {
            attempts: 3,
            retry: instant,
            busy: instant,
            shortest_wait: instant,
            longest_wait: Duration::from_secs(2),
            recheck: instant,
            longest_recheck: Duration::from_millis(60),
            ..swarm::download::Settings::default()
        },
        ..Settings::default()
    }
}

/// Notes that last as long as the test.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) kept: Mutex<Option<Kept>>,
    pub(super) tree: Mutex<Option<TigerTree>>,
}

impl Ledger for Notes {
    fn recall(&self) -> Option<Kept> {
        self.kept.lock().unwrap().clone()
    }

    fn note(&self, kept: &Kept) {
        *self.kept.lock().unwrap() = Some(kept.clone());
    }

    fn tree(&self, root: TigerRoot) -> Option<TigerTree> {
        self.tree
            .lock()
            .unwrap()
            .clone()
            .filter(|tree| tree.root() == root)
    }

    fn keep_tree(&self, tree: &TigerTree) {
        *self.tree.lock().unwrap() = Some(tree.clone());
    }

    fn close(&self) {
        *self.kept.lock().unwrap() = None;
    }
}

/// A download of a file into a folder of its own.
pub(super) struct Try {
    pub(super) home: TempDir,
    pub(super) job: Job,
    pub(super) settings: Settings,
    pub(super) notes: Arc<Notes>,
    pub(super) events: Mutex<Vec<Progress>>,
}

impl Try {
    pub(super) fn new(file: &[u8], sources: &[SocketAddr]) -> Self {
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
            root: None,
            proven: false,
            name: "a.bin".to_owned(),
            sources: sources.iter().map(source).collect(),
            incomplete: home.path().join("incomplete"),
            target: home.path().join("downloads"),
            from: None,
            tls: Tls::Off,
            network: None,
            call_back: None,
            web_seeds: Arc::default(),
            own: None,
            private: true,
            exchange: None,
            announce: None,
        };
        let events = Mutex::default();
        let settings = quick();
        Self {
            home,
            job,
            settings,
            notes: Arc::default(),
            events,
        }
    }

    pub(super) fn part(&self) -> PathBuf {
        self.job.incomplete.join(format!("{}.part", self.job.sha1))
    }

    /// Leaves these bytes as an earlier run would, whose first `tiles` tiles are there.
    pub(super) fn leave(&self, bytes: &[u8], tiles: u32) {
        fs::create_dir_all(&self.job.incomplete).unwrap();
        fs::write(self.part(), bytes).unwrap();
        let mut set = TileSet::none(tiles);
        (0..tiles).for_each(|tile| set.insert(tile));
        self.notes.note(&Kept {
            root: None,
            tile_len: kept_node_len(self.job.size),
            tiles: set.to_bytes(),
        });
    }

    pub(super) fn run(&self) -> Result<Finished, Error> {
        let tell = |event| self.events.lock().unwrap().push(event);
        let notes = Arc::clone(&self.notes) as _;
        let (_, offers) = mpsc::unbounded();
        let run = run_with(self.job.clone(), notes, &self.settings, offers, tell);
        runtime::block_on(run)
    }

    /// Runs and expects the whole file from `source`, and nothing else lying about.
    pub(super) fn succeed(&self, file: &[u8], source: SocketAddr) -> Finished {
        let finished = self.run().unwrap();
        assert!(
            fs::read(&finished.path).unwrap() == file,
            "the bytes differ"
        );
        assert_eq!(
            (finished.bytes, finished.from),
            (file.len() as u64, Some(source))
        );
        assert_eq!(entries(&self.job.incomplete), 0);
        assert_eq!(finished.path.parent(), Some(&*self.job.target));
        finished
    }

    /// Runs and expects that no source gives it; what the first one did.
    pub(super) fn fail(&self) -> source::Error {
        match self.run() {
            Err(Error::NoSource { mut failures }) => {
                assert_eq!(entries(&self.job.target), 0, "nothing unverified");
                failures.remove(0).error
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn events(&self) -> Vec<Progress> {
        self.events.lock().unwrap().clone()
    }
}

pub(super) fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// A servent that gives whatever is asked.
pub(super) fn honest(file: &[u8]) -> Server {
    let file = file.to_owned();
    Server::new(move |asked| {
        let (first, last) = asked.range();
        Reply::Keep(part(&file, first, last))
    })
}

/// A servent that answers every request alike, and closes.
pub(super) fn always(bytes: Vec<u8>) -> Server {
    Server::new(move |_| Reply::Close(bytes.clone()))
}

/// An address where nobody listens, and nobody can as long as the socket is held.
pub(super) fn nobody() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}
