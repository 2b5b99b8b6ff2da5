//! A collection on its way: its text is fetched like any file, and then every file that it names, as
//! a download of its own that knows whose part it is.
//!
//! The text lies in the home until all is there, and a copy of it in the folder of the collection.
//! So nothing but these two has to be noted: whoever begins again finds the folder by the text in
//! it, and in the folder what is complete.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parts::{Ended, Parts, has_content};
use super::run::Obstacle;
use crate::node::state::{CollectionState, DownloadPhase, DownloadState, Failure, FailureKind};
use crate::node::{Error, Inner, Node, Target, collection};
use crate::runtime;
use crate::transfer::folder;
use crate::wire::collection::{Collection, EXTENSION, MAX_LEN, Manifest, Member, begins, is_named};
use crate::wire::magnet::Magnet;
use crate::wire::urn::{Sha1, Urn};

/// The folder in the home for the texts of collections on their way.
pub(super) const TEXTS: &str = "collections";
/// Files of one collection that are in the list of downloads at once.
const AT_ONCE: usize = 32;
/// How soon it is tried again where the list has no room.
const ROOM: Duration = Duration::from_secs(5);
/// Sources of the text that are asked for the files, too.
const SOURCES: usize = 16;

/// How the files that are fetched are, all together.
#[derive(Debug, Default, PartialEq)]
struct Look {
    received: u64,
    verified: u64,
    rate: u64,
    active: usize,
    known: usize,
    phases: Vec<DownloadPhase>,
    error: Option<Failure>,
    ended: Vec<(usize, Ended)>,
}

impl Inner {
    /// Where the text of a collection is until its files are there.
    pub(in crate::node) fn text_of(&self, sha1: Sha1) -> PathBuf {
        self.home.join(TEXTS).join(format!("{sha1}.{EXTENSION}"))
    }

    /// Throws that text away.
    pub(super) fn forget_text(&self, sha1: Sha1) {
        let text = self.text_of(sha1);
        match fs::remove_file(&text) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                log::warn!("could not remove {}: {error}", text.display());
            }
            _ => {}
        }
    }
}

