//! Taking what an answer brings: tile by tile, each compared with the tree, and of a web server that
//! knows no ranges more than was asked for now.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::error::Error;
use super::{News, REPORT, Session};
use crate::net::http::{self, Chunks};
use crate::runtime;
use crate::swarm::download::Verdict;
use crate::swarm::tile_set::TileSet;
use crate::transfer::throttle;
use crate::transfer::trees::Trees;
use crate::wire::tiger_tree::node_of;

/// Bytes of whole tiles that are compared with the tree at once; one tile always is.
const JUDGED: u64 = 2 << 20;
/// Bytes for which a tile gets room before any of them came.
const RESERVED: usize = 1 << 20;
/// Tiles of a whole file, as it comes, of which one is chosen where not all are wanted.
const AHEAD: u64 = 16;

/// The body of an answer, as far as it was read.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) chunks: Chunks,
    /// What of its last chunk was not read yet.
    pub(super) rest: Bytes,
    /// The byte of the file that comes next.
    pub(super) at: u64,
    /// The one after the last.
    pub(super) end: u64,
}

impl Flow {
    async fn next(&mut self) -> Option<Result<Bytes, http::Error>> {
        match self.rest.is_empty() {
            true => self.chunks.next().await,
            false => Some(Ok(std::mem::take(&mut self.rest))),
        }
    }
}

/// A tile that is compared with the tree.
type Judging = runtime::JoinHandle<(u32, Bytes, Verdict)>;

impl Session {
    /// Takes an answer that ends where the range asked for does, or before.
    pub(super) async fn take_part(
        &mut self,
        mut flow: Flow,
        end: u64,
        next: &mut u32,
    ) -> Result<(), Error> {
        let received = self.receive(&mut flow, end, next).await;
        if received.is_err() || flow.end > end {
            // More comes than was asked for.
            self.hang_up();
            return received;
        }
        match flow.next().await {
            None => Ok(()),
            Some(_) => {
                self.hang_up();
                Err(Error::TooMuch)
            }
        }
    }

    /// Takes what is wanted of a whole file, and keeps the rest for later.
    pub(super) async fn read_on(
        &mut self,
        mut flow: Flow,
        end: u64,
        next: &mut u32,
    ) -> Result<(), Error> {
        let start = self.wanted.bytes(&(*next..*next)).start + self.partial_len();
        // Where something was read past others have been before us.
        let near = if start == flow.at { 1 } else { AHEAD };
        // Before the last tile is there, which is when it is asked for more.
        self.look_ahead(end.min(flow.end), near).await;
        let received = self.receive(&mut flow, end, next).await;
        if received.is_err() || flow.at >= flow.end {
            self.hang_up();
        } else {
            self.open = Some(flow);
        }
        received
    }

    /// Keeps an answer of which nothing is wanted yet but its beginning.
    pub(super) async fn keep_open(&mut self, flow: Flow) {
        self.look_ahead(flow.at, 1).await;
        self.open = Some(flow);
    }

    /// Tells which `near` tiles come next from the byte `at` on, or else from the beginning: those are
    /// cheapest.
    async fn look_ahead(&mut self, at: u64, near: u64) {
        self.whole = true;
        let first = at.div_ceil(self.wanted.tile_len);
        let tiles = self.wanted.trees.size().div_ceil(self.wanted.tile_len);
        let first = if first < tiles { first } else { 0 };
        let narrow = |tile: u64| u32::try_from(tile).unwrap_or(u32::MAX);
        let mut ahead = TileSet::none(narrow(tiles));
        for tile in first..tiles.min(first + near) {
            ahead.insert(narrow(tile));
        }
        self.teller.tell(News::Has(Some(ahead))).await;
    }

