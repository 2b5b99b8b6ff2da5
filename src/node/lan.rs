//! Servents of the local network, heard by their beacons.
//!
//! A beacon is a rumour like any other: whoever sends it may be dialled when a neighbour is wanted,
//! and the handshake decides.

use std::net::{IpAddr, SocketAddr};

use futures::future::{self, Either, FutureExt};

use super::Node;
use super::error::Error;
use crate::net::beacon::{Beacon, Lan, NetworkId};
use crate::net::network::Network;
use crate::wire::Guid;

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
    /// Takes note of who is heard until the node stops.
    pub(super) async fn keep_lan(self, lan: Lan) {
        let hearing = lan.run(|address, _| self.0.core().hear(address));
        let stopped = self.0.stop.stopped();
        if let Either::Left(_) = future::select(hearing.boxed(), stopped).await {
            log::warn!("the local network is not listened to any more");
        }
    }
}
