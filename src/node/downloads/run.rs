//! One download, from its first source to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{self, Either, FutureExt};

use super::collect::{TEXTS, file_name, is_there};
use crate::node::call_back::Caller;
use crate::node::ground::is_private;
use crate::node::ledger::Notes;
use crate::node::state::{DownloadPhase, Failure, FailureKind, Waiting};
use crate::node::{GiveBack, Node};
use crate::runtime;
use crate::transfer::download::{self, Job, Progress, QueuePlace, Settings};
use crate::transfer::upload::Visitor;
use crate::transfer::{disk, name::safe_file_name};
use crate::wire::Guid;

/// How many times as long as the first one the pause gets after which the disk is tried again.
const LONGEST_PAUSE: u32 = 30;
/// How long after it was given up a source on private ground gets another chance: there one that is
/// gone is often just started again.
const FORGIVE: Duration = Duration::from_secs(4);

/// Why a download does not go on, and what it is meanwhile.
pub(super) struct Obstacle {
    pub(super) failure: Failure,
    pub(super) phase: DownloadPhase,
}

impl Obstacle {
    /// There will not be such a file.
    pub(super) const fn end(kind: FailureKind, message: String) -> Self {
        Self {
            failure: Failure { kind, message },
            phase: DownloadPhase::Failed,
        }
    }
}

impl From<disk::Error> for Obstacle {
    fn from(error: disk::Error) -> Self {
        let kind = match error {
            disk::Error::NoSpace { .. } | disk::Error::KeptFree { .. } => FailureKind::NoSpace,
            _ => FailureKind::Disk,
        };
        Self {
            failure: Failure {
                kind,
                message: error.to_string(),
            },
            phase: DownloadPhase::Paused,
        }
    }
}

impl From<download::Error> for Obstacle {
    fn from(error: download::Error) -> Self {
        let kind = match error {
            download::Error::Disk(error) => return error.into(),
            download::Error::NoSource { .. } => FailureKind::Network,
            download::Error::Verification { .. } => FailureKind::Verification,
        };
        Self::end(kind, error.to_string())
    }
}

