//! One source of a download: a conversation over one connection after the other, as long as the
//! download has something to ask of it.
//!
//! What a source says is checked before a byte of it is taken: where its bytes lie, how large its
//! file is, which content it claims. It is asked again on the same connection as long as it gives
//! shorter ranges than asked (protocol §10.4; gtk-gnutella's first answer is at most 512 KiB). A
//! tile is gathered in memory and compared with the tree before it is handed on, so that nothing
//! wrong is ever written where a tree is known. One source at a time is asked for the tree (§11.4).

mod answer;
mod contact;
mod door;
mod error;
mod flow;
mod queue;

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use futures::channel::mpsc;

use super::AGENT;
use super::announce::{Announce, Told};
use super::call_back::CallBack;
use super::download::Settings;
use super::firewalled::{self, NodeInfo};
use super::mesh;
use super::trees::Trees;
use super::web_seed::WebSeeds;
use crate::net::handshake::Tls;
use crate::net::http::{self, Body, Client, HeaderMap, Incoming, Request, StatusCode};
use crate::net::network::{Network, Side};
use crate::runtime;
use crate::swarm::download::Verdict;
use crate::swarm::tile_set::TileSet;
use crate::wire::thex;
use crate::wire::tiger_tree::TigerTree;
use crate::wire::urn::{Sha1, TigerRoot};

pub use error::Error;

use answer::text;
use door::Door;
use error::quote;
use flow::Flow;
use queue::{Queue, Woken};

/// How often the download hears how much came, at most.
const REPORT: Duration = Duration::from_millis(100);
/// The most that is read of an answer that is of no use, to keep its connection.
const DRAINED: usize = 64 * 1024;

/// What all sources of a download are asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) sha1: Sha1,
    pub(super) tile_len: u64,
    pub(super) trees: Arc<Trees>,
    pub(super) announce: Announce,
    pub(super) from: Option<IpAddr>,
    pub(super) tls: Tls,
    pub(super) network: Option<Network>,
    /// Who has sources connect to us that cannot be dialled.
    pub(super) call_back: Option<Arc<dyn CallBack>>,
    /// Where they reach us, if they do.
    pub(super) reached_at: Option<SocketAddr>,
    pub(super) web_seeds: Arc<WebSeeds>,
    pub(super) settings: Settings,
}

impl Wanted {
    /// Where a source is asked at first.
    fn door(&self, address: SocketAddr) -> Door {
        let seed = self.web_seeds.at(address);
        seed.map_or_else(
            || Door::of(address, self.sha1),
            |seed| Door::of_seed(address, &seed),
        )
    }

    /// The bytes of a run of tiles.
    pub(super) fn bytes(&self, tiles: &Range<u32>) -> Range<u64> {
        let size = self.trees.size();
        let at = |tile: u32| (u64::from(tile) * self.tile_len).min(size);
        at(tiles.start)..at(tiles.end)
    }
}

/// What a source tells while it is asked.
#[derive(Debug)]
pub(super) enum News {
    /// Which tiles it has; nothing means all.
    Has(Option<TileSet>),
    /// Others that have the file, as it says.
    Others(Vec<SocketAddr>),
    /// So many more bytes came.
    Received(u64),
    /// A whole tile came.
    Tile {
        tile: u32,
        bytes: Bytes,
        verdict: Verdict,
        /// Whether it came from the source itself, and not from where that sends us.
        own: bool,
        /// By which key it has proven who it is, if it has.
        key: Option<[u8; 32]>,
    },
    /// The tree came, and is the one of its root.
    Tree(TigerTree),
    /// It keeps a place for us in its queue, and wants to be asked now.
    Invited,
    /// It will not send the rest.
    Failed(Error),
}

/// One end of a conversation: tells the download, which may be slower than the source.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    pub(super) address: SocketAddr,
    /// Which conversation with that source this is.
    pub(super) number: u64,
    pub(super) news: mpsc::Sender<(SocketAddr, u64, News)>,
}