/// By what a file of a collection is asked for. Who has the text probably has the files.
fn link(file: &Member, sources: &[SocketAddr]) -> Magnet {
    let (_, name) = file.parts();
    let source = |address| format!("http://{address}/uri-res/N2R?urn:sha1:{}", file.sha1);
    Magnet {
        topics: vec![Urn::Bitprint(file.sha1, file.root)],
        name: Some(name.to_owned()),
        length: Some(file.size),
        exact_sources: sources.iter().take(SOURCES).map(source).collect(),
        acceptable_sources: file.web_seeds.clone(),
        keywords: None,
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether the file there has this content. Another one is removed, as nobody else's could be there.
pub(super) async fn is_there(path: &Path, sha1: Sha1) -> bool {
    let path = path.to_owned();
    let look = move || {
        let there = has_content(&path, sha1);
        if !there && path.exists() {
            let _in_the_way = fs::remove_file(&path);
        }
        there
    };
    runtime::spawn_blocking(look).await
}

impl Node {
    /// Whether a download is to be taken for a collection when its file is there. What a collection
    /// names is never followed further.
    pub(super) fn collected(&self, id: u64, name: &str, size: u64) -> bool {
        let part = self
            .download(id)
            .is_some_and(|state| state.part_of.is_some());
        is_named(name) && size <= MAX_LEN as u64 && !part
    }

    /// Fetches the files of the collection whose text is at `text`.
    pub(super) async fn collect(&self, key: (u64, u64), text: PathBuf) -> Result<(), Obstacle> {
        let Some((state, directory)) = self.settled(key.0) else {
            return Ok(());
        };
        let read = text.clone();
        let bytes = runtime::spawn_blocking(move || fs::read(read)).await;
        let bytes = bytes.unwrap_or_default();
        if !begins(&bytes) {
            return self.keep_as_file(key, text, directory, &state).await;
        }
        let manifest = collection::check(&bytes).map_err(|error| {
            let message = format!(
                "{error}; none of its files is fetched. It is {}",
                text.display()
            );
            Obstacle::end(FailureKind::Verification, message)
        })?;
        let Manifest {
            collection,
            key: signer,
            ..
        } = manifest;
        let (into, name) = (directory, collection.name.clone());
        let text_name = format!("{name}.{EXTENSION}");
        let folder =
            runtime::spawn_blocking(move || folder::open(&into, &name, &text_name, &bytes));
        let folder = folder.await?;
        self.0.change_in(key, |entry| {
            entry.collecting = true;
            entry.state.name.clone_from(&collection.name);
            entry.state.size = collection.size();
            entry.state.collection = Some(CollectionState {
                signer,
                files: collection.files.len(),
                done: 0,
            });
        });
        self.schedule();
        self.fetch_all(key, &collection, folder.clone()).await?;
        self.0.change_in(key, |entry| {
            entry.rest(DownloadPhase::Done, None);
            entry.state.path = Some(folder);
            let size = entry.state.size;
            (entry.state.received, entry.state.verified) = (size, size);
        });
        let (node, sha1) = (self.clone(), state.sha1);
        runtime::spawn_blocking(move || {
            if let Err(error) = node.0.store.forget_download(sha1) {
                log::warn!("a collection that is complete is still kept: {error}");
            }
            node.0.forget_text(sha1);
        })
        .await;
        Ok(())
    }

    /// A file whose name only looks like that of a collection.
    async fn keep_as_file(
        &self,
        key: (u64, u64),
        text: PathBuf,
        directory: PathBuf,
        state: &DownloadState,
    ) -> Result<(), Obstacle> {
        let (node, sha1, name) = (self.clone(), state.sha1, state.name.clone());
        let placed = runtime::spawn_blocking(move || {
            let placed = folder::deliver(&text, &directory, &name)?;
            if let Err(error) = node.0.store.forget_download(sha1) {
                log::warn!("a download that is complete is still kept: {error}");
            }
            Ok::<_, Obstacle>(placed)
        });
        let path = placed.await?;
        self.0.change_in(key, |entry| {
            entry.rest(DownloadPhase::Done, None);
            let size = entry.state.size;
            (entry.state.received, entry.state.verified) = (size, size);
            entry.state.path = Some(path);
        });
        Ok(())
    }

    fn settled(&self, id: u64) -> Option<(DownloadState, PathBuf)> {
        let downloads = self.0.downloads();
        let entry = downloads.entry(id)?;
        Some((entry.state.clone(), entry.directory.clone()))
    }

    /// Fetches until every file is there or has failed.
    async fn fetch_all(
        &self,
        key: (u64, u64),
        collection: &Collection,
        folder: PathBuf,
    ) -> Result<(), Obstacle> {
        let mut parts = Parts::find(&collection.files, folder).await;
        self.drop_complete(key.0, &parts);
        let mut last = Look::default();
        loop {
            let full = self.begin_parts(key.0, &mut parts).await?;
            self.tell(key, &parts, &last);
            if parts.fetched.is_empty() && parts.missing.is_empty() {
                return parts.outcome();
            }
            let limit = match full {
                true => ROOM,
                false => Duration::from_secs(u64::from(u32::MAX)),
            };
            let look = || Some(self.look(&parts));
            let news = |look: &Look| *look != last;
            let changes = &self.0.downloads_changed;
            let seen = self.0.when(changes, limit, look, news).await;
            last = seen.unwrap_or_default();
            for (at, ended) in std::mem::take(&mut last.ended) {
                parts.end(at, ended).await?;
            }
        }
    }

    /// Takes from the list what an earlier run had in its place when it ended.
    fn drop_complete(&self, id: u64, parts: &Parts<'_>) {
        let complete: Vec<u64> = {
            let downloads = self.0.downloads();
            let held = |id: &u64| {
                let entry = downloads.entry(*id);
                entry.is_some_and(|entry| entry.held && parts.there.contains_key(&entry.state.sha1))
            };
            downloads.parts(id).into_iter().filter(held).collect()
        };
        for id in complete {
            if let Err(error) = self.remove_download(id) {
                log::debug!("{error}");
            }
        }
    }

    /// Lets as many of the missing files be fetched as may be at once; says whether the list of
    /// downloads had no room for them.
    async fn begin_parts(&self, id: u64, parts: &mut Parts<'_>) -> Result<bool, Obstacle> {
        let (mut later, mut full) = (Vec::new(), false);
        while let Some(at) = parts.missing.pop() {
            let file = &parts.files[at];
            if parts.there.contains_key(&file.sha1) {
                parts.copy(at).await?;
                continue;
            }
            let mut others = parts.fetched.keys().map(|other| &parts.files[*other]);
            let twin = others.any(|other| other.sha1 == file.sha1);
            if twin || parts.fetched.len() >= AT_ONCE {
                later.push(at);
                if twin {
                    continue;
                }
                break;
            }
            match self.fetch_part(id, file, &parts.place(at).0) {
                Ok(begun) => {
                    parts.fetched.insert(at, begun);
                }
                // The list is full; another file makes room.
                Err(error) => {
                    log::debug!("{}: {error}", file.path);
                    later.push(at);
                    full = true;
                    break;
                }
            }
        }
        later.reverse();
        parts.missing.append(&mut later);
        Ok(full)
    }

    /// Fetches one file into a folder, or follows who does already. Gives the number of the download,
    /// and whether it puts the file where it belongs.
    fn fetch_part(&self, of: u64, file: &Member, folder: &Path) -> Result<(u64, bool), Error> {
        let (_, name) = file.parts();
        let (sources, priority) = {
            let downloads = self.0.downloads();
            let entry = downloads.entry(of).ok_or(Error::NoSuchDownload(of))?;
            (entry.wanted.sources.clone(), entry.state.priority)
        };
        let wanted = self.wanted(&Target::Magnet(link(file, &sources)))?;
        let mut downloads = self.0.downloads();
        // It may have been stopped or removed just now, its files with it.
        let goes_on = downloads.entry(of).is_some_and(|entry| entry.collecting);
        goes_on.then_some(()).ok_or(Error::NoSuchDownload(of))?;
        if let Some(id) = downloads.of(file.sha1) {
            let own = downloads.change(id, |entry| {
                entry.add_sources(wanted.sources);
                entry.add_web_seeds(wanted.web_seeds);
                entry.held = false;
                let same = entry.directory == folder && entry.state.name == name;
                same && entry.state.part_of == Some(of)
            });
            drop(downloads);
            self.schedule();
            return Ok((id, own == Some(true)));
        }
        let id = downloads.add(wanted, folder.to_owned())?;
        downloads.change(id, |entry| {
            (entry.state.part_of, entry.state.priority) = (Some(of), priority);
        });
        drop(downloads);
        self.settle(id);
        Ok((id, true))
    }

    /// How those that are fetched are now.
    fn look(&self, parts: &Parts<'_>) -> Look {
        let downloads = self.0.downloads();
        let mut look = Look::default();
        for (at, (id, _)) in &parts.fetched {
            let Some(state) = downloads.state(*id) else {
                look.ended.push((*at, Ended::Gone));
                continue;
            };
            match (state.phase, &state.path, &state.error) {
                (DownloadPhase::Done, Some(path), _) => {
                    look.ended.push((*at, Ended::Done(path.clone())));
                }
                (DownloadPhase::Failed, _, Some(failure)) => {
                    look.ended.push((*at, Ended::Failed(failure.clone())));
                }
                _ => {
                    look.received += state.received;
                    look.verified += state.verified;
                    look.rate += state.rate;
                    // They are mostly the same ones.
                    look.active = look.active.max(state.sources_active);
                    look.known = look.known.max(state.sources_known);
                    look.error = look.error.take().or_else(|| state.error.clone());
                    look.phases.push(state.phase);
                }
            }
        }
        look
    }

    /// Tells how far the whole is.
    fn tell(&self, key: (u64, u64), parts: &Parts<'_>, look: &Look) {
        self.0.change_in(key, |entry| {
            let state = &mut entry.state;
            state.received = parts.bytes + look.received;
            state.verified = parts.bytes + look.verified;
            state.rate = look.rate;
            (state.sources_active, state.sources_known) = (look.active, look.known);
            state.phase = look.phase();
            state.error = match state.phase {
                DownloadPhase::Active => None,
                _ => look.error.clone(),
            };
            if let Some(collection) = &mut state.collection {
                collection.done = parts.done;
            }
        });
    }
}

impl Look {
    /// What one download in the place of all would be.
    fn phase(&self) -> DownloadPhase {
        let any = |phase: DownloadPhase| self.phases.contains(&phase);
        if any(DownloadPhase::Active) {
            DownloadPhase::Active
        } else if any(DownloadPhase::Searching) || any(DownloadPhase::Queued) {
            DownloadPhase::Searching
        } else if any(DownloadPhase::Paused) && self.error.is_some() {
            DownloadPhase::Paused
        } else if self.phases.is_empty() {
            DownloadPhase::Searching
        } else {
            DownloadPhase::Waiting
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::urn::TigerRoot;

    #[test]
    fn a_file_is_asked_for_where_the_text_came_from_and_where_it_says() {
        let file = Member {
            path: "songs/almond.ogg".to_owned(),
            size: 5,
            sha1: Sha1::from_bytes([1; 20]),
            root: TigerRoot::from_bytes([2; 24]),
            web_seeds: vec!["https://example.org/almond.ogg".to_owned()],
        };
        let link = link(&file, &[([127, 0, 0, 1], 6346).into()]);
        let sha1 = file.sha1;
        assert_eq!(
            link.exact_sources,
            [format!("http://127.0.0.1:6346/uri-res/N2R?urn:sha1:{sha1}")]
        );
        assert_eq!(link.acceptable_sources, file.web_seeds);
        assert_eq!(
            (link.name.as_deref(), link.length),
            (Some("almond.ogg"), Some(5))
        );
        assert_eq!(link.tiger_root(), Some(file.root));
    }

    #[test]
    fn the_whole_is_what_the_best_of_its_files_is() {
        use DownloadPhase::{Active, Paused, Queued, Searching, Waiting};
        let phase = |phases: &[DownloadPhase], trouble: bool| {
            let error = trouble.then(|| Failure {
                kind: FailureKind::Disk,
                message: String::new(),
            });
            let phases = phases.to_vec();
            Look {
                phases,
                error,
                ..Look::default()
            }
            .phase()
        };
        assert_eq!(phase(&[Waiting, Active, Paused], true), Active);
        assert_eq!(phase(&[Waiting, Queued], true), Searching);
        assert_eq!(phase(&[Paused, Waiting], true), Paused);
        assert_eq!(phase(&[Paused, Waiting], false), Waiting);
        assert_eq!(phase(&[], false), Searching);
    }
}
