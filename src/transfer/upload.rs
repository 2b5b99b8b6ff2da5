//! Uploads: answers requests for shared files (protocol §10.1-10.4, §10.8, §10.10).
//!
//! A tiger tree is sent as §11.4 has it, and each file says where its own is.
//!
//! A file is looked up by hash or by number in the library, then by hash among those that are on
//! their way here, and never by a path. What is asked is sent in one answer, however long: some
//! downloaders take a shorter one for the end of the file. Of a file that is on its way what is
//! verified is given (§10.5). Each answer names others who have the file (§10.6).

mod offered;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;

use self::offered::{Offered, Origin};
use super::AGENT;
use super::exchange::Exchange;
use super::mesh;
use super::request::{Unnamed, Wanted, wanted};
use super::slots::{Slot, Slots};
use crate::library::Library;
use crate::net::http::{
    Body, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
};
use crate::runtime;
use crate::wire::thex;
use crate::wire::urn::Sha1;

/// Bytes read from a file at once.
const CHUNK: u64 = 256 * 1024;
/// The same where uploads are limited.
const SMALL_CHUNK: u64 = 16 * 1024;
/// When a part that has nothing of use may be asked again.
const PART_RETRY: Duration = Duration::from_secs(10);

/// How much is uploaded at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Uploads at once.
    pub slots: usize,
    /// Of these, for one public address.
    pub slots_per_address: usize,
    /// Bytes a second of all uploads together; without it as many as go.
    pub rate: Option<u64>,
    /// Bytes a second of one upload.
    pub rate_each: Option<u64>,
    /// When one for whom there is no slot shall ask again.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots: 20,
            slots_per_address: 3,
            rate: None,
            rate_each: None,
            retry_after: Duration::from_secs(60),
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

/// Why a request gets no file.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Malformed(&'static str),
    NotFound,
    Method,
    Range { size: u64 },
    Busy { retry_after: Duration },
}

impl Uploads {
    /// The upload side that serves what `library` shares, and what `exchange` has of files on their
    /// way.
    #[must_use]
    pub fn new(library: Arc<Library>, exchange: Arc<Exchange>, limits: Limits) -> Self {
        let slots = Arc::new(Slots::new(limits.rate));
        Self {
            library,
            exchange,
            limits,
            slots,
        }
    }

    /// Answers one request of the servent at `peer`. The slot it takes is held until the body of
    /// the answer was sent or dropped.
    pub async fn respond<B>(&self, peer: SocketAddr, request: Request<B>) -> Response<Body> {
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

    /// Slots that are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.limits.slots.saturating_sub(self.active())
    }

    /// Uploads under way.
    #[must_use]
    pub fn active(&self) -> usize {
        self.slots.active()
    }

    /// Bytes of files sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.slots.sent()
    }

    async fn serve(
        &self,
        peer: SocketAddr,
        method: &Method,
        headers: &HeaderMap,
        wanted: Wanted,
    ) -> Result<Response<Body>, Refusal> {
        if let Wanted::Tree(sha1) = wanted {
            return self.tree(sha1).await;
        }
        let offered = self.look_up(wanted).ok_or(Refusal::NotFound)?;
        let named = self.learn(offered.sha1, peer, headers);
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
        let others = self.exchange.alternates(offered.sha1, peer, &named);
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
        peer: SocketAddr,
        method: &Method,
        headers: &HeaderMap,
        offered: &Offered,
    ) -> Result<Response<Body>, Refusal> {
        let range = headers
            .get(header::RANGE)
            .map(|range| range.to_str().unwrap_or("bytes="));
        let cut = offered.cut(range)?;
        let slot = (method == Method::GET)
            .then(|| self.slot(peer))
            .transpose()?;
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

    fn slot(&self, peer: SocketAddr) -> Result<Slot, Refusal> {
        let Limits {
            slots,
            slots_per_address,
            retry_after,
            rate_each,
            ..
        } = self.limits;
        let slot = self.slots.take(peer.ip(), slots, slots_per_address);
        let slot = slot.ok_or(Refusal::Busy { retry_after })?;
        Ok(slot.limited(rate_each))
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
                    retry_after: self.limits.retry_after,
                },
            }
        })
    }
}

impl Refusal {
    fn response(self) -> Response<Body> {
        let (status, words) = match self {
            Self::Malformed(what) => (StatusCode::BAD_REQUEST, what),
            Self::NotFound => (StatusCode::NOT_FOUND, "not shared here"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only"),
            Self::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "no such bytes"),
            Self::Busy { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "all upload slots are taken",
            ),
        };
        let mut response = Response::new(Body::from(format!("{words}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        match self {
            Self::Method => insert(headers, header::ALLOW, "GET, HEAD"),
            Self::Range { size } => {
                insert(headers, header::CONTENT_RANGE, &format!("bytes */{size}"));
            }
            Self::Busy { retry_after } => {
                insert(
                    headers,
                    header::RETRY_AFTER,
                    &retry_after.as_secs().to_string(),
                );
            }
            Self::Malformed(_) | Self::NotFound => {}
        }
        response
    }
}

/// A body of the next `length` bytes of `file`, which holds `slot` while it lasts.
fn upload(file: File, length: u64, slot: Slot) -> Body {
    let most = match slot.is_limited() {
        true => SMALL_CHUNK,
        false => CHUNK,
    };
    let start = (file, length, slot);
    let chunks = stream::try_unfold(start, move |(mut file, left, mut slot)| async move {
        if left == 0 {
            return Ok(None);
        }
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
