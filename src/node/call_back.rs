//! Having a servent connect to us that nobody can connect to: a push goes to its push proxies by
//! datagram, then by HTTP, then along the ways that its hits came, until it comes (protocol §6.4,
//! §6.5).

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{self, BoxFuture, Either};

use super::Node;
use super::callees::Callee;
use super::ground::is_reachable;
use crate::net::Rewind;
use crate::net::dial::dial;
use crate::net::handshake::Tls;
use crate::net::http::{self, Body, Request, StatusCode};
use crate::net::network::{End, Side};
use crate::runtime;
use crate::transfer::AGENT;
use crate::transfer::call_back::{CallBack, Called, Uncalled, Way};
use crate::transfer::firewalled::{Firewalled, NodeInfo};
use crate::wire::Guid;
use crate::wire::address::Reach;
use crate::wire::push::Push;

/// How long one attempt waits; a download gives up a source that is silent for 30 seconds. Who
/// comes later is kept for the attempt after it.
const PATIENCE: Duration = Duration::from_secs(18);
/// How long each way is given before the next one is gone, too.
const STAGE: Duration = Duration::from_secs(2);
/// Time to reach a servent.
const CONNECT: Duration = Duration::from_secs(10);
/// Time to reach a push proxy, and for its answer.
const PROXY: Duration = Duration::from_secs(5);

/// Has sources connect to a node.
#[derive(Clone)]
pub(super) struct Caller(pub(super) Node);

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.0.0.address).finish()
    }
}

impl Caller {
    /// Those of some push proxies that can be asked.
    fn reachable(&self, proxies: &[SocketAddrV4]) -> Vec<Reach> {
        let private = self.0.is_sheltered();
        let fit = proxies.iter().copied();
        let fit = fit.filter(|proxy| is_reachable((*proxy).into(), private));
        let tls = false;
        fit.map(|address| Reach { address, tls }).collect()
    }
}

impl CallBack for Caller {
    fn way(&self, source: SocketAddr) -> Way {
        self.0.0.callees().way(source)
    }

    fn tls(&self, source: SocketAddr) -> Option<Tls> {
        let tls = &self.0.0.policy.tls;
        let wanted = tls.is_offered() && self.0.0.callees().encrypts(source);
        wanted.then(|| tls.clone())
    }

    fn heard(&self, source: SocketAddr, servent: Option<Guid>, proxies: &[SocketAddrV4]) {
        let proxies = self.reachable(proxies);
        if !proxies.is_empty() && servent != Some(self.0.guid()) {
            self.0.0.callees().hear(source, servent, proxies);
        }
    }

    fn introduced(&self, alternate: &Firewalled) -> Option<SocketAddr> {
        let Firewalled { servent, proxies } = alternate;
        let proxies = self.reachable(proxies);
        if *servent == self.0.guid() || proxies.is_empty() {
            return None;
        }
        Some(self.0.0.callees().introduce(*servent, proxies))
    }

    fn described(&self, source: SocketAddr) -> Option<Firewalled> {
        let callees = self.0.0.callees();
        let callee = callees.callee(source)?;
        let proxies: Vec<_> = callee.proxies.iter().map(|proxy| proxy.address).collect();
        let servent = callee.servent;
        (!proxies.is_empty()).then_some(Firewalled { servent, proxies })
    }

    fn own(&self) -> Option<NodeInfo> {
        self.0.0.introduction()
    }

    fn queued(&self, at: IpAddr, id: &str) -> Option<oneshot::Receiver<Called>> {
        self.0.0.turns().wait(at, id)
    }

    fn call(&self, source: SocketAddr) -> BoxFuture<'static, Result<Called, Uncalled>> {
        self.0.clone().call(source).boxed()
    }
}

impl Node {
    /// A connection to a servent, whichever side opens it, and which end of it we hold.
    pub(super) async fn reach_source(&self, source: SocketAddr) -> Result<(Called, End), String> {
        let way = self.0.callees().way(source);
        let first = match way {
            Way::Call | Way::CallFirst => self.call_source(source).await,
            Way::Dial | Way::DialFirst => self.dial_source(source).await,
        };
        match (way, first) {
            // The reason of the call tells more.
            (Way::CallFirst, Err(uncalled)) => self.dial_source(source).await.map_err(|_| uncalled),
            (Way::DialFirst, Err(_)) => self.call_source(source).await,
            (_, first) => first,
        }
    }

    async fn dial_source(&self, source: SocketAddr) -> Result<(Called, End), String> {
        let tls = self.0.first_tls();
        let stream = dial(self.0.dial_from, source, CONNECT, &tls).await;
        let stream = stream.map_err(|error| error.to_string())?;
        Ok((Rewind::new(Bytes::new(), stream), End::Asking))
    }

    async fn call_source(&self, source: SocketAddr) -> Result<(Called, End), String> {
        let called = self.clone().call(source).await;
        let called = called.map_err(|uncalled| uncalled.to_string())?;
        Ok((called, End::Answering))
    }

