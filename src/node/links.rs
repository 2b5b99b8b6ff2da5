//! Links: the one port and what comes in on it, dialling, and the life of a neighbour.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{self, Either, FutureExt};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::core::{Dial, Neighbour};
use super::error::Error;
use super::gate::{self, Gate};
use super::greeting::Met;
use super::outbox::Outbox;
use super::state::Direction;
use super::{Inner, Node};
use crate::net::handshake::{self, HandshakeError, Shaken, Tls};
use crate::net::link::LinkError;
use crate::net::listener::Listener;
use crate::net::network::End;
use crate::net::sniff::Opening;
use crate::net::{Rewind, Stream, dial, http, link};
use crate::overlay::membership::{Meeting, Outcome};
use crate::overlay::rate::Pace;
use crate::overlay::slots::{Caller, Refusal};
use crate::runtime;
use crate::wire::bye::Bye;
use crate::wire::handshake::{Block, Greeting};

/// Time to reach a servent (protocol §2.2).
const CONNECT: Duration = Duration::from_secs(10);
/// Time after which a link on which nothing came is dead (protocol §3.5).
const SILENCE: Duration = Duration::from_secs(180);
/// Time in which a neighbour must take something of what waits for it.
const STALL: Duration = Duration::from_secs(60);
/// Time in which a goodbye may still be read.
const LINGER: Duration = Duration::from_secs(2);
/// Pause between two looks at what still comes over a connection that ends.
const SIP: Duration = Duration::from_millis(10);
/// Connections that speak HTTP at once.
const SERVING: u64 = 512;
/// Connections that have not yet said what they want.
const OPENING: u64 = 256;

/// Takes connections until the node stops.
pub(super) async fn accept(node: Node, listener: Listener) {
    let mut stopped = node.0.stop.stopped();
    loop {
        let (stream, from) = match future::select(listener.accept().boxed(), &mut stopped).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(_) => return,
        };
        if node.0.inbound {
            node.0.core().reached(from);
            if node.0.opening.fetch_add(1, Ordering::Relaxed) < OPENING {
                let node = node.clone();
                runtime::spawn_detached(async move { open(node, stream, from).await });
            } else {
                node.0.opening.fetch_sub(1, Ordering::Relaxed);
            }
        }
        // Somebody may open more of them without end.
        runtime::yield_now().await;
    }
}

/// Learns what a connection wants and gives it to whom it concerns.
async fn open(node: Node, stream: Stream, from: SocketAddr) {
    let opening = node.0.sniffer.sniff(stream).await;
    if let Ok(Opening::Gnutella(stream)) = opening {
        welcome(node, stream, from).await;
        return;
    }
    node.0.opening.fetch_sub(1, Ordering::Relaxed);
    match opening {
        Ok(Opening::Http(stream)) => {
            serve(node, stream, from, End::Answering).await;
        }
        Ok(Opening::Giv {
            servent, stream, ..
        }) => {
            if !node.0.callees().came(Instant::now(), servent, stream) {
                log::debug!("{from} was pushed by nobody here: {servent}");
            }
        }
        Ok(Opening::Queue { id, stream }) => {
            if !node.0.turns().came(from.ip(), &id, stream) {
                log::debug!("{from} calls for a place that is not ours: {id}");
            }
        }
        Ok(Opening::Gnutella(_) | Opening::Other) => {}
        Err(error) => log::debug!("{from} said nothing sensible: {error}"),
    }
}

