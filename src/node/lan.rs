//! Servents of the local network, heard by their beacons and linked with.
//!
//! A beacon is a rumour like any other: whoever sends it is dialled, and the handshake decides.
//! They are dialled one after the other; of those who wait, the surplus is let go, since each is
//! heard again soon.

use std::net::{IpAddr, SocketAddr};

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::{self, Either, FutureExt};

use super::error::Error;
use super::{Inner, Node};
use crate::net::beacon::{Beacon, Lan, NetworkId};
use crate::net::network::Network;
use crate::wire::Guid;

/// Servents that wait to be dialled.
const WAITING: usize = 16;

/// Opens the ears of a servent that listens at `address`.
pub(super) fn open(
    servent: Guid,
    address: SocketAddr,
    network: Option<&Network>,
) -> Result<Lan, Error> {
    let beacon = Beacon {
        servent,
        port: address.port(),
        network: NetworkId::new(network.map(Network::name)),
        asks: true,
    };
    let ip: IpAddr = address.ip();
    Lan::open(beacon, ip).map_err(|cause| Error::Lan { cause })
}

impl Node {
    /// Links with who is heard until the node stops.
    pub(super) async fn keep_lan(self, lan: Lan) {
        let (mut tell, mut told) = mpsc::channel(WAITING);
        let hearing = lan.run(move |address, servent| {
            // Full: it will be heard again.
            let _dropped = tell.try_send((address, servent));
        });
        let dialling = async {
            while let Some((address, servent)) = told.next().await {
                if self.0.knows(servent) {
                    continue;
                }
                if let Err(error) = self.connect(address).await {
                    log::debug!("{error}");
                    self.0.set_why(error.to_string());
                }
            }
        };
        let both = future::join(hearing, dialling);
        let stopped = self.0.stop.stopped();
        if let Either::Left(_) = future::select(both.boxed(), stopped).await {
            log::warn!("the local network is not listened to any more");
        }
    }
}

impl Inner {
    /// Whether a servent is a neighbour.
    fn knows(&self, servent: Guid) -> bool {
        let core = self.core();
        let mut links = core.links.iter();
        links.any(|(_, known)| known.servent == Some(servent))
    }
}
