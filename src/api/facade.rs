//! The facade: what a user can ask, as calls on a node.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Code, ConnectRequest, Counter, Download, DownloadChange, Error, GetRequest, Peer, Search,
    SearchRequest, Share, Status, Ttls, Upload, WhatIf, WhatIfRequest, Wish, WishRequest,
    parse_target,
};
use crate::node::{Blind, Node};
use crate::runtime;

/// The longest that one call waits for a change.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a user can ask of a node.
#[derive(Clone, Debug)]
pub struct Api {
    node: Node,
}

/// When a call about something that changes is answered: at once, or with its next change.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// The version already known.
    pub after: u64,
    /// How long to wait for a newer one, in milliseconds; a minute at most.
    pub wait_ms: u64,
}

impl Watch {
    /// How long to wait.
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms).min(LONGEST_WAIT)
    }
}

impl Api {
    /// The facade of a node.
    #[must_use]
    pub const fn new(node: Node) -> Self {
        Self { node }
    }

    /// How the node is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.node.status().into()
    }

    /// Its neighbours.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.node.peers().into_iter().map(Into::into).collect()
    }

    /// What it counted, those of a family one after the other.
    #[must_use]
    pub fn counters(&self) -> Vec<Counter> {
        let samples = self.node.counters().samples();
        samples.into_iter().map(Into::into).collect()
    }

    /// What queries would reach and cost.
    ///
    /// # Errors
    /// When the TTLs are none, or the node saw too little.
    pub fn whatif(&self, request: &WhatIfRequest) -> Result<Vec<WhatIf>, Error> {
        let ttls = request
            .ttl
            .as_deref()
            .map_or_else(|| Ok(Ttls::default()), str::parse);
        let ttls = ttls.map_err(|problem| Error::new(Code::BadRequest, problem))?;
        let told = self.node.foretell(ttls.iter());
        let told = told.map_err(|blind| {
            let code = match blind {
                Blind::Alone => Code::NoNeighbour,
                _ => Code::NotFound,
            };
            Error::new(code, blind.to_string())
        })?;
        Ok(told.into_iter().map(Into::into).collect())
    }

    /// Makes a servent a neighbour.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn connect(&self, request: &ConnectRequest) -> Result<(), Error> {
        Ok(self.node.connect(request.address).await?)
    }

    /// What it shares.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        self.node.shares().into_iter().map(Into::into).collect()
    }

    /// Begins a search.
    ///
    /// # Errors
    /// When there is nothing to search for.
    pub fn search(&self, request: SearchRequest) -> Result<Search, Error> {
        let id = self.node.search_for(request.into())?.id();
        known(self.node.search_state(id), "search", id)
    }

    /// All searches, oldest first.
    #[must_use]
    pub fn searches(&self) -> Vec<Search> {
        self.node.searches().into_iter().map(Into::into).collect()
    }

    /// A search, at once or when it changes.
    ///
    /// # Errors
    /// When there is no such search.
    pub async fn search_state(&self, id: u64, watch: Watch) -> Result<Search, Error> {
        let state = self.node.search_changed(id, watch.after, watch.wait());
        known(state.await, "search", id)
    }

    /// Reads the list of what a servent shares.
    ///
    /// # Errors
    /// When it cannot be reached or shows none.
    pub async fn browse(&self, request: &ConnectRequest) -> Result<Search, Error> {
        Ok(self.node.browse(request.address).await?.into())
    }

    /// Ends a search; its results stay.
    ///
    /// # Errors
    /// When there is no such search.
    pub fn cancel_search(&self, id: u64) -> Result<Search, Error> {
        self.node.cancel_search(id);
        known(self.node.search_state(id), "search", id)
    }

    /// Begins a download.
    ///
    /// # Errors
    /// When the target names nothing that can be fetched, or the folder is no absolute path.
    pub async fn get(&self, request: GetRequest) -> Result<Download, Error> {
        let GetRequest { target, dir } = request;
        absolute(dir.as_deref())?;
        let path = Path::new(&target);
        let id = match path.is_absolute() {
            true => self.node.fetch_collection(path.to_owned(), dir).await?,
            false => self.node.fetch(&parse_target(&target)?, dir)?,
        };
        known(self.node.download(id), "download", id)
    }

    /// All downloads, oldest first.
    #[must_use]
    pub fn downloads(&self) -> Vec<Download> {
        self.node.downloads().into_iter().map(Into::into).collect()
    }

    /// A download, at once or when it changes.
    ///
    /// # Errors
    /// When there is no such download.
    pub async fn download(&self, id: u64, watch: Watch) -> Result<Download, Error> {
        let state = self.node.download_changed(id, watch.after, watch.wait());
        known(state.await, "download", id)
    }

    /// Stops a download, lets it go on, or changes how soon it gets a place.
    ///
    /// # Errors
    /// When there is no such download.
    pub fn change_download(&self, id: u64, change: DownloadChange) -> Result<Download, Error> {
        if let Some(priority) = change.priority {
            self.node.prefer_download(id, priority.into())?;
        }
        match change.paused {
            Some(true) => self.node.pause_download(id)?,
            Some(false) => self.node.resume_download(id)?,
            None => {}
        }
        known(self.node.download(id), "download", id)
    }

    /// Takes a download from the list, with what is there of it; a complete file stays.
    ///
    /// # Errors
    /// When there is no such download.
    pub fn remove_download(&self, id: u64) -> Result<Download, Error> {
        Ok(self.node.remove_download(id)?.into())
    }

    /// What others are given, and who waits for it.
    #[must_use]
    pub fn uploads(&self) -> Vec<Upload> {
        self.node.uploads().into_iter().map(Into::into).collect()
    }

    /// Keeps a search, to be asked again and again.
    ///
    /// # Errors
    /// When there is nothing to search for, the folder is no absolute path, or too many are kept.
    pub async fn add_wish(&self, request: WishRequest) -> Result<Wish, Error> {
        let WishRequest { search, fetch, dir } = request;
        absolute(dir.as_deref())?;
        Ok(self.node.add_wish(search.into(), fetch, dir).await?.into())
    }

    /// All wishes, oldest first.
    #[must_use]
    pub fn wishes(&self) -> Vec<Wish> {
        self.node.wishes().into_iter().map(Into::into).collect()
    }

    /// Forgets a wish; what it found and fetches stays.
    ///
    /// # Errors
    /// When there is no such wish.
    pub async fn remove_wish(&self, id: u64) -> Result<Wish, Error> {
        Ok(self.node.remove_wish(id).await?.into())
    }

    /// Tells the node to stop, without waiting for it.
    pub fn stop(&self) {
        let node = self.node.clone();
        runtime::spawn_detached(async move { node.stop().await });
    }
}

/// Refuses a folder that depends on where the node was started.
fn absolute(dir: Option<&Path>) -> Result<(), Error> {
    match dir.filter(|dir| !dir.is_absolute()) {
        Some(dir) => {
            let message = format!("the folder {} is no absolute path", dir.display());
            Err(Error::new(Code::BadRequest, message))
        }
        None => Ok(()),
    }
}

fn known<S, T: From<S>>(state: Option<S>, what: &str, id: u64) -> Result<T, Error> {
    let missing = || Error::new(Code::NotFound, format!("there is no {what} {id}"));
    state.map(Into::into).ok_or_else(missing)
}
