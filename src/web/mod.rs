//! The control plane on its own loopback port.
//!
//! The only room that names the web framework; handlers hold no logic beyond `api`. Every request
//! passes the `guard` first: names that only this machine has, no page of another origin, and
//! the token. Errors are problem documents (RFC 9457) with a short word that does not change.

mod exposition;
mod guard;
mod problem;
mod routes;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::{self, HttpBody};
use futures::channel::oneshot;
use futures::{StreamExt, TryStreamExt, stream};
use thiserror::Error;
use tower_service::Service;

use crate::api::{Access, Api, Node};
use crate::net::http::{self, Body, Incoming, Request, Response};
use crate::net::listener::Listener;
use crate::runtime::{self, JoinHandle};

/// The port of the control plane, where nothing else is asked for.
pub const PORT: u16 = 7346;

/// Connections at a time; more wait until one ends.
const MAX_CONNECTIONS: usize = 256;
/// How long a stop waits for answers under way.
const PARTING: Duration = Duration::from_secs(1);

/// What a control plane is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to listen: a loopback address. Without it [`PORT`] on 127.0.0.1, or a free port
    /// when that one is taken.
    pub address: Option<SocketAddr>,
    /// The home whose token is asked for and where the address is written down. Without it the
    /// token is a fresh one that only the caller knows.
    pub home: Option<PathBuf>,
}

/// Why there is no control plane.
#[derive(Debug, Error)]
pub enum Error {
    /// Others could come in.
    #[error("the control plane listens on loopback addresses only, and {0} is none")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("the control plane cannot listen on {address}: {cause}; choose another with --api")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The files for its clients cannot be written.
    #[error("cannot keep address and token of the control plane in {}: {cause}", home.display())]
    Home {
        /// The home.
        home: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// A running control plane.
#[derive(Debug)]
#[must_use = "stop it, so that answers under way are finished"]
pub struct ControlPlane {
    access: Access,
    home: Option<PathBuf>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ControlPlane {
    /// Where it is, and the word that opens it.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// Takes no more connections and finishes the answers under way, if that takes no longer than
    /// a second.
    pub async fn stop(self) {
        if let Some(home) = self.home {
            runtime::spawn_blocking(move || Access::withdraw(&home)).await;
        }
        drop(self.stop);
        if runtime::timeout(PARTING, self.task).await.is_err() {
            log::debug!("the control plane left connections open");
        }
    }
}

/// Opens the control plane of a node.
///
/// # Errors
/// When the address is no loopback address or taken, or the home cannot be written to.
pub async fn serve(node: Node, options: Options) -> Result<ControlPlane, Error> {
    let Options { address, home } = options;
    let (listener, address) = listen(address).await?;
    let token = match home.clone() {
        None => Access::fresh_token(),
        Some(home) => runtime::spawn_blocking(move || publish(home, address)).await?,
    };
    let access = Access { address, token };
    let router = routes::router(Api::new(node), &access.token);
    let (stop, stopped) = oneshot::channel();
    let task = runtime::spawn(accept(listener, router, stopped));
    Ok(ControlPlane {
        access,
        home,
        stop,
        task,
    })
}

async fn listen(address: Option<SocketAddr>) -> Result<(Listener, SocketAddr), Error> {
    let wanted = address.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, PORT).into());
    if !wanted.ip().is_loopback() {
        return Err(Error::NotLoopback(wanted));
    }
    let mut bound = Listener::bind(wanted).await;
    if bound.is_err() && address.is_none() {
        bound = Listener::bind((wanted.ip(), 0).into()).await;
    }
    let listener = bound.map_err(|cause| Error::Listen {
        address: wanted,
        cause,
    })?;
    let address = listener.address();
    Ok((listener, address))
}

fn publish(home: PathBuf, address: SocketAddr) -> Result<String, Error> {
    let published = Access::token_of(&home).and_then(|token| {
        Access::publish(&home, address)?;
        Ok(token)
    });
    published.map_err(|cause| Error::Home { home, cause })
}

/// Answers on every connection until the stop, then finishes what is under way.
async fn accept(listener: Listener, router: Router, stopped: oneshot::Receiver<()>) {
    let connections = stream::unfold(listener, async |listener| {
        let (connection, _) = listener.accept().await;
        Some((connection, listener))
    });
    connections
        .take_until(stopped)
        .for_each_concurrent(MAX_CONNECTIONS, async |connection| {
            let respond = |request| respond(router.clone(), request);
            if let Err(error) = http::serve(connection, respond).await {
                log::debug!("control plane: {error}");
            }
        })
        .await;
}

/// Between the two kinds of bodies: that of the sockets and that of the routes.
async fn respond(mut router: Router, request: Request<Incoming>) -> Response<Body> {
    let Ok(response) = router.call(request.map(body::Body::new)).await;
    response.map(|body| {
        let length = body.size_hint().exact();
        Body::stream(body.into_data_stream().map_err(io::Error::other), length)
    })
}