impl Teller {
    async fn tell(&mut self, news: News) {
        // Who does not listen any more has ended this conversation already.
        let _ = self.news.send((self.address, self.number, news)).await;
    }
}

/// A source that is being talked with.
#[derive(Debug)]
pub(super) struct Session {
    wanted: Arc<Wanted>,
    address: SocketAddr,
    teller: Teller,
    /// Where it is asked.
    door: Door,
    /// Our place in its queue.
    queue: Queue,
    /// The connection, and which end of it this is.
    client: Option<(Client, Side)>,
    /// Whether the connection has given an answer before.
    proven: bool,
    /// Whether it is a web server that gives the whole file only, always from the beginning.
    whole: bool,
    /// Its answer, as far as it was read.
    open: Option<Flow>,
    /// A tile that came in part.
    partial: Option<(u32, BytesMut)>,
    /// Bytes that were not told of yet, and when some were last.
    untold: u64,
    told: Instant,
    /// Where it says that its tree is.
    tree_at: Option<(String, TigerRoot)>,
    /// Whether it was asked for its tree.
    tree_asked: bool,
    /// What it was told of others.
    others_told: Told,
    /// Whether it understands alternates that have to be called.
    understands: bool,
}

impl Session {
    pub(super) fn new(wanted: Arc<Wanted>, teller: Teller) -> Self {
        Self {
            door: wanted.door(teller.address),
            wanted,
            address: teller.address,
            teller,
            queue: Queue::default(),
            client: None,
            proven: false,
            whole: false,
            open: None,
            partial: None,
            untold: 0,
            told: Instant::now(),
            tree_at: None,
            tree_asked: false,
            others_told: Told::default(),
            understands: false,
        }
    }

    /// Fetches what is ordered, until no orders come any more.
    pub(super) async fn converse(mut self, mut orders: mpsc::UnboundedReceiver<Range<u32>>) {
        loop {
            let idle = self.wanted.settings.idle.max(self.queue.patience());
            let woken = match runtime::timeout(idle, self.queue.next(&mut orders)).await {
                Ok(woken) => woken,
                Err(_) => {
                    // Its place is of use to somebody else.
                    self.hang_up();
                    self.partial = None;
                    self.queue.next(&mut orders).await
                }
            };
            let tiles = match woken {
                Woken::Ordered(tiles) => tiles,
                Woken::Invited(stream) => {
                    self.invited(*stream).await;
                    continue;
                }
                Woken::Over => return,
            };
            if let Err(error) = self.fetch(tiles).await {
                self.report().await;
                if self.door.moved && !matches!(error, Error::Queued { .. }) {
                    self.go_to(self.wanted.door(self.address));
                }
                self.teller.tell(News::Failed(error)).await;
            }
        }
    }

