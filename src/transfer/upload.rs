//! Uploads: answers requests for shared files (protocol §10.1-10.4, §10.8, §10.10).
//!
//! A tiger tree is sent as §11.4 has it, and each file says where its own is.
//!
//! A file is looked up by hash or by number in the library, and never by a path. What is asked is
//! sent in one answer, however long: some downloaders take a shorter one for the end of the file.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures::stream;

use super::AGENT;
use super::range::Asked;
use super::request::{Unnamed, Wanted, wanted};
use super::slots::{Slot, Slots};
use crate::library::index::SharedFile;
use crate::library::{Library, Version};
use crate::net::http::{
    Body, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
};
use crate::runtime;
use crate::wire::thex;
use crate::wire::urn::{Sha1, Urn};

/// Bytes read from a file at once.
const CHUNK: u64 = 256 * 1024;

/// The end of the year 9999, in seconds since 1970: HTTP writes no later date.
const LAST_DATE: u64 = 253_402_300_800;

/// How much is uploaded at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Uploads at once.
    pub slots: usize,
    /// Of these, for one public address.
    pub slots_per_address: usize,
    /// When one for whom there is no slot shall ask again.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots: 20,
            slots_per_address: 3,
            retry_after: Duration::from_secs(60),
        }
    }
}

/// The upload side of a servent. A clone shares slots and counters.
#[derive(Clone, Debug)]
pub struct Uploads {
    library: Arc<Library>,
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
    /// The upload side that serves what `library` shares.
    #[must_use]
    pub fn new(library: Arc<Library>, limits: Limits) -> Self {
        let slots = Arc::default();
        Self {
            library,
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
        let shared = self.look_up(wanted).ok_or(Refusal::NotFound)?;
        let size = shared.size;
        let range = headers
            .get(header::RANGE)
            .map(|range| range.to_str().unwrap_or("bytes="));
        let asked = Asked::new(range, size);
        let (status, first, length) = match asked {
            Asked::Whole => (StatusCode::OK, 0, size),
            Asked::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Asked::Unsatisfiable => return Err(Refusal::Range { size }),
        };
        let slot = (method == Method::GET)
            .then(|| self.slot(peer))
            .transpose()?;
        let file = self.open(&shared, first).await?;
        let body = match slot {
            Some(slot) => upload(file, length, slot),
            None => Body::empty(),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        describe(response.headers_mut(), &shared, length);
        if let Asked::Part { first, last } = asked {
            let range = format!("bytes {first}-{last}/{size}");
            insert(response.headers_mut(), header::CONTENT_RANGE, &range);
        }
        Ok(response)
    }

    fn look_up(&self, wanted: Wanted) -> Option<SharedFile> {
        match wanted {
            Wanted::Hash(sha1) | Wanted::Tree(sha1) => self.library.by_sha1(&sha1),
            Wanted::Number { index, name } => self
                .library
                .by_index(index)
                .filter(|shared| shared.name == name),
        }
    }

    /// Answers with the tree of a file. It is small enough to need no slot.
    async fn tree(&self, sha1: Sha1) -> Result<Response<Body>, Refusal> {
        let library = Arc::clone(&self.library);
        let body = runtime::spawn_blocking(move || {
            let shared = library.by_sha1(&sha1)?;
            library.tree(&shared).map(|tree| thex::encode(&tree))
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
        } = self.limits;
        let slot = self.slots.take(peer.ip(), slots, slots_per_address);
        slot.ok_or(Refusal::Busy { retry_after })
    }

    /// Opens a shared file at `first`. One that is not what was hashed is not served, and the
    /// library is told.
    async fn open(&self, shared: &SharedFile, first: u64) -> Result<File, Refusal> {
        let file = shared.clone();
        let opened = runtime::spawn_blocking(move || open_unchanged(&file, first)).await;
        opened.map_err(|error| {
            log::info!("{} is not served: {error}", shared.path.display());
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => {
                    self.library.withdraw(shared.index);
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

/// The headers that tell of a file and of `length` bytes of it.
fn describe(headers: &mut HeaderMap, shared: &SharedFile, length: u64) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let urn = Urn::Sha1(shared.sha1).to_string();
    insert(
        headers,
        HeaderName::from_static("x-gnutella-content-urn"),
        &urn,
    );
    let tree = format!("/uri-res/N2X?{urn};{}", shared.tiger_root);
    insert(headers, HeaderName::from_static("x-thex-uri"), &tree);
    if let Ok(seconds) = u64::try_from(shared.modified_ms / 1_000)
        && seconds < LAST_DATE
    {
        let modified = UNIX_EPOCH + Duration::from_secs(seconds);
        insert(
            headers,
            header::LAST_MODIFIED,
            &httpdate::fmt_http_date(modified),
        );
    }
}

/// `file`, opened where the upload begins, if it is still the one that was hashed.
fn open_unchanged(shared: &SharedFile, first: u64) -> io::Result<File> {
    let hashed = Version {
        size: shared.size,
        modified_ms: shared.modified_ms,
    };
    let unchanged = |metadata: &Metadata| metadata.is_file() && Version::of(metadata) == hashed;
    let changed = || io::Error::new(ErrorKind::NotFound, "it has changed since it was hashed");
    // Looked at before it is opened as well: to open a pipe would wait for its writer.
    if !unchanged(&fs::metadata(&shared.path)?) {
        return Err(changed());
    }
    let mut file = File::open(&shared.path)?;
    if !unchanged(&file.metadata()?) {
        return Err(changed());
    }
    file.seek(SeekFrom::Start(first))?;
    Ok(file)
}

/// A body of the next `length` bytes of `file`, which holds `slot` while it lasts.
fn upload(file: File, length: u64, slot: Slot) -> Body {
    let chunks = stream::try_unfold((file, length, slot), |(mut file, left, slot)| async move {
        if left == 0 {
            return Ok(None);
        }
        let (file, chunk) = runtime::spawn_blocking(move || {
            let chunk = read(&mut file, left.min(CHUNK));
            (file, chunk)
        })
        .await;
        let chunk = chunk?;
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
