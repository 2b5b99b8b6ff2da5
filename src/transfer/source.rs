//! One source of a download: a conversation over one connection, from the first request until the
//! file is whole or the source has failed.
//!
//! What a source says is checked before a byte of it is written: where its bytes lie, how large its
//! file is, which content it claims. It is asked again on the same connection as long as it gives
//! shorter ranges than asked (protocol §10.4; gtk-gnutella's first answer is at most 512 KiB).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use thiserror::Error;

use super::AGENT;
use super::disk;
use super::download::{Progress, Settings};
use super::range::ContentRange;
use super::writer::Writer;
use crate::net::dial::dial;
use crate::net::handshake::Tls;
use crate::net::http::{self, Body, HeaderMap, Incoming, Request, Response, StatusCode};
use crate::net::network::{End, Network, Side, Stranger};
use crate::wire::urn::{Sha1, Urn};

/// Bytes gathered before they go to the disk.
const BATCH: usize = 256 * 1024;

/// Characters of a source's own words that an error repeats.
const QUOTE: usize = 80;

/// Why a source did not give the file.
#[derive(Debug, Error)]
pub enum Error {
    /// No connection came about.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// It did not answer, or stopped in the middle of the file.
    #[error("no byte for {0:?}")]
    Silent(Duration),
    /// The connection ended too early, or what came was not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It has no place for us now.
    #[error("busy (status {status})")]
    Busy {
        /// The status it answered.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It does not have the file, or not for us.
    #[error("refused with status {status}")]
    Refused {
        /// The status it answered.
        status: u16,
    },
    /// The bytes it offers are not the ones asked for.
    #[error("asked for bytes from {asked}, it offers {offered:?}")]
    WrongRange {
        /// The first byte asked for.
        asked: u64,
        /// What it says it sends.
        offered: String,
    },
    /// Its file has another size.
    #[error("its file has {theirs} bytes instead of {expected}")]
    WrongSize {
        /// What it says.
        theirs: u64,
        /// What was expected.
        expected: u64,
    },
    /// It belongs to another overlay.
    #[error("{0}")]
    Stranger(Stranger),
    /// It names another content than the one asked for.
    #[error("it offers other content: {0:?}")]
    WrongContent(String),
    /// It sent more than it had announced.
    #[error("it sent more than it announced")]
    TooMuch,
    /// Everything it sent was written, and the whole is not the file asked for.
    #[error("its bytes are not the file asked for")]
    WrongBytes,
}

/// What to do about a source that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Connect again: the network may have failed, not the source.
    Again,
    /// Wait first, for as long as it said.
    Later(Option<Duration>),
    /// Do not ask it for this file again.
    Never,
}

impl Error {
    pub(super) const fn remedy(&self) -> Remedy {
        match self {
            Self::Connect(_) | Self::Silent(_) | Self::Broken(_) => Remedy::Again,
            Self::Busy { retry_after, .. } => Remedy::Later(*retry_after),
            Self::Refused { .. }
            | Self::WrongRange { .. }
            | Self::WrongSize { .. }
            | Self::Stranger(_)
            | Self::WrongContent(_)
            | Self::TooMuch
            | Self::WrongBytes => Remedy::Never,
        }
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Silent(limit) => Self::Silent(limit.0),
            other => Self::Broken(quote(&other.to_string())),
        }
    }
}

/// Whose fault it is that a fetch ended early.
#[derive(Debug)]
pub(super) enum Ended {
    /// The source's.
    Source(Error),
    /// Our own disk's.
    Disk(disk::Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

impl From<disk::Error> for Ended {
    fn from(error: disk::Error) -> Self {
        Self::Disk(error)
    }
}

/// What is asked of whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) sha1: Sha1,
    pub(super) size: u64,
    pub(super) address: SocketAddr,
    pub(super) from: Option<IpAddr>,
    pub(super) tls: &'a Tls,
    pub(super) network: Option<&'a Network>,
    pub(super) settings: &'a Settings,
}

impl Ask<'_> {
    /// Fetches what `writer` lacks. What has arrived is written, however this ends.
    pub(super) async fn fetch(
        &self,
        writer: &mut Writer,
        events: &(impl Fn(Progress) + Sync),
    ) -> Result<(), Ended> {
        let stream = dial(self.from, self.address, self.settings.connect, self.tls)
            .await
            .map_err(|error| Error::Connect(error.into()))?;
        let side = Side::of(&stream, End::Asking);
        let limits = http::Limits {
            head: self.settings.headers,
            stall: self.settings.stall,
            ..http::Limits::default()
        };
        let mut client = http::connect_with(stream, limits)
            .await
            .map_err(Error::from)?;
        while writer.len() < self.size {
            let mut request = self.request(writer.len())?;
            if let Some(network) = self.network {
                network.put(&side, request.headers_mut());
            }
            let answer = client.send(request).await.map_err(Error::from)?;
            let offer = self.judge(writer.len(), &answer)?;
            side.check_http(self.network, answer.headers())
                .map_err(Error::Stranger)?;
            events(Progress::Receiving {
                source: self.address,
            });
            self.receive(offer, answer.into_body(), writer, events)
                .await?;
        }
        Ok(())
    }

