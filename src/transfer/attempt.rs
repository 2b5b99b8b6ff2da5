//! For tests: a download into a folder of its own, from servers that answer rightly and wrongly.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use sha1::Digest;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::download::{Error, Finished, Job, Progress, Settings, Source, run_with};
use super::scripted::{Reply, Server, part};
use super::source;
use crate::net::handshake::Tls;
use crate::runtime;
use crate::wire::Guid;
use crate::wire::urn::Sha1;

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
    Settings {
        retry_delay: Duration::from_millis(1),
        busy_delay: Duration::from_millis(1),
        longest_wait: Duration::from_secs(2),
        ..Settings::default()
    }
}

/// A download of a file into a folder of its own.
pub(super) struct Try {
    pub(super) home: TempDir,
    pub(super) job: Job,
    pub(super) settings: Settings,
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
            name: "a.bin".to_owned(),
            sources: sources.iter().map(source).collect(),
            incomplete: home.path().join("incomplete"),
            target: home.path().join("downloads"),
            from: None,
            tls: Tls::Off,
            network: None,
        };
        let events = Mutex::default();
        let settings = quick();
        Self {
            home,
            job,
            settings,
            events,
        }
    }

    pub(super) fn part(&self) -> PathBuf {
        self.job.incomplete.join(format!("{}.part", self.job.sha1))
    }

    /// Leaves these bytes as an earlier run would.
    pub(super) fn leave(&self, bytes: &[u8]) {
        fs::create_dir_all(&self.job.incomplete).unwrap();
        fs::write(self.part(), bytes).unwrap();
    }

    pub(super) fn run(&self) -> Result<Finished, Error> {
        let tell = |event| self.events.lock().unwrap().push(event);
        runtime::block_on(run_with(self.job.clone(), &self.settings, tell))
    }

    /// Runs and expects the whole file from `source`, and nothing else lying about.
    pub(super) fn succeed(&self, file: &[u8], source: SocketAddr) -> Finished {
        let finished = self.run().unwrap();
        assert!(
            fs::read(&finished.path).unwrap() == file,
            "the bytes differ"
        );
        assert_eq!((finished.bytes, finished.from), (file.len() as u64, source));
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
