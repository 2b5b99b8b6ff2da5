//! Uploads: answers requests for shared files (protocol §10.1-10.4, §10.8, §10.10).
//!
//! A tiger tree is sent as §11.4 has it, and each file says where its own is.
//!
//! A file is looked up by hash or by number in the library, then by hash among those that are on
//! their way here, and never by a path. What is asked is sent in one answer, however long: some
//! downloaders take a shorter one for the end of the file. Of a file that is on its way what is
//! verified is given (§10.5). Each answer names others who have the file (§10.6).

mod offered;
mod refusal;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;

use self::offered::{Offered, Origin};
use self::refusal::Refusal;
use super::AGENT;
use super::exchange::Exchange;
use super::mesh;
use super::request::{Unnamed, Wanted, wanted};
use super::slots::{Label, Slot, Slots};
use crate::library::Library;
use crate::net::http::{
    Body, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
};
use crate::runtime;
use crate::swarm::upload_queue::{Id, Manner};
use crate::wire::thex;
use crate::wire::urn::Sha1;

pub use super::slots::{Counts, Listed, Visitor};
pub use crate::swarm::credit::{Equal, GiveAndTake, Meter, Peer, Policy};
pub use crate::swarm::upload_queue::Settings as QueueSettings;

/// Bytes read from a file at once.
const CHUNK: u64 = 256 * 1024;
/// Characters kept of what a servent calls itself.
const AGENT_CHARS: usize = 60;
/// When a part that has nothing of use may be asked again.
const PART_RETRY: Duration = Duration::from_secs(10);

/// How much is uploaded at once, and to whom first.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Slots, and places for those who wait.
    pub queue: QueueSettings,
    /// Bytes a second of all uploads together; without it as many as go.
    pub rate: Option<u64>,
    /// Bytes a second of one upload.
    pub rate_each: Option<u64>,
    /// Bytes a second that a peer must take of what is ready for it, or it loses its slot.
    pub least_rate: u64,
    /// What others are worth to us by what they gave and took.
    pub policy: Arc<dyn Policy>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: QueueSettings::default(),
            rate: None,
            rate_each: None,
            least_rate: 1_024,
            policy: Arc::new(GiveAndTake),
        }
    }
}

/// The upload side of a servent. A clone shares slots and counters.
#[derive(Clone, Debug)]
pub struct Uploads {
    library: Arc<Library>,
    exchange: Arc<Exchange>,
    limits: Limits,
    slots: Arc<Slots>,
}

impl Uploads {
    /// The upload side that serves what `library` shares, and what `exchange` has of files on their
    /// way.
    #[must_use]
    pub fn new(library: Arc<Library>, exchange: Arc<Exchange>, limits: Limits) -> Self {
        let (queue, policy) = (limits.queue.clone(), Arc::clone(&limits.policy));
        let slots = Arc::new(Slots::new(queue, (limits.rate, limits.rate_each), policy));
        Self {
            library,
            exchange,
            limits,
            slots,
        }
    }

    /// Answers one request of a servent. The slot it takes is held until the body of
    /// the answer was sent or dropped.
    pub async fn respond<B>(
        &self,
        peer: impl Into<Visitor>,
        request: Request<B>,
    ) -> Response<Body> {
        let peer = peer.into();
        let (request, _) = request.into_parts();
        let outcome = match (
            &request.method,
            wanted(request.uri.path(), request.uri.query()),
        ) {
            (&Method::GET | &Method::HEAD, Ok(wanted)) => {
                self.serve(peer, &request.method, &request.headers, wanted)
                    .await
            }
            (&Method::GET | &Method::HEAD, Err(Unnamed::Malformed(what))) => {
                Err(Refusal::Malformed(what))
            }
            (&Method::GET | &Method::HEAD, Err(Unnamed::Unknown)) => Err(Refusal::NotFound),
            _ => Err(Refusal::Method),
        };
        let mut response = outcome.unwrap_or_else(Refusal::response);
        let headers = response.headers_mut();
        headers.insert(header::SERVER, HeaderValue::from_static(AGENT));
        response
    }

    /// Bytes a second that a peer must take of what is ready for it.
    #[must_use]
    pub const fn least_rate(&self) -> u64 {
        self.limits.least_rate
    }

    /// Changes the limits on bytes a second of all uploads together, and of each.
    pub fn limit(&self, all: Option<u64>, each: Option<u64>) {
        self.slots.limit(all, each);
    }

