//! The push proxy's HTTP end: who cannot connect to a servent asks us to hand a push on to it
//! (protocol §6.4).

use std::net::{SocketAddr, SocketAddrV4};

use super::Inner;
use super::core::Core;
use crate::net::http::{Body, HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use crate::overlay::Pushed;
use crate::overlay::stats::Drop;
use crate::transfer::firewalled::{Firewalled, NodeInfo};
use crate::transfer::push_request::{PushRequest, push_request};
use crate::wire::ggep::{Extensions, Id};
use crate::wire::push::Push;

impl Inner {
    /// The answer to a request for a push; `None` to any other.
    pub(super) fn hand_on<B>(
        &self,
        from: SocketAddr,
        request: &Request<B>,
    ) -> Option<Response<Body>> {
        let uri = request.uri();
        let asked = push_request(uri.path(), uri.query(), request.headers())?;
        let (status, words) = match (request.method(), asked) {
            (&Method::GET | &Method::HEAD, Ok(asked)) => match self.core().hand_on(from, &asked) {
                Ok(Pushed::Directly) => (StatusCode::ACCEPTED, "sent".to_owned()),
                Ok(Pushed::Along) => (
                    StatusCode::NON_AUTHORITATIVE_INFORMATION,
                    "sent along the ways that its hits came".to_owned(),
                ),
                Err(Drop::RouteLost | Drop::TtlExhausted) => {
                    (StatusCode::GONE, "it is not connected to us".to_owned())
                }
                Err(Drop::Throttled) => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "you ask too often".to_owned(),
                ),
                Err(_) => (
                    StatusCode::BAD_REQUEST,
                    "X-Node is not an address of yours".to_owned(),
                ),
            },
            (&Method::GET | &Method::HEAD, Err(what)) => {
                (StatusCode::BAD_REQUEST, what.to_string())
            }
            _ => (
                StatusCode::METHOD_NOT_ALLOWED,
                "GET and HEAD only".to_owned(),
            ),
        };
        let mut response = Response::new(Body::from(format!("{words}\n")));
        *response.status_mut() = status;
        Some(response)
    }
}

impl Inner {
    /// Says in the answer to a downloader who hands on pushes to us, where nobody can connect to us
    /// (protocol §6.6): it may want more of us later.
    pub(super) fn tell_proxies(&self, headers: &mut HeaderMap) {
        let Some(info) = self.introduction() else {
            return;
        };
        let proxies = info.who.proxies.iter().map(ToString::to_string);
        let proxies = proxies.collect::<Vec<_>>().join(", ");
        for (name, value) in [
            ("x-push-proxies", proxies),
            ("x-fw-node-info", info.to_string()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }

    /// Who we are and who hands on pushes to us, where nobody can connect to us.
    pub(super) fn introduction(&self) -> Option<NodeInfo> {
        let core = self.core();
        if !core.servent.is_hidden(&core.settings) {
            return None;
        }
        let proxies = core.servent.push_proxies();
        let proxies: Vec<_> = proxies.iter().map(|proxy| proxy.address).collect();
        let ip = core.advertised.ip();
        let servent = self.guid;
        (!proxies.is_empty()).then(|| NodeInfo {
            who: Firewalled { servent, proxies },
            at: (!ip.is_unspecified()).then(|| SocketAddrV4::new(ip, self.address.port())),
        })
    }
}

impl Core {
    /// Has a push handed on.
    fn hand_on(&mut self, from: SocketAddr, asked: &PushRequest) -> Result<Pushed, Drop> {
        let mut extensions = Extensions::new();
        if asked.tls {
            extensions.push(Id::TLS, bytes::Bytes::new());
        }
        let push = Push {
            servent: asked.servent,
            index: asked.index,
            ip: *asked.to.ip(),
            port: asked.to.port(),
            extensions,
        };
        self.with(None, |servent, now, around| {
            servent.push_for(now, from, &push, around)
        })
        .0
    }
}
