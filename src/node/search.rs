//! Searching: what a user asks, as a stream of hits or as a state that grows.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::Stream;
use futures::channel::mpsc;

use super::Node;
use super::error::Error;
use super::searches::Hit;
use super::state::{SearchPhase, SearchState};
use super::wish::Wish;
use crate::overlay::SearchId;

/// Hits that wait for a reader of the stream.
const UNREAD: usize = 1_024;

/// A running search: a stream of hits, which ends when the search does. Who reads slowly misses
/// hits, but finds all of them in [`Node::search_state`]. Dropping it leaves the search running;
/// [`cancel`](Self::cancel) ends it.
#[derive(Debug)]
pub struct Search {
    node: Node,
    id: SearchId,
    hits: mpsc::Receiver<Hit>,
}

impl Search {
    /// Its number in the node.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id.0
    }

    /// Ends the search.
    pub fn cancel(self) {
        self.node.cancel_search(self.id.0);
    }
}

impl Stream for Search {
    type Item = Hit;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Hit>> {
        Pin::new(&mut self.hits).poll_next(cx)
    }
}

impl Node {
    /// Asks the overlay for words, a `urn:…` or a magnet link.
    ///
    /// # Errors
    /// When there is nothing in `text` to search for.
    pub fn search(&self, text: &str) -> Result<Search, Error> {
        self.search_for(Wish::new(text))
    }

    /// Asks the overlay for what is wished.
    ///
    /// # Errors
    /// When there is nothing in the text of `wish` to search for.
    pub fn search_for(&self, wish: Wish) -> Result<Search, Error> {
        let query = wish.query()?;
        let (sender, hits) = mpsc::channel(UNREAD);
        let mut core = self.0.core();
        let id = core.searches.begin(Instant::now(), wish, Some(sender));
        core.search(id, &query);
        drop(core);
        Ok(Search {
            node: self.clone(),
            id,
            hits,
        })
    }

    /// A search as it is.
    #[must_use]
    pub fn search_state(&self, id: u64) -> Option<SearchState> {
        self.0.core().searches.state(id).cloned()
    }

    /// All searches, oldest first.
    #[must_use]
    pub fn searches(&self) -> Vec<SearchState> {
        self.0.core().searches.states().cloned().collect()
    }

    /// Ends a search; its results stay. Says whether it was running.
    pub fn cancel_search(&self, id: u64) -> bool {
        let was = self.0.core().cancel(SearchId(id));
        self.0.found.notify();
        was
    }

    /// A search once its version is above `after` or it is over, or as it is after `limit`.
    pub async fn search_changed(
        &self,
        id: u64,
        after: u64,
        limit: Duration,
    ) -> Option<SearchState> {
        let changed =
            |state: &SearchState| state.version > after || state.state == SearchPhase::Finished;
        self.0
            .when(&self.0.found, limit, || self.search_state(id), changed)
            .await
    }
}
