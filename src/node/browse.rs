//! Browse host: the list of what a servent shares, as it gives its own and reads that of another
//! (protocol §10.9).
//!
//! A browser gets a page with links, a servent query hits one after the other. Both are made while
//! they are sent, some files at a time, so that a long list takes no memory.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};

use super::error::Error;
use super::ground::{is_private, is_reachable};
use super::state::SearchState;
use super::wish::Wish;
use super::{Inner, Node};
use crate::library::index::SharedFile;
use crate::net::http::{self, Body, HeaderMap, Method, Request, Response, StatusCode, header};
use crate::net::network::Side;
use crate::overlay::SearchId;
use crate::runtime;
use crate::wire::frame::FrameDecoder;
use crate::wire::query_hit::{MAX_RECORDS, QueryHit};
use crate::wire::{Descriptor, Guid, Header, Kind};

/// What servents speak.
const PACKETS: &str = "application/x-gnutella-packets";
/// Files of one piece of a page.
const PAGE: usize = 100;
/// How often one public address may see the list in an hour.
const VISITS: usize = 10;
/// The hour.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Visits remembered.
const REMEMBERED: usize = 1_024;
/// Time for its whole list.
const WHOLE: Duration = Duration::from_secs(60);
/// Bytes read of a list.
const MOST_BYTES: usize = 16 << 20;

/// Who saw the list of late.
#[derive(Debug, Default)]
pub(super) struct Visits(Mutex<VecDeque<(IpAddr, Instant)>>);

impl Visits {
    /// Notes a visit, unless there were too many.
    fn note(&self, address: IpAddr) -> bool {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |(_, when): &(IpAddr, Instant)| when.elapsed() >= HOUR;
        while visits.front().is_some_and(old) || visits.len() >= REMEMBERED {
            visits.pop_front();
        }
        if visits.iter().filter(|(who, _)| *who == address).count() >= VISITS {
            return false;
        }
        visits.push_back((address, Instant::now()));
        true
    }
}

/// How the list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Page,
    Packets,
}

/// The form that an `Accept` asks for; whoever says nothing is a browser.
fn form(headers: &HeaderMap) -> Option<Form> {
    let Some(accept) = headers.get(header::ACCEPT) else {
        return Some(Form::Page);
    };
    let accept = accept.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut kinds = accept.split(',').filter_map(|kind| kind.split(';').next());
    let page = |kind: &str| matches!(kind.trim(), "text/html" | "text/*" | "*/*");
    match accept.contains(PACKETS) {
        true => Some(Form::Packets),
        false => kinds.any(page).then_some(Form::Page),
    }
}

impl Node {
    /// The answer to a request for the list; `None` to any other.
    pub(super) fn browsed<B>(
        &self,
        from: SocketAddr,
        request: &Request<B>,
    ) -> Option<Response<Body>> {
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        if request.uri().path() != "/" || !get {
            return None;
        }
        let said = |status: StatusCode, words: &str| {
            let mut response = Response::new(Body::from(format!("{words}\n")));
            *response.status_mut() = status;
            Some(response)
        };
        if !self.0.shows_list {
            return said(StatusCode::FORBIDDEN, "Browse Host Disabled");
        }
        let Some(form) = form(request.headers()) else {
            let words = "the list comes as text/html or application/x-gnutella-packets";
            return said(StatusCode::NOT_ACCEPTABLE, words);
        };
        if !is_private(from.ip()) && !self.0.visits.note(from.ip().to_canonical()) {
            return said(StatusCode::TOO_MANY_REQUESTS, "you saw the list too often");
        }
        let (kind, body) = match form {
            _ if request.method() == Method::HEAD => (PACKETS, Body::empty()),
            Form::Page => ("text/html; charset=utf-8", self.page()),
            Form::Packets => (PACKETS, self.packets()),
        };
        let mut response = Response::new(body);
        let kind = http::HeaderValue::from_static(kind);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Some(response)
    }

    /// The list as a page.
    fn page(&self) -> Body {
        let head = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\
            <title>Shared here</title></head><body><h1>Shared here</h1>\n<ul>\n";
        let tail = "</ul>\n</body></html>\n";
        let rows = self.files(PAGE, |files| {
            let rows: String = files.iter().map(row).collect();
            Bytes::from(rows)
        });
        let around = |text: &'static str| stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
        Body::stream(around(head).chain(rows).chain(around(tail)), None)
    }

    /// The list as query hits.
    fn packets(&self) -> Body {
        let empty = {
            let core = self.0.core();
            core.servent.hit(Vec::new(), &core.settings)
        };
        let header = Header {
            guid: Guid::random(&mut rand::rng()),
            kind: Kind::QueryHit,
            ttl: 1,
            hops: 0,
        };
        let hits = self.files(MAX_RECORDS, move |files| {
            let hit = QueryHit {
                results: files.iter().map(SharedFile::record).collect(),
                ..empty.clone()
            };
            let payload = hit.encode();
            let descriptor = Descriptor { header, payload };
            descriptor.encode().unwrap_or_default()
        });
        Body::stream(hits, None)
    }