    /// The connection of a servent is closed: its slot and its place are free.
    pub fn hung_up(&self, peer: SocketAddr) {
        self.slots.hung_up(peer);
    }

    /// Slots that are free, and how many wait for one; the latter is nothing where nobody more may.
    #[must_use]
    pub fn room(&self) -> (usize, Option<usize>) {
        self.slots.room()
    }

    /// Uploads under way.
    #[must_use]
    pub fn active(&self) -> usize {
        self.slots.active()
    }

    /// How many wait for a slot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.slots.waiting()
    }

    /// All uploads, and those who wait.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.slots.list()
    }

    /// Bytes of files sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.slots.sent()
    }

    /// What became of requests so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.slots.counts()
    }

    /// A servent gave us bytes that were right: that is to its credit.
    pub fn gave(&self, peer: Peer, bytes: u64) {
        self.slots.gave(peer, bytes);
    }

    /// Takes over what was kept of what others gave and took.
    pub fn recall(&self, meters: impl IntoIterator<Item = (Peer, Meter)>) {
        self.slots.recall(meters);
    }

    /// What others gave and took, if it changed since this was asked last.
    #[must_use]
    pub fn changed_meters(&self) -> Option<Vec<(Peer, Meter)>> {
        self.slots.changed_meters()
    }

    /// What all others gave and took together since the start, and how many are remembered.
    #[must_use]
    pub fn meter(&self) -> (Meter, usize) {
        self.slots.meter()
    }

    async fn serve(
        &self,
        peer: Visitor,
        method: &Method,
        headers: &HeaderMap,
        wanted: Wanted,
    ) -> Result<Response<Body>, Refusal> {
        if let Wanted::Tree(sha1) = wanted {
            return self.tree(sha1).await;
        }
        let offered = self.look_up(wanted).ok_or(Refusal::NotFound)?;
        let named = self.learn(offered.sha1, peer.address, headers);
        let answer = self.give(peer, method, headers, &offered).await;
        // Who is refused may be served elsewhere.
        let mut response = answer.unwrap_or_else(|refusal| {
            let part = matches!(offered.origin, Origin::Fetched(_));
            let mut response = refusal.response();
            if part && matches!(refusal, Refusal::Range { .. }) {
                let seconds = HeaderValue::from(PART_RETRY.as_secs());
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response
        });
        let headers = response.headers_mut();
        offered.describe(headers);
        let others = self.exchange.alternates(offered.sha1, peer.address, &named);
        if !others.is_empty() {
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            insert(
                headers,
                HeaderName::from_static("x-alt"),
                &others.join(", "),
            );
        }
        Ok(response)
    }

    /// The bytes that a request asks for.
    async fn give(
        &self,
        peer: Visitor,
        method: &Method,
        headers: &HeaderMap,
        offered: &Offered,
    ) -> Result<Response<Body>, Refusal> {
        let range = headers
            .get(header::RANGE)
            .map(|range| range.to_str().unwrap_or("bytes="));
        let cut = offered.cut(range)?;
        let slot = (method == Method::GET)
            .then(|| self.slot(peer, headers, offered))
            .transpose()?;
        let ticket = slot.as_ref().map(|slot| slot.id);
        let (understands, _) = manner(headers);
        let file = self.open(offered, cut.first).await?;
        let body = match slot {
            Some(slot) => upload(file, cut.length, slot),
            None => Body::empty(),
        };
        let mut response = Response::new(body);
        *response.status_mut() = cut.status;
        let headers = response.headers_mut();
        let bytes = HeaderValue::from_static("application/octet-stream");
        headers.insert(header::CONTENT_TYPE, bytes);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(cut.length));
        if let Some(id) = ticket.filter(|_| understands == Manner::Ticket) {
            let name = HeaderName::from_static("x-queued");
            insert(headers, name, &format!("ID={id}"));
        }
        if cut.status == StatusCode::PARTIAL_CONTENT {
            let last = cut.first + cut.length - 1;
            let range = format!("bytes {}-{last}/{}", cut.first, offered.size);
            insert(headers, header::CONTENT_RANGE, &range);
        }
        Ok(response)
    }

    /// Takes note of what a request says of holders; gives those that it named. That it is one
    /// itself is believed of the address it speaks from; of others nothing is.
    fn learn(&self, sha1: Sha1, peer: SocketAddr, headers: &HeaderMap) -> Vec<SocketAddr> {
        let named = mesh::alternates(headers, "x-alt");
        for own in named.iter().filter(|named| named.ip() == peer.ip()) {
            self.exchange.note(sha1, *own);
        }
        for bad in mesh::alternates(headers, "x-nalt") {
            self.exchange.doubt(sha1, bad);
        }
        named
    }

    fn look_up(&self, wanted: Wanted) -> Option<Offered> {
        match wanted {
            Wanted::Hash(sha1) | Wanted::Tree(sha1) => {
                let shared = self.library.by_sha1(&sha1).map(Offered::from);
                shared.or_else(|| self.exchange.partial(&sha1).map(Offered::from))
            }
            Wanted::Number { index, name } => self
                .library
                .by_index(index)
                .filter(|shared| shared.name == name)
                .map(Offered::from),
        }
    }

    /// Answers with the tree of a file. It is small enough to need no slot.
    async fn tree(&self, sha1: Sha1) -> Result<Response<Body>, Refusal> {
        let (library, exchange) = (Arc::clone(&self.library), Arc::clone(&self.exchange));
        let body = runtime::spawn_blocking(move || match library.by_sha1(&sha1) {
            Some(shared) => library.tree(&shared).map(|tree| thex::encode(&tree)),
            None => {
                let tree = exchange.partial(&sha1)?.tree()?;
                Some(thex::encode(&tree))
            }
        });
        let mut response = Response::new(Body::from(body.await.ok_or(Refusal::NotFound)?));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(thex::MEDIA_TYPE),
        );
        Ok(response)
    }

    fn slot(&self, peer: Visitor, headers: &HeaderMap, offered: &Offered) -> Result<Slot, Refusal> {
        let agent = headers.get(header::USER_AGENT);
        let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let label = Label {
            agent: agent.map_or_else(String::new, |agent| {
                agent.chars().take(AGENT_CHARS).collect()
            }),
            name: offered.name.clone(),
            sha1: offered.sha1,
            size: offered.size,
        };
        Ok(self.slots.take(peer, manner(headers), label)?)
    }

    /// Opens a file at `first`. One that is not what it was is not served, and who offered it is
    /// told.
    async fn open(&self, offered: &Offered, first: u64) -> Result<File, Refusal> {
        let file = offered.clone();
        let opened = runtime::spawn_blocking(move || file.open(first)).await;
        opened.map_err(|error| {
            log::info!("{} is not served: {error}", offered.path().display());
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => {
                    match &offered.origin {
                        Origin::Shared(index) => self.library.withdraw(*index),
                        Origin::Fetched(partial) => self.exchange.forget(partial),
                    }
                    Refusal::NotFound
                }
                // Too many open files, or a disk in trouble: it may pass.
                _ => Refusal::Busy {
                    retry_after: self.limits.queue.retry,
                },
            }
        })
    }
}

