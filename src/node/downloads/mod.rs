//! Downloads of this node: what is wanted, who may have it, and how far it is.
//!
//! - `target`: what can be fetched; `table`: the list, and which of it run;
//! - `run`: one download from its first source to its end; `seek`: looking for sources;
//! - `web`: finding web servers that have a file;
//! - `collect`: the files of a collection, once its text is there; `parts`: which of them are.

mod collect;
mod parts;
mod run;
mod seek;
mod table;
mod target;
mod web;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{self, Abortable, Either, FutureExt};

pub use self::target::Target;

pub(super) use self::seek::Allowance;
pub(super) use self::table::Downloads;

use self::table::Entry;
use super::Node;
use super::error::Error;
use super::state::{DownloadPhase, DownloadState, Found, Priority};
use crate::runtime;
use crate::store::downloads::Unfinished;
use crate::transfer::download;

/// What a node's downloads may take.
#[derive(Clone, Debug)]
pub struct DownloadLimits {
    /// How many run at once; those that wait for sources are not counted.
    pub active: usize,
    /// Bytes that stay free on the disk of unfinished files; with fewer, downloads pause until there
    /// is room. Where the system does not tell, only a full disk stops them.
    pub keep_free: u64,
    /// Pause before a download that the disk stopped is tried again; it doubles with each time, up to
    /// thirty times as much.
    pub disk_pause: Duration,
}

impl Default for DownloadLimits {
    fn default() -> Self {
        Self {
            active: 10,
            keep_free: 64 << 20,
            disk_pause: Duration::from_secs(10),
        }
    }
}

impl Node {
    /// Fetches a file into `directory`, or into the node's own download directory, and gives the
    /// download's number. What is already being fetched is not begun twice: it goes on, where it
    /// was stopped or has failed.
    ///
    /// # Errors
    /// When the target names no result or no SHA-1, or the list is full.
    pub fn fetch(&self, target: &Target, directory: Option<PathBuf>) -> Result<u64, Error> {
        let wanted = self.wanted(target)?;
        let mut downloads = self.0.downloads();
        if let Some(id) = downloads.of(wanted.sha1) {
            downloads.change(id, |entry| {
                entry.add_sources(wanted.sources);
                entry.add_web_seeds(wanted.web_seeds);
                entry.wanted.size = entry.wanted.size.or(wanted.size);
            });
            let stopped = |state: &DownloadState| {
                matches!(state.phase, DownloadPhase::Paused | DownloadPhase::Failed)
            };
            if downloads.state(id).is_some_and(stopped) {
                drop(downloads);
                self.resume_download(id)?;
            }
            return Ok(id);
        }
        let directory = directory.unwrap_or_else(|| self.0.download_directory.clone());
        let id = downloads.add(wanted, directory)?;
        drop(downloads);
        self.settle(id);
        Ok(id)
    }

    /// Goes on with what an earlier run did not complete, and with its wishes.
    pub(super) fn resume(&self, unfinished: Vec<Unfinished>) {
        for download in unfinished {
            if let Err(error) = self.0.downloads().restore(download) {
                log::warn!("not resumed: {error}");
            }
        }
        self.0.downloads().let_go_of_orphans();
        self.schedule();
        runtime::spawn_detached(self.clone().keep_wishes());
    }

    /// Stops a download, which keeps what is there of it; a collection with its files.
    ///
    /// # Errors
    /// When there is no such download.
    pub fn pause_download(&self, id: u64) -> Result<(), Error> {
        self.alter(id, |entry| {
            if !entry.state.phase.is_over() {
                entry.stop(DownloadPhase::Paused);
            }
        })?;
        self.parts_too(id, |part| self.pause_download(part))
    }

    /// Lets a download go on that was stopped, by whatever; one that looks for sources looks at
    /// once.
    ///
    /// # Errors
    /// When there is no such download.
    pub fn resume_download(&self, id: u64) -> Result<(), Error> {
        self.alter(id, |entry| {
            entry.held = false;
            match entry.state.phase {
                DownloadPhase::Paused | DownloadPhase::Waiting | DownloadPhase::Failed => {
                    entry.stop(DownloadPhase::Queued);
                }
                DownloadPhase::Queued
                | DownloadPhase::Searching
                | DownloadPhase::Active
                | DownloadPhase::Done => {}
            }
        })?;
        self.parts_too(id, |part| self.resume_download(part))
    }

    /// How soon a download gets a place among those that run.
    ///
    /// # Errors
    /// When there is no such download.
    pub fn prefer_download(&self, id: u64, priority: Priority) -> Result<(), Error> {
        self.alter(id, |entry| entry.state.priority = priority)?;
        self.parts_too(id, |part| self.prefer_download(part, priority))
    }

    /// Takes a download from the list, and throws away what is there of it; a file that is complete
    /// stays. The files of a collection go from the list with it. Gives what it was.
    ///
    /// # Errors
    /// When there is no such download.
    pub fn remove_download(&self, id: u64) -> Result<DownloadState, Error> {
        let removed = self.0.downloads().remove(id);
        let state = removed.ok_or(Error::NoSuchDownload(id))?;
        self.0.downloads_changed.notify();
        self.parts_too(id, |part| self.remove_download(part).map(drop))?;
        if state.phase != DownloadPhase::Done {
            let (node, sha1) = (self.clone(), state.sha1);
            let work = self.begin_work();
            runtime::spawn_detached(runtime::spawn_blocking(move || {
                let _work = work;
                let _one_at_a_time = node.0.keeping();
                // It may be wanted again by now.
                if node.0.downloads().of(sha1).is_none() {
                    if let Err(error) = node.0.store.forget_download(sha1) {
                        log::warn!("a download that was removed is still kept: {error}");
                    }
                    download::discard(&node.0.incomplete_directory, sha1);
                    node.0.forget_text(sha1);
                }
            }));
        }
        self.schedule();
        Ok(state)
    }