impl Node {
    /// Fetches until it is there, fails for good, or is stopped. What the disk does not allow is
    /// tried again.
    pub(super) async fn carry_through(self, key: (u64, u64)) {
        self.keep(key.0).await;
        let mut pause = self.0.disk_pause;
        loop {
            let (offer, offers) = mpsc::unbounded();
            let seeking = self.seek(key, offer).boxed();
            let fetching = self.attempt(key, offers).boxed();
            // Sources that are known already are tried before others are looked for.
            let Either::Left((fetched, _)) = future::select(fetching, seeking).await else {
                return;
            };
            let ended = match fetched {
                Ok(Some(text)) => self.collect(key, text).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            let Err(Obstacle { failure, phase }) = ended else {
                self.schedule();
                return;
            };
            log::info!("download {}: {}", key.0, failure.message);
            self.0
                .change_in(key, |entry| entry.rest(phase, Some(failure)));
            // Even if the node stops meanwhile.
            runtime::spawn(self.keep(key.0)).await;
            self.schedule();
            if phase == DownloadPhase::Failed {
                return;
            }
            runtime::sleep(pause).await;
            pause = (pause * 2).min(self.0.disk_pause * LONGEST_PAUSE);
            // The reason stays until it is known whether it still holds.
            self.0
                .change_in(key, |entry| entry.state.phase = DownloadPhase::Searching);
        }
    }

    /// Waits until it is known how large the file is, and fetches it. Gives the text of a collection,
    /// which lies in the home until its files are there.
    async fn attempt(
        &self,
        key: (u64, u64),
        offers: download::Offers,
    ) -> Result<Option<PathBuf>, download::Error> {
        let Some((mut job, name)) = self.job(key).await else {
            // It was removed.
            return future::pending::<Result<Infallible, _>>()
                .await
                .map(|_| None);
        };
        let text = self.collected(key.0, &name, job.size).then(|| {
            let text = self.0.text_of(job.sha1);
            job.name = file_name(&text);
            job.target = self.0.home.join(TEXTS);
            text
        });
        if let Some(text) = &text
            && is_there(text, job.sha1).await
        {
            return Ok(Some(text.clone()));
        }
        let notes = Notes {
            store: Arc::clone(&self.0.store),
            sha1: job.sha1,
            stays: text.is_some(),
        };
        let known = !job.sources.is_empty();
        self.0.change_in(key, |entry| {
            entry.state.name = name;
            entry.state.size = job.size;
            if known {
                entry.state.phase = DownloadPhase::Active;
            }
        });
        let mut settings = Settings {
            keep_free: self.0.keep_free,
            verify: self.0.verify,
            throttles: self.0.limits.download(),
            ..Settings::default()
        };
        if job.private {
            settings.swarm.forgive = FORGIVE;
        }
        let watcher = self.clone();
        let tell = move |progress| watcher.progress(key, progress);
        let finished = download::run_with(job, Arc::new(notes), &settings, offers, tell).await?;
        if text.is_some() {
            return Ok(text);
        }
        self.0.change_in(key, |entry| {
            entry.rest(DownloadPhase::Done, None);
            entry.state.received = finished.bytes;
            entry.state.verified = finished.bytes;
            entry.state.path = Some(finished.path);
        });
        Ok(None)
    }

    /// What to fetch, once its size is known.
    async fn job(&self, (id, _): (u64, u64)) -> Option<(Job, String)> {
        let ready = || {
            let downloads = self.0.downloads();
            let entry = downloads.entry(id)?;
            let size = entry.wanted.size;
            let seeds = Arc::clone(&entry.web_seeds);
            Some(size.map(|size| (size, entry.wanted.clone(), entry.directory.clone(), seeds)))
        };
        let changes = &self.0.downloads_changed;
        let forever = Duration::from_secs(u64::from(u32::MAX));
        let known = self.0.when(changes, forever, ready, Option::is_some).await;
        let (size, wanted, directory, web_seeds) = known.flatten()?;
        let name = wanted.name.unwrap_or_else(|| wanted.sha1.to_string());
        let name = safe_file_name(&name);
        let source = |address: &SocketAddr| download::Source {
            address: *address,
            index: 0,
            name: name.clone(),
            servent: Guid::ZERO,
        };
        let job = Job {
            sha1: wanted.sha1,
            size,
            name: name.clone(),
            root: wanted.root,
            proven: wanted.proven,
            sources: wanted.sources.iter().map(source).collect(),
            web_seeds,
            incomplete: self.0.incomplete_directory.clone(),
            target: directory,
            from: self.0.dial_from,
            tls: self.0.first_tls(),
            network: self.0.network.clone(),
            call_back: Some(Arc::new(Caller(self.clone()))),
            own: Some(self.0.address),
            private: self.is_sheltered(),
            exchange: (self.0.give_back != GiveBack::Never).then(|| Arc::clone(&self.0.exchange)),
            announce: self.announced(),
        };
        Some((job, name))
    }

    /// Where others reach this servent, if they do.
    fn announced(&self) -> Option<SocketAddr> {
        let core = self.0.core();
        let ip = core.advertised.ip();
        let hidden = core.servent.is_hidden(&core.settings);
        let reached = core.private || core.servent.reachability().tcp == Some(true);
        (reached && !hidden && !ip.is_unspecified()).then(|| (ip, self.0.address.port()).into())
    }

    /// Whether the servents around are those of a private network.
    pub(in crate::node) fn is_sheltered(&self) -> bool {
        is_private(self.0.address.ip())
    }

    fn progress(&self, key: (u64, u64), progress: Progress) {
        let keep = match progress {
            Progress::Resumed { bytes } => {
                self.0.change_in(key, |entry| entry.state.received = bytes);
                false
            }
            Progress::Standing(standing) => {
                self.0.change_in(key, |entry| {
                    let state = &mut entry.state;
                    state.received = standing.received;
                    state.verified = standing.verified;
                    state.sources_known = standing.known;
                    state.sources_active = standing.active;
                    if standing.active > 0 {
                        (state.phase, state.error) = (DownloadPhase::Active, None);
                    }
                    entry.measure(standing.came);
                });
                false
            }
            Progress::Sources(sources) => {
                let change = self
                    .0
                    .change_in(key, |entry| entry.wanted.put_first(&sources));
                change == Some(true)
            }
            Progress::Queues(queues) => {
                let waiting = |(address, place): (SocketAddr, QueuePlace)| Waiting {
                    address,
                    position: place.position,
                    length: place.length,
                };
                self.0.change_in(key, |entry| {
                    entry.state.queues = queues.into_iter().map(waiting).collect();
                });
                false
            }
            Progress::Exhausted { lied, reason } => {
                let kind = match lied {
                    true => FailureKind::Verification,
                    false => FailureKind::Network,
                };
                let message = format!("{reason}; looking for other sources");
                let failure = Some(Failure { kind, message });
                self.0
                    .change_in(key, |entry| entry.rest(DownloadPhase::Waiting, failure));
                self.schedule();
                false
            }
            Progress::Failed { source, reason } => {
                log::info!("{source} failed for download {}: {reason}", key.0);
                false
            }
            Progress::Gave { source, key, bytes } => {
                let giver = Visitor {
                    address: source,
                    key,
                };
                self.0.uploads.gave(giver.peer(), bytes);
                false
            }
            Progress::Blamed { source, tile } => {
                let where_ = tile.map_or_else(String::new, |tile| format!(", in tile {tile}"));
                log::warn!("{source} sent wrong bytes for download {}{where_}", key.0);
                self.0.change_in(key, |entry| entry.blame(source));
                true
            }
            Progress::Rejected { sources } => {
                log::warn!("wrong bytes for download {} came from {sources:?}", key.0);
                false
            }
            _ => false,
        };
        if keep {
            runtime::spawn_detached(self.keep(key.0));
        }
    }
}
