//! Errands: what the servent wants done beside its links, carried out without the lock: datagrams,
//! connections that show others whether they can be reached, and those that a push asks for
//! (protocol §6.2, §13).

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::{self, Either, FutureExt};
use futures::io::AsyncWriteExt;
use futures::stream::StreamExt;

use super::Node;
use super::links;
use crate::net::dial::dial;
use crate::net::network::End;
use crate::net::udp::{self, Udp};
use crate::net::{Rewind, Stream};
use crate::runtime;

/// Time to reach whoever asked for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Errands that may wait; what comes on top is not done. Datagrams get lost anyway, and whoever
/// wants a connection asks again.
const WAITING: usize = 256;

/// Connections opened for others at once.
const OUTSIDE: u64 = 64;

/// Something to do.
#[derive(Debug)]
pub(super) enum Errand {
    /// Send a datagram.
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// All of it.
        bytes: Bytes,
    },
    /// Connect, say so, and close.
    ConnectBack {
        /// Where to.
        to: SocketAddr,
    },
    /// Connect, say `GIV`, and serve.
    GiveBack {
        /// Where to.
        to: SocketAddr,
        /// The number of the file wanted.
        index: u32,
        /// Whether TLS comes first.
        tls: bool,
    },
}

/// The two ends of the way to who carries errands out.
pub(super) fn channel() -> (mpsc::Sender<Errand>, mpsc::Receiver<Errand>) {
    mpsc::channel(WAITING)
}

/// Hands in the datagrams that come until the node stops.
pub(super) async fn listen(node: Node, udp: Udp) {
    let stopped = node.0.stop.stopped();
    let receiving = udp.receive(udp::LIMITS, |batch| {
        node.0.core().receive_datagrams(batch);
        ControlFlow::Continue(())
    });
    future::select(receiving.boxed(), stopped).await;
}

/// Carries out errands until the node stops.
pub(super) async fn run(node: Node, udp: Udp, mut errands: mpsc::Receiver<Errand>) {
    let mut stopped = node.0.stop.stopped();
    loop {
        let next = future::select(errands.next(), &mut stopped).await;
        let Either::Left((Some(errand), _)) = next else {
            return;
        };
        match errand {
            Errand::Datagram { to, bytes } => {
                if let Err(error) = udp.send(to, &bytes).await {
                    log::debug!("no datagram to {to}: {error}");
                }
            }
            Errand::ConnectBack { to } => outside(&node, show_reached(node.clone(), to)),
            Errand::GiveBack { to, index, tls } => {
                outside(&node, give_back(node.clone(), to, index, tls));
            }
        }
    }
}

/// Runs what opens a connection for somebody, if not too many do.
fn outside(node: &Node, task: impl Future<Output = ()> + Send + 'static) {
    if node.0.outside.fetch_add(1, Ordering::Relaxed) >= OUTSIDE {
        node.0.outside.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let node = node.clone();
    runtime::spawn_detached(async move {
        let stopped = node.0.stop.stopped();
        future::select(task.boxed(), stopped).await;
        node.0.outside.fetch_sub(1, Ordering::Relaxed);
    });
}

/// Shows somebody that it can be connected to (protocol §8.6).
async fn show_reached(node: Node, to: SocketAddr) {
    let shown = async {
        let stream = runtime::connect(node.0.dial_from, to, CONNECT).await?;
        let mut stream = Stream::from(stream);
        stream.write_all(b"\n\n").await?;
        stream.close().await
    };
    match runtime::timeout(CONNECT, shown).await {
        Ok(Ok(())) => log::debug!("{to} can be connected to"),
        Ok(Err(error)) => log::debug!("{to} cannot be connected to: {error}"),
        Err(error) => log::debug!("{to} cannot be connected to: {error}"),
    }
}

/// Connects to somebody who could not connect to us, and serves it (protocol §6.2).
async fn give_back(node: Node, to: SocketAddr, index: u32, tls: bool) {
    let first = node.0.first_tls();
    let tls = if tls { &node.0.policy.tls } else { &first };
    let connected = async {
        let dialled = dial(node.0.dial_from, to, CONNECT, tls).await;
        let mut stream = dialled.map_err(|error| error.to_string())?;
        let giv = format!("GIV {index}:{}/file\n\n", node.0.guid);
        let said = stream.write_all(giv.as_bytes()).await;
        said.and(stream.flush().await)
            .map_err(|error| error.to_string())?;
        Ok::<_, String>(stream)
    };
    match connected.await {
        Ok(stream) => {
            let stream = Rewind::new(Bytes::new(), stream);
            links::serve(node.clone(), stream, to, End::Asking).await;
        }
        Err(error) => log::debug!("pushed to {to} in vain: {error}"),
    }
}
