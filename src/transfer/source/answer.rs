//! What a source answers: whether it is what was asked for, and when it wants to be asked again
//! (protocol §10.3, §10.4, §10.7).

use std::time::{Duration, SystemTime};

use super::Wanted;
use super::error::{Error, quote};
use crate::net::http::{HeaderMap, Response, StatusCode};
use crate::transfer::mesh;
use crate::transfer::range::ContentRange;
use crate::wire::urn::Urn;

/// When a queue that does not say is asked again.
const QUEUE_POLL: Duration = Duration::from_secs(60);
/// How much later than at the earliest a queue is asked again: its clock may be behind.
const MOMENT: Duration = Duration::from_secs(1);

impl Wanted {
    /// What an answer offers, if it is what was asked.
    pub(super) fn judge<B>(&self, have: u64, answer: &Response<B>) -> Result<ContentRange, Error> {
        let size = self.trees.size();
        let (status, headers) = (answer.status(), answer.headers());
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                if let Some(place) = mesh::place_in_queue(headers) {
                    return Err(Error::Queued {
                        place: place.place,
                        poll: place
                            .poll
                            .or_else(|| retry_after(headers).map(|poll| poll + MOMENT))
                            .unwrap_or(QUEUE_POLL),
                    });
                }
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
            StatusCode::RANGE_NOT_SATISFIABLE => return Err(Error::Unavailable),
            _ => {
                return Err(Error::Refused {
                    status: status.as_u16(),
                });
            }
        }
        judge_packing(headers)?;
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
                let total = length.unwrap_or(size);
                let last = total.wrapping_sub(1);
                ContentRange {
                    first: 0,
                    last,
                    total: Some(total),
                }
            }
            None => return Err(wrong_range()),
        };
        if let Some(theirs) = offer.total.filter(|total| *total != size) {
            return Err(Error::WrongSize {
                theirs,
                expected: size,
            });
        }
        let inside = offer.first <= have && have <= offer.last && offer.last < size;
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
}

/// Whether the bytes are those of the file as they are: no other coding is ever asked for.
fn judge_packing(headers: &HeaderMap) -> Result<(), Error> {
    for value in headers.get_all("content-encoding") {
        let coding = String::from_utf8_lossy(value.as_bytes());
        if !coding.trim().eq_ignore_ascii_case("identity") {
            return Err(Error::Packed(quote(&coding)));
        }
    }
    Ok(())
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

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
}
