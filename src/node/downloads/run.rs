//! One download, from its first source to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{self, Either, FutureExt};

use crate::node::Node;
use crate::node::call_back::Caller;
use crate::node::ground::is_private;
use crate::node::ledger::Notes;
use crate::node::state::{DownloadPhase, Failure, FailureKind};
use crate::runtime;
use crate::transfer::download::{self, Job, Progress, Settings};
use crate::transfer::{disk, name::safe_file_name};
use crate::wire::Guid;

/// Pause before a download that the disk stopped is tried again; it doubles with each time.
const MEND: Duration = Duration::from_secs(10);
/// The longest.
const LONGEST_MEND: Duration = Duration::from_secs(5 * 60);
/// How long after it was given up a source on private ground gets another chance: there one that is
/// gone is often just started again.
const FORGIVE: Duration = Duration::from_secs(4);

impl Node {
    /// Fetches until it is there, fails for good, or is stopped. What the disk does not allow is
    /// tried again.
    pub(super) async fn carry_through(self, key: (u64, u64)) {
        self.keep(key.0).await;
        let mut pause = MEND;
        loop {
            let (offer, offers) = mpsc::unbounded();
            let seeking = self.seek(key, offer).boxed();
            let fetching = self.attempt(key, offers).boxed();
            // Sources that are known already are tried before others are looked for.
            let Either::Left((ended, _)) = future::select(fetching, seeking).await else {
                return;
            };
            let Err(error) = ended else {
                self.schedule();
                return;
            };
            let message = error.to_string();
            log::info!("download {}: {message}", key.0);
            let (kind, phase) = match error {
                download::Error::NoSource { .. } => (FailureKind::Network, DownloadPhase::Failed),
                download::Error::Verification { .. } => {
                    (FailureKind::Verification, DownloadPhase::Failed)
                }
                download::Error::Disk(disk::Error::NoSpace { .. }) => {
                    (FailureKind::NoSpace, DownloadPhase::Paused)
                }
                download::Error::Disk(_) => (FailureKind::Disk, DownloadPhase::Paused),
            };
            let failure = Some(Failure { kind, message });
            self.0.change_in(key, |entry| entry.rest(phase, failure));
            // Even if the node stops meanwhile.
            runtime::spawn(self.keep(key.0)).await;
            self.schedule();
            if phase == DownloadPhase::Failed {
                return;
            }
            runtime::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_MEND);
            // The reason stays until it is known whether it still holds.
            self.0
                .change_in(key, |entry| entry.state.phase = DownloadPhase::Searching);
        }
    }

    /// Waits until it is known how large the file is, and fetches it.
    async fn attempt(
        &self,
        key: (u64, u64),
        offers: download::Offers,
    ) -> Result<(), download::Error> {
        let Some((job, name)) = self.job(key).await else {
            // It was removed.
            return future::pending::<Result<Infallible, _>>().await.map(|_| ());
        };
        let notes = Notes {
            store: Arc::clone(&self.0.store),
            sha1: job.sha1,
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
            throttles: self.0.limits.download(),
            ..Settings::default()
        };
        if job.private {
            settings.swarm.forgive = FORGIVE;
        }
        let watcher = self.clone();
        let tell = move |progress| watcher.progress(key, progress);
        let finished = download::run_with(job, Arc::new(notes), &settings, offers, tell).await?;
        self.0.change_in(key, |entry| {
            entry.rest(DownloadPhase::Done, None);
            entry.state.received = finished.bytes;
            entry.state.verified = finished.bytes;
            entry.state.path = Some(finished.path);
        });
        Ok(())
    }

    /// What to fetch, once its size is known.
    async fn job(&self, (id, _): (u64, u64)) -> Option<(Job, String)> {
        let ready = || {
            let downloads = self.0.downloads();
            let entry = downloads.entry(id)?;
            let size = entry.wanted.size;
            Some(size.map(|size| (size, entry.wanted.clone(), entry.directory.clone())))
        };
        let changes = &self.0.downloads_changed;
        let forever = Duration::from_secs(u64::from(u32::MAX));
        let known = self.0.when(changes, forever, ready, Option::is_some).await;
        let (size, wanted, directory) = known.flatten()?;
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
            incomplete: self.0.incomplete_directory.clone(),
            target: directory,
            from: self.0.dial_from,
            tls: self.0.first_tls(),
            network: self.0.network.clone(),
            call_back: Some(Arc::new(Caller(self.clone()))),
            own: Some(self.0.address),
            private: self.is_sheltered(),
            exchange: self.0.gives_back.then(|| Arc::clone(&self.0.exchange)),
            announce: self.announced(),
        };
        Some((job, name))
    }

    /// Where others reach this servent, if they do.
    fn announced(&self) -> Option<SocketAddr> {
        let core = self.0.core();
        let ip = core.advertised.ip();
        let reached = core.private || core.servent.reachability().tcp == Some(true);
        (reached && !ip.is_unspecified()).then(|| (ip, self.0.address.port()).into())
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
                    state.place = standing.place;
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
            Progress::Gave { source, bytes } => {
                self.0.uploads.gave(source.ip(), bytes);
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
