//! Who belongs to this servent's overlay. Others are told that they do not, and nothing else: no
//! address, no file, not who is here.

use std::net::SocketAddr;

use super::{Inner, Node};
use crate::net::Stream;
use crate::net::handshake::Judgement;
use crate::net::http::{Body, Request, Response, StatusCode};
use crate::net::network::{End, Network, Side, Stranger};
use crate::transfer::upload::Visitor;
use crate::wire::handshake::{Greeting, Headers};

/// The gate to an overlay, with one connection before it.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    network: Option<Network>,
    side: Side,
}

impl Gate {
    /// For the `end` of `stream` that we hold, before anything was said on it.
    pub(super) fn new(network: Option<&Network>, stream: &Stream, end: End) -> Self {
        Self {
            network: network.cloned(),
            side: Side::of(stream, end),
        }
    }

    /// Whether whoever sent a block belongs here.
    pub(super) fn check(&self, block: &Headers) -> Result<(), Stranger> {
        self.side.check_block(self.network.as_ref(), block)
    }

    /// Shows in a block that we belong here.
    pub(super) fn present(&self, block: &mut Headers) {
        for (name, value) in self.network.iter().flat_map(|own| own.headers(&self.side)) {
            block.set(name, value);
        }
    }

    /// Takes out of the first block what only members may know; it belongs into the last one, when
    /// the other side has shown that it is one.
    pub(super) fn keep_back(&self, first: &mut Headers) -> Headers {
        let mut last = Headers::new();
        if self.network.is_some() {
            let listen = Greeting::from_headers(first).listen;
            let greeting = Greeting {
                listen,
                ..Greeting::default()
            };
            for (name, value) in greeting.to_headers().iter() {
                first.remove(name);
                last.set(name, value);
            }
        }
        last
    }

    /// Answers an HTTP request, if it comes from a member.
    pub(super) async fn respond<B>(
        &self,
        node: &Node,
        from: SocketAddr,
        request: Request<B>,
    ) -> Response<Body> {
        let network = self.network.as_ref();
        let head = request.headers();
        if let Err(stranger) = self.side.check_http(network, head) {
            let mut response = Response::new(Body::from(format!("{stranger}\n")));
            *response.status_mut() = StatusCode::FORBIDDEN;
            return response;
        }
        let special = node.0.hand_on(from, &request);
        let mut response = match special.or_else(|| node.browsed(from, &request)) {
            Some(response) => response,
            None => {
                let visitor = Visitor {
                    address: from,
                    key: self.side.key,
                };
                let mut response = node.0.uploads.respond(visitor, request).await;
                node.0.tell_proxies(response.headers_mut());
                response
            }
        };
        if let Some(network) = network {
            network.put(&self.side, response.headers_mut());
        }
        response
    }
}

/// What a stranger is told.
pub(super) fn refuse(stranger: Stranger) -> Judgement {
    Judgement::Refuse {
        code: 403,
        reason: stranger.to_string(),
        headers: Headers::new(),
    }
}

impl Inner {
    /// Makes it known to the user that a stranger was met.
    pub(super) fn met(&self, stranger: Stranger, at: SocketAddr) {
        let why = match (stranger, &self.network) {
            (Stranger::Elsewhere, None) => "it belongs to a network with a name",
            (Stranger::Elsewhere, Some(_)) => "it belongs to another network, or to none",
            (Stranger::Unproven, _) => {
                "it did not prove the secret of the network: do both have the same one?"
            }
        };
        log::info!("refused {at}: {why}");
        self.set_why(format!("refused {at}: {why}"));
    }
}
