//! Why a request gets no file, and how it is told.

use std::time::Duration;

use super::insert;
use crate::net::http::{Body, HeaderName, HeaderValue, Response, StatusCode, header};
use crate::swarm::upload_queue::{Manner, Place};
use crate::transfer::slots::Denied;

/// Why a request gets no file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    Malformed(&'static str),
    NotFound,
    Method,
    Range { size: u64 },
    Busy { retry_after: Duration },
    Queued(Place, Manner),
    Banned { left: Duration },
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Queued(place, manner) => Self::Queued(place, manner),
            Denied::Full { retry } => Self::Busy { retry_after: retry },
            Denied::Banned { left } => Self::Banned { left },
        }
    }
}

impl Refusal {
    pub(super) fn response(self) -> Response<Body> {
        let (status, words) = match self {
            Self::Malformed(what) => (StatusCode::BAD_REQUEST, what),
            Self::NotFound => (StatusCode::NOT_FOUND, "not shared here"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only"),
            Self::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "no such bytes"),
            Self::Busy { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "all upload slots are taken",
            ),
            Self::Queued(..) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "all upload slots are taken; there is a place for you in the queue",
            ),
            Self::Banned { .. } => (
                StatusCode::FORBIDDEN,
                "Banned: you asked too early too often",
            ),
        };
        let mut response = Response::new(Body::from(format!("{words}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let seconds = |time: Duration| HeaderValue::from(time.as_secs().max(1));
        match self {
            Self::Method => insert(headers, header::ALLOW, "GET, HEAD"),
            Self::Range { size } => {
                insert(headers, header::CONTENT_RANGE, &format!("bytes */{size}"));
            }
            Self::Busy { retry_after } => {
                headers.insert(header::RETRY_AFTER, seconds(retry_after));
            }
            Self::Queued(place, manner) => {
                headers.insert(header::RETRY_AFTER, seconds(place.poll_min));
                let (name, value) = match manner {
                    Manner::Unaware => return response,
                    Manner::Active => ("x-queue", active(&place)),
                    Manner::Ticket => ("x-queued", ticket(&place)),
                };
                insert(headers, HeaderName::from_static(name), &value);
                // Who waits asks again on this connection. gtk-gnutella takes the next byte there
                // for the next answer, whatever length this one told.
                headers.remove(header::CONTENT_TYPE);
                *response.body_mut() = Body::empty();
            }
            Self::Banned { left } => {
                headers.insert(header::RETRY_AFTER, seconds(left));
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Malformed(_) | Self::NotFound => {}
        }
        response
    }
}

/// A place as the older scheme tells it.
fn active(place: &Place) -> String {
    format!(
        "position={},length={},limit={},pollMin={},pollMax={}",
        place.position,
        place.length,
        place.limit,
        place.poll_min.as_secs(),
        place.poll_max.as_secs(),
    )
}

/// A place as the newer one does.
fn ticket(place: &Place) -> String {
    format!(
        "position={}; length={}; ETA={}; lifetime={}; ID={}",
        place.position,
        place.length,
        place.eta.as_secs(),
        place.poll_max.as_secs(),
        place.id,
    )
}
