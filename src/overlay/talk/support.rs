//! What each side reads and can, told once after the handshake (protocol §2.8, §8.6).

use super::tell_anew;
use crate::overlay::neighbour::Offer;
use crate::overlay::{Instant, Link, Servent, Settings, Surroundings};
use crate::wire::vendor::{Features, Name, Vendor};

/// Every vendor message that we take, in each version.
const READ: [Name; 18] = [
    Name::HOPS_FLOW,
    Name::TCP_CONNECT_BACK,
    Name::TCP_CONNECT_BACK_REDIRECT,
    Name::UDP_CONNECT_BACK_V1,
    Name::UDP_CONNECT_BACK,
    Name::UDP_CONNECT_BACK_REDIRECT,
    Name::GUIDANCE_REQUEST,
    Name::GUIDANCE,
    Name::PUSH_PROXY_REQUEST,
    Name::PUSH_PROXY_REQUEST_V2,
    Name::PUSH_PROXY_ACK,
    Name::PUSH_PROXY_CANCEL,
    Name::HEAD_PING,
    Name::HEAD_PING_V2,
    Name::HEAD_PONG,
    Name::HEAD_PONG_V2,
    Name::TIME_SYNC_REQUEST,
    Name::NODE_INFO_REQUEST,
];

/// Patches of query routing tables with one bit a slot.
const ONE_BIT_PATCHES: ([u8; 4], u16) = (*b"QRP1", 1);
/// Connections from strangers.
const REACHED: ([u8; 4], u16) = (*b"TCPI", 1);
/// Encrypted connections.
const ENCRYPTS: ([u8; 4], u16) = (*b"TLS!", 1);

impl Servent {
    /// Tells a new neighbour what we read and can, if it reads vendor messages at all.
    pub(in crate::overlay) fn tell_support(
        &self,
        link: Link,
        offer: Offer,
        around: &mut Surroundings<'_>,
    ) {
        if !offer.vendor {
            return;
        }
        tell_anew(link, &Vendor::MessagesSupported(READ.to_vec()), around);
        let features = self.features(around.settings);
        tell_anew(link, &Vendor::Features(features), around);
    }

    /// A neighbour tells what it reads.
    pub(super) fn hear_support(
        &mut self,
        now: Instant,
        link: Link,
        mut reads: Vec<Name>,
        around: &mut Surroundings<'_>,
    ) {
        reads.truncate(around.settings.limits.messages_kept);
        self.peer(link).reads = reads.into();
        self.ask_push_proxy(link, around);
        self.ask_connect_back(now, link, around);
    }

    /// A neighbour tells what it can.
    pub(super) fn hear_features(
        &mut self,
        link: Link,
        mut features: Features,
        around: &Surroundings<'_>,
    ) {
        let most = around.settings.limits.messages_kept;
        features.narrow.truncate(most);
        features.narrow.shrink_to_fit();
        features.wide = None;
        self.peer(link).features = Some(features);
    }

    fn features(&self, settings: &Settings) -> Features {
        let encrypts = settings.tls.then_some(ENCRYPTS);
        let reached = (self.reachability().tcp == Some(true)).then_some(REACHED);
        let all = [Some(ONE_BIT_PATCHES), encrypts, reached];
        Features {
            narrow: all.into_iter().flatten().collect(),
            wide: None,
        }
    }
}