    /// Fetches a run of tiles.
    async fn fetch(&mut self, tiles: Range<u32>) -> Result<(), Error> {
        if self
            .partial
            .as_ref()
            .is_some_and(|(tile, _)| *tile != tiles.start)
        {
            self.partial = None;
        }
        let mut next = tiles.start;
        while next < tiles.end {
            let start = self.wanted.bytes(&(next..next)).start + self.partial_len();
            let end = self.wanted.bytes(&tiles).end;
            if let Some(flow) = self.open.take() {
                if flow.at <= start {
                    self.read_on(flow, end, &mut next).await?;
                    continue;
                }
                self.hang_up();
            }
            self.connect().await?;
            self.fetch_tree().await?;
            let reused = self.proven;
            let request = self.request(start, end)?;
            let (answer, ours) = match self.ask(request).await {
                // An idle connection may have been closed at the other end.
                Err(Error::Broken(_)) if reused => {
                    self.hang_up();
                    continue;
                }
                answer => answer?,
            };
            self.proven = true;
            if ours.is_ok() && answer.status().is_redirection() {
                let location = text(answer.headers(), "location").map(str::to_owned);
                let elsewhere = self.sent_on(answer.status(), location).await;
                self.drain(answer.into_body()).await;
                self.go_to(elsewhere?);
                continue;
            }
            if ours.is_ok() {
                self.hear(answer.headers()).await;
                self.note_place(&answer);
            }
            // Without a range it is the whole file, and will be the next time, too.
            let whole = self.door.web && !answer.headers().contains_key("content-range");
            let offer = self.wanted.judge(start, &answer);
            let offer = match offer.and_then(|offer| {
                ours.map_err(Error::Stranger)?;
                Ok(offer)
            }) {
                Ok(offer) => offer,
                Err(error) => {
                    self.drain(answer.into_body()).await;
                    return Err(error);
                }
            };
            let flow = Flow {
                chunks: http::chunks(answer.into_body()).within(self.wanted.settings.stall),
                rest: Bytes::new(),
                at: offer.first,
                end: offer.last + 1,
            };
            match whole {
                true if start > 0 && !self.whole => {
                    // Better from the beginning, so that little has to be read past.
                    self.keep_open(flow).await;
                    return Err(Error::Unavailable);
                }
                true => self.read_on(flow, end, &mut next).await?,
                false => self.take_part(flow, end, &mut next).await?,
            }
        }
        self.report().await;
        Ok(())
    }

    fn request(&mut self, first: u64, end: u64) -> Result<Request<Body>, Error> {
        let told = &mut self.others_told;
        let (alternates, failed) = self.wanted.announce.headers(self.door.address, told);
        let mut request = Request::builder()
            .uri(&self.door.path)
            .header("Host", &self.door.host)
            .header("User-Agent", AGENT)
            .header("Range", format!("bytes={first}-{}", end - 1));
        if self.door.web {
            return built(request.body(Body::empty()));
        }
        request = request.header("X-Queue", "1.0");
        if let Some(place) = self.queue.shown() {
            request = request.header("X-Queued", place);
        }
        if let Some(node) = self.wanted.reached_from(self.door.address) {
            request = request.header("X-Node", node.to_string());
        } else if let Some(info) = self.introduction() {
            request = request.header("X-FW-Node-Info", info.to_string());
        }
        if self.wanted.call_back.is_some() {
            request = request.header("X-Features", firewalled::FEATURE);
        }
        let closed = self
            .understands
            .then(|| self.wanted.announce.firewalled(&mut self.others_told))
            .flatten();
        let told = [
            ("X-Alt", alternates),
            ("X-NAlt", failed),
            ("X-Falt", closed),
        ];
        for (name, addresses) in told {
            if let Some(addresses) = addresses {
                request = request.header(name, addresses);
            }
        }
        built(request.body(Body::empty()))
    }

    /// How we are called, said once on each connection where nobody can connect to us.
    fn introduction(&self) -> Option<NodeInfo> {
        let back = self.wanted.call_back.as_ref();
        let back = back.filter(|_| !self.proven && self.wanted.reached_at.is_none());
        back.and_then(|back| back.own())
    }

    /// Where an answer sends us.
    async fn sent_on(
        &mut self,
        status: StatusCode,
        location: Option<String>,
    ) -> Result<Door, Error> {
        let status = status.as_u16();
        let location = location.filter(|_| !self.door.moved);
        let location = location.ok_or(Error::Refused { status })?;
        let elsewhere = || Error::Elsewhere(quote(&location));
        let (seed, address) = self.door.led(&location).ok_or_else(elsewhere)?;
        let found = match address {
            Some(address) => vec![address],
            None => {
                let limit = self.wanted.settings.connect;
                let name = (seed.host().to_owned(), seed.port());
                let found = runtime::resolve(name, limit).await;
                found.unwrap_or_default()
            }
        };
        let mut found = found.into_iter();
        let door = found.find_map(|address| self.door.follow(&seed, address));
        door.ok_or_else(elsewhere)
    }

    /// Asks through another door from now on.
    fn go_to(&mut self, door: Door) {
        if door.address != self.door.address {
            self.hang_up();
        }
        (self.queue, self.tree_at) = (Queue::default(), None);
        self.door = door;
    }