/// How a request understands queues (protocol §10.7), and the ticket that it shows.
fn manner(headers: &HeaderMap) -> (Manner, Option<Id>) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let items = text("x-queued")
        .into_iter()
        .flat_map(|text| text.split(';'));
    let ticket = items.filter_map(|item| {
        let (name, value) = item.split_once('=')?;
        let known = name.trim().eq_ignore_ascii_case("id");
        known.then(|| value.trim().parse().ok()).flatten()
    });
    let manner = match text("x-queue").map(str::trim) {
        Some(version) if version.starts_with('1') => Manner::Ticket,
        Some(_) => Manner::Active,
        None => Manner::Unaware,
    };
    (manner, ticket.into_iter().next())
}

/// A body of the next `length` bytes of `file`, which holds `slot` while it lasts.
fn upload(file: File, length: u64, slot: Slot) -> Body {
    let start = (file, length, slot);
    let chunks = stream::try_unfold(start, move |(mut file, left, slot)| async move {
        if left == 0 {
            return Ok(None);
        }
        let most = slot.share().unwrap_or(CHUNK);
        let (file, chunk) = runtime::spawn_blocking(move || {
            let chunk = read(&mut file, left.min(most));
            (file, chunk)
        })
        .await;
        let chunk = chunk?;
        let wait = slot.wait_for(chunk.len());
        if !wait.is_zero() {
            runtime::sleep(wait).await;
        }
        slot.count(chunk.len());
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (file, left, slot))))
    });
    Body::stream(chunks, Some(length))
}

/// The next `count` bytes; a file that has become shorter is an error, which breaks the connection.
fn read(file: &mut File, count: u64) -> io::Result<Bytes> {
    let mut chunk = Vec::new();
    if file.take(count).read_to_end(&mut chunk)? as u64 != count {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(chunk.into())
}

/// Sets a header to a value made here, of visible ASCII only.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