    fn request(&self, have: u64) -> Result<Request<Body>, Error> {
        Request::builder()
            .uri(format!("/uri-res/N2R?urn:sha1:{}", self.sha1))
            .header("Host", self.address.to_string())
            .header("User-Agent", AGENT)
            .header("Range", format!("bytes={have}-{}", self.size - 1))
            .body(Body::empty())
            .map_err(|error| Error::Broken(quote(&error.to_string())))
    }

    /// What an answer offers, if it is what was asked.
    fn judge<B>(&self, have: u64, answer: &Response<B>) -> Result<ContentRange, Error> {
        let (status, headers) = (answer.status(), answer.headers());
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                return Err(Error::Busy {
                    status: status.as_u16(),
                    retry_after: retry_after(headers),
                });
            }
            // Its own trouble, perhaps a passing one.
            _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                return Err(Error::Busy {
                    status: status.as_u16(),
                    retry_after: None,
                });
            }
            _ => {
                return Err(Error::Refused {
                    status: status.as_u16(),
                });
            }
        }
        self.judge_content(headers)?;
        let length = text(headers, "content-length").and_then(|length| length.parse::<u64>().ok());
        let range = text(headers, "content-range");
        let wrong_range = || Error::WrongRange {
            asked: have,
            offered: quote(&format!(
                "{} {}",
                status.as_u16(),
                range.unwrap_or("without a range")
            )),
        };
        let offer = match range {
            Some(range) => range.parse().map_err(|()| wrong_range())?,
            // The whole file, from its beginning: what we have is read past.
            None if status == StatusCode::OK => {
                let total = length.unwrap_or(self.size);
                let last = total.wrapping_sub(1);
                ContentRange {
                    first: 0,
                    last,
                    total: Some(total),
                }
            }
            None => return Err(wrong_range()),
        };
        if let Some(theirs) = offer.total.filter(|total| *total != self.size) {
            return Err(Error::WrongSize {
                theirs,
                expected: self.size,
            });
        }
        let inside = offer.first <= have && have <= offer.last && offer.last < self.size;
        if !inside || length.is_some_and(|length| length != offer.last - offer.first + 1) {
            return Err(wrong_range());
        }
        Ok(offer)
    }

    /// Whether the answer names another content than the one asked for. Several names may be given,
    /// of several kinds; those that are not understood say nothing.
    fn judge_content(&self, headers: &HeaderMap) -> Result<(), Error> {
        for name in ["x-gnutella-content-urn", "x-content-urn"] {
            for value in headers.get_all(name) {
                let value = String::from_utf8_lossy(value.as_bytes());
                let urns = value
                    .split(',')
                    .filter_map(|urn| urn.trim().parse::<Urn>().ok());
                let mut hashes = urns.filter_map(|urn| urn.sha1());
                if hashes.any(|sha1| sha1 != self.sha1) {
                    return Err(Error::WrongContent(quote(&value)));
                }
            }
        }
        Ok(())
    }

    /// Writes the body of an answer, at most what it offered.
    async fn receive(
        &self,
        offer: ContentRange,
        body: Incoming,
        writer: &mut Writer,
        events: &(impl Fn(Progress) + Sync),
    ) -> Result<(), Ended> {
        let mut skip = writer.len() - offer.first;
        let mut wanted = offer.last + 1 - writer.len();
        let mut chunks = http::chunks(body).within(self.settings.stall);
        let mut batch = BytesMut::new();
        let ended = loop {
            let mut chunk = match chunks.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => break Err(error.into()),
                None if wanted > 0 => break Err(Error::Broken("it ended too early".to_owned())),
                None => break Ok(()),
            };
            take(&mut chunk, &mut skip);
            let mut surplus = chunk;
            let bytes = take(&mut surplus, &mut wanted);
            batch.extend_from_slice(&bytes);
            if batch.len() >= BATCH {
                self.write(&mut batch, writer, events).await?;
            }
            if !surplus.is_empty() {
                break Err(Error::TooMuch);
            }
        };
        self.write(&mut batch, writer, events).await?;
        match ended {
            // It gave all there was to give; the verification tells whether it is the file.
            Err(_) if writer.len() == self.size => Ok(()),
            ended => Ok(ended?),
        }
    }

    async fn write(
        &self,
        batch: &mut BytesMut,
        writer: &mut Writer,
        events: &(impl Fn(Progress) + Sync),
    ) -> Result<(), disk::Error> {
        if !batch.is_empty() {
            writer.append(batch.split().freeze()).await?;
            events(Progress::Received {
                bytes: writer.len(),
            });
        }
        Ok(())
    }
}

/// Cuts off the front of `chunk` as much as `limit` allows, and lowers the limit.
fn take(chunk: &mut Bytes, limit: &mut u64) -> Bytes {
    let count = usize::try_from(*limit).map_or(chunk.len(), |limit| limit.min(chunk.len()));
    *limit -= count as u64;
    chunk.split_to(count)
}

/// When a busy source wants to be asked again: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, "retry-after")?;
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
}

/// A stranger's words, short enough for an error.
fn quote(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(QUOTE)
        .collect()
}

#[cfg(test)]
mod tests;