    /// Takes an answer up to the byte `end` and at most what it offered, and hands on each tile that
    /// is whole.
    async fn receive(&mut self, flow: &mut Flow, end: u64, next: &mut u32) -> Result<(), Error> {
        let wanted = Arc::clone(&self.wanted);
        let start = wanted.bytes(&(*next..*next)).start + self.partial_len();
        let mut skip = start - flow.at;
        let mut left = flow.end.min(end) - start;
        let last = flow.end <= end;
        let mut judging = VecDeque::new();
        let at_once = usize::try_from(JUDGED / wanted.tile_len).map_or(1, |most| most.clamp(1, 4));
        while left > 0 {
            let mut chunk = match flow.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => {
                    self.hand_on(&mut judging, 0).await;
                    return Err(error.into());
                }
                None => {
                    self.hand_on(&mut judging, 0).await;
                    return Err(Error::Broken("it ended too early".to_owned()));
                }
            };
            flow.at += take(&mut chunk, &mut skip).len() as u64;
            let mut came = take(&mut chunk, &mut left);
            flow.at += came.len() as u64;
            self.untold += came.len() as u64;
            throttle::pass(&wanted.settings.throttles, came.len()).await;
            while !came.is_empty() {
                let tile = wanted.bytes(&(*next..*next + 1));
                let mut room = (tile.end - tile.start) - self.partial_len();
                let part = take(&mut came, &mut room);
                let (_, partial) = self
                    .partial
                    .get_or_insert_with(|| (*next, room_for(tile.end - tile.start)));
                partial.extend_from_slice(&part);
                if room == 0
                    && let Some((tile, bytes)) = self.partial.take()
                {
                    *next += 1;
                    // The next tiles come while this one is looked at.
                    self.hand_on(&mut judging, at_once - 1).await;
                    let (trees, bytes) = (Arc::clone(&wanted.trees), bytes.freeze());
                    judging.push_back(runtime::spawn_blocking(move || {
                        let verdict = judge_tile(&trees, tile, &bytes);
                        (tile, bytes, verdict)
                    }));
                }
            }
            if self.told.elapsed() >= REPORT {
                if skip > 0 {
                    // What is read past shows that it lives.
                    self.teller.tell(News::Received(0)).await;
                }
                self.report().await;
            }
            if !chunk.is_empty() && last {
                self.hand_on(&mut judging, 0).await;
                return Err(Error::TooMuch);
            }
            flow.rest = chunk;
        }
        self.hand_on(&mut judging, 0).await;
        Ok(())
    }

    /// Hands on tiles, in order, as they were compared with the tree, until no more than `left` are
    /// looked at.
    async fn hand_on(&mut self, judging: &mut VecDeque<Judging>, left: usize) {
        while judging.len() > left
            && let Some(first) = judging.pop_front()
        {
            let (tile, bytes, verdict) = first.await;
            self.report().await;
            let news = News::Tile {
                tile,
                bytes,
                verdict,
                own: !self.door.moved && !self.door.web,
                key: self.client.as_ref().and_then(|(_, side)| side.key),
            };
            self.teller.tell(news).await;
        }
    }
}

/// What the tree, if it is known, says of a tile.
fn judge_tile(trees: &Trees, tile: u32, bytes: &[u8]) -> Verdict {
    let Some(tree) = trees.tree() else {
        return Verdict::Unknown;
    };
    let place = usize::try_from(tile).unwrap_or(usize::MAX);
    match tree.nodes().get(place) == Some(&node_of(bytes)) {
        true => Verdict::Right,
        false => Verdict::Wrong,
    }
}

/// Room for a tile, so that it does not grow again and again; of a large one for its beginning.
fn room_for(tile: u64) -> BytesMut {
    BytesMut::with_capacity(usize::try_from(tile).map_or(RESERVED, |tile| tile.min(RESERVED)))
}

/// Cuts off the front of `chunk` as much as `limit` allows, and lowers the limit.
fn take(chunk: &mut Bytes, limit: &mut u64) -> Bytes {
    let count = usize::try_from(*limit).map_or(chunk.len(), |limit| limit.min(chunk.len()));
    *limit -= count as u64;
    chunk.split_to(count)
}