/// Answers the requests for files that come on a connection, at which end of it we are.
pub(super) async fn serve(node: Node, stream: Rewind<Stream>, from: SocketAddr, end: End) {
    let serving = Arc::clone(&node.0);
    if serving.serving.fetch_add(1, Ordering::Relaxed) >= SERVING {
        serving.serving.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let stopped = node.0.stop.stopped();
    let gate = Gate::new(node.0.network.as_ref(), stream.get_ref(), end);
    let limits = http::Limits {
        least_rate: serving.uploads.least_rate(),
        ..http::Limits::default()
    };
    let answering = http::serve_with(stream, limits, move |request| {
        let (gate, node) = (gate.clone(), node.clone());
        async move { gate.respond(&node, from, request).await }
    });
    future::select(answering.boxed(), stopped).await;
    serving.uploads.hung_up(from);
    serving.serving.fetch_sub(1, Ordering::Relaxed);
}

/// Answers a handshake.
async fn welcome(node: Node, stream: Rewind<Stream>, from: SocketAddr) {
    let inner = &node.0;
    let gate = Gate::new(inner.network.as_ref(), stream.get_ref(), End::Answering);
    let mut met = None;
    let judge = |block: &Block| {
        if let Err(stranger) = gate.check(&block.headers) {
            inner.met(stranger, from);
            return gate::refuse(stranger);
        }
        let greeting = Greeting::from_headers(&block.headers);
        let (judged, mut judgement) = inner.core().welcome(from, greeting);
        met = Some(judged);
        gate.present(judgement.headers_mut());
        judgement
    };
    let shaken = handshake::respond(stream, &inner.policy, judge).await;
    inner.opening.fetch_sub(1, Ordering::Relaxed);
    match (shaken, met) {
        (Ok(shaken), Some(mut met)) => {
            // Of a network with a name one says it last.
            let last = Greeting::from_headers(&shaken.last);
            met.greeting.listen = met.greeting.listen.or(last.listen);
            node.live(shaken, from, Direction::Incoming, &met, || {})
                .await;
        }
        (Err(error), _) => log::debug!("no link with {from}: {error}"),
        (Ok(_), None) => {}
    }
}

impl Node {
    /// Opens a link to the servent at `address`; returns once it is a neighbour.
    ///
    /// # Errors
    /// When it cannot be reached or does not want us.
    pub async fn connect(&self, address: SocketAddr) -> Result<(), Error> {
        self.reach(Dial {
            address,
            tls: false,
        })
        .await
    }

    /// Reaches a servent that the overlay wants for a neighbour.
    pub(super) async fn dial(self, dial: Dial) {
        if let Err(error) = self.reach(dial).await {
            log::info!("{error}");
            self.0.set_why(error.to_string());
        }
    }

    /// Opens a link and tells the overlay what came of it.
    async fn reach(&self, dial: Dial) -> Result<(), Error> {
        let address = dial.address;
        let failed = |why: String| {
            self.0.core().dialled(address, Outcome::Failed);
            why
        };
        let tls = match dial.tls {
            true => self.0.policy.tls.clone(),
            false => self.0.first_tls(),
        };
        let stream = dial::dial(self.0.dial_from, address, CONNECT, &tls)
            .await
            .map_err(|error| Error::Unreachable {
                address,
                why: failed(error.to_string()),
            })?;
        let gate = Gate::new(self.0.network.as_ref(), &stream, End::Asking);
        let (met, shaken) = match self.shake(address, stream, &gate).await {
            Ok(shaken) => shaken,
            Err(error) => {
                let why = error.to_string();
                let mut core = self.0.core();
                match error {
                    // What a stranger says is of no use to our network.
                    HandshakeError::Refused { code, headers, .. }
                        if gate.check(&headers).is_ok() =>
                    {
                        let greeting = &Greeting::from_headers(&headers);
                        core.dialled(address, Outcome::Refused { code, greeting });
                    }
                    HandshakeError::Declined { .. } => core.dialled(address, Outcome::Declined),
                    _ => core.dialled(address, Outcome::Failed),
                }
                return Err(Error::Handshake { address, why });
            }
        };
        let (up, is_up) = futures::channel::oneshot::channel();
        let node = self.clone();
        runtime::spawn_detached(async move {
            let tell = || {
                // Whoever dialled may have stopped waiting.
                let _gone = up.send(());
            };
            node.live(shaken, address, Direction::Outgoing, &met, tell)
                .await;
        });
        let linked = is_up.await;
        let outcome = match linked {
            Ok(()) => Outcome::Met,
            Err(_) => Outcome::Declined,
        };
        self.0.core().dialled(address, outcome);
        linked.map_err(|_| Error::Handshake {
            address,
            why: "it is a neighbour already, or all places are taken".to_owned(),
        })
    }

    /// Shakes hands with the servent that was dialled at `address`.
    async fn shake(
        &self,
        address: SocketAddr,
        stream: Stream,
        gate: &Gate,
    ) -> Result<(Met, Shaken), HandshakeError> {
        let inner = &self.0;
        let (mut ours, us) = {
            let mut core = inner.core();
            let ours = core.greet(address.ip());
            (ours.to_headers(), core.servent.role())
        };
        let kept_back = gate.keep_back(&mut ours);
        gate.present(&mut ours);
        let mut met = None;
        let judge = |block: &Block| {
            if let Err(stranger) = gate.check(&block.headers) {
                return gate::refuse(stranger);
            }
            let greeting = Greeting::from_headers(&block.headers);
            let (judged, mut judgement) = inner.core().weigh(address, us, greeting);
            met = Some(judged);
            for (name, value) in kept_back.iter() {
                judgement.headers_mut().set(name, value);
            }
            judgement
        };
        let stream = Rewind::new(Bytes::new(), stream);
        let shaken = handshake::initiate(stream, ours, &inner.policy, judge).await?;
        Ok((met.expect("a handshake that succeeds was judged"), shaken))
    }

    /// The life of a neighbour, from the end of the handshake to the end of the link.
    async fn live(
        &self,
        shaken: Shaken,
        address: SocketAddr,
        direction: Direction,
        met: &Met,
        up: impl FnOnce(),
    ) {
        let Shaken {
            mut reader,
            mut writer,
            local,
            tls,
            compressed_in,
            compressed_out,
            last,
            ..
        } = shaken;
        let inner = &self.0;
        let theirs = &met.greeting;
        let settled = inner.core().settle(met, &last);
        let role = match settled {
            Ok(role) => role,
            Err(Refusal { code, reason }) => {
                log::debug!("no link with {address}: {code} {reason}");
                return;
            }
        };
        let compressed = compressed_in && compressed_out;
        let meeting = Meeting {
            caller: Caller {
                address,
                incoming: direction == Direction::Incoming,
                greeting: theirs,
            },
            admission: met.admission,
            role,
            us: met.us,
            compressed,
        };
        let neighbour = Arc::new(Neighbour {
            address,
            direction,
            role: role.into(),
            agent: theirs.agent.clone().unwrap_or_default(),
            tls,
            compressed,
            servent: meeting.caller.servent(),
            since: Instant::now(),
            received: AtomicU64::new(0),
            outbox: Outbox::new(inner.core().settings.limits.queue_bytes),
        });
        let link = {
            let mut core = inner.core();
            let link = core.connect(&neighbour, &meeting);
            let seen = theirs.remote_ip.or_else(|| local.map(|local| local.ip()));
            if let (Some(_), Some(IpAddr::V4(seen))) = (link, seen) {
                core.hear_own_address(address.ip(), seen);
            }
            link
        };
        if link.is_some() {
            log::info!("{address} is a neighbour: {}", neighbour.agent);
            up();
            inner.links_changed.notify();
        }
        {
            let mut pace = Pace::default();
            let on_batch = |batch: &mut Vec<_>| {
                // Without a place it is only told so.
                let Some(link) = link else {
                    return ControlFlow::Continue(LINGER);
                };
                let effects = inner.core().receive(link, batch, &mut pace);
                if effects.found {
                    inner.found.notify();
                }
                ControlFlow::Continue(effects.rest)
            };
            let reading = link::read(&mut reader, SILENCE, on_batch);
            let writing = link::write(&mut writer, STALL, &neighbour.outbox);
            match future::select(reading.boxed(), writing.boxed()).await {
                Either::Left((Ok(()), _)) => log::info!("{address} closed the link"),
                Either::Left((Err(error), writing)) => {
                    log::info!("closing the link to {address}: {error}");
                    neighbour
                        .outbox
                        .finish(goodbye(&error).filter(|_| theirs.bye));
                    let _late = runtime::timeout(LINGER, writing).await;
                }
                Either::Right((result, _)) => {
                    if let Err(error) = result {
                        log::info!("the link to {address} broke: {error}");
                    }
                }
            }
        }
        if let Some(link) = link {
            inner.core().close(link);
            inner.links_changed.notify();
        }
        drain(&mut reader, &mut writer).await;
    }
}

/// What to say to a neighbour that broke the rules, or fell silent (protocol §3.6).
fn goodbye(error: &LinkError) -> Option<Bye> {
    let (code, message) = match error {
        LinkError::Frame(_) => (400, error.to_string()),
        LinkError::Silent(_) => (405, error.to_string()),
        LinkError::Io(_) | LinkError::Truncated => return None,
    };
    Some(Bye { code, message })
}

/// Ends a connection so that what was sent last is still read: closing it while something lies
/// unread would make the other side lose it.
async fn drain<R, W>(reader: &mut R, writer: &mut W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let rest = async {
        if writer.close().await.is_ok() {
            // Not part of every link's task while it lives.
            let mut scrap = vec![0; 4096];
            while reader.read(&mut scrap).await.is_ok_and(|length| length > 0) {
                // It may send without end, and the others shall not wait for that.
                runtime::sleep(SIP).await;
            }
        }
    };
    let _late = runtime::timeout(LINGER, rest).await;
}

impl Inner {
    /// TLS from the first byte, where the overlay has a secret to prove in it.
    pub(super) fn first_tls(&self) -> Tls {
        match &self.network {
            Some(network) if network.is_secret() => self.policy.tls.clone(),
            _ => Tls::Off,
        }
    }

    pub(super) fn set_why(&self, why: String) {
        *self
            .why
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(why);
    }
}