    async fn call(self, source: SocketAddr) -> Result<Called, Uncalled> {
        let callee = self.0.callees().callee(source).cloned();
        let callee = callee.ok_or(Uncalled::NoWay)?;
        let tls = self.0.network.as_ref().is_some_and(|own| own.is_secret());
        let push = {
            let core = self.0.core();
            let (servent, index) = (callee.servent, callee.index);
            core.servent.own_push(servent, index, tls, &core.settings)
        };
        let push = push.ok_or(Uncalled::Unreachable)?;
        let waiting = self.0.callees().expect(Instant::now(), push.servent)?;
        let asking = async {
            match self.ask_to_connect(source, &callee, &push).await {
                true => future::pending().await,
                false => Uncalled::NoWay,
            }
        };
        let coming = future::select(waiting, asking.boxed());
        match runtime::timeout(PATIENCE, coming).await {
            Ok(Either::Left((Ok(stream), _))) => Ok(stream),
            Ok(Either::Right((why, _))) => Err(why),
            Ok(Either::Left((Err(_), _))) | Err(_) => Err(Uncalled::Silent),
        }
    }

    /// Sends the push on one way after the other; says whether anybody could be told.
    async fn ask_to_connect(&self, source: SocketAddr, callee: &Callee, push: &Push) -> bool {
        let proxies = &callee.proxies;
        let mut told = false;
        // Where datagrams are heard at all. The servent itself may hear them, too.
        if self.0.network.is_none() {
            let mut to: Vec<_> = proxies.iter().map(|proxy| proxy.address).collect();
            if let (SocketAddr::V4(own), false) =
                (source, self.0.callees().way(source) == Way::Call)
            {
                to.push(own);
            }
            told |= !proxies.is_empty();
            self.0.core().with(None, |servent, _, around| {
                servent.send_push(push, &to, around);
            });
        }
        if !proxies.is_empty() {
            if told {
                runtime::sleep(STAGE).await;
            }
            let asked = proxies.iter().map(|proxy| self.ask_proxy(*proxy, push));
            let taken = future::join_all(asked).await.contains(&true);
            told |= taken;
            if taken {
                runtime::sleep(STAGE).await;
            }
        }
        let (routed, _) = self.0.core().with(None, |servent, now, around| {
            servent.route_push(now, push, around)
        });
        told | routed
    }

    /// Asks a push proxy by HTTP; says whether it handed the push on.
    async fn ask_proxy(&self, proxy: Reach, push: &Push) -> bool {
        let address = SocketAddr::V4(proxy.address);
        match runtime::timeout(2 * PROXY, self.request_push(address, push)).await {
            Ok(Ok(status)) => {
                log::debug!("the push proxy {address} answers {status}");
                matches!(
                    status,
                    StatusCode::OK
                        | StatusCode::ACCEPTED
                        | StatusCode::NON_AUTHORITATIVE_INFORMATION
                )
            }
            Ok(Err(why)) => {
                log::debug!("no answer of the push proxy {address}: {why}");
                false
            }
            Err(late) => {
                log::debug!("no answer of the push proxy {address}: {late}");
                false
            }
        }
    }

    async fn request_push(&self, proxy: SocketAddr, push: &Push) -> Result<StatusCode, String> {
        let tls = self.0.first_tls();
        let stream = dial(self.0.dial_from, proxy, PROXY, &tls).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let side = Side::of(&stream, End::Asking);
        let limits = http::Limits {
            head: PROXY,
            ..http::Limits::default()
        };
        let client = http::connect_with(stream, limits).await;
        let mut client = client.map_err(|error| error.to_string())?;
        let mut request = Request::head(push_path(
            push.servent,
            push.index,
            !push.extensions.is_empty(),
        ))
        .header("Host", proxy.to_string())
        .header("User-Agent", AGENT)
        .header("X-Node", push.address().to_string())
        .header("Connection", "close")
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
        let network = self.0.network.as_ref();
        if let Some(network) = network {
            network.put(&side, request.headers_mut());
        }
        let answer = client
            .send(request)
            .await
            .map_err(|error| error.to_string())?;
        let ours = side.check_http(network, answer.headers());
        ours.map_err(|stranger| stranger.to_string())?;
        Ok(answer.status())
    }
}

/// What a push proxy is asked by.
fn push_path(servent: Guid, index: u32, tls: bool) -> String {
    let servent = BASE32_NOPAD.encode(servent.as_bytes());
    let tls = if tls { "&tls=true" } else { "" };
    format!("/gnutella/push-proxy?ServerId={servent}&file={index}{tls}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::HeaderMap;
    use crate::transfer::push_request::{PushRequest, push_request};

    #[test]
    fn a_proxy_understands_what_it_is_asked() {
        let servent = Guid::from_bytes([0xa7; 16]);
        let path = push_path(servent, 9, true);
        let (path, query) = path.split_once('?').unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-node", "192.0.2.1:6346".parse().unwrap());
        let asked = push_request(path, Some(query), &headers);
        let expected = PushRequest {
            servent,
            to: "192.0.2.1:6346".parse().unwrap(),
            index: 9,
            tls: true,
        };
        assert_eq!(asked, Some(Ok(expected)));
    }
}