    /// Asks for the tree, if nobody else has or does and this source was not asked before. That it
    /// has none is no fault.
    async fn fetch_tree(&mut self) -> Result<(), Error> {
        let told = self.tree_at.as_ref().map(|(_, root)| *root);
        if self.tree_asked || self.door.web {
            return Ok(());
        }
        let Some(errand) = self.wanted.trees.errand(told) else {
            return Ok(());
        };
        self.tree_asked = true;
        let at = self
            .tree_at
            .as_ref()
            .filter(|(_, root)| *root == errand.root);
        let path = at.map_or_else(
            || format!("/uri-res/N2X?urn:sha1:{}", self.wanted.sha1),
            |(path, _)| path.clone(),
        );
        let request = Request::builder()
            .uri(path)
            .header("Host", &self.door.host)
            .header("User-Agent", AGENT)
            .header("Accept", thex::MEDIA_TYPE);
        let Ok(request) = built(request.body(Body::empty())) else {
            return Ok(());
        };
        let Ok((answer, ours)) = self.ask(request).await else {
            self.hang_up();
            return self.connect().await;
        };
        let found = answer.status() == StatusCode::OK && ours.is_ok();
        let limit = if found { thex::MAX_LEN } else { DRAINED };
        let Ok(body) = http::read_body(answer.into_body(), limit).await else {
            self.hang_up();
            return self.connect().await;
        };
        if found {
            let (size, root) = (self.wanted.trees.size(), errand.root);
            let tree = runtime::spawn_blocking(move || thex::decode(&body, size, root)).await;
            match tree {
                Ok(tree) => self.teller.tell(News::Tree(tree)).await,
                Err(error) => log::debug!("{} sent no tree: {error}", self.address),
            }
        }
        self.connect().await
    }

    /// Passes on what the head of an answer says beside the bytes.
    async fn hear(&mut self, headers: &HeaderMap) {
        if self.door.web {
            // It has all of it; of what is open a part comes next, which is told then.
            if !self.whole {
                self.teller.tell(News::Has(None)).await;
            }
            return;
        }
        if self.tree_at.is_none() {
            self.tree_at = text(headers, "x-thex-uri").and_then(mesh::tree_at);
        }
        let (servent, proxies) = firewalled::introduction(headers);
        if let Some(back) = &self.wanted.call_back
            && !self.door.moved
            && !proxies.is_empty()
        {
            back.heard(self.address, servent, &proxies);
        }
        let size = self.wanted.trees.size();
        let has = mesh::available(headers, size);
        let has = has.map(|ranges| TileSet::inside(&ranges, size, self.wanted.tile_len));
        self.teller.tell(News::Has(has)).await;
        self.understands |= firewalled::is_understood(headers);
        let mut others = mesh::alternates(headers, "x-alt");
        if let Some(back) = &self.wanted.call_back {
            let closed = firewalled::told(headers);
            others.extend(closed.iter().filter_map(|one| back.introduced(one)));
        }
        if !others.is_empty() {
            self.teller.tell(News::Others(others)).await;
        }
    }

    /// Tells how much came.
    async fn report(&mut self) {
        self.told = Instant::now();
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            self.teller.tell(News::Received(untold)).await;
        }
    }

    /// Reads what is left of an answer that is of no use, if it is short; the connection is good
    /// for more then.
    async fn drain(&mut self, body: Incoming) {
        if http::read_body(body, DRAINED).await.is_err() {
            self.hang_up();
        }
    }

    fn partial_len(&self) -> u64 {
        self.partial
            .as_ref()
            .map_or(0, |(_, bytes)| bytes.len() as u64)
    }
}

fn built<T>(request: Result<T, impl std::fmt::Display>) -> Result<T, Error> {
    request.map_err(|error| Error::Broken(quote(&error.to_string())))
}

#[cfg(test)]
mod tests;