    /// All files, some at a time, as bytes.
    fn files(
        &self,
        most: usize,
        write: impl Fn(&[SharedFile]) -> Bytes + Send + Sync + 'static,
    ) -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
        let index = self.0.library.index();
        stream::iter(
            Batches {
                index,
                next: 1,
                most,
            }
            .map(move |files| Ok(write(&files))),
        )
    }

    /// Reads the list of the servent at `address`: its files are numbered as the results of a
    /// search. One that nobody can connect to is pushed, where a search has found it before.
    ///
    /// # Errors
    /// When it cannot be reached, shows no list, or what it sends is none.
    pub async fn browse(&self, address: SocketAddr) -> Result<SearchState, Error> {
        let wish = Wish::new(format!("browse {address}"));
        let (id, found) = {
            let mut core = self.0.core();
            let id = core.searches.begin(Instant::now(), wish, None);
            (id, core.searches.source_at(address).cloned())
        };
        if let Some(source) = found {
            self.0.callees().note(&source);
        }
        let read = runtime::timeout(WHOLE, self.read_list(address, id)).await;
        self.0.core().searches.finish(id);
        self.0.found.notify();
        let failed = |why: String| {
            self.0.core().searches.forget(id);
            Error::NoList { address, why }
        };
        match read {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(failed(why)),
            // What came in time is of use.
            Err(late) => log::info!("the list of {address} was not read to its end: {late}"),
        }
        let state = self.search_state(id.0);
        state.ok_or_else(|| failed("too much else was searched for meanwhile".to_owned()))
    }
}

/// Shared files by number, some at a time.
struct Batches {
    index: std::sync::Arc<std::sync::RwLock<crate::library::index::Index>>,
    next: u32,
    most: usize,
}

impl Iterator for Batches {
    type Item = Vec<SharedFile>;

    fn next(&mut self) -> Option<Vec<SharedFile>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let files: Vec<_> = index
            .files_from(self.next)
            .take(self.most)
            .cloned()
            .collect();
        self.next = files.last()?.index.checked_add(1)?;
        Some(files)
    }
}

impl Node {
    /// Reads a list into a search; else says why there is none.
    async fn read_list(&self, address: SocketAddr, id: SearchId) -> Result<(), String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let (stream, end) = self.reach_source(address).await?;
        let side = Side::of(stream.get_ref(), end);
        let from = SocketAddr::new(side.peer.unwrap_or_else(|| address.ip()), address.port());
        let mut client = http::connect(stream).await.map_err(|error| words(&error))?;
        let mut request = Request::get("/")
            .header("Host", address.to_string())
            .header("User-Agent", crate::transfer::AGENT)
            .header("Accept", PACKETS)
            .header("Connection", "close")
            .body(Body::empty())
            .map_err(|error| words(&error))?;
        let network = self.0.network.as_ref();
        if let Some(network) = network {
            network.put(&side, request.headers_mut());
        }
        let answer = client.send(request).await.map_err(|error| words(&error))?;
        side.check_http(network, answer.headers())
            .map_err(|stranger| words(&stranger))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answers {}", answer.status().as_u16()));
        }
        let mut frames = FrameDecoder::new();
        let mut chunks = http::chunks(answer.into_body());
        let mut read = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| words(&error))?;
            read += chunk.len();
            if read > MOST_BYTES {
                log::info!("the list of {address} is longer than is read");
                break;
            }
            append(frames.buffer(), &chunk);
            while let Some(descriptor) = frames.next().map_err(|error| words(&error))? {
                self.0.take_listed(from, id, &descriptor);
            }
        }
        Ok(())
    }
}

impl Inner {
    fn take_listed(&self, from: SocketAddr, id: SearchId, descriptor: &Descriptor) {
        let hit = match descriptor.header.kind {
            Kind::QueryHit => QueryHit::decode(&descriptor.payload),
            _ => return,
        };
        match hit {
            Ok(hit) => {
                let mut core = self.core();
                let private = core.private || is_private(from.ip());
                let usable = |address| is_reachable(address, private);
                if core.searches.take(id, hit, 1, from, usable) {
                    self.found.notify();
                }
            }
            Err(error) => log::debug!("{from} lists what is no hit: {error}"),
        }
    }
}

fn append(buffer: &mut BytesMut, chunk: &Bytes) {
    buffer.extend_from_slice(chunk);
}

/// A file on the page.
fn row(file: &SharedFile) -> String {
    format!(
        "<li><a href=\"/uri-res/N2R?urn:sha1:{}\">{}</a> ({} bytes)</li>\n",
        file.sha1,
        escaped(&file.name),
        file.size
    )
}

/// Text as a page has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servents_get_packets_and_browsers_a_page() {
        let asked = |accept: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            form(&headers)
        };
        let both = "text/html, application/x-gnutella-packets";
        assert_eq!(asked(Some(both)), Some(Form::Packets));
        let browser = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
        assert_eq!(asked(Some(browser)), Some(Form::Page));
        assert_eq!(asked(Some("TEXT/HTML; q=1")), Some(Form::Page));
        assert_eq!(asked(None), Some(Form::Page));
        assert_eq!(asked(Some("image/png")), None);
    }

    #[test]
    fn a_name_is_no_markup() {
        assert_eq!(
            escaped("<b>\"a\" & b</b>\r\u{7}"),
            "&lt;b&gt;&quot;a&quot; &amp; b&lt;/b&gt;\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn one_sees_the_list_so_often_and_others_still_do() {
        let visits = Visits::default();
        let (one, other) = ([20, 0, 0, 1].into(), [20, 0, 0, 2].into());
        assert_eq!((0..20).filter(|_| visits.note(one)).count(), VISITS);
        assert!(visits.note(other));
    }
}