    /// A download as it is.
    #[must_use]
    pub fn download(&self, id: u64) -> Option<DownloadState> {
        self.0.downloads().state(id).cloned()
    }

    /// All downloads, oldest first.
    #[must_use]
    pub fn downloads(&self) -> Vec<DownloadState> {
        self.0.downloads().states().cloned().collect()
    }

    /// A download once its version is above `after`, or as it is after `limit`.
    pub async fn download_changed(
        &self,
        id: u64,
        after: u64,
        limit: Duration,
    ) -> Option<DownloadState> {
        let changed = |state: &DownloadState| state.version > after || state.phase.is_over();
        self.download_when(id, limit, changed).await
    }

    /// A download once it is done or failed. One that waits for sources may do so for ever.
    pub async fn finished(&self, id: u64) -> Option<DownloadState> {
        let forever = Duration::from_secs(u64::from(u32::MAX));
        let over = |state: &DownloadState| state.phase.is_over();
        self.download_when(id, forever, over).await
    }

    /// A download once it is as wanted, or as it is after `limit`.
    pub async fn download_when(
        &self,
        id: u64,
        limit: Duration,
        wanted: impl Fn(&DownloadState) -> bool + Send + Sync,
    ) -> Option<DownloadState> {
        let changes = &self.0.downloads_changed;
        self.0
            .when(changes, limit, || self.download(id), wanted)
            .await
    }

    /// Does to the files of a collection what is done to it. One that went meanwhile does not mind.
    fn parts_too(&self, id: u64, change: impl Fn(u64) -> Result<(), Error>) -> Result<(), Error> {
        let parts = self.0.downloads().parts(id);
        for part in parts {
            match change(part) {
                Err(Error::NoSuchDownload(_)) => {}
                done => done?,
            }
        }
        Ok(())
    }

    /// Changes a download as the user says.
    fn alter(&self, id: u64, change: impl FnOnce(&mut Entry)) -> Result<(), Error> {
        let changed = self.0.downloads().change(id, change);
        changed.ok_or(Error::NoSuchDownload(id))?;
        self.settle(id);
        Ok(())
    }

    /// Keeps what a download is now, and lets run what has a place.
    fn settle(&self, id: u64) {
        runtime::spawn_detached(self.keep(id));
        self.schedule();
    }

    /// Lets run what has a place.
    fn schedule(&self) {
        let begin = self.0.downloads().schedule();
        self.0.downloads_changed.notify();
        for (id, run, registration) in begin {
            let (node, work) = (self.clone(), self.begin_work());
            runtime::spawn_detached(async move {
                let _work = work;
                let stopped = node.0.stop.stopped();
                let running = Abortable::new(node.clone().carry_through((id, run)), registration);
                if let Either::Right(_) = future::select(running.boxed(), stopped).await {
                    // What failed at that very moment has failed.
                    node.0.change_in((id, run), |entry| {
                        if !entry.state.phase.is_over() {
                            entry.stop(DownloadPhase::Queued);
                        }
                    });
                }
            });
        }
    }

    /// Writes down what a download is now, so that a later run goes on with it.
    fn keep(&self, id: u64) -> impl Future<Output = ()> + Send + use<> {
        let (node, work) = (self.clone(), self.begin_work());
        async move {
            let _work = work;
            node.write_down(id).await;
        }
    }

    async fn write_down(self, id: u64) {
        let kept = runtime::spawn_blocking(move || {
            // In this order, so that the last state is the one that stays.
            let _one_at_a_time = self.0.keeping();
            let unfinished = self.0.downloads().entry(id).and_then(Entry::unfinished);
            unfinished.map_or(Ok(()), |download| self.0.store.keep_download(&download))
        });
        if let Err(error) = kept.await {
            log::warn!("download {id} would not go on after a restart: {error}");
        }
    }
}

/// Something that is done for a download, and that the end of the node waits for.
struct Work(Node);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.0.downloads_busy.fetch_sub(1, Ordering::SeqCst);
        self.0.0.downloads_changed.notify();
    }
}

impl Node {
    fn begin_work(&self) -> Work {
        self.0.downloads_busy.fetch_add(1, Ordering::SeqCst);
        Work(self.clone())
    }

    /// Waits until nothing is done for downloads any more, once the node was told to stop.
    pub(super) async fn downloads_ended(&self, limit: Duration) {
        let busy = || Some(self.0.downloads_busy.load(Ordering::SeqCst));
        let changes = &self.0.downloads_changed;
        self.0.when(changes, limit, busy, |busy| *busy == 0).await;
    }
}

impl super::Inner {
    /// Takes note of how the sources of what was found are called.
    fn heed(&self, found: &[Found]) {
        let mut callees = self.callees();
        let sources = found.iter().flat_map(|found| &found.sources);
        sources.for_each(|source| callees.note(source));
    }

    /// Changes a download, if this run of it is still the one, and tells who waits.
    fn change_in<T>(&self, key: (u64, u64), change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let outcome = self.downloads().change_in(key, change);
        self.downloads_changed.notify();
        outcome
    }
}
