//! What the downloads and the uploads of a servent tell each other: what is there of files on their
//! way, for others who want them meanwhile (protocol §10.5), and who else has a file (§10.6).
//!
//! Only verified tiles are given. As a holder counts who asks us from the address it names, and who
//! gave us right bytes; what somebody says of others is not passed on.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::trees::Trees;
use crate::library::Version;
use crate::swarm::mesh::Mesh;
use crate::swarm::tile_set::TileSet;
use crate::wire::address::is_private;
use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::Sha1;

/// Complete files that are given on although nobody shared them.
const COMPLETE: usize = 100;
/// Alternates told in one message (protocol §10.6).
pub(super) const ALTERNATES: usize = 10;

/// What downloads and uploads share.
#[derive(Debug)]
pub struct Exchange {
    origin: Instant,
    /// Whether complete files are given on as long as this lives.
    keeps: bool,
    table: Mutex<HashMap<Sha1, Arc<Partial>>>,
    mesh: Mutex<Mesh>,
}

/// A file on its way, or complete and not shared otherwise.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) sha1: Sha1,
    pub(super) tile_len: u64,
    trees: Arc<Trees>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    path: PathBuf,
    verified: TileSet,
    /// Of a complete file: what it was when it was completed, and when that was.
    complete: Option<(Version, Instant)>,
}

/// The place of a download among those that give; gives it up when dropped.
#[derive(Debug)]
pub(super) struct Giving {
    exchange: Arc<Exchange>,
    partial: Arc<Partial>,
}

impl Exchange {
    /// Of a servent that `keeps` giving what is complete, or stops then.
    #[must_use]
    pub fn new(keeps: bool) -> Self {
        Self {
            origin: Instant::now(),
            keeps,
            table: Mutex::default(),
            mesh: Mutex::default(),
        }
    }

    /// Begins to give what a download has.
    pub(super) fn give(
        self: &Arc<Self>,
        sha1: Sha1,
        tile_len: u64,
        trees: Arc<Trees>,
        path: PathBuf,
    ) -> Giving {
        let count = u32::try_from(trees.size().div_ceil(tile_len)).unwrap_or(u32::MAX);
        let state = State {
            path,
            verified: TileSet::none(count),
            complete: None,
        };
        let partial = Arc::new(Partial {
            sha1,
            tile_len,
            trees,
            state: Mutex::new(state),
        });
        self.table().insert(sha1, Arc::clone(&partial));
        let exchange = Arc::clone(self);
        Giving { exchange, partial }
    }

    /// What is there of a content.
    pub(super) fn partial(&self, sha1: &Sha1) -> Option<Arc<Partial>> {
        self.table().get(sha1).map(Arc::clone)
    }

    /// Forgets a file that is not there any more.
    pub(super) fn forget(&self, partial: &Arc<Partial>) {
        self.remove(partial);
    }

    /// Somebody has a content, or part of it.
    pub(super) fn note(&self, sha1: Sha1, address: SocketAddr) {
        self.mesh().note(self.origin.elapsed(), sha1, address);
    }

    /// Somebody could not fetch a content there.
    pub(super) fn doubt(&self, sha1: Sha1, address: SocketAddr) {
        self.mesh().doubt(sha1, address);
    }

    /// Who else has a content, for somebody at `asker`: never itself, and no private address for
    /// one that is not private.
    pub(super) fn alternates(
        &self,
        sha1: Sha1,
        asker: SocketAddr,
        own: &[SocketAddr],
    ) -> Vec<SocketAddr> {
        let private = is_private(asker.ip());
        let fit = |address: SocketAddr| {
            address != asker && !own.contains(&address) && (private || !is_private(address.ip()))
        };
        let now = self.origin.elapsed();
        self.mesh()
            .pick(now, sha1, ALTERNATES, fit, &mut rand::rng())
    }

    fn remove(&self, partial: &Arc<Partial>) {
        let mut table = self.table();
        let same = |known: &Arc<Partial>| Arc::ptr_eq(known, partial);
        if table.get(&partial.sha1).is_some_and(same) {
            table.remove(&partial.sha1);
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Sha1, Arc<Partial>>> {
        // Every change is whole by itself.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mesh(&self) -> MutexGuard<'_, Mesh> {
        self.mesh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Giving {
    /// These tiles are verified and on the disk, and no others.
    pub(super) fn update(&self, verified: TileSet) {
        self.partial.state().verified = verified;
    }

    /// The file is complete and lies at `path`.
    pub(super) fn complete(self, path: &Path) {
        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        {
            let mut state = self.partial.state();
            state.path = path.to_owned();
            state.complete = Some((Version::of(&metadata), Instant::now()));
        }
        let complete = |partial: &&Arc<Partial>| partial.state().complete.is_some();
        let mut table = self.exchange.table();
        if table.values().filter(complete).count() > COMPLETE {
            let since = |partial: &&Arc<Partial>| partial.state().complete.map(|(_, since)| since);
            let oldest = table.values().filter(complete).min_by_key(since);
            if let Some(oldest) = oldest.map(|partial| partial.sha1) {
                table.remove(&oldest);
            }
        }
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        if !self.exchange.keeps || !self.partial.is_complete() {
            self.exchange.remove(&self.partial);
        }
    }
}

impl Partial {
    pub(super) fn size(&self) -> u64 {
        self.trees.size()
    }

    /// The tree by which its tiles are verified.
    pub(super) fn tree(&self) -> Option<Arc<TigerTree>> {
        self.trees.tree()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.state().path.clone()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.state().complete.is_some()
    }

    /// What a complete file must still be.
    pub(super) fn version(&self) -> Option<Version> {
        self.state().complete.map(|(version, _)| version)
    }

    /// The bytes that are there and right, as ranges in order.
    pub(super) fn ranges(&self) -> Vec<Range<u64>> {
        let size = self.size();
        let state = self.state();
        if state.complete.is_some() {
            return std::iter::once(0..size).collect();
        }
        let at = |tile: u32| (u64::from(tile) * self.tile_len).min(size);
        let runs = state.verified.runs().into_iter();
        runs.map(|run| at(run.start)..at(run.end)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
